"""The first fields of a certificate, found in its bytes without parsing the rest."""

from __future__ import annotations

from typing import NamedTuple

from imagesig import limits
from imagesig.encoding import asn1
from imagesig.errors import MalformedError


class Frame(NamedTuple):
    """`serial`, `key` (the content of its BIT STRING) and the names as they are in the certificate's bytes."""

    serial: bytes
    issuer: bytes
    subject: bytes
    key: bytes


def frame_of(der: bytes) -> Frame:
    """The frame of a certificate. Other bytes raise `MalformedError`, `IndexError`, `StopIteration` or `ValueError`."""
    what = "certificate"
    (outer,) = asn1.fields(der, 0, len(der), what)
    signed = next(asn1.fields(der, outer.content, outer.end, what))
    values = asn1.fields(der, signed.content, signed.end, what)
    serial = next(values)
    if serial.tag == 0xA0:  # the version
        serial = next(values)
    _algorithm, issuer, _validity, subject, key_info = (next(values) for _ in range(5))
    _, key = asn1.fields(der, key_info.content, key_info.end, what)
    if (outer.tag, signed.tag, serial.tag, key.tag) != (asn1.SEQUENCE, asn1.SEQUENCE, asn1.INTEGER, asn1.BIT_STRING):
        raise MalformedError(f"{what}: its fields are not those of a certificate")
    return Frame(
        der[serial.content : serial.end],
        der[issuer.start : issuer.end],
        der[subject.start : subject.end],
        der[key.content + 1 : key.end],
    )


def check_serial_number(frame: Frame, what: str) -> None:
    number = int.from_bytes(frame.serial[: limits.SERIAL_NUMBER_BITS], signed=True)
    if number < 0:
        raise MalformedError(f"{what}: its serial number is negative")
    if len(frame.serial) * 8 > limits.SERIAL_NUMBER_BITS + 8 or number.bit_length() > limits.SERIAL_NUMBER_BITS:
        raise MalformedError(f"{what}: its serial number has more than {limits.SERIAL_NUMBER_BITS // 8} octets")
    if not number and frame.issuer != frame.subject:
        # Allowed for roots: some well-known ones have the number 0, and no list or responder refers to them.
        raise MalformedError(f"{what}: its serial number is zero")
