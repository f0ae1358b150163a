"""Parses TOML, with the line of every part.

`tomllib` parses the document but gives no positions. A second pass over the valid text finds them: it follows keys and
skips values.
"""

from __future__ import annotations

import re
import tomllib

from imagesig import limits
from imagesig.encoding.located import LineIndex, Located, Path, decode
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.patterns import regex

_BLANK = regex(r"(?:[ \t\n]|#[^\n]*)*")
_BARE_KEY = regex(r"[A-Za-z0-9_-]+")
_BASIC = regex(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = regex(r"'[^'\n]*'")
_LONG_BASIC = regex(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}', re.DOTALL)
_LONG_LITERAL = regex(r"'''(?:[^']|'{1,2}(?!'))*'{3,5}")
_SCALAR = regex(r"[^,\]}#\n]+")
_LONG_KEY = regex(
    r"""(?<![A-Za-z0-9_-])(?:(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+)"""
    rf"{{{limits.TOML_KEY_PARTS}}}"
)
"""Keys that `tomllib` must not get: its time is quadratic in the number of a key's parts."""
_LINE_OF_ERROR = regex(r"\(at line (\d+), column \d+\)$")


def parse(data: bytes, what: str) -> Located:
    """The document. `what` names it in errors, which start with `what:line:`.

    Raises:
        MalformedError: not TOML 1.0.
        LimitExceeded: nested too deeply, or a key of more than `limits.TOML_KEY_PARTS` parts.
    """
    text = decode(data, what).replace("\r\n", "\n")
    if match := _LONG_KEY.search(text):
        line = text.count("\n", 0, match.start()) + 1
        raise LimitExceeded(f"{what}:{line}: more than {limits.TOML_KEY_PARTS} names joined by dots")
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MalformedError(_explained(str(error), text, what)) from None
    except RecursionError:
        raise LimitExceeded(f"{what}:1: nested too deep") from None
    except ValueError:  # an integer of thousands of digits
        raise MalformedError(f"{what}:1: not TOML: a number with too many digits") from None
    return Located(value, _Reader(text).lines())


def _explained(message: str, text: str, what: str) -> str:
    match = _LINE_OF_ERROR.search(message)
    line = int(match[1]) if match else max(1, len(text.rstrip("\n").split("\n")))
    reason = message[: match.start()].rstrip() if match else message
    twice = ("Cannot overwrite", "Cannot declare", "Duplicate", "Cannot mutate", "Cannot redefine")
    if reason.startswith(twice):
        reason = f"a key or table occurs twice ({reason})"
    return f"{what}:{line}: not TOML: {reason}"


class _Reader:
    """Follows the keys of valid TOML."""

    def __init__(self, text: str) -> None:
        self._text, self._position = text, 0
        self._index = LineIndex(text)
        self._lines: dict[Path, int] = {}
        self._last: dict[Path, int] = {}
        """The last position in each array of tables."""

    def lines(self) -> dict[Path, int]:
        table: Path = ()
        self._skip_blank()
        while self._position < len(self._text):
            if self._take("[["):
                table = self._header(is_array=True)
            elif self._take("["):
                table = self._header(is_array=False)
            else:
                self._key_and_value(table)
            self._skip_blank()
        return self._lines

    def _header(self, *, is_array: bool) -> Path:
        line = self._index.line(self._position)
        names = self._key()
        self._take("]]" if is_array else "]")
        path: Path = ()
        for number, name in enumerate(names, 1):
            path = (*path, name)
            self._lines.setdefault(path, line)
            if is_array and number == len(names):
                self._last[path] = self._last.get(path, -1) + 1
            if path in self._last:
                path = (*path, self._last[path])
                self._lines.setdefault(path, line)
        return path

    def _key_and_value(self, table: Path) -> None:
        line = self._index.line(self._position)
        path = table
        for name in self._key():
            path = (*path, name)
            self._lines.setdefault(path, line)
        self._take("=")
        self._value(path)

    def _key(self) -> list[str]:
        """A dotted key's parts, with the blanks after it."""
        names: list[str] = []
        while True:
            self._skip_blank()
            for pattern in (_BASIC, _LITERAL, _BARE_KEY):
                if match := pattern.match(self._text, self._position):
                    break
            else:  # not reached in valid TOML
                return names
            self._position = match.end()
            names.append(_name(match[0]))
            self._skip_blank()
            if not self._take("."):
                return names

    def _value(self, path: Path) -> None:
        self._skip_blank()
        self._lines.setdefault(path, self._index.line(self._position))
        if self._take("["):
            self._array(path)
        elif self._take("{"):
            self._skip_blank()
            while not self._take("}") and self._position < len(self._text):
                self._key_and_value(path)
                self._skip_blank()
                self._take(",")
                self._skip_blank()
        else:
            for pattern in (_LONG_BASIC, _LONG_LITERAL, _BASIC, _LITERAL, _SCALAR):
                if match := pattern.match(self._text, self._position):
                    self._position = match.end()
                    return

    def _array(self, path: Path) -> None:
        number = 0
        self._skip_blank()
        while not self._take("]") and self._position < len(self._text):
            self._value((*path, number))
            number += 1
            self._skip_blank()
            self._take(",")
            self._skip_blank()

    def _skip_blank(self) -> None:
        match = _BLANK.match(self._text, self._position)
        self._position = match.end() if match else self._position

    def _take(self, token: str) -> bool:
        found = self._text.startswith(token, self._position)
        self._position += len(token) * found
        return found


def _name(written: str) -> str:
    if written.startswith("'"):
        return written[1:-1]
    if not written.startswith('"'):
        return written
    (name,) = tomllib.loads(f"{written} = 0")
    return name
