"""Key types and signature algorithms, as values."""

from __future__ import annotations

import hashlib
from enum import Enum

from msgspec import Struct


class KeyType(Enum):
    """The kinds of key that imagesig signs with and verifies; the value is the name users type."""

    ECDSA_P256 = "ecdsa-p256"
    ECDSA_P384 = "ecdsa-p384"
    ECDSA_P521 = "ecdsa-p521"
    ED25519 = "ed25519"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"

    @property
    def is_ecdsa(self) -> bool:
        return self.value.startswith("ecdsa-")

    @property
    def is_rsa(self) -> bool:
        return self.value.startswith("rsa-")


FIELD_BYTES = {KeyType.ECDSA_P256: 32, KeyType.ECDSA_P384: 48, KeyType.ECDSA_P521: 66}
"""Length in bytes of r and of s for each curve."""


class Hash(Enum):
    """The value is `hashlib`'s name."""

    SHA256 = "sha256"
    SHA384 = "sha384"
    SHA512 = "sha512"

    def digest(self, message: bytes) -> bytes:
        return hashlib.new(self.value, message).digest()

    @property
    def size(self) -> int:
        """Length of the digest in bytes."""
        return int(self.value[3:]) // 8


STRONG_HASHES = frozenset(item.value for item in Hash)
"""The one rule for hashes: signatures of images, certificates, CRLs, OCSP responses and timestamps use one of these.

Go's `crypto/x509` verifies no certificate with another one either, SHA-1 only where a program asks for it.
"""


class Scheme(Enum):
    ECDSA = "ecdsa"
    RSA_PKCS1V15 = "rsa-pkcs1v15"
    RSA_PSS = "rsa-pss"
    ED25519 = "ed25519"
    ED25519PH = "ed25519ph"


class Algorithm(Struct, frozen=True):
    """How a message becomes a signature.

    `hash` is what the message is hashed with first; None for Ed25519, which takes the message itself.
    `salt_length` is in bytes, for RSA-PSS only, where it is the length of the hash (RFC 7518 section 3.5).
    """

    scheme: Scheme
    hash: Hash | None
    salt_length: int | None = None

    def __str__(self) -> str:
        return self.scheme.value if self.hash is None else f"{self.scheme.value}-{self.hash.value}"


ECDSA_SHA256 = Algorithm(Scheme.ECDSA, Hash.SHA256)
ECDSA_SHA384 = Algorithm(Scheme.ECDSA, Hash.SHA384)
ECDSA_SHA512 = Algorithm(Scheme.ECDSA, Hash.SHA512)
ED25519 = Algorithm(Scheme.ED25519, None)
ED25519PH = Algorithm(Scheme.ED25519PH, Hash.SHA512)
RSA_PKCS1V15_SHA256 = Algorithm(Scheme.RSA_PKCS1V15, Hash.SHA256)
RSA_PKCS1V15_SHA384 = Algorithm(Scheme.RSA_PKCS1V15, Hash.SHA384)
RSA_PKCS1V15_SHA512 = Algorithm(Scheme.RSA_PKCS1V15, Hash.SHA512)
RSA_PSS_SHA256 = Algorithm(Scheme.RSA_PSS, Hash.SHA256, 32)
RSA_PSS_SHA384 = Algorithm(Scheme.RSA_PSS, Hash.SHA384, 48)
RSA_PSS_SHA512 = Algorithm(Scheme.RSA_PSS, Hash.SHA512, 64)

_RSA_ALGORITHMS = (
    RSA_PKCS1V15_SHA256, RSA_PKCS1V15_SHA384, RSA_PKCS1V15_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
)  # fmt: skip
_EC_ALGORITHMS = (ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512)


def signing_algorithms(key_type: KeyType) -> tuple[Algorithm, ...]:
    """What a key of this type can sign with in general; the first is the one every image verifier accepts.

    A longer hash than the curve is allowed by FIPS 186-5 (it is truncated), yet no format here wants it, so each
    curve gets the hashes up to its own size. Ed25519ph is verified only: no backend signs it interoperably.
    """
    if key_type.is_rsa:
        return _RSA_ALGORITHMS
    if key_type is KeyType.ED25519:
        return (ED25519,)
    curves = (KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.ECDSA_P521)
    return _EC_ALGORITHMS[: curves.index(key_type) + 1]


def cosign_algorithms(key_type: KeyType) -> tuple[Algorithm, ...]:
    """What cosign and containers/image may have signed with such a key, the likeliest first.

    None of it is written into the signature. ECDSA: SHA-256 whatever the curve, or the curve's own hash (cosign 2.6 and
    later); Ed25519: pure, or Ed25519ph (the same); RSA: PKCS #1 v1.5 with SHA-256, others only by keys in a KMS.
    """
    if key_type is KeyType.ED25519:
        return (ED25519, ED25519PH)
    return signing_algorithms(key_type)


class ToSign(Struct, frozen=True):
    """One message and the algorithm to sign it with. A key's home takes what it needs: the message or its digest."""

    message: bytes
    algorithm: Algorithm

    @property
    def digest(self) -> bytes:
        """The message hashed with the algorithm's hash.

        Raises:
            ValueError: the algorithm takes the message itself (Ed25519).
        """
        if self.algorithm.hash is None:
            raise ValueError(f"{self.algorithm} signs the message itself and has no digest")
        return self.algorithm.hash.digest(self.message)
