"""The format of a private key, from its first bytes and its PEM label. Nothing is decoded."""

from __future__ import annotations

import base64
import re
from enum import Enum

COSIGN_LABELS = (b"ENCRYPTED SIGSTORE PRIVATE KEY", b"ENCRYPTED COSIGN PRIVATE KEY")
"""The PEM labels of cosign's encrypted keys. imagesig writes the first."""


class Form(Enum):
    """The format of a private key. The value is for people."""

    PLAIN = "PEM, not encrypted"
    ENCRYPTED = "PEM, encrypted"
    COSIGN = "cosign encrypted key"
    PKCS12 = "PKCS#12"


PEM_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]{0,40}PRIVATE KEY)-----")
NOTARY_ED25519 = b"ED25519 PRIVATE KEY"
"""The label that notary gave to its Ed25519 keys before it wrote PKCS#8."""
PLAIN_LABELS = (b"PRIVATE KEY", b"EC PRIVATE KEY", b"RSA PRIVATE KEY", NOTARY_ED25519)
_ENCRYPTION_HEADERS = ("Proc-Type", "DEK-Info")
_PKCS12_VERSION = b"\x02\x01\x03"


def form_of(data: bytes) -> Form | None:
    """The format of the private key in `data`; None if imagesig reads no private key there."""
    if _is_pkcs12(data):
        return Form.PKCS12
    block = pem_block(data)
    if block is None:
        return None
    label, text = block
    if label in COSIGN_LABELS:
        return Form.COSIGN
    if label == b"ENCRYPTED PRIVATE KEY" or (label in PLAIN_LABELS and b"Proc-Type: 4,ENCRYPTED" in text):
        return Form.ENCRYPTED
    return Form.PLAIN if label in PLAIN_LABELS else None


def has_private_key(data: bytes) -> bool:
    """Whether `data` may contain a private key, in a supported format or in any other PEM block."""
    return b"PRIVATE KEY" in data or _is_pkcs12(data)


def _is_pkcs12(data: bytes) -> bool:
    # PFX ::= SEQUENCE { version INTEGER {v3(3)}, ... }. Other DER private keys have version 0 or 1. The length of the
    # sequence has 1 to 4 bytes, or is indefinite.
    return data[:1] == b"\x30" and _PKCS12_VERSION in (data[at : at + 3] for at in range(2, 7))


def pem_block(data: bytes) -> tuple[bytes, bytes] | None:
    """Label and text of the only private key block. Other blocks (EC PARAMETERS, certificates) and text are skipped.

    Headers are left out, such as those of notary, except the two of encryption.
    """
    found = _block(data)
    if found is None:
        return None
    label, text = found
    first, headers, body = _split(text)
    kept = [line for name, line in headers if name in _ENCRYPTION_HEADERS]
    return label, b"\n".join([first, *kept, *([b""] if kept else []), body])


def pem_label(data: bytes) -> str:
    """The label of the only private key block; empty without one."""
    found = _block(data)
    return "" if found is None else found[0].decode("ascii")


def pem_headers(data: bytes) -> dict[str, str]:
    """The headers of the only private key block, by name: notary writes `role` and `gun` there."""
    found = _block(data)
    if found is None:
        return {}
    _, headers, _ = _split(found[1])
    return {name: line.partition(b":")[2].strip().decode("utf-8", "replace") for name, line in headers}


def pem_content(data: bytes) -> bytes:
    """The bytes in the only private key block, which may be encrypted.

    Raises:
        ValueError: not exactly one block, or something beside base64.
    """
    found = _block(data)
    if found is None:
        raise ValueError("not exactly one private key")
    return base64.b64decode(b"".join(_split(found[1])[2].split(b"-----")[0].split()), validate=True)


def _split(text: bytes) -> tuple[bytes, list[tuple[str, bytes]], bytes]:
    """The first line of a block, its headers with their names, and the rest: a header is a line with a colon."""
    first, _, rest = text.partition(b"\n")
    headers: list[tuple[str, bytes]] = []
    while True:
        line, _, after = rest.partition(b"\n")
        if b":" not in line:
            break
        name = line.partition(b":")[0].strip().decode("utf-8", "replace")
        headers.append((name, line))
        rest = after
    return first, headers, rest.lstrip(b"\r\n") if headers else rest


def _block(data: bytes) -> tuple[bytes, bytes] | None:
    labels = list(PEM_LABEL.finditer(data))
    if len(labels) != 1:
        return None
    label, start = labels[0][1], labels[0].start()
    end_line = b"-----END %s-----" % label
    end = data.find(end_line, start)
    return None if end < 0 else (label, data[start : end + len(end_line)] + b"\n")
