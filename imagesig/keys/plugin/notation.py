"""Keys of notation plugins with the capability SIGNATURE_GENERATOR.RAW.

The protocol gives a key's certificates only together with a signature. So opening a key signs a fixed, harmless text.
Spec: Notary Project plugin-extensibility, contract version 1.0.
"""

from __future__ import annotations

import json
import os
import stat
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from urllib.parse import quote as percent_encoded

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import Algorithm, Hash, KeyType, Scheme, ToSign
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.ecdsa import der_from_rs
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import OURS, as_bytes
from imagesig.errors import (
    AccessDenied,
    BadSignature,
    ImagesigError,
    InvalidArgument,
    KeyNotFound,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
    MalformedError,
    UnsupportedAlgorithm,
)
from imagesig.external import external_call
from imagesig.keys.plugin.process import NAME, NEEDS_VARIABLES, describe_output
from imagesig.keys.plugin.provider import PluginProvider, parse_answer
from imagesig.keys.provider import SigningKey
from imagesig.naming import PathLike
from imagesig.signature import SignerInfo
from imagesig.text import quote

SCHEME = "notation-plugin://"
CONTRACT_VERSION = "1.0"
CAPABILITY = "SIGNATURE_GENERATOR.RAW"
PROBE = b"imagesig opens a key: this signs nothing"
_TYPES = {
    "EC-256": (KeyType.ECDSA_P256, Hash.SHA256),
    "EC-384": (KeyType.ECDSA_P384, Hash.SHA384),
    "EC-521": (KeyType.ECDSA_P521, Hash.SHA512),
    "RSA-2048": (KeyType.RSA_2048, Hash.SHA256),
    "RSA-3072": (KeyType.RSA_3072, Hash.SHA384),
    "RSA-4096": (KeyType.RSA_4096, Hash.SHA512),
}
_UPDATE = "update the plugin, or use another one"
_ERRORS: dict[str, tuple[type[KeyProviderError], str]] = {
    "VALIDATION_ERROR": (KeyUnusable, "correct the id of the key, or the settings for the plugin in the key's URI"),
    "UNSUPPORTED_CONTRACT_VERSION": (KeyUnusable, _UPDATE),
    "ACCESS_DENIED": (AccessDenied, f"log in to the plugin's service, or allow the login to sign; {NEEDS_VARIABLES}"),
    "TIMEOUT": (KeyProviderUnavailable, "try again later; if it stays, check the network"),
    "THROTTLED": (KeyProviderUnavailable, "try again later"),
}
_OTHER_ERROR = (KeyProviderError, NEEDS_VARIABLES)


class NotationPluginKey(SigningKey):
    """One key of a plugin. It signs with the only algorithm that the Notary Project has for its type."""

    def __init__(self, provider: NotationPluginProvider, key_id: str) -> None:
        self._provider, self._name = provider, key_id
        self._spec = provider.describe(key_id)
        key_type, hash_ = _TYPES[self._spec]
        scheme = Scheme.RSA_PSS if key_type.is_rsa else Scheme.ECDSA
        self._algorithm = Algorithm(scheme, hash_, hash_.size if key_type.is_rsa else None)
        uri = provider.key_uri(key_id)
        _, chain = provider.sign(key_id, self._spec, self._algorithm, PROBE)
        public_key = chain[0].public_key
        if public_key.key_type is not key_type:
            raise KeyUnusable(
                f"{uri}: described as {self._spec}, but its certificate is for {public_key.key_type.value}"
            )
        self._info = SignerInfo(public_key, uri, (self._algorithm,), chain)

    @property
    def info(self) -> SignerInfo:
        return self._info

    def _sign(self, request: ToSign) -> bytes:
        signature, chain = self._provider.sign(self._name, self._spec, self._algorithm, request.message)
        if chain[0].public_key != self._info.public_key:
            raise BadSignature(
                f"{self._info.key_id}: signed with the key {chain[0].public_key.fingerprint}, "
                f"{self._info.public_key.fingerprint} was opened"
            )
        return signature


