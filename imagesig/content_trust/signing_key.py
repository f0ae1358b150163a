"""Private keys that sign trust data: a key of any provider, under the id that the metadata give it.

Spec: the dialect of TUF that notary 0.7 writes. The method follows from the type of key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from imagesig.content_trust.key import TrustKey
from imagesig.content_trust.metadata import RoleSignature
from imagesig.crypto.algorithms import ECDSA_SHA256, ED25519, RSA_PSS_SHA256
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.ecdsa import rs_from_der
from imagesig.errors import KeyMismatch, UnsupportedAlgorithm
from imagesig.keys.provider import SigningKey as KeyOfProvider

_METHODS = {
    "ecdsa": ("ecdsa", ECDSA_SHA256),  # SHA-256 for every curve
    "rsa": ("rsapss", RSA_PSS_SHA256),
    "ed25519": ("eddsa", ED25519),
}
"""The method and the algorithm that notary signs with, for each family of keys."""


class SigningKey(Protocol):
    """A private key that signs trust data. `key` is its public half as the metadata write it."""

    @property
    def key(self) -> TrustKey: ...

    def sign(self, message: bytes) -> RoleSignature:
        """The signature of a file: `message` is the canonical JSON of `signed`."""
        ...


class ProviderKey(Struct, frozen=True):
    """A key of a provider (a file, PKCS#11, Vault, a KMS) that signs trust data. Make it with `signing_key`.

    Closing `provider_key` ends it.
    """

    provider_key: KeyOfProvider
    key: TrustKey

    def sign(self, message: bytes) -> RoleSignature:
        """The signature of a file; ECDSA is r||s. Raises as `imagesig.keys.SigningKey.sign` does."""
        method, algorithm = _METHODS[self.key.family]
        value = self.provider_key.sign(message, algorithm)
        encoded = rs_from_der(value, self.key.public_key.key_type) if method == "ecdsa" else value
        return RoleSignature(self.key.id, method, encoded)

    def named(self, key: TrustKey) -> ProviderKey:
        """The same private key under the id of `key`: a root key with the certificate that the root file names.

        Of a key with versions it is the version that has this public key.

        Raises:
            KeyMismatch: `key` has another public key.
        """
        return ProviderKey(_able(self.provider_key.pinned_to(key.public_key)), key)


def signing_key(provider_key: KeyOfProvider, certificates: Sequence[Certificate] = ()) -> ProviderKey:
    """A signer of trust data over an open key, pinned to its present version.

    `certificates` are those of a root key, leaf first; without them the metadata have the bare key.

    Raises:
        UnsupportedAlgorithm: the key does not sign with the only algorithm that trust data have for its type.
        KeyMismatch: the first certificate is for another key.
        KeyProviderError: the key cannot be read.
    """
    public_key = provider_key.info.public_key
    if certificates and certificates[0].public_key != public_key:
        raise KeyMismatch(f"{provider_key.info.key_id}: the certificate {certificates[0].label} is for another key")
    return ProviderKey(_able(provider_key.pinned_to(public_key)), TrustKey.of(public_key, certificates))


def _able(provider_key: KeyOfProvider) -> KeyOfProvider:
    info = provider_key.info
    trust_key = TrustKey.of(info.public_key)
    _, needed = _METHODS[trust_key.family]
    if needed not in info.algorithms:
        raise UnsupportedAlgorithm(
            f"{info.key_id}: this {info.public_key.key_type.value} key signs "
            f"{', '.join(map(str, info.algorithms))}; trust data need {needed}"
        )
    return provider_key
