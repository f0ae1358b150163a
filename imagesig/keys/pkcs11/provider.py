"""Keys in PKCS#11 tokens: HSMs, smart cards, SoftHSM.

Thread-safe: calls to one module are serialized. With `multiprocessing`, prefer the `spawn` method; a forked child opens
its keys again automatically.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import KeyType, ToSign
from imagesig.crypto.public_key import PublicKey
from imagesig.deadlines import remaining
from imagesig.errors import (
    ImagesigError,
    InvalidArgument,
    KeyExists,
    KeyNotFound,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
    SecretRequired,
)
from imagesig.keys.pkcs11.attributes import may_sign, read_attribute, signing_object
from imagesig.keys.pkcs11.certificates import find_chain
from imagesig.keys.pkcs11.codes import code_in
from imagesig.keys.pkcs11.errors import NOT_LOGGED_IN, not_generated
from imagesig.keys.pkcs11.key import FoundKey, Pkcs11Key
from imagesig.keys.pkcs11.module import Module, module_at
from imagesig.keys.pkcs11.objects import (
    TokenObject,
    find_objects,
    generate_pair,
    names,
    public_half,
    public_key_named,
)
from imagesig.keys.pkcs11.pins import GIVE_PIN
from imagesig.keys.pkcs11.signing import Signer
from imagesig.keys.pkcs11.tokens import needs_login, text_of
from imagesig.keys.pkcs11.uri import Pkcs11Uri, key_uri
from imagesig.keys.provider import KeyInfo, KeyProvider
from imagesig.keys.secrets import SecretSource, no_secrets
from imagesig.naming import PathLike

_ID_BYTES = 16
_MAY_NOT_SIGN = "the key may not sign (CKA_SIGN is false)"
_NO_LOGIN = "no login was made, because the token asks for none"
T = TypeVar("T")


class _Opened(Struct):
    """One open session of one provider, and its login. Valid for one generation of the module."""

    session: Any
    token: Any
    generation: int
    login: str = ""


class Pkcs11Provider(KeyProvider):
    """One token of a PKCS#11 module, chosen by label, serial number or slot.

    `secrets` is asked for the PIN if a login is needed. Names of keys are PKCS#11 URIs or labels. `public_key` is the
    public half of the key to open, for a token that has only the private half.
    """

    @checks_arguments
    def __init__(
        self,
        module: str | PathLike,
        *,
        token: str = "",
        serial: str = "",
        slot_id: int | None = None,
        manufacturer: str = "",
        model: str = "",
        slot_description: str = "",
        slot_manufacturer: str = "",
        public_key: PublicKey | None = None,
        secrets: SecretSource = no_secrets,
    ) -> None:
        self._module: Module = module_at(Path(module))
        self._wanted = Pkcs11Uri(token, serial, manufacturer, model, slot_id, slot_description, slot_manufacturer)
        self._public_key, self._secrets = public_key, secrets
        self._opened: _Opened | None = None
        self._signer = Signer(self._module, secrets)
        self._log_in_unasked = False

    # --- the interface -------------------------------------------------------------------------------------------

    def open(self, name: str) -> Pkcs11Key:
        """The private key with this URI (`object`, `id` or both) or label. Raises as `KeyProvider.open` does."""
        return Pkcs11Key(self, key_uri(name or str(self._wanted)))

    def public_keys(self, name: str) -> tuple[PublicKey, ...]:
        """The public key, without a login if the token allows that."""
        wanted = key_uri(name or str(self._wanted))

        def read() -> PublicKey:
            return public_key_named(self._open(log_in=False).session, wanted, lambda: self.find(wanted).public_key)

        return (self.attempt(f"PKCS#11 key {wanted}", read),)

    def generate(self, name: str, key_type: KeyType) -> Pkcs11Key:
        """Creates a key pair that cannot leave the token. Raises as `ManagesKeys.generate` does."""
        wanted = key_uri(name)
        what = f"PKCS#11 key {wanted}"
        if not wanted.object:
            raise InvalidArgument(f"{what}: a new key needs a label", hint="write object=NAME")
        identity = wanted.id or os.urandom(_ID_BYTES)

        def make() -> None:
            opened = self._open(log_in=True)
            if any(find_objects(opened.session, kind, wanted) for kind in ("PRIVATE_KEY", "PUBLIC_KEY")):
                raise KeyExists(f"{what}: the key exists and is never replaced", hint="choose another label")
            writable = self._module.open_session(opened.token, writable=True)
            try:
                generate_pair(writable, key_type, wanted.object, identity)
            except Exception as error:
                raise not_generated(error, what) from error
            finally:
                self._module.close_session(writable)

        self.attempt(what, make)
        return Pkcs11Key(self, Pkcs11Uri(object=wanted.object, id=identity))

    def list(self) -> Iterator[KeyInfo]:
        """Every private key in the token."""

        def read() -> Sequence[KeyInfo]:
            found = self._private_keys(Pkcs11Uri())
            if not found and self._is_logged_out():
                raise SecretRequired(
                    f"PKCS#11 token {self._wanted}: no private key is visible, {_NO_LOGIN}", hint=GIVE_PIN
                )
            return [self._describe(self._opened_now().session, item) for item in found]

        yield from self.attempt("PKCS#11 token", read)

    def _describe(self, session: Any, item: TokenObject) -> KeyInfo:
        uri = str(self._uri_of(item))
        try:
            key_type = public_half(session, item, None).key_type if may_sign(item.handle) else None
            return KeyInfo(uri, key_type, "" if key_type else _MAY_NOT_SIGN)
        except ImagesigError as error:
            return KeyInfo(uri, None, str(error))

    def facts(self) -> Iterator[tuple[str, str]]:
        """See `TellsFacts.facts`. Needs no PIN."""
        yield "PKCS#11 module", str(self._module.path)
        with self.locked("PKCS#11 module"):
            slots = self._module.describe_slots()
        yield from slots

    def _release(self) -> None:
        opened, self._opened = self._opened, None
        if opened is None:
            return
        # A session of a module that is gone is closed already.
        with suppress(KeyProviderError), self._module.locked("PKCS#11 token"):
            if opened.generation == self._module.generation:
                self._module.close_session(opened.session)
                self._module.log_out(opened.login, opened.generation)

    def __repr__(self) -> str:
        return f"Pkcs11Provider({str(self._module.path)!r}, {str(self._wanted)!r})"

    # --- for the keys --------------------------------------------------------------------------------------------

    def locked(self, what: str) -> Any:
        """The module's lock; see `Module.locked`."""
        self._refuse_closed()
        return self._module.locked(what)

    def attempt(self, what: str, work: Callable[[], T]) -> T:
        """The result of `work` under the lock. Tries once more, with new sessions and login, if those are invalid."""
        remaining(what)
        self._refuse_closed()
        try:
            with self._module.locked(what):
                return work()
        except KeyProviderUnavailable as error:
            self._refuse_closed()
            # A token that says it needs no login may be wrong.
            self._log_in_unasked |= isinstance(error.__cause__, Exception) and code_in(error.__cause__) == NOT_LOGGED_IN
            with self._module.locked(what, again=True):
                return work()

    @property
    def generation(self) -> int:
        """The generation of the open session. A key of another generation must be found again."""
        return self._open(log_in=True).generation

    def find(self, wanted: Pkcs11Uri) -> FoundKey:
        """The only private key that fits. Call it inside `locked()`.

        Raises:
            KeyNotFound: none fits; the hint lists the private keys.
            KeyUnusable: several fit, the key may not sign, or its public half was not found.
        """
        found = self._private_keys(wanted)
        opened = self._opened_now()
        if len(found) != 1:
            raise self._not_one(opened.session, wanted, len(found))
        item = found[0]
        uri = self._uri_of(item)
        if not may_sign(item.handle):
            raise KeyUnusable(f"{uri}: {_MAY_NOT_SIGN}", hint="name a key that may sign")
        public_key = public_half(opened.session, item, self._public_key)
        algorithms = self._signer.algorithms(public_key.key_type, opened.token)
        always = bool(read_attribute(item.handle, "ALWAYS_AUTHENTICATE"))
        digests = self._signer.digest_algorithms(algorithms, opened.token)
        chain = find_chain(opened.session, uri, public_key)
        handle = signing_object(item.handle)
        return FoundKey(handle, opened.generation, uri, public_key, algorithms, chain, always, digests)

    def sign(self, found: FoundKey, request: ToSign) -> bytes:
        """One signature. Call it inside `locked()`."""
        return self._signer.sign(found, request, self._opened_now().token)

    # --- inside --------------------------------------------------------------------------------------------------

    def _open(self, *, log_in: bool) -> _Opened:
        """The open session, with a login if one is needed. Call it inside `locked()`."""
        opened = self._opened
        if opened is None or opened.generation != self._module.generation:
            token = self._module.token(self._wanted)
            login = self._module.log_in(token, self._secrets, unasked=self._log_in_unasked) if log_in else ""
            session = self._module.open_session(token)
            opened = self._opened = _Opened(session, token, self._module.generation, login)
        elif log_in and not opened.login:
            opened.login = self._module.log_in(opened.token, self._secrets, unasked=self._log_in_unasked)
        return opened

    def _opened_now(self) -> _Opened:
        assert self._opened is not None
        return self._opened

    def _uri_of(self, item: TokenObject) -> Pkcs11Uri:
        token = self._opened_now().token
        return Pkcs11Uri(text_of(token.label), text_of(token.serial), object=item.label, id=item.id, type="private")

    def _private_keys(self, wanted: Pkcs11Uri) -> Sequence[TokenObject]:
        logins = self._module.logins_made
        found = self._find_private(wanted)
        if found or logins != self._module.logins_made:
            return found
        if self._logs_in_unasked():
            return self._find_private(wanted)
        if find_objects(self._opened_now().session, "PRIVATE_KEY", Pkcs11Uri()):
            return found
        # After a logout by other code in this process a token lists no private keys, without an error.
        self._module.start_anew()
        return self._find_private(wanted)

    def _find_private(self, wanted: Pkcs11Uri) -> Sequence[TokenObject]:
        """The private keys with this label and id; if there are none, those whose padded label is meant."""
        session = self._open(log_in=True).session
        found = find_objects(session, "PRIVATE_KEY", wanted)
        if found or not wanted.object:
            return found
        everything = find_objects(session, "PRIVATE_KEY", Pkcs11Uri())
        return [item for item in everything if names(wanted, item)]

    def _is_logged_out(self) -> bool:
        """Whether no login was made because the token says that it needs none."""
        return not needs_login(self._opened_now().token) and not self._log_in_unasked

    def _logs_in_unasked(self) -> bool:
        """Logs in to a token that says it needs no login and shows no key, once, if there is a PIN."""
        opened, logins = self._opened_now(), self._module.logins_made
        if not self._is_logged_out():
            return False
        try:
            login = self._module.log_in(opened.token, self._secrets, unasked=True)
        except SecretRequired:
            return False
        self._log_in_unasked = True
        self._module.log_out(login, opened.generation)  # this provider uses the login once
        return logins != self._module.logins_made

    def _not_one(self, session: Any, wanted: Pkcs11Uri, count: int) -> ImagesigError:
        there = [str(self._uri_of(item)) for item in find_objects(session, "PRIVATE_KEY", Pkcs11Uri())]
        listed = "; ".join([*there[:20], *([f"and {len(there) - 20} more"] if len(there) > 20 else [])]) or "none"
        hint = f"private keys there: {listed}"
        if count:
            return KeyUnusable(f"PKCS#11 key {wanted}: {count} private keys fit, exactly one is needed", hint=hint)
        if self._is_logged_out():
            hint += f"; {_NO_LOGIN}: {GIVE_PIN}"
        if answer := self._module.answer_to_login(self._opened_now().login):
            hint += f"; the token answered {answer} to the login: find who else in this process uses it"
        return KeyNotFound(f"PKCS#11 key {wanted}: no private key fits", hint=hint)
