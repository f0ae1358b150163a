"""PKCS#11 modules of this process: one entry for each shared library, one lock around everything that is done with it.

python-pkcs11 initialises modules for a single thread and releases the GIL while it calls them, so calls from two
threads at once crash. Login belongs to a token in the process and not to a session: it is held once, counted, and let
go by the last user. A forked child has to initialise the module again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imagesig.errors import (
    InvalidArgument,
    KeyNotFound,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
    MissingExtra,
    PinLocked,
    SecretRequired,
    UnsupportedAlgorithm,
    WrongSecret,
    quote,
)
from imagesig.keys.pkcs11_uri import Pkcs11Uri
from imagesig.keys.secrets import SecretKind, SecretRequest, SecretSource


@dataclass(slots=True)
class _Login:
    """One login to one token, and how many providers rely on it."""

    session: Any
    users: int


class Module:
    """One shared library. Everything is done inside `locked()`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generation = 0
        self._lock = threading.RLock()
        self._lib: Any = None
        self._pid = 0
        self._logins: dict[str, _Login] = {}
        self._refused: set[tuple[str, int]] = set()

    @contextmanager
    def locked(self, what: str) -> Iterator[Any]:
        """The initialised library, for one thread at a time; foreign exceptions become ours, named after `what`."""
        with self._lock:
            import pkcs11.exceptions

            try:
                if self._lib is None or self._pid != os.getpid():
                    self._initialize()
                yield self._lib
            except pkcs11.exceptions.PKCS11Error as error:
                raise explain(error, f"{what} ({self.path.name})") from error

    def _initialize(self) -> None:
        """Loads the module; in a forked child, which has inherited everything but the right to use it, anew."""
        import pkcs11
        import pkcs11.exceptions

        inherited, self._lib = self._lib, None
        self._logins.clear()
        self.generation += 1
        pkcs11._loaded.pop(str(self.path), None)
        try:
            self._lib = pkcs11.lib(str(self.path))
        except pkcs11.exceptions.PKCS11Error as error:
            if inherited is None:
                raise KeyProviderError(
                    f"PKCS#11 module {self.path}: cannot be initialised ({error})",
                    hint="another library in this process may be using it: let imagesig be the only one",
                ) from error
            # The child's copy believes that it is initialised. Its state is a copy, so ending it harms nobody.
            inherited.reinitialize()
            self._lib = inherited
        self._pid = os.getpid()

    def token(self, wanted: Pkcs11Uri) -> Any:
        """The one token that fits. Call it inside `locked()`.

        Raises:
            KeyNotFound: none, or several; lists those that are there.
        """
        slots = self._lib.get_slots(token_present=True)
        tokens = [(slot.slot_id, slot.get_token()) for slot in slots]
        fitting = [token for slot_id, token in tokens if _token_fits(token, slot_id, wanted)]
        if len(fitting) != 1:
            there = ", ".join(f"{quote(_text(token.label))} (slot {slot_id})" for slot_id, token in tokens) or "none"
            raise KeyNotFound(
                f"PKCS#11 module {self.path.name}: {len(fitting)} tokens fit {wanted}, exactly one is needed",
                hint=f"tokens there: {there}",
            )
        return fitting[0]

    def describe_tokens(self) -> tuple[str, ...]:
        """Every token there and the state of its PIN, for people. Call it inside `locked()`."""
        import pkcs11

        states = {
            pkcs11.TokenFlag.USER_PIN_LOCKED: "its PIN is locked",
            pkcs11.TokenFlag.USER_PIN_FINAL_TRY: "one more wrong PIN locks it",
            pkcs11.TokenFlag.LOGIN_REQUIRED: "wants a login",
        }
        described = []
        for slot in self._lib.get_slots(token_present=True):
            token = slot.get_token()
            state = next((text for flag, text in states.items() if token.flags & flag), "wants no login")
            described.append(f"{quote(_text(token.label))}, serial {_serial(token)}, slot {slot.slot_id}: {state}")
        return tuple(described)

    def log_in(self, token: Any, secrets: SecretSource) -> str:
        """Logs in unless this process is logged in; returns what `log_out` takes. Call it inside `locked()`.

        Raises:
            SecretRequired: no PIN was given.
            WrongSecret: it is wrong; the same PIN is not tried again on this token.
            PinLocked: the PIN is locked, or one more wrong one would lock it.
        """
        key = f"{_text(token.label)}/{_serial(token)}"
        login = self._logins.get(key)
        if login is None:
            login = self._logins[key] = _Login(self._open_logged_in(token, key, secrets), 0)
        login.users += 1
        return key

    def log_out(self, key: str, generation: int) -> None:
        """Lets go of one login; the last one ends it. Call it inside `locked()`."""
        login = self._logins.get(key) if generation == self.generation else None
        if login is None:
            return
        login.users -= 1
        if login.users == 0:
            del self._logins[key]
            if login.session is not None:
                login.session.close()

    def _open_logged_in(self, token: Any, key: str, secrets: SecretSource) -> Any:
        import pkcs11
        import pkcs11.exceptions

        name = f"PKCS#11 token {quote(_text(token.label))}"
        flags = token.flags
        if not flags & pkcs11.TokenFlag.LOGIN_REQUIRED:
            return None
        if flags & pkcs11.TokenFlag.USER_PIN_LOCKED:
            raise PinLocked(f"{name}: its PIN is locked", hint="the security officer has to set a new one")
        if flags & pkcs11.TokenFlag.USER_PIN_FINAL_TRY:
            raise PinLocked(
                f"{name}: one more wrong PIN would lock it", hint="log in once with another tool, then try again"
            )
        protected = flags & pkcs11.TokenFlag.PROTECTED_AUTHENTICATION_PATH
        pin = pkcs11.PROTECTED_AUTH if protected else ask_pin(name, secrets)
        if (key, hash(pin)) in self._refused:
            raise WrongSecret(f"{name}: this PIN was refused before and is not tried again", hint="give the right PIN")
        try:
            return token.open(user_pin=pin)
        except pkcs11.exceptions.UserAlreadyLoggedIn:
            return None  # somebody else in this process logged in: fine, and not ours to end
        except (pkcs11.exceptions.PinIncorrect, pkcs11.exceptions.PinInvalid, pkcs11.exceptions.PinLenRange):
            self._refused.add((key, hash(pin)))
            self._drop_leaked_session()
            raise WrongSecret(
                f"{name}: the PIN is wrong", hint="it is not tried again: wrong PINs lock the token"
            ) from None

    def _drop_leaked_session(self) -> None:
        # A refused login leaves the session open that it was tried in, and python-pkcs11 loses its handle. Only
        # starting the module anew closes it, which nobody notices while no other login is held.
        if not self._logins:
            self._lib.reinitialize()
            self.generation += 1


