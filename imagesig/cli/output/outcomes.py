"""The outcomes of many images, written as they come: text, one JSON document or JSON lines, and a summary."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar, get_args

from msgspec import Struct, field

from imagesig.api.outcome import Outcome
from imagesig.cli.options import choose_output
from imagesig.cli.output.failure import fail, worst
from imagesig.cli.output.progress import Bar
from imagesig.cli.output.render import JSON_VERSION
from imagesig.cli.output.terminal import document, note
from imagesig.errors import ImagesigError, Label

_Result = TypeVar("_Result")

_OUTPUT_HELP = "Format of stdout: json is one document, jsonl one line for each image as soon as it is known"

fleet_output_option = choose_output("text", "json", "jsonl", help_text=f"{_OUTPUT_HELP}.")
FOR_CI_SYSTEMS = ("sarif", "junit")
verify_output_option = choose_output(
    "text", "json", "jsonl", *FOR_CI_SYSTEMS, help_text=f"{_OUTPUT_HELP}; sarif and junit are for CI systems."
)


class Summary(Struct):
    """How many images have which outcome, and the exit status. `verb` is the label of the successful ones.

    `broken` is the error that cut the list of images short.
    """

    verb: str
    counts: dict[str, int] = field(default_factory=dict)
    statuses: set[int] = field(default_factory=set)
    broken: ImagesigError | None = None

    def count(self, outcome: Outcome[Any]) -> None:
        self.add(outcome.error)

    def add(self, error: ImagesigError | None, label: str = "") -> None:
        label = label or (self.verb if error is None else error.label)
        if error is not None:
            self.statuses.add(error.exit_status)
        self.counts[label] = self.counts.get(label, 0) + 1

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def status(self) -> int:
        return worst(self.statuses)

    def document(self) -> dict[str, int]:
        """The counts in JSON."""
        return {"total": self.total, **self.counts}

    def __str__(self) -> str:
        order = (self.verb, *get_args(Label))
        counted = [f"{self.counts[label]} {label}" for label in order if label in self.counts]
        return f"{self.total} images: {', '.join(counted)}"


class Writer(Protocol[_Result]):
    """One way to write outcomes to stdout. Outcomes are not kept."""

    def add(self, outcome: Outcome[_Result]) -> None: ...
    def end(self, summary: Summary) -> None: ...


class TextWriter(Generic[_Result]):
    """Text for people."""

    def __init__(self, show: Callable[[_Result], None]) -> None:
        self._show = show

    def add(self, outcome: Outcome[_Result]) -> None:
        if outcome.result is not None:
            self._show(outcome.result)

    def end(self, summary: Summary) -> None:
        """The summary goes to stderr, with the errors."""


class JsonWriter(Generic[_Result]):
    """The document that `write_json` writes, image by image, with the summary as one more member."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._started = False

    def add(self, outcome: Outcome[_Result]) -> None:
        self._open()
        text = json.dumps(outcome.document(), indent=2, ensure_ascii=True).replace("\n", "\n    ")
        document(f"{',' if self._started else ''}\n    {text}", flush=False)
        self._started = True

    def end(self, summary: Summary) -> None:
        self._open()
        counts = json.dumps(summary.document())
        broken = "" if summary.broken is None else ",\n  " + json.dumps(summary.broken.document())[1:-1]
        document(("\n  " if self._started else "") + f'],\n  "summary": {counts}{broken}\n}}\n')

    def _open(self) -> None:
        if not self._started:
            start = f'{{\n  "imagesig": {JSON_VERSION},\n  "command": {json.dumps(self._command)},\n  "images": ['
            document(start, flush=False)


class JsonLinesWriter(Generic[_Result]):
    """A line of JSON for each image."""

    def add(self, outcome: Outcome[_Result]) -> None:
        document(json.dumps({"imagesig": JSON_VERSION, "index": outcome.index, **outcome.document()}) + "\n")

    def end(self, summary: Summary) -> None:
        """Writes no summary; the last line has the error that cut the list short, if there is one."""
        if summary.broken is not None:
            document(json.dumps({"imagesig": JSON_VERSION, **summary.broken.document()}) + "\n")


class ReportWriter(Generic[_Result]):
    """A report for a CI system: one document for all outcomes."""

    def __init__(self, make: Callable[[list[Outcome[_Result]]], str]) -> None:
        self._make = make
        self._outcomes: list[Outcome[_Result]] = []

    def add(self, outcome: Outcome[_Result]) -> None:
        self._outcomes.append(outcome)

    def end(self, summary: Summary) -> None:
        document(self._make(self._outcomes) + "\n")


def report(
    outcomes: Iterable[Outcome[_Result]], writer: Writer[_Result], summary: Summary, bar: Bar
) -> Iterable[Outcome[_Result]]:
    """Writes every outcome as it comes, with errors on stderr, and yields those that have a result.

    If the list of images is cut short, the outcomes before that are written too.
    """
    for outcome in _until_broken(outcomes, summary):
        summary.count(outcome)
        bar.clear()
        writer.add(outcome)
        if outcome.error is not None:
            fail(outcome.error, where=getattr(outcome.image, "where", ""))
        else:
            yield outcome
        bar.advance(failed=outcome.error is not None)
    bar.clear()
    writer.end(summary)
    if summary.broken is not None:
        fail(summary.broken)
    if summary.total > 1:
        note(str(summary))


def _until_broken(outcomes: Iterable[Outcome[_Result]], summary: Summary) -> Iterable[Outcome[_Result]]:
    """The outcomes. An error of the list goes into the summary; raised if it comes before the first outcome."""
    try:
        yield from outcomes
    except ImagesigError as error:
        if not summary.total:
            raise
        summary.broken = error
        summary.statuses.add(error.exit_status)


def writer_for(output: str, command: str, show: Callable[[_Result], None]) -> Writer[_Result]:
    """The writer of an `--output` choice."""
    if output == "json":
        return JsonWriter(command)
    return JsonLinesWriter() if output == "jsonl" else TextWriter(show)
