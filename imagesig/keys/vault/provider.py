"""Keys in the transit engine of HashiCorp Vault and OpenBao.

A key signs with its latest version, unless one is pinned, and Vault's answer names the version. The public keys of all
versions are read once; signatures are verified with them here, never by Vault.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import Algorithm, KeyType, Scheme, ToSign
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import (
    AccessDenied,
    BadSignature,
    ImagesigError,
    InvalidArgument,
    KeyExists,
    KeyNotFound,
    UnsupportedAlgorithm,
)
from imagesig.external import external_call
from imagesig.keys.endpoint import Endpoint
from imagesig.keys.provider import KeyInfo, KeyProvider, SigningKey
from imagesig.keys.vault.answers import KeyVersions, parse_key, parse_signatures
from imagesig.keys.vault.client import VaultClient, unreadable
from imagesig.keys.vault.connection import VaultConnection, checked_mount, connect
from imagesig.keys.vault.facts import endpoint_of, facts
from imagesig.keys.vault.login import MethodLogin, TokenLogin
from imagesig.patterns import regex
from imagesig.signature import SignerInfo
from imagesig.text import quote

if TYPE_CHECKING:
    import hvac

DEFAULT_MOUNT = "transit"
DEFAULT_SCHEME = "hashivault"
_NAME = regex(r"\w(?:[\w.-]*\w)?", re.ASCII)
_BATCH_BYTES = 8 * 1024 * 1024
MESSAGE_BYTES = 768 * 1024
"""The longest message for Ed25519: Vault accepts 1 MiB of text, and base64 needs four characters for three bytes."""
_LATEST = 0


class VaultKey(SigningKey):
    """One transit key, at its latest version or at a pinned one."""

    def __init__(self, provider: VaultProvider, name: str, version: int) -> None:
        self._provider = provider
        self._name = name
        self._pinned = version
        self._versions = provider.read(name)
        if version and version not in self._versions.public_keys:
            there = ", ".join(map(str, sorted(self._versions.public_keys)))
            raise KeyNotFound(
                f"{provider.key_id(name, version)}: there is no such version, there are: {there}",
                hint="leave the version out for the latest, or lower min_decryption_version of the key",
            )
        self._info = self._signer(version or self._versions.latest)

    @property
    def info(self) -> SignerInfo:
        return self._info

    @property
    def public_keys(self) -> tuple[PublicKey, ...]:
        if self._pinned:
            return (self._info.public_key,)
        return tuple(key for _, key in sorted(self._versions.public_keys.items(), reverse=True))

    def pinned_to(self, public_key: PublicKey) -> SigningKey:
        versions = [number for number, key in self._versions.public_keys.items() if key == public_key]
        if not versions or self._pinned:
            return self.expect(public_key)
        return VaultKey(self._provider, self._name, max(versions)).expect(public_key)

    def _signer(self, version: int) -> SignerInfo:
        if version not in self._versions.public_keys:
            self._versions = self._provider.read(self._name)  # rotated since it was read
        if version not in self._versions.public_keys:
            raise BadSignature(
                f"{self._provider.key_id(self._name, version)}: signed with a version that Vault does not list"
            )
        return SignerInfo(self._versions.public_keys[version], self._provider.key_id(self._name, version))

    def signs_digests(self, algorithm: Algorithm) -> bool:
        return algorithm.hash is not None

    def _sign(self, request: ToSign) -> bytes:
        return self._sign_all([request])[1][0]

    def _sign_all(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        """One call for each algorithm, all with the version that the first call used."""
        version, signatures = self._pinned, dict[int, bytes]()
        for chunk in _chunks(requests):
            algorithm = requests[chunk[0]].algorithm
            used, made = self._provider.sign(self._name, [requests[at] for at in chunk], algorithm, version)
            version = version or used
            if used != version:
                raise BadSignature(f"{self._info.key_id}: signed with version {used}, version {version} is needed")
            signatures.update(zip(chunk, made, strict=True))
        signer = self._signer(version)
        self._info = signer
        return signer, [signatures[at] for at in range(len(requests))]


def _chunks(requests: Sequence[ToSign]) -> Iterator[list[int]]:
    """Groups of positions of requests for one call: of one algorithm, and not too large together."""
    for algorithm in dict.fromkeys(request.algorithm for request in requests):
        chunk, size = list[int](), 0
        for at, request in enumerate(requests):
            if request.algorithm != algorithm:
                continue
            if chunk and size + len(request.message) > _BATCH_BYTES:
                yield chunk
                chunk, size = [], 0
            chunk.append(at)
            size += len(request.message)
        yield chunk


class VaultProvider(KeyProvider):
    """The transit engine at one mount of one Vault.

    Pass a `connection` and a `login`, or your own `hvac.Client` with its token. Names of keys may have a version:
    `app?version=3`. The ids of the keys are URIs of `scheme`, with
    these `parameters` of the query, such as `namespace=team`.
    """

    @checks_arguments
    def __init__(
        self,
        connection: VaultConnection | None = None,
        login: TokenLogin | MethodLogin | None = None,
        *,
        client: hvac.Client | None = None,
        mount: str = DEFAULT_MOUNT,
        scheme: str = DEFAULT_SCHEME,
        parameters: str = "",
    ) -> None:
        mount = checked_mount(mount, "Vault mount")
        if client is None:
            if connection is None or login is None:
                raise InvalidArgument("Vault: a connection and a login, or an hvac client, is needed")
            client = connect(connection)
            self._owned = True
        else:
            self._owned = False
            given = client
            login = None
        self._login = login
        token: Callable[[VaultClient], str] = login or (lambda _client: str(given.token or ""))
        if not self._owned:
            client.adapter.allow_redirects = False  # a redirect would get the token, so override the owner's setting
        self._client = VaultClient(client, token, connection)
        self._connection = connection
        self._mount = mount
        self._scheme = scheme
        self._parameters = parameters

    def open(self, name: str) -> VaultKey:
        """The transit key of that name. Raises as `KeyProvider.open` does."""
        return VaultKey(self, *_split_version(name))

    def public_keys(self, name: str) -> tuple[PublicKey, ...]:
        """The public keys of all versions that Vault still accepts, newest first. Needs no permission to sign."""
        with self.open(name) as key:
            return key.public_keys

    def generate(self, name: str, key_type: KeyType) -> VaultKey:
        """Creates a transit key. Raises as `ManagesKeys.generate` does."""
        name, version = _split_version(name)
        if version:
            raise InvalidArgument(f"Vault key {quote(name)}: the name of a new key must have no version")
        # Vault reports success for a key that exists, and changes nothing. So look for the key first.
        try:
            self._call("GET", f"{self._mount}/keys/{name}")
        except KeyNotFound:
            pass
        else:
            raise KeyExists(f"{self.key_id(name)}: the key exists and is never replaced", hint="choose another name")
        self._call("POST", f"{self._mount}/keys/{name}", {"type": key_type.value})
        key = self.open(name)
        if key.info.public_key.key_type is not key_type:
            raise KeyExists(f"{self.key_id(name)}: another program created a key of that name at the same time")
        return key

    def list(self) -> Iterator[KeyInfo]:
        """Every transit key at this mount; `detail` says why a key cannot sign."""
        try:
            names = self._call("LIST", f"{self._mount}/keys").get("keys") or []
        except KeyNotFound as error:
            if "route" in str(error):
                raise
            return  # an empty transit engine answers "not found"
        for name in names if isinstance(names, list) else ():
            if not isinstance(name, str):
                continue
            try:
                versions = self.read(name)
            except ImagesigError as error:
                detail = f"{error}; {error.hint}" if isinstance(error, AccessDenied) else str(error)
                yield KeyInfo(self.key_id(name), None, detail)
            else:
                yield KeyInfo(self.key_id(name), versions.key_type, _counted(versions))

    def facts(self) -> Iterator[tuple[str, str | ImagesigError]]:
        """See `TellsFacts.facts`."""
        return facts(self._client, self._call, self._login, self._mount)

    def endpoint(self) -> Endpoint | None:
        """See `HasEndpoint.endpoint`."""
        return endpoint_of(self._connection) if self._connection is not None else None

    def read(self, name: str) -> KeyVersions:
        """Type and public keys of one transit key: one request.

        Raises:
            KeyUnusable: not a signing key of a supported type.
        """
        data = self._call("GET", f"{self._mount}/keys/{name}")
        with self._reading(name):
            return parse_key(data, self.key_id(name))

    def sign(
        self, name: str, requests: Sequence[ToSign], algorithm: Algorithm, version: int
    ) -> tuple[int, Sequence[bytes]]:
        """The version that signed, and its signatures in order, with one request. Version 0 is the latest."""
        prehashed = algorithm.hash is not None
        inputs = [request.digest if prehashed else request.message for request in requests]
        if (longest := max(map(len, inputs))) > MESSAGE_BYTES:
            raise UnsupportedAlgorithm(
                f"{self.key_id(name)}: {longest} bytes to sign; Vault accepts at most {MESSAGE_BYTES} for {algorithm}"
            )
        body: dict[str, object] = {
            "batch_input": [{"input": base64.b64encode(data).decode("ascii")} for data in inputs],
            "prehashed": prehashed,
            "key_version": version,
            "marshaling_algorithm": "asn1",
        }
        if algorithm.scheme in (Scheme.RSA_PKCS1V15, Scheme.RSA_PSS):
            body["signature_algorithm"] = "pss" if algorithm.scheme is Scheme.RSA_PSS else "pkcs1v15"
            body["salt_length"] = "hash"  # Vault's default is the longest salt that fits
        hash_name = algorithm.hash.value.replace("sha", "sha2-") if algorithm.hash else "sha2-256"
        data = self._call("POST", f"{self._mount}/sign/{name}/{hash_name}", body)
        with self._reading(name):
            return parse_signatures(data, len(requests), self.key_id(name))

    def _reading(self, name: str) -> external_call:
        return external_call(self.key_id(name), unreadable(self.key_id(name)))

    def key_id(self, name: str, version: int = _LATEST) -> str:
        """The URI of the key: its name, a mount other than `transit`, and a version other than the latest."""
        query = [f"mount={self._mount}"] if self._mount != DEFAULT_MOUNT else []
        query += [self._parameters] if self._parameters else []
        query += [f"version={version}"] if version else []
        return f"{self._scheme}://{name}" + ("?" + "&".join(query) if query else "")

    def _call(self, method: str, path: str, body: dict[str, object] | None = None) -> dict[str, Any]:
        try:
            return self._client.call(method, path, body)
        except AccessDenied:
            # The token may have been revoked, or have expired: take a new one, once.
            if self._login is None or not self._login.forget():
                raise
            return self._client.call(method, path, body)

    def _release(self) -> None:
        if self._owned:
            self._client.close()

    def __repr__(self) -> str:
        return f"VaultProvider({self._client.address!r}, mount={self._mount!r})"


def _counted(versions: KeyVersions) -> str:
    count = len(versions.public_keys)
    return f"{count} version{'' if count == 1 else 's'}"


def _split_version(name: str) -> tuple[str, int]:
    key, question, query = name.partition("?")
    version = _LATEST
    if question:
        label, _, value = query.partition("=")
        if label != "version" or not value.isdecimal() or not 0 < int(value) < 10**9:
            raise InvalidArgument(f"Vault key {quote(name)}: NAME or NAME?version=NUMBER is needed")
        version = int(value)
    if not _NAME.fullmatch(key):
        raise InvalidArgument(
            f"Vault key {quote(key)}: letters, digits, '_', '-' and '.' are allowed",
            hint="write hashivault://NAME, with ?mount=MOUNT for another mount than transit",
        )
    return key, version
