"""Parses strict JSON (RFC 8259), with the line of every part."""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder

from imagesig import limits
from imagesig.encoding.located import LineIndex, Located, Path, decode
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.patterns import regex
from imagesig.text import quote

_SPACE = regex(r"[ \t\n\r]*")
_NUMBER = regex(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_STRINGS = JSONDecoder(strict=True)
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None}


def parse(data: bytes, what: str) -> Located:
    """The only JSON value in `data`. `what` names the document in errors, which start with `what:line:`.

    Raises:
        MalformedError: not strict JSON, which has no duplicate members and nothing after the value.
        LimitExceeded: nested deeper than `limits.JSON_DEPTH`.
    """
    return _Reader(decode(data, what), what).document()


class _Reader:
    def __init__(self, text: str, what: str) -> None:
        self._text, self._what = text, what
        self._index = LineIndex(text)
        self._lines: dict[Path, int] = {}

    def document(self) -> Located:
        value, position = self._value((), self._skip(0))
        position = self._skip(position)
        if position != len(self._text):
            raise self._refused(position, "there is text after the value")
        return Located(value, self._lines)

    def _value(self, path: Path, position: int) -> tuple[object, int]:
        self._lines.setdefault(path, self._index.line(position))
        if len(path) > limits.JSON_DEPTH:
            raise LimitExceeded(
                f"{self._what}:{self._index.line(position)}: nested deeper than {limits.JSON_DEPTH} levels"
            )
        first = self._text[position : position + 1]
        if first == "{":
            return self._object(path, position)
        if first == "[":
            return self._array(path, position)
        if first == '"':
            return self._string(position)
        if match := _NUMBER.match(self._text, position):
            return self._number(match)
        for word, value in _WORDS.items():
            if self._text.startswith(word, position):
                return value, position + len(word)
        raise self._refused(position, "a value is needed" if first else "it ends, a value is needed")

    def _object(self, path: Path, position: int) -> tuple[object, int]:
        found: dict[str, object] = {}
        position = self._skip(position + 1)
        if self._at(position, "}"):
            return found, position + 1
        while True:
            if not self._at(position, '"'):
                raise self._refused(position, "a member's name in double quotes is needed")
            start = position
            name, position = self._string(position)
            if name in found:
                raise self._refused(start, f"member {quote(name)} occurs twice in one object")
            self._lines[(*path, name)] = self._index.line(start)
            position = self._skip(position)
            if not self._at(position, ":"):
                raise self._refused(position, f"a colon is needed after {quote(name)}")
            found[name], position = self._value((*path, name), self._skip(position + 1))
            position = self._skip(position)
            if self._at(position, "}"):
                return found, position + 1
            if not self._at(position, ","):
                raise self._refused(position, "a comma or } is needed")
            position = self._skip(position + 1)

    def _array(self, path: Path, position: int) -> tuple[object, int]:
        found: list[object] = []
        position = self._skip(position + 1)
        if self._at(position, "]"):
            return found, position + 1
        while True:
            item, position = self._value((*path, len(found)), position)
            found.append(item)
            position = self._skip(position)
            if self._at(position, "]"):
                return found, position + 1
            if not self._at(position, ","):
                raise self._refused(position, "a comma or ] is needed")
            position = self._skip(position + 1)

    def _string(self, position: int) -> tuple[str, int]:
        try:
            text, end = _STRINGS.raw_decode(self._text, position)
        except JSONDecodeError as error:
            raise self._refused(error.pos, f"not a JSON string ({error.msg})") from None
        assert isinstance(text, str)
        return text, end

    def _number(self, match: re.Match[str]) -> tuple[object, int]:
        try:
            value = float(match[0]) if match[1] or match[2] else int(match[0])
        except ValueError:  # an integer of thousands of digits
            raise self._refused(match.start(), "a number with too many digits") from None
        return value, match.end()

    def _skip(self, position: int) -> int:
        match = _SPACE.match(self._text, position)
        return match.end() if match else position

    def _at(self, position: int, character: str) -> bool:
        return self._text.startswith(character, position)

    def _refused(self, position: int, why: str) -> MalformedError:
        return MalformedError(f"{self._what}:{self._index.line(position)}: not strict JSON: {why}")
