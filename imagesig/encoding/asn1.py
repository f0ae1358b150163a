"""Untrusted ASN.1: counts values before a parser makes objects of them, and finds single fields.

asn1crypto parses lazily, fails late, and needs a hundred bytes of memory for a value of two bytes. So call `check`
before asn1crypto, and call asn1crypto in an `external_call` block with `unreadable`.

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
    """The positions of one value: its first byte, the first of its content, and the one after it. `tag` is one byte."""

    tag: int
    start: int
    content: int
    end: int
    indefinite: bool = False


def unreadable(what: str) -> Callable[[BaseException], MalformedError]:
    """For `external_call`: the error that replaces all exceptions of an ASN.1 parser.

    asn1crypto and `cryptography` raise `TypeError`, `KeyError` and others for well-formed but impossible values.
    """
    return lambda error: MalformedError(f"{what} cannot be read ({type(error).__name__})")


def check(data: bytes, what: str) -> None:
    """Returns if the number of values and their nesting are within limits, and each value fits into its parent.

    It reads only headers, also those of indefinite length (BER), and stops at the first value over the limit.

    Raises:
        MalformedError: a value that ends after its parent, or an unreasonable header.
        LimitExceeded: more than `limits.ASN1_NODES` values, or deeper than `limits.ASN1_DEPTH`.
    """
    spend(Cost.NODES, _count(data, what), what)


def _count(data: bytes, what: str) -> int:
    count = position = 0
    size = len(data)
    # For each open value: its end, and whether an end-of-contents marker ends it.
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
                raise MalformedError(f"{what}: an end-of-contents marker without a value of indefinite length")
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
        raise MalformedError(f"{what}: the ASN.1 ends within a value")
    return count


def fields(data: bytes, start: int, end: int, what: str) -> Iterator[Value]:
    """The consecutive values from `start` to `end`, all of definite length.

    Raises:
        MalformedError: a value of indefinite length, or one that ends after `end`.
    """
    while start < end:
        value = _header(data, start, end, what, indefinite=False)
        yield value
        start = value.end


def _header(data: bytes, start: int, end: int, what: str, *, indefinite: bool = True) -> Value:
    """The value at `start`. One of indefinite length reaches to `end`."""
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
        raise MalformedError(f"{what}: an ASN.1 value of {length} bytes, {max(end - position, 0)} are left")
    return Value(tag, start, position, position + length)
