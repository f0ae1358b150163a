"""notation as a tool with a configuration of its own: its keys, trust stores and trust policy, in one folder.

`NotationHome` is what a test of any home of keys needs: certify the key's public half, sign with the key, and let
notation verify; notation itself signs with keys in files, or through the plugin.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from msgspec.structs import replace

from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.keys.file.private_key import PrivateKey
from imagesig.policy import Policy
from tests.chains import SUBJECT, Issuer, intermediate, leaf, pem, root
from tests.interop.tools import Run, Tools

KEY_TYPES = tuple(key_type for key_type in KeyType if key_type is not KeyType.ED25519)
IDENTITY = "x509.subject: C=US, ST=WA, O=imagesig"
LAYOUT_SCOPE = "local/hello"


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class NotationHome:
    """`authority` issues the certificates, and its root is in the trust store `ca:acme`."""

    tools: Tools
    folder: Path
    authority: Issuer

    @classmethod
    def create(cls, folder: Path, reach: Mapping[str, str] = MappingProxyType({})) -> NotationHome:
        """A fresh one; `reach` is what plugins need to reach their keys."""
        start, end = now() - timedelta(hours=1), now() + timedelta(days=2)
        authority = intermediate(root(start=start, end=end), start=start, end=end)
        environ = {
            **reach,
            "NOTATION_CONFIG": str(folder / "config"),
            "NOTATION_LIBEXEC": str(folder / "libexec"),
            "NOTATION_CACHE": str(folder / "cache"),
            "NOTATION_EXPERIMENTAL": "1",
        }
        for name in ("config", "libexec", "cache", "keys"):
            (folder / name).mkdir(parents=True)
        home = cls(Tools(folder, environ), folder, authority)
        home.trust(authority.chain[-1:])
        home.write_policy()
        return home

    @property
    def config(self) -> Path:
        return self.folder / "config"

    def trust(self, certificates: Sequence[Certificate], store: str = "acme", kind: str = "ca") -> None:
        place = self.config / "truststore" / "x509" / kind / store
        place.mkdir(parents=True, exist_ok=True)
        (place / "roots.pem").write_text(pem(certificates))

    def write_policy(
        self,
        *,
        level: object = "strict",
        stores: Sequence[str] = ("ca:acme",),
        identities: Sequence[str] = (IDENTITY,),
    ) -> None:
        """One policy for everything. 1.3.2 reads `trustpolicy.json` alone."""
        verification = {"level": level} if isinstance(level, str) else level
        statement = {
            "name": "everything",
            "registryScopes": ["*"],
            "signatureVerification": verification,
            "trustStores": list(stores),
            "trustedIdentities": list(identities),
        }
        document = {"version": "1.0", "trustPolicies": [statement]}
        (self.config / "trustpolicy.json").write_text(json.dumps(document))

    @property
    def policy(self) -> Policy:
        """The same configuration as imagesig reads it."""
        return Policy.from_notation(self.config)

    def certify(self, key: PrivateKey | PublicKey, subject: str = f"{SUBJECT},CN=leaf") -> tuple[Certificate, ...]:
        """A chain for a key, wherever it lives: the signer's certificate first, the root last."""
        at = now()
        return leaf(self.authority, subject, key=key, start=at - timedelta(hours=1), end=at + timedelta(days=1)).chain

    def add_key(self, name: str, key: PrivateKey, chain: Sequence[Certificate]) -> None:
        """Makes a key in a file one of notation's own."""
        key_file, chain_file = self.folder / "keys" / f"{name}.key", self.folder / "keys" / f"{name}.pem"
        key_file.write_bytes(key.to_pem(None))
        chain_file.write_text(pem(chain))
        table = self.config / "signingkeys.json"
        document = json.loads(table.read_text()) if table.exists() else {"keys": []}
        document["keys"].append({"name": name, "keyPath": str(key_file), "certPath": str(chain_file)})
        table.write_text(json.dumps(document))

    def certified(self, key: PrivateKey) -> PrivateKey:
        """The key with a chain, as a key file with certificates gives it."""
        return replace(key, chain=self.certify(key))

    def sign(self, key: str, envelope: str, image: str, *more: str) -> Run:
        where = ["--oci-layout"] if image.startswith("/") else ["--insecure-registry"]
        return self.tools.run("notation", "sign", *where, "--key", key, "--signature-format", envelope, *more, image)

    def sign_through_plugin(self, key_uri: str, chain: Path, envelope: str, image: str) -> Run:
        """Signs with a key of imagesig's, through the installed `notation-imagesig`."""
        key = ["--plugin", "imagesig", "--id", key_uri, "--plugin-config", f"cert_chain={chain}"]
        return self.tools.run("notation", "sign", "--insecure-registry", *key, "--signature-format", envelope, image)

    def verify(self, image: str, *more: str) -> Run:
        where = ["--oci-layout", "--scope", LAYOUT_SCOPE] if image.startswith("/") else ["--insecure-registry"]
        return self.tools.run("notation", "verify", *where, "-d", *more, image)
