"""Public keys: strict parsing, stable identity, and verification of signatures."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import cache, cached_property
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import FIELD_BYTES, Algorithm, Hash, KeyType, Scheme, ToSign, hash_for
from imagesig.errors import InvalidArgument, LimitExceeded, SignatureInvalid, UnsupportedAlgorithm
from imagesig.external import external_call
from imagesig.patterns import regex
from imagesig.text import quote

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

_CURVES = {"secp256r1": KeyType.ECDSA_P256, "secp384r1": KeyType.ECDSA_P384, "secp521r1": KeyType.ECDSA_P521}
_P256_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
"""The bytes before the 65 bytes of an uncompressed P-256 point in its SubjectPublicKeyInfo (RFC 5480)."""
_P256_PEM = regex(
    rb"-----BEGIN PUBLIC KEY-----\r?\n([A-Za-z0-9+/]{64})\r?\n([A-Za-z0-9+/]{58}==)\r?\n-----END PUBLIC KEY-----\s*"
)
_MODULI = {2048: KeyType.RSA_2048, 3072: KeyType.RSA_3072, 4096: KeyType.RSA_4096}


class PublicKey(Struct, frozen=True, dict=True):
    """A public key of a supported type. Keys with the same SubjectPublicKeyInfo are equal. Thread-safe.

    `spki` is the DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) in `cryptography`'s encoding, never as received.
    """

    spki: bytes
    key_type: KeyType

    @classmethod
    @checks_arguments
    def from_pem(cls, pem: bytes | str) -> PublicKey:
        """Reads one PEM block, `PUBLIC KEY` or `RSA PUBLIC KEY`.

        Raises:
            InvalidArgument: not exactly one public key in PEM.
            UnsupportedAlgorithm: an unsupported curve, RSA size or key type.
            LimitExceeded: the file is too large.
        """
        data = pem.encode("utf-8", "replace") if isinstance(pem, str) else pem
        if len(data) > limits.PUBLIC_KEY_BYTES:
            raise LimitExceeded(f"public key: {len(data)} bytes, at most {limits.PUBLIC_KEY_BYTES} are read")
        if data.count(b"-----BEGIN ") != 1:
            from imagesig.crypto.key_text import not_one_block  # speed: for errors only (benchmarks/test_start.py)

            raise not_one_block(data)
        if b"PRIVATE KEY-----" in data:
            raise InvalidArgument(
                "public key: this is a private key", hint="export its public half: imagesig key export KEY_URI"
            )
        # speed: most keys have this form; the general reader loads all formats (benchmarks/test_cli.py)
        if (match := _P256_PEM.fullmatch(data)) and (key := _plain_p256(base64.b64decode(match[1] + match[2]))):
            return key
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        with external_call("public key", lambda error: _unreadable(error, data)):
            return cls._from_loaded(load_pem_public_key(data), data)

    @classmethod
    @checks_arguments
    def from_der(cls, spki: bytes) -> PublicKey:
        """Reads a DER SubjectPublicKeyInfo. Raises as `from_pem` does."""
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        if len(spki) > limits.PUBLIC_KEY_BYTES:
            raise LimitExceeded(f"public key: {len(spki)} bytes, at most {limits.PUBLIC_KEY_BYTES} are read")
        with external_call("public key", _unreadable):
            return cls._from_loaded(load_der_public_key(spki), spki)

    @classmethod
    def from_cryptography(cls, key: PublicKeyTypes) -> PublicKey:
        """Wraps a key object of `cryptography`. Raises `UnsupportedAlgorithm` as `from_pem` does."""
        return cls._from_loaded(key)

    @classmethod
    def _from_loaded(cls, key: PublicKeyTypes, given: bytes = b"") -> PublicKey:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        key_type = _key_type(key)
        if given and key_type.is_rsa:
            from imagesig.crypto.restricted import check_unrestricted  # speed: for RSA only (benchmarks/test_start.py)

            check_unrestricted(given, "public key")
        self = cls(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), key_type)
        self.__dict__["_loaded"] = key
        return self

    @cached_property
    def _loaded(self) -> PublicKeyTypes:
        if self.key_type is KeyType.ECDSA_P256 and (same := _plain_p256(self.spki)):
            return same._loaded
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        return load_der_public_key(self.spki)

    def __repr__(self) -> str:
        return f"PublicKey({self.key_type.value}, {self.fingerprint})"

    @property
    def fingerprint(self) -> str:
        """`sha256:` and the hex SHA-256 of the SubjectPublicKeyInfo: the key's id everywhere in imagesig."""
        return "sha256:" + self.spki_sha256.hex()

    @property
    def spki_sha256(self) -> bytes:
        """32 bytes. A Sigstore bundle has them in base64 as the hint of its public key."""
        return hashlib.sha256(self.spki).digest()

    @property
    def pem(self) -> str:
        """`PUBLIC KEY` PEM (RFC 7468 section 13), with a newline at its end."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    def verify(self, signature: bytes, message: bytes, algorithm: Algorithm) -> None:
        """Returns if this key made `signature` over `message`.

        ECDSA signatures must be the canonical DER of their numbers; RSA and Ed25519 have fixed lengths.

        Raises:
            SignatureInvalid: the key did not make it.
            UnsupportedAlgorithm: the algorithm is not for this type of key.
        """
        with external_call("signature", lambda error: self._refused(algorithm)):
            self._check(signature, message, algorithm)

    def verify_digest(self, signature: bytes, digest: bytes, algorithm: Algorithm) -> None:
        """`verify` with the digest of the message in place of the message.

        Raises:
            SignatureInvalid: the key did not make the signature.
            UnsupportedAlgorithm: the algorithm is not for this type of key, or signs messages without hashing them.
        """
        if algorithm.hash is None or algorithm.scheme is Scheme.ED25519PH:
            raise UnsupportedAlgorithm(f"{algorithm} needs the message itself, not its digest")
        if len(digest) != algorithm.hash.size:
            raise SignatureInvalid(f"digest: {len(digest)} bytes, {algorithm.hash.size} are needed for {algorithm}")
        with external_call("signature", lambda error: self._refused(algorithm)):
            self._check(signature, digest, algorithm, prehashed=True)

    def verify_request(self, signature: bytes, request: ToSign) -> None:
        """Returns if the signature is what the request asked this key for. Raises as `verify` does."""
        if request.hashed:
            self.verify_digest(signature, request.hashed, request.algorithm)
        else:
            self.verify(signature, request.message, request.algorithm)

    def may_have_made(self, signature: bytes) -> bool:
        """Whether the length allows that this key made the signature: a test without cost."""
        if self.key_type.is_ecdsa:
            return len(signature) <= 2 * (FIELD_BYTES[self.key_type] + 3) + 3  # the longest DER of two numbers
        return len(signature) == (64 if self.key_type is KeyType.ED25519 else int(self.key_type.value[4:]) // 8)

    def _refused(self, algorithm: Algorithm) -> SignatureInvalid:
        return SignatureInvalid(
            f"signature: {self.key_type.value} key {self.fingerprint} does not verify it as {algorithm}"
        )

    def _check(self, signature: bytes, message: bytes, algorithm: Algorithm, *, prehashed: bool = False) -> None:
        """Raises exceptions of `cryptography`, or ours. Each type of key loads its own module."""
        key, scheme = self._loaded, algorithm.scheme
        if self.key_type.is_ecdsa:
            if scheme is not Scheme.ECDSA or not algorithm.hash:
                raise self._no_algorithm(algorithm)
            is_canonical, ecdsa = _ecdsa(algorithm.hash, prehashed)
            if not is_canonical(signature):
                raise SignatureInvalid(f"signature: {len(signature)} bytes that are not the canonical DER of ECDSA")
            return cast("EllipticCurvePublicKey", key).verify(signature, message, ecdsa)
        from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

        if isinstance(key, rsa.RSAPublicKey) and scheme is Scheme.RSA_PKCS1V15 and algorithm.hash:
            return key.verify(signature, message, padding.PKCS1v15(), hash_for(algorithm.hash, prehashed))
        if isinstance(key, rsa.RSAPublicKey) and scheme is Scheme.RSA_PSS and algorithm.hash:
            mgf = padding.MGF1(hash_for(algorithm.hash))
            salt_length = algorithm.hash.size if algorithm.salt_length is None else algorithm.salt_length
            return key.verify(signature, message, padding.PSS(mgf, salt_length), hash_for(algorithm.hash, prehashed))
        if isinstance(key, ed25519.Ed25519PublicKey) and scheme is Scheme.ED25519:
            return key.verify(signature, message)
        if isinstance(key, ed25519.Ed25519PublicKey) and scheme is Scheme.ED25519PH:
            from imagesig.crypto.ed25519ph import verify_ed25519ph

            return verify_ed25519ph(key.public_bytes_raw(), signature, message)
        raise self._no_algorithm(algorithm)

    def _no_algorithm(self, algorithm: Algorithm) -> UnsupportedAlgorithm:
        return UnsupportedAlgorithm(f"{algorithm} is not an algorithm for a {self.key_type.value} key")


def _plain_p256(spki: bytes) -> PublicKey | None:
    """The P-256 key in `cryptography`'s own DER form; None for anything else, which `cryptography` parses."""
    if len(spki) != len(_P256_SPKI) + 65 or not spki.startswith(_P256_SPKI + b"\x04"):
        return None
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        loaded = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), spki[len(_P256_SPKI) :])
    except ValueError:
        return None  # not on the curve: the general reader raises the error
    key = PublicKey(spki, KeyType.ECDSA_P256)
    key.__dict__["_loaded"] = loaded
    return key


