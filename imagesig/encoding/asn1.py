"""ASN.1 from outside: its values are counted before anything makes objects of them, and single fields are found.

asn1crypto parses as late as it can, fails wherever it then is, and needs a hundred bytes of memory for a value of two.
So `check` reads first what asn1crypto is to read, and its calls are in a `external_call` block with `unreadable`.

Spec: ITU-T X.690, BER and DER.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from imagesig import limits
from imagesig.effort import Cost, spend
from imagesig.errors import LimitExceeded, MalformedError

SEQUENCE, INTEGER, BIT_STRING = 0x30, 0x02, 0x03
_CONSTRUCTED = 0x20
_LENGTH_BYTES = 4
_TAG_BYTES = 4


class Value(NamedTuple):
    """Where one value is: its first byte, the first byte of its content, and the byte after it; `tag` is one byte."""

    tag: int
    start: int
    content: int
    end: int
    indefinite: bool = False


def unreadable(what: str) -> Callable[[BaseException], MalformedError]:
    """For `external_call`: the error that replaces whatever a reader of ASN.1 raises.

    That may be any exception: for values that are well formed and impossible, asn1crypto and `cryptography` raise
    `TypeError`, `KeyError` and others.
    """
    return lambda error: MalformedError(f"{what} cannot be read ({type(error).__name__})")


def check(data: bytes, what: str) -> None:
    """Returns if there are few enough values in the bytes, none too deep, and none longer than what it is in.

    It reads headers only, those of indefinite length (BER) too, and stops at the first value too many.

    Raises:
        MalformedError: a value that goes on after the bytes end, or a header that nobody needs.
        LimitExceeded: more than `limits.ASN1_NODES` values, or deeper than `limits.ASN1_DEPTH`.
    """
    spend(Cost.NODES, _count(data, what), what)


def _count(data: bytes, what: str) -> int:
    count = position = 0
    size = len(data)
    # Of each open value: where it has to end, and whether an end-of-contents marker ends it.
    is_open: list[tuple[int, bool]] = []
    end = size
    while True:
        while is_open and not is_open[-1][1] and position == end:
            is_open.pop()
            end = is_open[-1][0] if is_open else size
        if position == end:
            break
        value = _header(data, position, end, what)
        if not value.tag and value.content == value.end:
            if not is_open or not is_open[-1][1]:
                raise MalformedError(f"{what}: an end-of-contents marker that ends nothing")
            is_open.pop()
            position, end = value.end, is_open[-1][0] if is_open else size
            continue
        count += 1
        if count > limits.ASN1_NODES:
            raise LimitExceeded(f"{what}: more than {limits.ASN1_NODES} ASN.1 values")
        if not value.tag & _CONSTRUCTED:
            position = value.end
            continue
        if len(is_open) >= limits.ASN1_DEPTH:
            raise LimitExceeded(f"{what}: ASN.1 nested deeper than {limits.ASN1_DEPTH}")
        is_open.append((value.end, value.indefinite))
        position, end = value.content, value.end
    if is_open:
        raise MalformedError(f"{what}: the ASN.1 ends before a value in it")
    return count


def fields(data: bytes, start: int, end: int, what: str) -> Iterator[Value]:
    """The values that follow each other from `start` to `end`, all of definite length.

    Raises:
        MalformedError: one is not, or goes on after `end`.
    """
    while start < end:
        value = _header(data, start, end, what, indefinite=False)
        yield value
        start = value.end


def _header(data: bytes, start: int, end: int, what: str, *, indefinite: bool = True) -> Value:
    """The value at `start`; of an indefinite length it reaches to `end`."""
    position = start + 1
    try:
        tag = data[start]
        if tag & 0x1F == 0x1F:
            while data[position] & 0x80:
                position += 1
            position += 1
        length = data[position]
        position += 1
        if position - start > _TAG_BYTES + 2:
            raise MalformedError(f"{what}: an ASN.1 tag of {position - start - 1} bytes")
        if length == 0x80:
            if not indefinite or not tag & _CONSTRUCTED:
                raise MalformedError(f"{what}: an ASN.1 value of indefinite length")
            return Value(tag, start, position, end, True)
        if length > 0x80:
            count = length - 0x80
            if count > _LENGTH_BYTES:
                raise MalformedError(f"{what}: an ASN.1 length of {count} bytes")
            length = int.from_bytes(data[position : position + count])
            position += count
    except IndexError:
        raise MalformedError(f"{what}: the ASN.1 ends within a header") from None
    if position + length > end:
        raise MalformedError(f"{what}: an ASN.1 value of {length} bytes where {max(end - position, 0)} are left")
    return Value(tag, start, position, position + length)
