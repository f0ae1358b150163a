"""Key types and signature algorithms, as values."""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import TYPE_CHECKING, overload

from msgspec import Struct

from imagesig.arguments import check_fields
from imagesig.errors import InvalidArgument

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import HashAlgorithm


class KeyType(Enum):
    """The types of keys that imagesig supports. The value is the name that users type."""

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


@overload
def hash_for(name: Hash) -> HashAlgorithm: ...


@overload
def hash_for(name: Hash, prehashed: bool) -> HashAlgorithm | Prehashed: ...


def hash_for(name: Hash, prehashed: bool = False) -> HashAlgorithm | Prehashed:
    """The hash as `cryptography` has it; with `prehashed` for a digest in place of a message."""
    from cryptography.hazmat.primitives import hashes

    known: dict[Hash, type[hashes.SHA256 | hashes.SHA384 | hashes.SHA512]]
    known = {Hash.SHA256: hashes.SHA256, Hash.SHA384: hashes.SHA384, Hash.SHA512: hashes.SHA512}
    made: HashAlgorithm = known[name]()
    if not prehashed:
        return made
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    return Prehashed(made)


STRONG_HASHES = frozenset(item.value for item in Hash)
"""The hashes that are accepted in signatures of images, certificates, CRLs, OCSP responses and timestamps.

Go's `crypto/x509` supports no other hash either, except MD5 and SHA-1, which it refuses.
"""


class Scheme(Enum):
    """A signature scheme, which an `Algorithm` has with a hash."""

    ECDSA = "ecdsa"
    RSA_PKCS1V15 = "rsa-pkcs1v15"
    RSA_PSS = "rsa-pss"
    ED25519 = "ed25519"
    ED25519PH = "ed25519ph"


class Algorithm(Struct, frozen=True):
    """A signature algorithm.

    `hash` is the hash of the message; None for Ed25519, which signs the message itself. `salt_length` is for RSA-PSS
    only, in bytes: the length of the hash (RFC 7518 section 3.5).
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
    """The algorithms for signing with a key of this type. Every image verifier accepts the first.

    Each curve gets the hashes up to its own size: FIPS 186-5 allows longer ones, which are truncated, but no format
    here uses them. Ed25519ph is only verified, because no backend signs it interoperably.
    """
    if key_type.is_rsa:
        return _RSA_ALGORITHMS
    if key_type is KeyType.ED25519:
        return (ED25519,)
    curves = (KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.ECDSA_P521)
    return _EC_ALGORITHMS[: curves.index(key_type) + 1]


def cosign_algorithms(key_type: KeyType) -> tuple[Algorithm, ...]:
    """The algorithms that cosign and containers/image sign with for a key of this type, the likeliest first.

    The signature does not name its algorithm. ECDSA: SHA-256 for every curve, or the curve's own hash (cosign 2.6 and
    later). Ed25519: Ed25519, or Ed25519ph (cosign 2.6 and later). RSA: PKCS #1 v1.5 with SHA-256, others only by keys
    in a KMS.
    """
    if key_type is KeyType.ED25519:
        return (ED25519, ED25519PH)
    return signing_algorithms(key_type)


class ToSign(Struct, frozen=True):
    """One message and the algorithm to sign it with. A provider uses the message or its digest.

    `hashed` is the digest of a message that is not in memory; `message` is then empty. Only a key whose
    `signs_digests` says so gets such a request.
    """

    message: bytes
    algorithm: Algorithm
    hashed: bytes = b""

    def __post_init__(self) -> None:
        # speed: `check_fields` for each signature would take longer (benchmarks/test_pkcs11.py)
        if type(self.message) is not bytes or type(self.algorithm) is not Algorithm or type(self.hashed) is not bytes:
            check_fields(self)

    @classmethod
    def of_digest(cls, digest: bytes, algorithm: Algorithm) -> ToSign:
        """The message with this digest. Raises `InvalidArgument` for an empty one, or one of another size."""
        if not digest or (algorithm.hash is not None and len(digest) != algorithm.hash.size):
            raise InvalidArgument(f"digest: {len(digest)} bytes, not one for {algorithm}")
        return cls(b"", algorithm, digest)

    @property
    def digest(self) -> bytes:
        """The message hashed with the algorithm's hash.

        Raises:
            ValueError: the algorithm signs the message itself (Ed25519).
        """
        if self.algorithm.hash is None:
            raise ValueError(f"{self.algorithm} signs the message itself and has no digest")
        return self.hashed or self.algorithm.hash.digest(self.message)
