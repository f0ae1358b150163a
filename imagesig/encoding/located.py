"""A document's value with the line of each part, so that errors can name the line."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

from msgspec import Struct

from imagesig.encoding.json import BYTE_ORDER_MARKS
from imagesig.errors import MalformedError
from imagesig.patterns import regex

_NEWLINE = regex("\n")

Path = tuple[str | int, ...]
"""The path to one part of a document: member names and positions in lists."""


class Located(Struct, frozen=True):
    """A value of `json.loads` or `tomllib.loads`. Lines start at 1; the line of a member is that of its name."""

    value: object
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """The line of the part, or of the nearest part around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class LineIndex:
    """Finds the line of a position in a text, in characters."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]

    def line(self, position: int) -> int:
        return bisect_right(self._starts, position)


def decode(data: bytes, what: str) -> str:
    """The text.

    Raises:
        MalformedError: not UTF-8, or with a byte order mark.
    """
    if data.startswith(BYTE_ORDER_MARKS):
        raise MalformedError(f"{what}:1: it begins with a byte order mark", hint="save it as UTF-8 without the mark")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise MalformedError(f"{what}:{line}: not UTF-8 (byte {error.start})") from None
