"""Keys that delegate to another key, and the key that closes its provider."""

from __future__ import annotations

from collections.abc import Sequence

from imagesig.crypto.algorithms import Algorithm, ToSign
from imagesig.crypto.public_key import PublicKey
from imagesig.keys.provider import KeyProvider, SigningKey
from imagesig.signature import SignerInfo


class WrappedKey(SigningKey):
    """A key that delegates to `key`, which also verifies the signatures. Closing this closes `key`."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    @property
    def info(self) -> SignerInfo:
        return self._key.info

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        return self._key.public_keys

    def signs_digests(self, algorithm: Algorithm) -> bool:
        return self._key.signs_digests(algorithm)

    def _sign(self, request: ToSign) -> bytes:
        return self._key.sign_batch([request])[0]

    def _verified(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        signer, signatures = self._key.signed(requests)
        self._check_expected(signer)
        return signer, signatures

    def check(self) -> str:
        proof = self._key.check()
        self._check_expected(self._key.info)
        return proof

    def _release(self) -> None:
        self._key.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._key!r})"


class OwnedKey(WrappedKey):
    """A key that closes its provider, which was made for it."""

    def __init__(self, key: SigningKey, provider: KeyProvider) -> None:
        super().__init__(key)
        self._provider = provider

    def pinned_to(self, public_key: PublicKey) -> SigningKey:
        pinned = OwnedKey(self._key.pinned_to(public_key), self._provider)
        if self._expected is not None:
            pinned.expect(self._expected)
        return pinned.expect(public_key)

    def _release(self) -> None:
        super()._release()
        self._provider.close()

    def __repr__(self) -> str:
        return repr(self._key)
