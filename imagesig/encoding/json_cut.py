"""One large member of a JSON document, cut out, so that the rest can be read strictly and cheaply.

Only the bounds of the value are found here. The caller reads the rest, with a small value in its place, as strict JSON.
"""

from __future__ import annotations

import re

from imagesig.errors import MalformedError
from imagesig.redacted import RedactedStruct

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},:]', re.DOTALL)
_BLANK = re.compile(rb"[ \t\n\r]*+")
_TOKENS = 100_000
"""Tokens before the member; a statement with 1024 subjects has about 20,000."""


class Place(RedactedStruct, frozen=True):
    """Where the value of a member begins. `text_end` is the end of a value that is text, 0 for another value."""

    start: int
    text_end: int = 0


def find_member(data: bytes | memoryview, name: str, what: str, depth: int = 1) -> Place | None:
    """The first member with this name at this depth (1 is the document's own); None if there is none.

    The name must be written without escapes. A second member of the name is left in the rest, and refused there.

    Raises:
        MalformedError: there are too many values before the member.
    """
    wanted = b'"%b"' % name.encode()
    level, key_end = 0, 0
    tokens = _TOKEN.finditer(data)
    for number, match in enumerate(tokens):
        if number == _TOKENS:
            raise MalformedError(f"{what}: more than {_TOKENS} values before the member {name}")
        token = data[match.start()]
        if token == 0x3A and key_end:  # a colon after the name
            blank = _BLANK.match(data, match.end())
            start = blank.end() if blank else match.end()
            is_text = data[start : start + 1] == b'"'
            return Place(start, _end_of_text(data, start) if is_text else 0)
        key_end = 0
        if token in b"[{":
            level += 1
        elif token in b"]}":
            level -= 1
        elif token == 0x22 and level == depth and match.end() - match.start() == len(wanted):
            key_end = match.end() if data[match.start() : match.end()] == wanted else 0
    return None


def _end_of_text(data: bytes | memoryview, start: int) -> int:
    """The end of the text that begins here."""
    # speed: one search is ten times faster than a pattern, and base64 has no escapes (benchmarks/test_attestations.py)
    if isinstance(data, bytes):
        end = data.find(b'"', start + 1)
        if end >= 0 and data.find(b"\\", start, end) < 0:
            return end + 1
    match = _TOKEN.match(data, start)
    return match.end() if match else start


def without(data: bytes | memoryview, start: int, end: int, instead: bytes) -> bytes:
    """The document with other bytes in the place of those between the bounds."""
    return b"".join((data[:start], instead, data[end:]))