def _key_type(key: PublicKeyTypes) -> KeyType:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            raise _unsupported(f"curve {key.curve.name}, one of P-256, P-384 and P-521 is needed")
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return KeyType.ED25519
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size not in _MODULI:
            raise _unsupported(f"RSA with {key.key_size} bits, 2048, 3072 or 4096 are needed")
        _check_exponent(key)
        return _MODULI[key.key_size]
    raise _unsupported(f"{type(key).__name__}, an ECDSA, Ed25519 or RSA key is needed")


def _unsupported(what: str) -> UnsupportedAlgorithm:
    return UnsupportedAlgorithm(f"public key: {what}", hint="use another key, such as `imagesig key generate` makes")


def check_issuing_key(key: PublicKeyTypes) -> None:
    """Returns if such a key may sign certificates, lists and timestamps.

    RSA keys may have any size within `limits.RSA_ISSUER_BITS`, so that verification stays cheap.

    Raises:
        UnsupportedAlgorithm: an unsupported curve, size, exponent or key type.
    """
    from cryptography.hazmat.primitives.asymmetric import rsa

    if not isinstance(key, rsa.RSAPublicKey):
        _key_type(key)
        return
    smallest, largest = limits.RSA_ISSUER_BITS
    if not smallest <= key.key_size <= largest:
        raise UnsupportedAlgorithm(f"public key: RSA with {key.key_size} bits, {smallest} to {largest} are needed")
    _check_exponent(key)


