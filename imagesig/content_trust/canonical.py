"""Canonical JSON as notary signs it: keys sorted by bytes, no blanks, only `"` and `\\` escaped, whole numbers.

Spec: docker/go `canonical/json`, an OLPC dialect. Control characters are literal, so this is not always JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imagesig.errors import MalformedError
from imagesig.text import quote

_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\"})
_EXACT = 2**53
"""Larger numbers are not exact in Go's float64: two readers would see two numbers."""


def canonical_json(value: object) -> bytes:
    """The canonical bytes of a value as `imagesig.encoding.json.parse` returns it.

    Raises:
        MalformedError: a number that is not whole, or too large.
    """
    return "".join(_pieces(value)).encode("utf-8")


def _pieces(value: object) -> Iterator[str]:
    # Recursion is bounded: the parser limits the depth.
    if isinstance(value, str):
        yield f'"{value.translate(_ESCAPES)}"'
    elif value is None or isinstance(value, bool):
        yield {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, int | float):
        yield _number(value)
    elif isinstance(value, Mapping):
        before = "{"
        for name in sorted(value):  # code points sort as their UTF-8 bytes do
            yield f'{before}"{name.translate(_ESCAPES)}":'
            yield from _pieces(value[name])
            before = ","
        yield "{}" if before == "{" else "}"
    elif isinstance(value, list | tuple):
        before = "["
        for item in value:
            yield before
            yield from _pieces(item)
            before = ","
        yield "[]" if before == "[" else "]"
    else:
        raise MalformedError(f"canonical JSON: {quote(value)}, a JSON value is needed")


def _number(value: float) -> str:
    if value != int(value) or abs(value) > _EXACT:
        raise MalformedError(f"canonical JSON: the number {quote(value)}, a whole number is needed")
    return str(int(value))