def ask_pin(name: str, secrets: SecretSource) -> str:
    """The PIN for a token. Raises `SecretRequired` if the source has none."""
    pin = secrets(SecretRequest(SecretKind.PIN, name))
    if pin is None:
        raise SecretRequired(
            f"{name}: a PIN is needed and none was given",
            hint="set IMAGESIG_PKCS11_PIN, give --passphrase-file, or write ?pin-source=file:/PATH in the URI",
        )
    return pin


_modules: dict[tuple[int, int], Module] = {}
_modules_lock = threading.Lock()


def module_at(path: Path) -> Module:
    """The process's one `Module` for a shared library, by whatever path it is named.

    Raises:
        MissingExtra: python-pkcs11 is not installed.
        InvalidArgument: no absolute path of a regular file.
    """
    try:
        import pkcs11  # noqa: F401
    except ImportError as error:
        raise MissingExtra("PKCS#11", "pkcs11") from error
    try:
        real = path.resolve(strict=True)
        status = real.stat()
    except OSError as error:
        raise InvalidArgument(
            f"PKCS#11 module {path}: {error.strerror}", hint="install it, or correct the path"
        ) from None
    if not path.is_absolute() or not real.is_file():
        raise InvalidArgument(f"PKCS#11 module {path}: the absolute path of a shared library is needed")
    with _modules_lock:
        return _modules.setdefault((status.st_dev, status.st_ino), Module(real))


def _after_fork() -> None:
    """A lock that another thread held when the parent forked would never be released in the child."""
    global _modules_lock
    _modules_lock = threading.Lock()
    for module in _modules.values():
        module._lock = threading.RLock()


os.register_at_fork(after_in_child=_after_fork)


def _token_fits(token: Any, slot_id: int, wanted: Pkcs11Uri) -> bool:
    if wanted.slot_id is not None:  # as cosign has it, the slot outdoes the label
        return slot_id == wanted.slot_id
    return (
        wanted.token in ("", _text(token.label))
        and wanted.serial in ("", _serial(token))
        and wanted.manufacturer in ("", _text(token.manufacturer_id))
        and wanted.model in ("", _text(token.model))
    )


def _text(value: str | bytes | None) -> str:
    decoded = value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""
    return decoded.rstrip(" \0")


def _serial(token: Any) -> str:
    return _text(token.serial)


def explain(error: Exception, what: str) -> KeyProviderError:
    """A PKCS#11 error in our words; many of them have no text of their own, so the kind is named."""
    import pkcs11.exceptions as p11

    name = type(error).__name__
    text = f"{what}: {name}" + (f": {quote(str(error))}" if str(error) else "")
    if isinstance(error, p11.PinLocked):
        return PinLocked(text, hint="the security officer has to set a new PIN")
    if isinstance(error, p11.PinIncorrect | p11.PinInvalid | p11.PinLenRange):
        return WrongSecret(text)
    if isinstance(error, p11.MechanismInvalid | p11.MechanismParamInvalid):
        return UnsupportedAlgorithm(text, hint="the token does not have this mechanism")
    if isinstance(error, p11.UserNotLoggedIn):
        return KeyUnusable(text, hint="another program logged out of this token")
    if isinstance(error, p11.DeviceRemoved | p11.TokenNotPresent | p11.DeviceError | p11.SessionHandleInvalid):
        return KeyProviderUnavailable(text, hint="is the token still there?")
    return KeyProviderError(text)
