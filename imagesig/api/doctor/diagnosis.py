"""The result of one step of `diagnose`, and running steps so that each one ends with a result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from imagesig.deadlines import deadline
from imagesig.errors import ImagesigError
from imagesig.external import external_call
from imagesig.text import sentence


class State(Enum):
    OK = "ok"
    NOTE = "note"
    FAILED = "failed"


class Diagnosis(Struct, frozen=True):
    """The result of one step: what was found and, unless it is fine, what to do.

    `group` names what the step is about: this installation, the key, or a repository.
    """

    area: str
    state: State
    detail: str
    hint: str = ""
    group: str = ""

    def document(self) -> dict[str, object]:
        """What `--output json` prints for it."""
        return {"area": self.area, "state": self.state.value, "detail": self.detail, "hint": self.hint}


def failed(area: str, error: ImagesigError) -> Diagnosis:
    """The result of a step that ended with an error."""
    return Diagnosis(area, State.FAILED, str(error), error.hint)


def each(area: str, steps: Iterable[Diagnosis]) -> Iterator[Diagnosis]:
    """The results as they come. An exception of a step becomes the last result of its area."""
    try:
        with external_call(area):
            yield from steps
    except ImagesigError as error:
        yield failed(area, error)


def within(seconds: float, steps: Iterator[Diagnosis]) -> Iterator[Diagnosis]:
    """The results, within so many seconds; the time that the consumer takes between two of them does not count."""
    while True:
        start = time.monotonic()
        with deadline(seconds):
            step = next(steps, None)
        seconds -= time.monotonic() - start
        if step is None:
            return
        yield step


def grouped(group: str, steps: Iterable[Diagnosis]) -> Iterator[Diagnosis]:
    """The results, each with this group. Servers and files may repeat secrets in any text: known ones are removed."""
    for step in steps:
        detail, hint = sentence(step.detail), sentence(step.hint)
        yield replace(step, group=step.group or group, detail=detail, hint=hint)


def unrepeated(steps: Iterable[Diagnosis]) -> Iterator[Diagnosis]:
    """The results. A failure of the same server for the same reason only names the step that failed first."""
    first: dict[object, str] = {}
    for step in steps:
        fault = (step.detail.partition(": ")[0], step.detail.rpartition(": ")[2], step.hint)
        earlier = first.get(step.detail) or first.get(fault)
        if step.state is State.FAILED and earlier not in (None, step.area):
            yield replace(step, state=State.NOTE, detail=f"fails as the step {earlier} does", hint="")
        else:
            if step.state is State.FAILED:
                first.setdefault(step.detail, step.area)
                first.setdefault(fault, step.area)
            yield step


class Steps:
    """Runs the steps for one server in order, each caught.

    After a step in `needed` failed, those that ask the server are not tried: they would fail for the same reason.
    """

    def __init__(self) -> None:
        self._lost = ""

    @property
    def is_lost(self) -> bool:
        """Whether the server cannot be asked."""
        return bool(self._lost)

    def run(
        self, area: str, make: Callable[[], Iterable[Diagnosis]], *, asks: bool = True, needed: bool = False
    ) -> Iterator[Diagnosis]:
        """The results of one step. `make` is not called if it asks a server that cannot be asked."""
        if asks and self._lost:
            yield Diagnosis(area, State.NOTE, f"not tried: the step {self._lost} failed")
            return
        for step in each(area, _late(make)):
            if needed and step.state is State.FAILED:
                self._lost = self._lost or step.area
            yield step


def _late(make: Callable[[], Iterable[Diagnosis]]) -> Iterator[Diagnosis]:
    yield from make()
