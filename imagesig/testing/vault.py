"""`ScriptedVault`: a transit engine on loopback that refuses, fails and changes when a test asks for it.

It is strict: it knows one engine, its keys, the token and the namespace, and answers everything else as Vault does.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import KeyType
from imagesig.keys.file.private_key import PrivateKey
from imagesig.testing.loopback_server import Answer, Request
from imagesig.testing.scripted import ScriptedService, signed_digest

_JSON = {"content-type": "application/json"}


class ScriptedVault(ScriptedService):
    """Vault's HTTP API for ECDSA P-256 keys in a transit engine. See `ScriptedService`.

    `tokens` are accepted, `sealed` refuses everything. With `namespace` the keys are in that namespace only.

    Args:
        keys: the private keys by name, the versions of each in order.
    """

    @checks_arguments
    def __init__(
        self,
        keys: Mapping[str, Sequence[PrivateKey]],
        *,
        token: str = "hvs.scripted",  # noqa: S107 - accepted here only
        mount: str = "transit",
        namespace: str = "",
        tls: ssl.SSLContext | None = None,
        unix: str = "",
    ) -> None:
        super().__init__(tls=tls, unix=unix)
        self.keys = dict(keys)
        self.tokens = {token}
        self.mount = mount
        self.namespace = namespace
        self.sealed = False

    def own_answer(self, request: Request) -> Answer:
        """See `ScriptedService.own_answer`."""
        path = request.path.removeprefix("/v1/")
        if path == "sys/seal-status":
            return answered({"version": "1.21.0", "sealed": self.sealed}, wrapped=False)
        if self.sealed:
            return refused(503, "Vault is sealed")
        if request.headers.get("x-vault-token", "") not in self.tokens:
            return refused(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
        if path == "auth/token/lookup-self":
            return answered({"ttl": 0, "policies": ["default"]})
        inside = request.headers.get("x-vault-namespace", "").strip("/") == self.namespace
        if not inside or not path.startswith(f"{self.mount}/"):
            return refused(404, f'no handler for route "{path}". route entry not found.')
        return self._transit(request, path.removeprefix(f"{self.mount}/").split("/"))

    def _transit(self, request: Request, parts: list[str]) -> Answer:
        match request.method, parts:
            case "LIST", ["keys"]:
                return answered({"keys": sorted(self.keys)}) if self.keys else refused(404)
            case "GET", ["keys", name] if name in self.keys:
                versions = {str(at): {"public_key": key.public_key.pem} for at, key in enumerate(self.keys[name], 1)}
                return answered({"type": "ecdsa-p256", "keys": versions, "min_decryption_version": 1})
            case "GET", ["keys", _]:
                return refused(404)
            case "POST", ["keys", name]:
                self.keys.setdefault(name, [PrivateKey.generate(KeyType.ECDSA_P256)])
                return Answer(204)
            case "POST", ["sign", name, "sha2-256"] if name in self.keys:
                return self._signed(name, json.loads(request.body))
            case "POST", ["sign", _, "sha2-256"]:
                return refused(400, "signing key not found")
        return refused(405, "unsupported operation")

    def _signed(self, name: str, body: Mapping[str, Any]) -> Answer:
        version = int(body["key_version"]) or len(self.keys[name])
        key = self.keys[name][version - 1]
        results = []
        for item in body["batch_input"]:
            made = base64.b64encode(signed_digest(key, base64.b64decode(item["input"]))).decode()
            results.append({"signature": f"vault:v{version}:{made}"})
        return answered({"batch_results": results})


def answered(data: object, *, wrapped: bool = True) -> Answer:
    """Vault's answer with this `data`."""
    return Answer(200, json.dumps({"data": data} if wrapped else data).encode(), _JSON)


def refused(status: int, *reasons: str) -> Answer:
    """Vault's refusal with these reasons."""
    return Answer(status, json.dumps({"errors": reasons}).encode(), _JSON)
