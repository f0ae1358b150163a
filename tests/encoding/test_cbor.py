"""CBOR: what is strict about reading it, and that what we write is what we read."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imagesig import limits
from imagesig.encoding.cbor import Tag, dump, parse
from imagesig.errors import MalformedError

_SIMPLE = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text() | st.binary()
_VALUES = st.recursive(
    _SIMPLE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=6
)


@given(_VALUES)
def test_written_cbor_can_be_read(value: object) -> None:
    assume(_depth(value) <= limits.CBOR_DEPTH)
    assert parse(dump(value), "value") == value


def _depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5, 18, 24, 25, 28, 29, 30, 35, 36, 37, 256, 258, 1000, 55799, 2**32])
def test_no_tag_means_anything(number: int) -> None:
    assert parse(dump(Tag(number, "2026-11-24T12:00:00Z")), "value") == Tag(number, "2026-11-24T12:00:00Z")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01\x02",
        b"\x18",
        b"\x9f\x01\xff",
        b"\xbf\xff",
        b"\x5f\x41\x00\xff",
        b"\x7f\x61\x00\xff",
        b"\xa2\x01\x02\x01\x03",
        b"\xa2\x01\x02\x18\x01\x03",
        b"\x62\xff\xff",
        b"\xff",
        b"\x1c",
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x81\x01\x01\x02",
    ],
)
def test_cbor_that_is_not_strict_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse(data, "value")


@pytest.mark.parametrize("first", range(0x1C, 0x20))
@pytest.mark.parametrize("major", range(8))
def test_a_reserved_header_or_an_indefinite_length_is_refused_as_that(major: int, first: int) -> None:
    with pytest.raises(MalformedError, match="indefinite length, or with a reserved header"):
        parse(bytes([major << 5 | first]) + b"\x00" * 300, "value")


def test_nesting_is_bounded() -> None:
    def nested(depth: int) -> bytes:
        return b"\x81" * depth + b"\x00"

    parse(nested(limits.CBOR_DEPTH), "value")
    for depth in (limits.CBOR_DEPTH + 1, 100_000):
        with pytest.raises(MalformedError):
            parse(nested(depth), "value")
        with pytest.raises(MalformedError):
            parse(b"\xc1" * depth + b"\x00", "value")


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        parse(data, "value")
    except MalformedError:
        return


def test_the_shorter_key_is_written_first() -> None:
    assert dump({"bb": 1, 3: 2, "a": 3, 1: 4, 33: 5}).hex() == "a50104030218210561610362626201"


@pytest.mark.parametrize("data", [b"\x42\x00", b"\x81\x61", b"\x5b\x7f" + b"\xff" * 7])
def test_cbor_that_ends_within_a_text_is_refused_before_it_is_decoded(data: bytes) -> None:
    with pytest.raises(MalformedError, match="the CBOR ends within a value"):
        parse(data, "value")