def _check_exponent(key: RSAPublicKey) -> None:
    exponent = key.public_numbers().e
    if not (3 <= exponent <= limits.RSA_EXPONENT and exponent % 2):
        raise UnsupportedAlgorithm(
            f"public key: RSA with the exponent {quote(exponent)}, an odd one from 3 to {limits.RSA_EXPONENT} is needed"
        )


# speed: made once, imports and objects cost a tenth of a verification (benchmarks/test_library.py)
@cache
def _ecdsa(name: Hash, prehashed: bool) -> tuple[Callable[[bytes], bool], ECDSA]:
    """What an ECDSA signature is checked with: the test of its encoding, and `cryptography`'s algorithm."""
    from cryptography.hazmat.primitives.asymmetric import ec

    from imagesig.crypto.ecdsa import is_canonical_der

    algorithm = hash_for(name, prehashed)

    # speed: an `ec.ECDSA` asks the back end about deterministic signing, and loads it and the ciphers for that
    # (benchmarks/test_start.py)
    class Verified(ec.ECDSA):
        def __init__(self) -> None:
            pass

        @property
        def algorithm(self) -> hashes.HashAlgorithm | Prehashed:
            return algorithm

        @property
        def deterministic_signing(self) -> bool:
            return False

    return is_canonical_der, Verified()


def _unreadable(error: Exception, pem: bytes = b"-") -> InvalidArgument:
    from imagesig.crypto.key_text import unreadable_key  # speed: for errors only (benchmarks/test_start.py)

    return unreadable_key(error, pem)
