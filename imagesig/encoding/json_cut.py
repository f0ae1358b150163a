"""One large member of a JSON document, cut out, so that the rest can be read strictly and cheaply.

Only the bounds of the value are found here. The caller reads the rest, with a small value in its place, as strict JSON.
"""

from __future__ import annotations

import re

from imagesig.errors import MalformedError

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},:]', re.DOTALL)
_BLANK = re.compile(rb"[ \t\n\r]*+")
_TOKENS = 100_000
"""Tokens before the member; a statement with 1024 subjects has about 20,000."""


def find_member(data: bytes | memoryview, name: str, what: str, depth: int = 1) -> int | None:
    """Where the value of the first member with this name at this depth begins; None if there is none.

    Depth 1 is that of the document's own members. The name must be written without escapes. A second member of
    the name is left in the rest, and refused there.

    Raises:
        MalformedError: there are too many values before the member.
    """
    wanted = b'"%b"' % name.encode()
    level, key_end = 0, 0
    for number, match in enumerate(_TOKEN.finditer(data)):
        if number == _TOKENS:
            raise MalformedError(f"{what}: more than {_TOKENS} values before the member {name}")
        token = data[match.start()]
        if token == 0x3A and key_end:  # a colon after the name
            blank = _BLANK.match(data, match.end())
            return blank.end() if blank else match.end()
        key_end = 0
        if token in b"[{":
            level += 1
        elif token in b"]}":
            level -= 1
        elif token == 0x22 and level == depth and match.end() - match.start() == len(wanted):
            key_end = match.end() if data[match.start() : match.end()] == wanted else 0
    return None


def without(data: bytes | memoryview, start: int, end: int, instead: bytes) -> bytes:
    """The document with other bytes in the place of those between the bounds."""
    return b"".join((data[:start], instead, data[end:]))