class NotationPluginProvider(PluginProvider):
    """The keys of one notation plugin, `DIRECTORY/NAME/notation-NAME`. See `PluginProvider`.

    `config` goes to the plugin with every command.
    """

    @checks_arguments
    def __init__(
        self,
        name: str,
        directory: str | PathLike,
        *,
        config: Mapping[str, str] = MappingProxyType({}),
        environ: Mapping[str, str],
        seconds: float = limits.PLUGIN_SECONDS,
    ) -> None:
        super().__init__(find_plugin(name, Path(directory)), environ=environ, seconds=seconds)
        self._name, self._config = name, dict(config)
        self._lock = Lock()
        self._known = False

    def open(self, name: str) -> NotationPluginKey:
        """The key of that id. It signs a fixed text once, to get its certificates."""
        return NotationPluginKey(self, name)

    def key_uri(self, key_id: str) -> str:
        return f"{SCHEME}{self._name}/{percent_encoded(key_id, safe='/:@!$()*,;=&+')}"

    def describe(self, key_id: str) -> str:
        """The protocol's name of the key's type.

        Raises:
            UnsupportedAlgorithm: the protocol has no such type.
        """
        self._check_metadata()
        answer = self._ask("describe-key", {"keyId": key_id})
        self._same_key(answer, key_id)
        spec = answer.get("keySpec")
        if not isinstance(spec, str) or spec not in _TYPES:
            raise UnsupportedAlgorithm(
                f"{self.key_uri(key_id)}: is a {quote(spec)} key, one of {', '.join(_TYPES)} is needed",
                hint="name another key",
            )
        return spec

    def sign(
        self, key_id: str, spec: str, algorithm: Algorithm, message: bytes
    ) -> tuple[bytes, tuple[Certificate, ...]]:
        """The signature (ECDSA: DER), verified with the leaf of the chain that the plugin sent, and that chain."""
        key_type, hash_ = _TYPES[spec]
        hash_name = hash_.value.replace("sha", "SHA-")
        request = {"keyId": key_id, "keySpec": spec, "hashAlgorithm": hash_name, "payload": b64encode(message).decode()}
        answer = self._ask("generate-signature", request)
        self._same_key(answer, key_id)
        what = self.key_uri(key_id)
        wanted = f"{'RSASSA-PSS' if key_type.is_rsa else 'ECDSA'}-{hash_name}"
        if answer.get("signingAlgorithm") != wanted:
            raise BadSignature(f"{what}: signed with {quote(answer.get('signingAlgorithm'))}, {wanted} is needed")
        try:
            chain = _chain(answer.get("certificateChain"), what)
            signature = as_bytes(answer.get("signature"), f"{what}: signature", BadSignature)
            if key_type.is_ecdsa:
                signature = der_from_rs(signature, key_type)
            chain[0].public_key.verify(signature, message, algorithm)
        except KeyProviderError:
            raise
        except ImagesigError as error:
            raise BadSignature(f"{what}: the plugin's certificate does not verify its signature ({error})") from error
        return signature, chain

    def _check_metadata(self) -> None:
        with self._lock:
            if self._known:
                return
            answer, what = self._ask("get-plugin-metadata", {}), f"notation plugin {self._name}"
            versions, capabilities = answer.get("supportedContractVersions"), answer.get("capabilities")
            if answer.get("name") != self._name:
                raise KeyUnusable(
                    f"{what}: its metadata has the name {quote(answer.get('name'))}",
                    hint="install it under this name, in its folder and as notation-NAME",
                )
            if not isinstance(versions, list) or CONTRACT_VERSION not in versions:
                raise KeyUnusable(
                    f"{what}: supports the contract versions {quote(versions)}, {CONTRACT_VERSION} is needed",
                    hint=_UPDATE,
                )
            if not isinstance(capabilities, list) or CAPABILITY not in capabilities:
                raise KeyUnusable(
                    f"{what}: has the capabilities {quote(capabilities)}, {CAPABILITY} is needed", hint=_UPDATE
                )
            self._known = True

    def _same_key(self, answer: Mapping[str, object], key_id: str) -> None:
        if answer.get("keyId") != key_id:
            raise KeyUnusable(f"{self.key_uri(key_id)}: the answer is from the key {quote(answer.get('keyId'))}")

    def _ask(self, command: str, request: Mapping[str, object]) -> dict[str, object]:
        what = f"notation plugin {self._name} {command}"
        body = {"contractVersion": CONTRACT_VERSION, **request} if request else {}
        document = json.dumps(body | ({"pluginConfig": self._config} if self._config else {})).encode()
        finished = self.run(what, [command], document)
        if finished.status:
            raise _failure(what, finished.status, finished.stderr)
        return parse_answer(finished, what)


def find_plugin(name: str, directory: Path) -> Path:
    """The program of the plugin: a regular executable file. Neither the file nor its folder may be a symbolic link.

    Raises:
        InvalidArgument: not a valid plugin name.
        KeyNotFound: there is no such plugin; the hint lists the installed ones.
        KeyUnusable: not an executable regular file, or reached through a symbolic link.
    """
    if not NAME.fullmatch(name):
        raise InvalidArgument(f"notation plugin {quote(name)}: a name has letters, digits, '.', '_', '+' and '-' only")
    program = directory / name / f"notation-{name}"
    with external_call(f"notation plugin {name}", lambda error: _no_program(name, directory, error)):
        status = program.lstat()
        expected = Path(os.path.realpath(directory)) / name / program.name
        if not stat.S_ISREG(status.st_mode) or Path(os.path.realpath(program)) != expected:
            raise KeyUnusable(
                f"notation plugin {name}: {program} must be a regular file without symbolic links in its path",
                hint="install a copy of it: notation plugin install --file FILE",
            )
        if not os.access(program, os.X_OK):
            raise KeyUnusable(f"notation plugin {name}: {program} is not executable", hint=f"run: chmod +x {program}")
    return program


def _no_program(name: str, directory: Path, error: Exception) -> KeyProviderError | None:
    if not isinstance(error, OSError | ValueError):
        return None
    there = ", ".join(_installed(directory)) or "none"
    program = directory / name / f"notation-{name}"
    return KeyNotFound(f"notation plugin {name}: there is no file {program}", hint=f"installed plugins: {there}")


def _installed(directory: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in directory.iterdir() if (entry / f"notation-{entry.name}").is_file())[:20]
    except (OSError, ValueError):
        return []


def _failure(what: str, status: int, stderr: bytes) -> KeyProviderError:
    try:
        answer = parse_object(stderr, "error", OURS)
    except MalformedError:
        return KeyProviderError(
            f"{what}: failed with status {status}; it printed {describe_output(stderr)}", hint=NEEDS_VARIABLES
        )
    code = answer.get("errorCode")
    kind, hint = _ERRORS.get(code, _OTHER_ERROR) if isinstance(code, str) else _OTHER_ERROR
    return kind(f"{what}: {quote(code)}: {describe_output(answer.get('errorMessage') or '')}", hint=hint)


def _chain(value: object, what: str) -> tuple[Certificate, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= limits.CHAIN_CERTIFICATES:
        raise BadSignature(f"{what}: certificateChain must be a list of 1 to {limits.CHAIN_CERTIFICATES} certificates")
    return tuple(
        Certificate.from_der(as_bytes(item, f"{what}: certificateChain", BadSignature), what) for item in value
    )
