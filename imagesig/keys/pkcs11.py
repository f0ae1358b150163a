"""Keys in PKCS#11 tokens: HSMs, smart cards, SoftHSM.

Safe to use from several threads: calls to one module take turns, because the module was not initialised for more.
With `multiprocessing`, prefer the `spawn` method; a forked child opens its keys again by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagesig.crypto.algorithms import KeyType, ToSign
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import (
    BadSignature,
    ImagesigError,
    InvalidArgument,
    KeyExists,
    KeyNotFound,
    KeyProviderUnavailable,
    KeyUnusable,
    MalformedError,
    quote,
)
from imagesig.keys.pkcs11_certificates import find_chain
from imagesig.keys.pkcs11_encoding import (
    operation_for,
    public_key_of_certificate,
    signature_from_token,
)
from imagesig.keys.pkcs11_module import Module, ask_pin, module_at
from imagesig.keys.pkcs11_objects import TokenObject, find_objects, generate_pair, read_attribute, read_public_key
from imagesig.keys.pkcs11_uri import Pkcs11Uri, parse_pkcs11_uri
from imagesig.keys.provider import KeyInfo, KeyProvider, SigningKey
from imagesig.keys.secrets import SecretSource, first_of, from_file, no_secrets
from imagesig.keys.uri import KeySettings
from imagesig.signature import SignerInfo

_ID_BYTES = 16
_PROXY_MODULES = (
    "/usr/lib/x86_64-linux-gnu/p11-kit-proxy.so",
    "/usr/lib/aarch64-linux-gnu/p11-kit-proxy.so",
    "/usr/lib64/p11-kit-proxy.so",
    "/usr/lib/p11-kit-proxy.so",
)


@dataclass(slots=True)
class _Opened:
    """One open session of one provider, and the login that it relies on. Good for one generation of the module."""

    session: Any
    token: Any
    generation: int
    login: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    """A private key object, as the session of one generation knows it."""

    handle: Any
    generation: int
    always_authenticate: bool


class Pkcs11Key(SigningKey):
    """One private key in a token."""

    def __init__(self, provider: Pkcs11Provider, wanted: Pkcs11Uri) -> None:
        self._provider = provider
        self._closed = False
        with provider.locked(f"PKCS#11 key {wanted}"):
            self._found, self._uri, public_key = provider.find(wanted)
            chain = provider.find_chain(self._uri, public_key)
        self._info = SignerInfo(public_key, str(self._uri), chain=chain)

    @property
    def info(self) -> SignerInfo:
        return self._info

    def _sign(self, request: ToSign) -> bytes:
        return self._sign_all([request])[1][0]

    def _sign_all(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        """All signatures under one lock and one login; a session that broke is opened again once."""
        if self._closed:
            raise KeyUnusable(f"{self._info.key_id}: this key was closed, open it again to sign")
        what = f"PKCS#11 key {self._uri}"
        try:
            with self._provider.locked(what):
                return self._info, [self._sign_one(request) for request in requests]
        except KeyProviderUnavailable:
            self._provider.reset()
            with self._provider.locked(what):
                return self._info, [self._sign_one(request) for request in requests]

    def _sign_one(self, request: ToSign) -> bytes:
        self._refresh()
        signature = self._provider.sign(self._found.handle, request, self._pin())
        try:
            return signature_from_token(signature, self._info.public_key.key_type)
        except MalformedError as error:
            raise BadSignature(f"{self._info.key_id}: {error}") from error

    def _refresh(self) -> None:
        """Finds the key again where the session it was found in is gone: after a fork, or a token that was away."""
        if self._found.generation == self._provider.generation:
            return
        self._found, _, public_key = self._provider.find(self._uri)
        if public_key != self._info.public_key:
            raise KeyUnusable(f"{self._info.key_id}: has become another key meanwhile", hint="open it again")

    def _pin(self) -> str | None:
        """The PIN, where the key wants it anew for every signature (CKA_ALWAYS_AUTHENTICATE)."""
        return self._provider.pin() if self._found.always_authenticate else None

    def close(self) -> None:
        self._closed = True

    def __repr__(self) -> str:
        return f"Pkcs11Key({self._info.key_id!r}, {self._info.public_key!r})"


class Pkcs11Provider(KeyProvider):
    """One token of a PKCS#11 module, chosen by label, serial number or slot.

    `secrets` is asked for the PIN when a login is needed, and once. Names of keys are PKCS#11 URIs, or labels.
    """

    def __init__(
        self,
        module: Path,
        *,
        token: str = "",
        serial: str = "",
        slot_id: int | None = None,
        manufacturer: str = "",
        model: str = "",
        secrets: SecretSource = no_secrets,
    ) -> None:
        self._module: Module = module_at(module)
        self._wanted = Pkcs11Uri(token, serial, manufacturer, model, slot_id)
        self._secrets = secrets
        self._opened: _Opened | None = None
        self._mechanisms: frozenset[str] = frozenset()
        self._closed = False

    # --- the interface -------------------------------------------------------------------------------------------

    def open(self, name: str) -> Pkcs11Key:
        """The private key that a URI (`object`, `id` or both) or a label names. Raises as `KeyProvider.open` does."""
        return Pkcs11Key(self, self._key_uri(name))

    def public_keys(self, name: str) -> tuple[PublicKey, ...]:
        """The public key, without a login if the token shows it so."""
        wanted = self._key_uri(name)
        with self.locked(f"PKCS#11 key {wanted}"):
            session = self._open(log_in=False).session
            found = [
                item for item in find_objects(session, "PUBLIC_KEY", wanted) if not wanted.id or item.id == wanted.id
            ]
            keys = {read_public_key(item): None for item in found}
            if len(keys) == 1:
                return tuple(keys)
            return (self.find(wanted)[2],)

    def generate(self, name: str, key_type: KeyType) -> Pkcs11Key:
        """Makes a key pair that cannot leave the token. Raises as `ManagesKeys.generate` does."""
        wanted = self._key_uri(name)
        if not wanted.object:
            raise InvalidArgument(f"PKCS#11 key {wanted}: a new key needs a label", hint="write object=NAME")
        with self.locked(f"PKCS#11 key {wanted}"):
            session = self._open(log_in=True).session
            if any(find_objects(session, "PRIVATE_KEY", wanted)) or any(find_objects(session, "PUBLIC_KEY", wanted)):
                raise KeyExists(
                    f"PKCS#11 key {wanted}: exists already and is never replaced", hint="choose another label"
                )
            identity = wanted.id or os.urandom(_ID_BYTES)
            writable = self._opened_now().token.open(rw=True)
            try:
                generate_pair(writable, key_type, wanted.object, identity)
            finally:
                writable.close()
        return Pkcs11Key(self, Pkcs11Uri(object=wanted.object, id=identity))

    def list(self) -> Iterator[KeyInfo]:
        """Every private key in the token."""
        with self.locked("PKCS#11 token"):
            session = self._open(log_in=True).session
            found = []
            for item in find_objects(session, "PRIVATE_KEY", Pkcs11Uri()):
                uri = self._uri_of(item)
                try:
                    found.append(KeyInfo(str(uri), self._public_half(session, item).key_type))
                except ImagesigError as error:
                    found.append(KeyInfo(str(uri), None, str(error)))
        yield from found

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.reset()

    def __repr__(self) -> str:
        return f"Pkcs11Provider({str(self._module.path)!r}, {str(self._wanted)!r})"

    # --- for the keys --------------------------------------------------------------------------------------------

    def locked(self, what: str) -> Any:
        """The module's lock; see `Module.locked`."""
        if self._closed:
            raise KeyUnusable(f"{what}: its provider was closed")
        return self._module.locked(what)

    @property
    def generation(self) -> int:
        """Of the open session; a key found in another one must be found again."""
        return self._open(log_in=True).generation

    def reset(self) -> None:
        """Closes the session and lets go of the login; the next use opens them again."""
        import pkcs11.exceptions

        opened, self._opened = self._opened, None
        if opened is None or opened.generation != self._module.generation:
            return
        try:
            with self._module.locked("PKCS#11 token"):
                if opened.generation == self._module.generation:
                    opened.session.close()
                    self._module.log_out(opened.login, opened.generation)
        except (ImagesigError, pkcs11.exceptions.PKCS11Error):
            pass  # a token that is gone has closed its sessions itself

    def pin(self) -> str:
        """The PIN, asked for again."""
        return ask_pin(f"PKCS#11 token {quote(self._wanted.token)}", self._secrets)

    def find(self, wanted: Pkcs11Uri) -> tuple[_Found, Pkcs11Uri, PublicKey]:
        """The one private key that fits, its full URI and its public key. Call it inside `locked()`.

        Raises:
            KeyNotFound: none; lists what is there.
            KeyUnusable: several, or no public half to be found.
        """
        opened = self._open(log_in=True)
        found = list(find_objects(opened.session, "PRIVATE_KEY", wanted))
        if len(found) != 1:
            raise self._not_one(opened.session, wanted, len(found))
        item = found[0]
        public_key = self._public_half(opened.session, item)
        always = bool(read_attribute(item.handle, "ALWAYS_AUTHENTICATE"))
        return _Found(item.handle, opened.generation, always), self._uri_of(item), public_key

    def find_chain(self, key: Pkcs11Uri, public_key: PublicKey) -> tuple[Certificate, ...]:
        """The certificates that the token holds for this key, leaf first. Call it inside `locked()`."""
        return find_chain(self._opened_now().session, key, public_key)

    def sign(self, handle: Any, request: ToSign, pin: str | None) -> bytes:
        """One C_Sign. Call it inside `locked()`."""
        import pkcs11

        if not self._mechanisms:
            slot = self._opened_now().token.slot
            self._mechanisms = frozenset(getattr(item, "name", str(item)) for item in slot.get_mechanisms())
        operation = operation_for(request, self._mechanisms)
        parameter: Any = None
        if operation.parameter:
            hash_name, mgf, salt = operation.parameter
            parameter = (pkcs11.Mechanism[hash_name], pkcs11.MGF[mgf], salt)
        options: dict[str, Any] = {"pin": pin} if pin is not None else {}
        signature = handle.sign(
            operation.data, mechanism=pkcs11.Mechanism[operation.mechanism], mechanism_param=parameter, **options
        )
        return bytes(signature)

    # --- inside --------------------------------------------------------------------------------------------------

    def _key_uri(self, name: str) -> Pkcs11Uri:
        uri = parse_pkcs11_uri(name) if name.lower().startswith("pkcs11:") else Pkcs11Uri(object=name)
        if not uri.object and not uri.id:
            raise InvalidArgument(f"PKCS#11 key {uri}: object=LABEL or id=%XX is needed to name a key")
        if uri.type not in ("", "private", "public"):
            raise InvalidArgument(
                f"PKCS#11 key {uri}: type={uri.type} is no key", hint="write type=private, or leave it out"
            )
        return Pkcs11Uri(object=uri.object, id=uri.id)

    def _open(self, *, log_in: bool) -> _Opened:
        """The open session, with a login if one is needed. Call it inside `locked()`."""
        opened = self._opened
        if opened is None or opened.generation != self._module.generation:
            token = self._module.token(self._wanted)
            login = self._module.log_in(token, self._secrets) if log_in else ""
            # After a refused login the module starts anew, and what was found before is stale: so login comes first.
            opened = self._opened = _Opened(token.open(), token, self._module.generation, login)
        elif log_in and not opened.login:
            opened.login = self._module.log_in(opened.token, self._secrets)
        return opened

    def _opened_now(self) -> _Opened:
        assert self._opened is not None
        return self._opened

    def _uri_of(self, item: TokenObject) -> Pkcs11Uri:
        token = self._opened_now().token
        label = token.label if isinstance(token.label, str) else token.label.decode("utf-8", "replace")
        return Pkcs11Uri(token=label.rstrip(" \0"), object=item.label, id=item.id, type="private")

    def _public_half(self, session: Any, item: TokenObject) -> PublicKey:
        """From the public key object of the same id, else a certificate of the same id, else the private key itself."""
        same = Pkcs11Uri(id=item.id) if item.id else Pkcs11Uri(object=item.label)
        for other in find_objects(session, "PUBLIC_KEY", same):
            return read_public_key(other)
        for other in find_objects(session, "CERTIFICATE", same):
            return public_key_of_certificate(bytes(read_attribute(other.handle, "VALUE") or b""))
        return read_public_key(item)

    def _not_one(self, session: Any, wanted: Pkcs11Uri, count: int) -> ImagesigError:
        there = [str(self._uri_of(item)) for item in find_objects(session, "PRIVATE_KEY", Pkcs11Uri())]
        listed = "; ".join(there[:20]) or "none"
        if count:
            return KeyUnusable(
                f"PKCS#11 key {wanted}: {count} private keys fit, exactly one is needed",
                hint=f"private keys there: {listed}",
            )
        return KeyNotFound(f"PKCS#11 key {wanted}: no private key fits", hint=f"private keys there: {listed}")


