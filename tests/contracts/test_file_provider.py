"""Key files through the contract: plain ones of every type, and encrypted ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from imagesig.crypto.algorithms import KeyType
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.provider import FileProvider, MemoryProvider
from imagesig.keys.provider import KeyProvider
from imagesig.keys.secrets import fixed
from imagesig.testing import ProviderContract

_PASSPHRASE = "correct horse battery staple"
_KEYS: dict[tuple[KeyType, bool], bytes] = {}


def _key_file(key_type: KeyType, *, encrypted: bool) -> bytes:
    """PKCS#8 PEM, made once: this suite is about opening and signing.

    cosign's own encrypted form costs 0.3 s at every opening; it has tests of its own.
    """
    if (key_type, encrypted) not in _KEYS:
        form = BestAvailableEncryption(_PASSPHRASE.encode()) if encrypted else NoEncryption()
        loaded = PrivateKey.generate(key_type).loaded
        _KEYS[key_type, encrypted] = loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, form)
    return _KEYS[key_type, encrypted]


class TestPlainKeyFiles(ProviderContract):
    key_types = tuple(KeyType)

    @pytest.fixture
    def provider(self, tmp_path: Path) -> Iterator[KeyProvider]:
        with FileProvider(tmp_path) as provider:
            yield provider


class TestEncryptedKeyFiles(ProviderContract):
    key_types = (KeyType.ED25519, KeyType.ECDSA_P384, KeyType.RSA_2048)
    secrets = (_PASSPHRASE,)

    @pytest.fixture
    def provider(self, tmp_path: Path) -> Iterator[KeyProvider]:
        self.directory = tmp_path
        with FileProvider(tmp_path, secrets=fixed(_PASSPHRASE)) as provider:
            yield provider

    def wrong_login(self) -> KeyProvider:
        return FileProvider(self.directory, secrets=fixed("wrong"))

    def make_key(self, provider: KeyProvider, key_type: KeyType) -> str:
        name = self.fresh_name(key_type)
        (self.directory / name).write_bytes(_key_file(key_type, encrypted=True))
        (self.directory / name).chmod(0o600)
        return name


class TestKeysInMemory(ProviderContract):
    key_types = (KeyType.ECDSA_P256, KeyType.RSA_3072)

    @pytest.fixture
    def provider(self) -> Iterator[KeyProvider]:
        with MemoryProvider({t.value: _key_file(t, encrypted=False) for t in self.key_types}) as provider:
            yield provider

    def make_key(self, provider: KeyProvider, key_type: KeyType) -> str:
        return key_type.value
