"""Numbers, names and types of a tar's header, where all readers agree on them."""

from __future__ import annotations

import pytest

from imagesig.errors import LimitExceeded, MalformedError
from imagesig.images.archive.header import number, parse_header
from tests.differential.tars import block, sealed


def changed(at: int, value: bytes, *, seal: bool = True) -> bytes:
    head = bytearray(block(b"name", 3))
    head[at : at + len(value)] = value
    return bytes(sealed(head) if seal else head)


@pytest.mark.parametrize(
    ("text", "value"), [(b"0000012\0", 10), (b"     12 ", 10), (b"12\0\0\0\0\0\0", 10), (bytes(8), 0)]
)
def test_octal_digits_are_a_number(text: bytes, value: int) -> None:
    assert number(text, "test") == value


@pytest.mark.parametrize(
    "text",
    [b"\x0012\0\0\0\0\0", b"12\x0034\0\0\0", b"1 2     ", b"-1\0\0\0\0\0\0", b"9\0\0\0\0\0\0\0", b"\x81" + b"\0" * 7],
)
def test_what_readers_read_differently_is_no_number(text: bytes) -> None:
    with pytest.raises(MalformedError):
        number(text, "test")


def test_a_number_in_base_256_is_read_up_to_63_bits() -> None:
    assert number(b"\x80" + (2**62).to_bytes(11, "big"), "test") == 2**62
    with pytest.raises(LimitExceeded):
        number(b"\x80" + (2**63).to_bytes(11, "big"), "test")


def test_a_negative_time_is_let_pass_and_a_negative_size_is_not() -> None:
    assert parse_header(changed(136, b"\xff" * 12), "test").size == 3
    with pytest.raises(MalformedError):
        parse_header(changed(124, b"\xff" * 12), "test")


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (100, b"x"),
        (108, b"x"),
        (116, b"x"),
        (136, b"x"),
        (329, b"x"),
        (257, b"ustar 00"),
        (257, b"junk"),
        (508, b"tar\0"),
    ],
)
def test_a_header_that_go_refuses_or_reads_differently_is_refused(at: int, value: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_header(changed(at, value), "test")


def test_only_ustar_has_a_prefix() -> None:
    assert parse_header(changed(345, b"folder"), "test").name == b"folder/name"
    head = bytearray(changed(257, b"ustar  \0"))
    assert parse_header(bytes(sealed(head)), "test").name == b"name"
    head[345:351] = b"folder"
    with pytest.raises(MalformedError):
        parse_header(bytes(sealed(head)), "test")


def test_the_whole_field_of_the_checksum_is_a_number() -> None:
    for place in (148, 149, 153, 155):
        with pytest.raises(MalformedError):
            parse_header(changed(place, b"x", seal=False), "test")


def test_another_checksum_is_refused() -> None:
    with pytest.raises(MalformedError, match="checksum"):
        parse_header(changed(0, b"x", seal=False), "test")


@pytest.mark.parametrize("place", [136, 108, 116, 329, 337])
@pytest.mark.parametrize(
    ("value", "is_one"),
    [
        (2**63 - 1, True),
        (2**63, False),
        (-1, True),
        (-(2**63), True),
        (-(2**63) - 1, False),
    ],
)
def test_numbers_that_nobody_uses_fit_into_63_bits_too(place: int, value: int, is_one: bool) -> None:
    length = 12 if place == 136 else 8
    first, rest = (b"\x80", value) if value >= 0 else (b"\xff", value)
    if not -(1 << 8 * (length - 1) - 1) <= rest < 1 << 8 * (length - 1):
        return  # does not fit into the field
    head = changed(place, first + rest.to_bytes(length - 1, "big", signed=value < 0))
    if is_one:
        assert parse_header(head, "test").size == 3
    else:
        with pytest.raises(MalformedError, match="63 bits"):
            parse_header(head, "test")


def test_a_sign_that_the_number_does_not_have_is_refused() -> None:
    with pytest.raises(MalformedError, match="63 bits"):
        parse_header(changed(136, b"\xff" + b"\0" * 11), "test")
    with pytest.raises(MalformedError):
        parse_header(changed(136, b"\x81" + b"\0" * 11), "test")


@pytest.mark.parametrize("at", [345, 357])
def test_each_time_in_a_header_of_gnu_is_a_number_of_its_own(at: int) -> None:
    head = bytearray(block(b"name", 3))
    head[257:265] = b"ustar  \0"
    head[345:369] = b"15000000000\0" * 2
    assert parse_header(bytes(sealed(head)), "test").name == b"name"
    head[at : at + 1] = b"x"
    with pytest.raises(MalformedError, match="is not a number"):
        parse_header(bytes(sealed(head)), "test")
