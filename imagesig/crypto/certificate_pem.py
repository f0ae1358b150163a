"""Certificates in PEM text, to and from DER bytes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from imagesig import limits
from imagesig.errors import LimitExceeded, MalformedError

BEGIN, END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


def to_pem(der: bytes) -> str:
    """The certificate in PEM, with a newline at its end."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([BEGIN.decode(), *lines, END.decode(), ""])


def pem_blocks(data: bytes, what: str, most: int = limits.CERTIFICATES) -> tuple[bytes, ...]:
    """The DER bytes of every certificate in PEM text, in order. Other text is ignored.

    Raises:
        MalformedError: a block without an end, or not base64.
        LimitExceeded: more than `most`.
    """
    count = data.count(BEGIN)
    if count > most:
        raise LimitExceeded(f"{what}: {count} certificates, at most {most} are read")
    return tuple(_blocks(data, what))


def _blocks(data: bytes, what: str) -> Iterator[bytes]:
    at = 0
    while (start := data.find(BEGIN, at)) >= 0:
        start += len(BEGIN)
        at = data.find(END, start)
        if at < 0:
            raise MalformedError(f"{what}: not certificates in PEM")
        text = b"".join(data[start:at].split())
        try:
            decoded = binascii.a2b_base64(text, strict_mode=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedError(f"{what}: not certificates in PEM") from error
        if len(text) != 4 * ((len(decoded) + 2) // 3):
            raise MalformedError(f"{what}: not certificates in PEM")
        yield decoded
