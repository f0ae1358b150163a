"""The two encodings of an ECDSA signature: DER (X9.62) and r||s (IEEE P1363)."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from imagesig.crypto.algorithms import FIELD_BYTES, KeyType
from imagesig.errors import MalformedError


def der_from_rs(signature: bytes, key_type: KeyType) -> bytes:
    """DER for an ECDSA signature given as r||s, each as long as the curve's field (`FIELD_BYTES`), big-endian.

    Raises:
        MalformedError: the length is not exactly twice the field size.
    Spec: RFC 7518 section 3.4; RFC 3279 section 2.2.3.
    """
    size = FIELD_BYTES[key_type]
    if len(signature) != 2 * size:
        raise MalformedError(f"ECDSA signature r||s for {key_type.value}: {len(signature)} bytes, {2 * size} needed")
    return encode_dss_signature(int.from_bytes(signature[:size]), int.from_bytes(signature[size:]))


def rs_from_der(signature: bytes, key_type: KeyType) -> bytes:
    """r||s, each as long as the curve's field, for an ECDSA signature in DER.

    Raises:
        MalformedError: not DER, or a number that is too large for the curve.
    """
    size = FIELD_BYTES[key_type]
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(size) + s.to_bytes(size)
    except (ValueError, OverflowError) as error:
        raise MalformedError(f"ECDSA signature for {key_type.value}: not DER of two numbers of the curve") from error


def is_canonical_der(signature: bytes) -> bool:
    """Whether the bytes are the only DER encoding of their r and s, without BER forms, padding or trailing bytes."""
    try:
        return encode_dss_signature(*decode_dss_signature(signature)) == signature
    except (ValueError, TypeError, OverflowError):
        return False
