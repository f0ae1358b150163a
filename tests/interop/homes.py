"""The four places where keys live, for real, as both imagesig and the peers name the very same keys."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path

from imagesig.crypto.algorithms import KeyType
from imagesig.keys import KeySettings, SigningKey, resolve_key
from imagesig.keys.provider import ManagesKeys
from imagesig.keys.secrets import fixed
from tests.interop.tools import PASSPHRASE
from tests.peers.kms import KmsServer
from tests.peers.servers import SoftHsmToken, VaultServer

HOMES = ("file", "PKCS#11", "Vault", "KMS")


@dataclass(frozen=True, slots=True)
class SharedKey:
    """One key under both names: open for imagesig, `peer_uri` for cosign, `pem` for whoever only verifies."""

    key: SigningKey
    peer_uri: str
    pem: Path


@dataclass(frozen=True, slots=True)
class Homes:
    """Makes keys in each home; `environ` is what both sides need to reach them."""

    folder: Path
    environ: dict[str, str]
    _shared: dict[tuple[str, KeyType], SharedKey] = field(default_factory=dict)

    def shared(self, home: str, key_type: KeyType) -> SharedKey:
        """One key for each home and type in the whole run: generating RSA-4096 takes its time."""
        if (home, key_type) not in self._shared:
            self._shared[home, key_type] = self.make(home, key_type)
        return self._shared[home, key_type]

    def make(self, home: str, key_type: KeyType) -> SharedKey:
        name = f"{key_type.value}-{uuid.uuid4().hex[:8]}"
        ours, theirs = self._uris(home, name)
        pin_or_passphrase = self.environ["COSIGN_PKCS11_PIN"] if home == "PKCS#11" else PASSPHRASE
        provider, key_name = resolve_key(ours, KeySettings(self.environ, fixed(pin_or_passphrase)))
        assert isinstance(provider, ManagesKeys)
        key = provider.generate(key_name, key_type)
        pem = self.folder / f"{name}.pem"
        pem.write_text(key.info.public_key.pem)
        return SharedKey(key, theirs, pem)

    def uri(self, home: str, name: str) -> str:
        """The key URI of a name in a home, whether there is such a key or not."""
        return self._uris(home, name)[0]

    def _uris(self, home: str, name: str) -> tuple[str, str]:
        if home == "file":
            path = str(self.folder / f"{name}.key")
            return path, path
        if home == "PKCS#11":
            uri = f"pkcs11:token={self.environ['TOKEN_LABEL']};object={name}"
            return uri, uri
        return (f"hashivault://{name}",) * 2 if home == "Vault" else (f"awskms:///alias/{name}",) * 2


def open_homes(folder: Path, token: SoftHsmToken, vault: VaultServer, kms: KmsServer) -> Homes:
    """Homes over running servers; the transit engine is mounted if it is not yet."""
    _mount_transit(vault)
    environ = {
        "SOFTHSM2_CONF": str(token.config),
        "TOKEN_LABEL": token.label,
        "COSIGN_PKCS11_MODULE_PATH": str(token.module),
        "COSIGN_PKCS11_PIN": token.pin,
        "COSIGN_PKCS11_IGNORE_CERTIFICATE": "1",
        "VAULT_ADDR": vault.address,
        "VAULT_TOKEN": vault.root_token,
        "AWS_ENDPOINT_URL": kms.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    return Homes(folder, environ)


def _mount_transit(vault: VaultServer) -> None:
    import hvac

    client = hvac.Client(url=vault.address, token=vault.root_token)
    if "transit/" not in client.sys.list_mounted_secrets_engines()["data"]:
        client.sys.enable_secrets_engine("transit")
