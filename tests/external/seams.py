"""Calls into other packages, made to raise: what comes out must be ours, whatever was raised.

A seam is one name that imagesig calls, in the module where it looks it up, and something to do that gets there.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from imagesig.errors import ImagesigError

KINDS: tuple[Callable[[], Exception], ...] = (
    lambda: TypeError("s3cret"),
    lambda: KeyError("s3cret"),
    lambda: AttributeError("s3cret"),
    lambda: UnicodeDecodeError("utf-8", b"s3cret\xff", 6, 7, "s3cret"),
    lambda: OSError("s3cret"),
    lambda: RecursionError("s3cret"),
    lambda: MemoryError("s3cret"),
)


class Proxy:
    """A module or an object with some of its attributes replaced."""

    def __init__(self, real: object, **replaced: object) -> None:
        self.__dict__.update(replaced)
        self.__dict__["_real"] = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@dataclass(frozen=True)
class Seam:
    """`where` is `module:attribute`, or `module:name.attribute` for an attribute of what the module calls `name`.

    `scenario` is the name of one in `scenarios.py`. `owner` is the home that the call belongs to.
    """

    where: str
    scenario: str
    owner: str

    def __str__(self) -> str:
        return f"{self.scenario} / {self.where}"


def escapes(seam: Seam, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What came out that is not ours, a line for each kind of exception. Fails where the seam is not reached."""
    found = []
    for kind in KINDS:
        reached = False

        def raiser(*_: object, kind: Callable[[], Exception] = kind, **__: object) -> object:
            nonlocal reached
            reached = True
            raise kind()

        with monkeypatch.context() as patch:
            _replace(seam.where, raiser, patch)
            raised = f"{type(kind()).__name__} at {seam.where}"
            try:
                act()
            except ImagesigError as error:
                if "s3cret" in f"{error} {error.hint}":
                    found.append(f"{raised}: its text is shown: {error}")
            except Exception as error:
                found.append(f"{raised}: {type(error).__name__} came out")
            assert reached, f"{seam} is not called any more: name what took its place"
    return found


def _replace(where: str, raiser: Callable[..., object], patch: pytest.MonkeyPatch) -> None:
    module_name, _, path = where.partition(":")
    module = importlib.import_module(module_name)
    name, _, attribute = path.partition(".")
    if attribute and module_name.startswith("imagesig."):
        patch.setattr(module, name, Proxy(getattr(module, name), **{attribute: raiser}))
    else:
        target: object = module
        *holders, last = path.split(".")
        for holder in holders:
            target = getattr(target, holder)
        patch.setattr(target, last, raiser)
