"""The six algorithms, one for each type of key: the certificate's key decides, never the envelope.

Spec: Notary Project signature-specification, "Algorithm Selection".
"""

from __future__ import annotations

from msgspec import Struct

from imagesig.crypto.algorithms import (
    ECDSA_SHA256,
    ECDSA_SHA384,
    ECDSA_SHA512,
    RSA_PSS_SHA256,
    RSA_PSS_SHA384,
    RSA_PSS_SHA512,
    Algorithm,
    KeyType,
)
from imagesig.crypto.ecdsa import der_from_rs, rs_from_der
from imagesig.errors import FormatViolation, MalformedError, UnsupportedAlgorithm


class Named(Struct, frozen=True):
    """One algorithm with its names in JWS (RFC 7518) and in COSE (RFC 9053, RFC 8230)."""

    algorithm: Algorithm
    jws: str
    cose: int


ALGORITHMS = {
    KeyType.RSA_2048: Named(RSA_PSS_SHA256, "PS256", -37),
    KeyType.RSA_3072: Named(RSA_PSS_SHA384, "PS384", -38),
    KeyType.RSA_4096: Named(RSA_PSS_SHA512, "PS512", -39),
    KeyType.ECDSA_P256: Named(ECDSA_SHA256, "ES256", -7),
    KeyType.ECDSA_P384: Named(ECDSA_SHA384, "ES384", -35),
    KeyType.ECDSA_P521: Named(ECDSA_SHA512, "ES512", -36),
}
CANDIDATES = {key_type: (ALGORITHMS[key_type].algorithm,) if key_type in ALGORITHMS else () for key_type in KeyType}


def named_for(key_type: KeyType) -> Named:
    """The algorithm for a type of key. Raises `UnsupportedAlgorithm` if the Notary Project has none."""
    if key_type not in ALGORITHMS:
        raise UnsupportedAlgorithm(
            f"notation: the Notary Project has no algorithm for {key_type.value} keys",
            hint=f"sign with one of {', '.join(item.value for item in ALGORITHMS)}",
        )
    return ALGORITHMS[key_type]


def encoded_signature(signature: bytes, key_type: KeyType) -> bytes:
    """A key's signature as both envelopes store it: r||s for ECDSA."""
    return rs_from_der(signature, key_type) if key_type.is_ecdsa else signature


def decoded_signature(signature: bytes, key_type: KeyType) -> bytes:
    """The reverse of `encoded_signature`. Raises `FormatViolation` for a wrong length, such as ECDSA in DER."""
    if not key_type.is_ecdsa:
        return signature
    try:
        return der_from_rs(signature, key_type)
    except MalformedError as error:
        raise FormatViolation(str(error)) from None
