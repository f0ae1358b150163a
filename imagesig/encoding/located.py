"""A document's value together with the line in which each part of it stands, so that a refusal can name the line."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping

from msgspec import Struct

from imagesig.errors import MalformedError

_NEWLINE = re.compile("\n")

Path = tuple[str | int, ...]
"""The way to one part of a document: member names and positions in lists."""


class Located(Struct, frozen=True):
    """A value as `json.loads` and `tomllib.loads` give it. Lines count from 1; a member stands where its name does."""

    value: object
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of the part, or of the nearest part around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class LineIndex:
    """From a position in a text, in characters, to its line."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]

    def line(self, position: int) -> int:
        return bisect_right(self._starts, position)


def decode(data: bytes, what: str) -> str:
    """The text.

    Raises:
        MalformedError: not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise MalformedError(f"{what}:{line}: not UTF-8 (byte {error.start})") from None
