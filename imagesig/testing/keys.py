"""`MemoryProvider`: keys for tests, in memory, that fail when a test asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import KeyType, ToSign
from imagesig.errors import KeyProviderError, KeyProviderUnavailable
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.provider import FileKey
from imagesig.keys.provider import KeyProvider, SigningKey
from imagesig.keys.wrapped import WrappedKey
from imagesig.signature import SignerInfo


class MemoryProvider(KeyProvider):
    """A provider whose keys are made when they are first opened, each name a key of its own.

    Args:
        key_type: the type of every key.
        fail_after: how many signatures all keys make together before signing fails; without it, none fails.
        error: what a failing key raises.
    """

    @checks_arguments
    def __init__(
        self,
        key_type: KeyType = KeyType.ECDSA_P256,
        *,
        fail_after: int | None = None,
        error: KeyProviderError | None = None,
    ) -> None:
        self._key_type = key_type
        self._left = fail_after
        self._error = error
        self._keys: dict[str, PrivateKey] = {}
        self._lock = Lock()

    def open(self, name: str = "release") -> SigningKey:
        """The key of that name."""
        with self._lock:
            if name not in self._keys:
                self._keys[name] = PrivateKey.generate(self._key_type)
            return _Key(FileKey(self._keys[name], f"memory:{name}"), self)

    def spend(self) -> None:
        """Counts one signature. Raises the error of this provider if there are to be no more."""
        with self._lock:
            if self._left is None:
                return
            if self._left <= 0:
                raise self._error or KeyProviderUnavailable("memory: the key fails, as the test asked for")
            self._left -= 1


class _Key(WrappedKey):
    def __init__(self, key: SigningKey, provider: MemoryProvider) -> None:
        super().__init__(key)
        self._provider = provider

    def _verified(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        for _ in requests:
            self._provider.spend()
        return super()._verified(requests)
