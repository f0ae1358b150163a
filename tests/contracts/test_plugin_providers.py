"""Keys behind plugins through the contract: our own two programs are the plugins, each call a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.errors import KeyProviderError
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.plugin.notation import NotationPluginProvider
from imagesig.keys.plugin.sigstore import SigstorePluginProvider
from imagesig.keys.provider import KeyProvider
from imagesig.testing import ProviderContract
from tests.issuers import Issuer, pem
from tests.plugins.programs import program

pytestmark = pytest.mark.interop

_PASSPHRASE = "correct horse battery staple"
ROOT = Issuer("root")


class _PluginContract(ProviderContract):
    """Neither protocol lists keys or tells that one is missing, and each signature starts a program."""

    missing_key = KeyProviderError
    secrets = (_PASSPHRASE,)
    signatures_per_thread = 1

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.directory = tmp_path

    def make_key(self, provider: KeyProvider, key_type: KeyType) -> str:
        path = self.directory / self.fresh_name(key_type)
        key = PrivateKey.generate(key_type)
        path.write_bytes(key.to_pem(None))
        path.chmod(0o600)
        path.with_name(path.name + ".crt").write_bytes(pem(ROOT.chain_for(key.public_key)))
        return str(path)

    def missing_name(self) -> str:
        return str(self.directory / "contract-no-such-key")


class TestKeysBehindANotationPlugin(_PluginContract):
    key_types = (KeyType.ECDSA_P256, KeyType.ECDSA_P521, KeyType.RSA_3072)

    @pytest.fixture
    def provider(self, tmp_path: Path) -> Iterator[KeyProvider]:
        program(tmp_path / "plugins" / "imagesig", "notation-imagesig")
        environ = {"IMAGESIG_PASSPHRASE": _PASSPHRASE}
        with NotationPluginProvider("imagesig", tmp_path / "plugins", environ=environ) as provider:
            yield provider


class TestKeysBehindASigstorePlugin(_PluginContract):
    key_types = (KeyType.ECDSA_P256, KeyType.ED25519, KeyType.RSA_2048)

    @pytest.fixture
    def provider(self, tmp_path: Path) -> Iterator[KeyProvider]:
        made = program(tmp_path / "bin", "sigstore-kms-imagesig")
        with SigstorePluginProvider(made, environ={"IMAGESIG_PASSPHRASE": _PASSPHRASE}) as provider:
            yield provider
