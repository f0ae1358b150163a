"""The URIs of our own providers through their contract."""

from __future__ import annotations

import uuid
from pathlib import Path

import hvac
import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import KeyProvider
from imagesig.keys.uri import KeySettings, resolve_key
from imagesig.keys.vault.provider import VaultProvider
from imagesig.testing import UriContract
from tests.peers.kms import KmsServer
from tests.peers.servers import SoftHsmToken, VaultServer


class _Ours(UriContract):
    def resolve(self, uri: str, settings: KeySettings) -> tuple[KeyProvider, str]:
        return resolve_key(uri, settings)


class TestKeyFiles(_Ours):
    wrong_uris = ("", "file://server/release.key", "fiel://release.key")

    @pytest.fixture
    def uri(self, tmp_path: Path) -> str:
        FileProvider(tmp_path).generate("release.key", KeyType.ECDSA_P256)
        self.folder = tmp_path
        return str(tmp_path / "release.key")

    def uri_for(self, provider: KeyProvider) -> str:
        return str(self.folder / "new.key")


@pytest.mark.interop
class TestKeysInVault(_Ours):
    wrong_uris = ("hashivault://", "hashivault://release?unknown=1", "hashivault://release?version=zero")

    @pytest.fixture
    def uri(self, vault: VaultServer) -> str:
        mount = f"uris-{uuid.uuid4().hex[:6]}"
        hvac.Client(vault.address, token=vault.root_token).sys.enable_secrets_engine("transit", path=mount)
        self.environ = {
            "VAULT_ADDR": vault.address,
            "VAULT_TOKEN": vault.root_token,
            "TRANSIT_SECRET_ENGINE_PATH": mount,
        }
        self.secrets = (vault.root_token,)
        provider, name = self.resolve("hashivault://release", self.settings)
        assert isinstance(provider, VaultProvider)
        with provider:
            provider.generate(name, KeyType.ECDSA_P256)
        return "hashivault://release"

    def uri_for(self, provider: KeyProvider) -> str:
        return "hashivault://new"


@pytest.mark.interop
class TestKeysInAToken(_Ours):
    wrong_uris = ("pkcs11:object=a;object=b", "pkcs11:object=a?unknown-path=b;c", "pkcs11:object=%zz")

    @pytest.fixture
    def uri(self, softhsm: SoftHsmToken) -> str:
        self.environ = {"IMAGESIG_PKCS11_PIN": softhsm.pin}
        self.secrets = (softhsm.pin,)
        self.token = f"pkcs11:token={softhsm.label};object=uri-{uuid.uuid4().hex[:8]}?module-path={softhsm.module}"
        provider, name = self.resolve(self.token, self.settings)
        with provider:
            provider.generate(name, KeyType.ECDSA_P256)  # type: ignore[attr-defined]
        return self.token

    def uri_for(self, provider: KeyProvider) -> str:
        return self.token.replace("object=uri-", "object=new-")


@pytest.mark.interop
class TestKeysInAwsKms(_Ours):
    wrong_uris = ("awskms://user@host/alias/a", "awskms://host/alias/", "awskms://host/alias/a?unknown=1")

    @pytest.fixture
    def uri(self, kms: KmsServer, monkeypatch: pytest.MonkeyPatch) -> str:
        self.environ = {"AWS_REGION": "us-east-1"}
        # boto3 reads these from the environment of the process itself.
        environ = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_ENDPOINT_URL": kms.endpoint}
        for variable, value in environ.items():
            monkeypatch.setenv(variable, value)
        made = f"awskms:///alias/uri-{uuid.uuid4().hex[:8]}"
        provider, name = self.resolve(made, self.settings)
        with provider:
            provider.generate(name, KeyType.ECDSA_P256)  # type: ignore[attr-defined]
        return made

    def uri_for(self, provider: KeyProvider) -> str:
        return f"awskms:///alias/new-{uuid.uuid4().hex[:8]}"
