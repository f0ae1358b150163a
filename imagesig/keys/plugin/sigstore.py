"""Keys of cosign's KMS plugins: `sigstore-kms://NAME/RESOURCE` is cosign's `NAME://RESOURCE`.

The program is `sigstore-kms-NAME` on PATH. It gets RESOURCE unchanged, without decoding.
Spec: sigstore/sigstore pkg/signature/kms/cliplugin, protocol v1.
"""

from __future__ import annotations

import json
import os
import shutil
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import Hash, Scheme, ToSign, signing_algorithms
from imagesig.crypto.public_key import PublicKey
from imagesig.encoding.shape import as_bytes, as_object
from imagesig.errors import (
    BadSignature,
    ImagesigError,
    InvalidArgument,
    KeyNotFound,
    KeyProviderError,
    KeyUnusable,
)
from imagesig.external import external_call
from imagesig.keys.plugin.process import NAME, NEEDS_VARIABLES, describe_output
from imagesig.keys.plugin.provider import PluginProvider, parse_answer
from imagesig.keys.provider import SigningKey
from imagesig.naming import PathLike
from imagesig.signature import SignerInfo
from imagesig.text import quote

SCHEME = "sigstore-kms://"
PREFIX = "sigstore-kms-"
PROTOCOL = "v1"
_HASH_NUMBERS = {Hash.SHA256: 5, Hash.SHA384: 6, Hash.SHA512: 7}
"""Go's numbers of its hashes."""
_ARGUMENT_BYTES = 64 * 1024


class SigstorePluginKey(SigningKey):
    """One key of a plugin. The plugin chooses the RSA scheme; only PKCS #1 v1.5 verifies here."""

    def __init__(self, provider: SigstorePluginProvider, resource: str) -> None:
        self._provider, self._resource = provider, resource
        public_key = provider.public_key(resource)
        possible = signing_algorithms(public_key.key_type)
        algorithms = tuple(item for item in possible if item.scheme is not Scheme.RSA_PSS)
        self._info = SignerInfo(public_key, provider.key_uri(resource), algorithms)

    @property
    def info(self) -> SignerInfo:
        return self._info

    def _sign(self, request: ToSign) -> bytes:
        return self._provider.sign(self._resource, request)


class SigstorePluginProvider(PluginProvider):
    """The keys of one plugin, the program `sigstore-kms-NAME`. See `PluginProvider`."""

    @checks_arguments
    def __init__(
        self, program: str | PathLike, *, environ: Mapping[str, str], seconds: float = limits.PLUGIN_SECONDS
    ) -> None:
        super().__init__(Path(program), environ=environ, seconds=seconds)
        self._name = Path(program).name.removeprefix(PREFIX)

    def open(self, name: str) -> SigstorePluginKey:
        """The key with this resource id."""
        return SigstorePluginKey(self, name)

    def key_uri(self, resource: str) -> str:
        return f"{SCHEME}{self._name}/{resource}"

    def public_key(self, resource: str) -> PublicKey:
        answer = self._ask(resource, "publicKey", {"publicKeyOptions": {}}, Hash.SHA256, b"")
        what = self.key_uri(resource)
        try:
            return PublicKey.from_pem(as_bytes(answer.get("publicKeyPEM"), f"{what}: publicKeyPEM", BadSignature))
        except KeyProviderError:
            raise
        except ImagesigError as error:
            raise KeyUnusable(f"{what}: the plugin's public key is invalid ({error})") from error

    def sign(self, resource: str, request: ToSign) -> bytes:
        """The raw signature of the message by the plugin."""
        hash_ = request.algorithm.hash
        options = {"messageOptions": {"digest": b64encode(request.digest).decode("ascii")}} if hash_ else {}
        answer = self._ask(resource, "signMessage", {"signOptions": options}, hash_ or Hash.SHA256, request.message)
        return as_bytes(answer.get("signature"), f"{self.key_uri(resource)}: signature", BadSignature)

    def _ask(
        self, resource: str, method: str, arguments: Mapping[str, object], hash_: Hash, message: bytes
    ) -> Mapping[str, object]:
        what = f"{self.key_uri(resource)}: plugin {method}"
        init = {
            "ctxDeadline": (datetime.now(UTC) + timedelta(seconds=self._seconds)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "protocolVersion": PROTOCOL,
            "keyResourceID": resource,
            "hashFunc": _HASH_NUMBERS[hash_],
        }
        call = json.dumps({"initOptions": init, "methodName": method, method: arguments})
        if len(call) > _ARGUMENT_BYTES:
            raise InvalidArgument(
                f"{quote(what)}: {len(call)} characters of arguments, at most {_ARGUMENT_BYTES} are sent"
            )
        answer = parse_answer(self.run(what, [PROTOCOL, call], message), what)
        if answer.get("errorMessage"):
            raise KeyProviderError(f"{what}: {describe_output(answer['errorMessage'])}", hint=NEEDS_VARIABLES)
        return as_object(answer.get(method), f"{what}: its answer: {method}", KeyProviderError)


def find_plugin(name: str, path: str) -> Path:
    """The program of the plugin in the absolute folders of `path`, a value of PATH.

    Raises:
        InvalidArgument: not a valid plugin name.
        KeyNotFound: there is no such program.
    """
    if not NAME.fullmatch(name):
        raise InvalidArgument(f"sigstore plugin {quote(name)}: a name has letters, digits, '.', '_', '+' and '-' only")
    folders = [folder for folder in path.split(os.pathsep) if folder.startswith("/")]
    with external_call(f"sigstore plugin {name}", lambda error: _not_looked_for(name, error)):
        found = shutil.which(PREFIX + name, path=os.pathsep.join(folders)) if folders else None
    if found is None:
        raise KeyNotFound(f"sigstore plugin {name}: no program {PREFIX}{name} on PATH", hint="install it, or set PATH")
    return Path(found)


def _not_looked_for(name: str, error: Exception) -> KeyNotFound | None:
    if isinstance(error, OSError | ValueError):
        return KeyNotFound(f"sigstore plugin {name}: the folders of PATH cannot be read", hint="correct PATH")
    return None
