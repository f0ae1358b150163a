"""The real notation in a folder of its own: trust store, trust policy, plugins; offline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.interop.tools import Run, Tools


@dataclass(frozen=True, slots=True)
class Notation:
    """`tools` runs it with `NOTATION_CONFIG` and `NOTATION_LIBEXEC` in `folder`."""

    tools: Tools
    folder: Path

    @property
    def plugins(self) -> Path:
        return self.folder / "libexec" / "plugins"

    def run(self, *arguments: str) -> Run:
        return self.tools.run("notation", *arguments)

    def trust(self, root: Path, subject: str) -> None:
        """Certificates under this root whose subject has these attributes may sign everything."""
        self.run("cert", "add", "-t", "ca", "-s", "imagesig", str(root)).must_succeed()
        policy = {
            "name": "all",
            "registryScopes": ["*"],
            "signatureVerification": {"level": "strict"},
            "trustStores": ["ca:imagesig"],
            "trustedIdentities": [f"x509.subject: {subject}"],
        }
        path = self.folder / "policy.json"
        path.write_text(json.dumps({"version": "1.0", "trustPolicies": [policy]}))
        self.run("policy", "import", "--force", str(path)).must_succeed()

    def sign(self, key_uri: str, image: str, form: str = "jws", config: Mapping[str, str] = {}) -> Run:
        """Signs through the plugin, with the key's URI as its id."""
        more = [word for name, value in config.items() for word in ("--plugin-config", f"{name}={value}")]
        key = ["--plugin", "imagesig", "--id", key_uri]
        return self.run("sign", "--insecure-registry", "--signature-format", form, *key, *more, image)

    def verify(self, image: str) -> Run:
        return self.run("verify", "--insecure-registry", image)


def notation_rig(folder: Path, environ: Mapping[str, str]) -> Notation:
    """A fresh one. `environ` is what plugins need to reach their keys."""
    own = {"NOTATION_CONFIG": "config", "NOTATION_LIBEXEC": "libexec", "NOTATION_CACHE": "cache"}
    for name in own.values():
        (folder / name).mkdir(parents=True)
    paths = {variable: str(folder / name) for variable, name in own.items()}
    return Notation(Tools(folder, {**environ, **paths}), folder)
