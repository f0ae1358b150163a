"""Private keys in memory: generating them, signing with them, writing them in PEM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagesig.crypto.algorithms import KeyType, Scheme, ToSign, hash_for
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import UnsupportedAlgorithm
from imagesig.external import external_call
from imagesig.keys.file import cosign_key
from imagesig.redacted import RedactedStruct

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


class PrivateKey(RedactedStruct, frozen=True):
    """A private key of a supported type. `chain` has its certificates, leaf first; it may be empty."""

    hidden = ("loaded",)

    loaded: PrivateKeyTypes
    public_key: PublicKey
    chain: tuple[Certificate, ...] = ()

    @classmethod
    def generate(cls, key_type: KeyType) -> PrivateKey:
        """A new key, from the operating system's random numbers."""
        with external_call("new private key"):
            return cls._generated(key_type)

    @classmethod
    def _generated(cls, key_type: KeyType) -> PrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

        curves: dict[KeyType, ec.EllipticCurve] = {
            KeyType.ECDSA_P256: ec.SECP256R1(),
            KeyType.ECDSA_P384: ec.SECP384R1(),
            KeyType.ECDSA_P521: ec.SECP521R1(),
        }
        if key_type.is_ecdsa:
            return cls.of(ec.generate_private_key(curves[key_type]))
        if key_type.is_rsa:
            bits = {KeyType.RSA_2048: 2048, KeyType.RSA_3072: 3072, KeyType.RSA_4096: 4096}[key_type]
            return cls.of(rsa.generate_private_key(public_exponent=65537, key_size=bits))
        return cls.of(ed25519.Ed25519PrivateKey.generate())

    @classmethod
    def of(cls, loaded: PrivateKeyTypes) -> PrivateKey:
        """Wraps a key object of `cryptography`.

        Raises:
            UnsupportedAlgorithm: an unsupported curve, RSA size or key type.
        """
        with external_call("private key"):
            return cls(loaded, PublicKey.from_cryptography(loaded.public_key()))

    def sign(self, request: ToSign) -> bytes:
        """The raw signature. ECDSA: DER.

        Raises:
            UnsupportedAlgorithm: this type of key does not have the algorithm.
        """
        with external_call("signing with a private key in memory"):
            return self._sign(request)

    def _sign(self, request: ToSign) -> bytes:
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

        key, algorithm, message = self.loaded, request.algorithm, request.hashed or request.message
        if isinstance(key, ec.EllipticCurvePrivateKey) and algorithm.scheme is Scheme.ECDSA and algorithm.hash:
            return key.sign(message, ec.ECDSA(hash_for(algorithm.hash, bool(request.hashed))))
        if isinstance(key, rsa.RSAPrivateKey) and algorithm.scheme is Scheme.RSA_PKCS1V15 and algorithm.hash:
            return key.sign(message, padding.PKCS1v15(), hash_for(algorithm.hash, bool(request.hashed)))
        if isinstance(key, rsa.RSAPrivateKey) and algorithm.scheme is Scheme.RSA_PSS and algorithm.hash:
            salt_length = algorithm.hash.size if algorithm.salt_length is None else algorithm.salt_length
            scheme = padding.PSS(padding.MGF1(hash_for(algorithm.hash)), salt_length)
            return key.sign(message, scheme, hash_for(algorithm.hash, bool(request.hashed)))
        if isinstance(key, ed25519.Ed25519PrivateKey) and algorithm.scheme is Scheme.ED25519:
            return key.sign(message)
        raise UnsupportedAlgorithm(f"a {self.public_key.key_type.value} key in memory cannot sign {algorithm}")

    def to_pem(self, passphrase: str | None) -> bytes:
        """PKCS#8 PEM without a passphrase, cosign's encrypted key with one, even an empty one."""
        with external_call("private key"):
            from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

            if passphrase is None:
                return self.loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            pkcs8 = self.loaded.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return cosign_key.encrypt(pkcs8, encoded(passphrase))


def encoded(passphrase: str) -> bytes:
    # The environment gives bytes that are not UTF-8 as surrogates.
    return passphrase.encode("utf-8", "surrogateescape")
