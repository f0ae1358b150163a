"""RSA keys that are restricted to PSS (id-RSASSA-PSS, RFC 4055 section 1.2): they are refused.

`cryptography` reads them as plain RSA keys and drops the restriction. Then they would sign and verify PKCS #1 v1.5, and
would have the fingerprint of another SubjectPublicKeyInfo. cosign and skopeo refuse them.
"""

from __future__ import annotations

import base64

from imagesig.encoding import asn1
from imagesig.errors import MalformedError, UnsupportedAlgorithm

RSASSA_PSS = "1.2.840.113549.1.1.10"
_OID = bytes.fromhex("06092a864886f70d01010a")
"""The same in DER."""


def check_unrestricted(key_info: bytes, what: str) -> None:
    """Returns unless this is the SubjectPublicKeyInfo or the PKCS#8 of an RSA key that is restricted to PSS.

    `key_info` is DER, or one block of PEM that was read already.

    Raises:
        UnsupportedAlgorithm: it is.
        ValueError: the PEM has something beside base64.
    """
    if (begin := key_info.find(b"-----BEGIN ")) >= 0:
        body = key_info[begin:].split(b"-----")[2]
        key_info = base64.b64decode(b"".join(body.split()), validate=True)  # a block with headers is refused
    # speed: nearly no key has these bytes anywhere, and only the algorithm's own count
    if _OID in key_info and _algorithm(key_info).startswith(_OID):
        raise restricted(what)


def restricted(what: str) -> UnsupportedAlgorithm:
    return UnsupportedAlgorithm(
        f"{what}: RSA restricted to PSS (id-RSASSA-PSS), a plain RSA key (rsaEncryption) is needed",
        hint="make a key with openssl genpkey -algorithm RSA; no image verifier accepts signatures by this one",
    )


def _algorithm(key_info: bytes) -> bytes:
    """The content of the first SEQUENCE inside: the AlgorithmIdentifier. Empty if there is none."""
    try:
        (outer,) = asn1.fields(key_info, 0, len(key_info), "key")
        for value in asn1.fields(key_info, outer.content, outer.end, "key"):
            if value.tag == asn1.SEQUENCE:
                return key_info[value.content : value.end]
    except (MalformedError, IndexError, ValueError):
        pass  # not a key: the reader that needs it says so
    return b""
