"""One header block of a tar. Numbers and names that readers read differently are refused. Pure.

Spec: POSIX.1-2017 ustar; GNU tar's base-256 numbers. Go's archive/tar refuses a header with any damaged number.
"""

from __future__ import annotations

from functools import lru_cache

from msgspec import Struct

from imagesig.errors import LimitExceeded, MalformedError
from imagesig.patterns import regex

BLOCK_BYTES = 512
_OCTAL = regex(rb" *([0-7]*)[ \0]*")
_USTAR, _GNU = b"ustar\x00", b"ustar  \x00"
_NUMBERS = (slice(108, 116), slice(116, 124), slice(136, 148))
"""Owner, group and modification time."""
_DEVICES = (slice(329, 337), slice(337, 345))
_GNU_TIMES = (slice(345, 357), slice(357, 369))


class Header(Struct, frozen=True):
    """`name` includes the prefix of ustar. `mode_kind` are the bits of the mode for the file type."""

    kind: bytes
    name: bytes
    link: bytes
    size: int
    mode_kind: int


def parse_header(block: bytes, what: str) -> Header:
    """The header in a block of 512 bytes.

    Raises:
        MalformedError: not a header, a damaged one, or one that readers read differently.
        LimitExceeded: a size of 2^63 or more.
    """
    total = sum(block) - sum(block[148:156]) + 8 * 0x20
    if octal(block[148:156], what) != total:
        raise MalformedError(f"{what}: not a tar, or a damaged one: a header has a wrong checksum")
    _check_numbers(block, _NUMBERS, what)
    name = _text(block[:100])
    prefix = _prefix(block, what)
    return Header(
        block[156:157],
        prefix + b"/" + name if prefix else name,
        _text(block[157:257]),
        number(block[124:136], what),
        octal(block[100:108], what) & ~0o7777,
    )


def number(field_bytes: bytes, what: str) -> int:
    """A number in octal digits, or in GNU's base-256 if it is too large for them."""
    if field_bytes[0] == 0x80:
        value = int.from_bytes(field_bytes[1:], "big")
        if value >= 2**63:
            raise LimitExceeded(f"{what}: a member larger than any file")
        return value
    return octal(field_bytes, what)


def octal(field_bytes: bytes, what: str) -> int:
    """A number in octal digits, with blanks before and blanks or NULs after them; 0 without digits."""
    value = _octal(field_bytes)
    if value is None:
        raise MalformedError(f"{what}: not a tar, or a damaged one: a field of a header is not a number")
    return value


# speed: eight numbers in each header, most of them the same in all (benchmarks/rows.py)
@lru_cache(maxsize=1024)
def _octal(field_bytes: bytes) -> int | None:
    match = _OCTAL.fullmatch(field_bytes)
    return int(match[1] or b"0", 8) if match else None


def _check_numbers(block: bytes, places: tuple[slice, ...], what: str) -> None:
    """Returns if there are numbers in these places that fit into 63 bits. In base-256 they may be negative."""
    for place in places:
        if _octal(block[place]) is None:
            _check_large_number(block[place], what)


def _check_large_number(field_bytes: bytes, what: str) -> None:
    first = field_bytes[0]
    if first in (0x80, 0xFF):
        value = int.from_bytes(field_bytes[1:], "big", signed=first == 0xFF)
        if first == 0xFF and value >= 0:  # a negative sign on a number that is not negative
            value = -(2**64)
        if not -(2**63) <= value < 2**63:
            raise MalformedError(f"{what}: a number in a header that does not fit into 63 bits")
    else:
        octal(field_bytes, what)


def _prefix(block: bytes, what: str) -> bytes:
    """The first part of the name, which only ustar has. GNU's headers have times in its place."""
    magic = block[257:265]
    if magic.startswith(_USTAR):
        if block[508:512] == b"tar\0":
            raise MalformedError(f"{what}: a header of star, whose prefix is shorter: readers disagree")
        _check_numbers(block, _DEVICES, what)
        return _text(block[345:500])
    if magic == _GNU:
        _check_numbers(block, (*_DEVICES, *_GNU_TIMES), what)
    elif magic.strip(b"\0"):
        raise MalformedError(f"{what}: a header of an unknown form, which readers read differently")
    return b""


def _text(field_bytes: bytes) -> bytes:
    return field_bytes.partition(b"\0")[0]
