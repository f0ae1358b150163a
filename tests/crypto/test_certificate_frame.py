"""The fields of a certificate and its serial number, by their bytes."""

from __future__ import annotations

import pytest

from imagesig.crypto.certificate_frame import Frame, check_serial_number, frame_of
from imagesig.errors import MalformedError


def check(serial: bytes, *, issuer: bytes = b"issuer") -> None:
    check_serial_number(Frame(serial, issuer, b"subject", b"key"), "test")


@pytest.mark.parametrize("serial", [b"\1", b"\x7f", b"\0\x80", b"\x7f" + b"\xff" * 19, b"\0" + b"\xff" * 20])
def test_a_positive_number_of_20_octets_is_a_serial_number(serial: bytes) -> None:
    check(serial)


@pytest.mark.parametrize(
    ("serial", "why"),
    [
        (b"\x80", "negative"),
        (b"\xff" * 20, "negative"),
        (b"\xff" * 400, "negative"),
        (b"\1" + b"\0" * 20, "more than 20 octets"),
        (b"\0" * 21 + b"\1", "more than 20 octets"),
        (b"\0", "zero"),
        (b"\0\0", "zero"),
    ],
    ids=lambda item: item if isinstance(item, str) else f"{len(item)} bytes",
)
def test_another_number_is_no_serial_number(serial: bytes, why: str) -> None:
    with pytest.raises(MalformedError, match=f"its serial number (is|has) {why}"):
        check(serial)


def test_the_number_of_a_root_may_be_zero() -> None:
    check(b"\0", issuer=b"subject")


def tlv(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return bytes([tag, len(content)]) + content


def certificate(*, outer: int = 0x30, signed: int = 0x30, serial: int = 2, key: int = 3) -> bytes:
    """The frame of a certificate with these tags."""
    fields = [tlv(0xA0, tlv(2, b"\2")), tlv(serial, b"\7"), *(tlv(0x30, tlv(5 + n)) for n in range(4))]
    return tlv(outer, tlv(signed, *fields, tlv(0x30, tlv(0x30), tlv(key, b"\0key"))))


def test_the_fields_of_a_frame_are_found_by_their_place() -> None:
    assert frame_of(certificate()) == Frame(b"\7", tlv(0x30, tlv(6)), tlv(0x30, tlv(8)), b"key")


@pytest.mark.parametrize("tags", [{"outer": 0x31}, {"signed": 0x31}, {"serial": 10}, {"key": 4}], ids=str)
def test_a_field_of_another_type_is_that_of_no_certificate(tags: dict[str, int]) -> None:
    with pytest.raises(MalformedError, match="its fields are not those of a certificate"):
        frame_of(certificate(**tags))