def provider_from_uri(uri: str, settings: KeySettings) -> tuple[Pkcs11Provider, str]:
    """The token that the URI names, and the URI as the key's name. See `imagesig.keys.uri.ProviderFactory`.

    The module is the URI's `module-path`, else IMAGESIG_PKCS11_MODULE or COSIGN_PKCS11_MODULE_PATH, else p11-kit's
    proxy. The PIN is asked of `settings.secrets`, or read from the URI's `pin-source`.
    """
    parsed = parse_pkcs11_uri(uri)
    if parsed.pin_value:
        raise InvalidArgument(
            f"key URI {parsed}: a PIN in a URI is visible to everybody on this machine",
            hint="use ?pin-source=file:/PATH, --passphrase-file or IMAGESIG_PKCS11_PIN",
        )
    secrets = first_of(from_file(_pin_file(parsed)), settings.secrets) if parsed.pin_source else settings.secrets
    provider = Pkcs11Provider(
        _module_path(parsed, settings),
        token=parsed.token,
        serial=parsed.serial,
        slot_id=parsed.slot_id,
        manufacturer=parsed.manufacturer,
        model=parsed.model,
        secrets=secrets,
    )
    return provider, str(parsed)


def _module_path(parsed: Pkcs11Uri, settings: KeySettings) -> Path:
    environ = settings.environ
    named = parsed.module_path or environ.get("IMAGESIG_PKCS11_MODULE") or environ.get("COSIGN_PKCS11_MODULE_PATH")
    if parsed.module_name:
        raise InvalidArgument(
            f"key URI {parsed}: module-name is not supported", hint="name the file: module-path=/PATH"
        )
    if named:
        return Path(named)
    for proxy in _PROXY_MODULES:
        if Path(proxy).is_file():
            return Path(proxy)
    raise InvalidArgument(
        f"key URI {parsed}: which PKCS#11 module?", hint="set IMAGESIG_PKCS11_MODULE, or write ?module-path=/PATH/TO.so"
    )


def _pin_file(parsed: Pkcs11Uri) -> Path:
    source = parsed.pin_source
    path = Path(source.removeprefix("file:").removeprefix("//"))
    if source.startswith("|") or not path.is_absolute():
        raise InvalidArgument(f"key URI {parsed}: pin-source must be file:/ABSOLUTE/PATH")
    return path
