"""The serial number of a certificate, by its bytes."""

from __future__ import annotations

import pytest

from imagesig.crypto.certificate_frame import Frame, check_serial_number
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
