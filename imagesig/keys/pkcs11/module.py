"""PKCS#11 modules of this process: one entry for each shared library, one lock around everything that is done with it.

python-pkcs11 initialises modules for a single thread and releases the GIL while it calls them, so calls from two
threads at once crash. Login belongs to a token in the process and not to a session: it is held once, counted, and let
go by the last user. A forked child has to initialise the module again.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from imagesig.errors import (
    ImagesigError,
    InvalidArgument,
    KeyProviderError,
    KeyProviderUnavailable,
    MissingExtra,
    WrongSecret,
)
from imagesig.external import explained, external_call
from imagesig.keys.pkcs11.attributes import lenient_attributes
from imagesig.keys.pkcs11.errors import explain, is_ended, said, wrong_pin_errors
from imagesig.keys.pkcs11.pins import Pins, token_name
from imagesig.keys.pkcs11.tokens import choose_token, describe_token, identity_of
from imagesig.keys.pkcs11.uri import Pkcs11Uri
from imagesig.keys.secrets import SecretSource
from imagesig.text import quote

T = TypeVar("T")


class _Login(Struct):
    """One login to one token, and how many providers rely on it."""

    session: Any
    users: int


class Module:
    """One shared library. Everything is done inside `locked()`.

    `generation` counts the times that every session, login and object handle became worthless at once: in a forked
    child, when somebody else in the process ended the module or logged out, when the token was away.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generation = 0
        self._lock = threading.RLock()
        self._lib: Any = None
        self._is_ours = False
        self._former: list[Any] = []
        self._pid = 0
        self._sessions: list[Any] = []
        self._logins: dict[str, _Login] = {}
        self.logins_made = 0
        self.pins = Pins()

    @contextmanager
    def locked(self, what: str) -> Iterator[Any]:
        """The initialised library, for one thread at a time; foreign exceptions become ours, named after `what`.

        Where the error says that sessions or the login are gone, they are given up: the next use opens them again.
        """
        with self._lock:
            try:
                if self._lib is None or self._pid != os.getpid():
                    self._initialize()
                yield self._lib
            except ImagesigError:
                raise
            except Exception as error:
                raise self._refusal(error, what) from error

    def _refusal(self, error: Exception, what: str) -> ImagesigError:
        name = f"{what} ({self.path.name})"
        refusal = explained(error, name, lambda error: explain(error, name))
        if isinstance(refusal, KeyProviderUnavailable):
            self.start_anew(ended=is_ended(error))
        return refusal

    def _initialize(self) -> None:
        """Loads the module; in a forked child, which has inherited everything but the right to use it, anew."""
        import pkcs11._pkcs11
        import pkcs11.exceptions

        if self._lib is not None:
            # Its destructor would end the module under the one that is made now.
            self._former.append(self._lib)
        self._lib, self._sessions = None, []
        self._logins.clear()
        self.generation += 1
        try:
            # Not `pkcs11.lib`: that keeps modules by the name of their path, and gives up on one already initialised.
            kind: Any = pkcs11._pkcs11.lib
            lib = kind.__new__(kind, str(self.path))
            self._is_ours = _is_initialized_now(lib)
        except pkcs11.exceptions.PKCS11Error as error:
            hint = "is this a PKCS#11 module, and is it set up?"
            if "softhsm" in self.path.name:
                hint = "SOFTHSM2_CONF must name a file of SoftHSM's own, and that a folder with tokens"
            raise KeyProviderError(
                f"PKCS#11 module {self.path}: cannot be initialised ({said(error)})", hint=hint
            ) from error
        self._lib, self._pid = lib, os.getpid()

    def start_anew(self, *, ended: bool = False) -> None:
        """Gives up every session and login. `ended`: somebody ended the module itself. Call it inside `locked()`."""
        sessions, self._sessions = self._sessions, []
        logins = [login.session for login in self._logins.values() if login.session is not None]
        self._logins.clear()
        self.generation += 1
        if ended:
            self._former.append(self._lib)
            self._lib = None
            return
        for session in (*sessions, *logins):
            _close(session)

    def open_session(self, token: Any, *, writable: bool = False) -> Any:
        """A session without a login of its own. Call it inside `locked()`."""
        session = token.open(rw=writable, attribute_mapper=lenient_attributes())
        self._sessions.append(session)
        return session

    def close_session(self, session: Any) -> None:
        """Closes what `open_session` gave, unless that is long gone. Call it inside `locked()`."""
        if session in self._sessions:
            self._sessions.remove(session)
            _close(session)

    def token(self, wanted: Pkcs11Uri) -> Any:
        """The one token that fits. Call it inside `locked()`.

        Raises:
            KeyNotFound: none, or several; lists those that are there.
        """
        return choose_token(list(self._tokens()), wanted, self.path.name)

    def describe_tokens(self) -> tuple[str, ...]:
        """Every token there and the state of its PIN, for people. Call it inside `locked()`."""
        return tuple(describe_token(token, slot_id) for slot_id, token in self._tokens())

    def _tokens(self) -> Iterator[tuple[int, Any]]:
        import pkcs11.exceptions

        for slot in self._lib.get_slots(token_present=True):
            # One card that was pulled out, or is none that the module knows, does not hide the others.
            with suppress(pkcs11.exceptions.TokenNotPresent, pkcs11.exceptions.TokenNotRecognised):
                yield slot.slot_id, slot.get_token()

    def log_in(self, token: Any, secrets: SecretSource) -> str:
        """Logs in unless this process is logged in; returns what `log_out` takes. Call it inside `locked()`.

        Raises:
            SecretRequired: no PIN was given.
            WrongSecret: it is wrong; the same PIN is not tried again on this token.
            PinLocked: the PIN is locked, or one more wrong one would lock it.
        """
        key = identity_of(token)
        login = self._logins.get(key)
        if login is None:
            # Looked at again: the flags tell how many tries are left now.
            login = self._logins[key] = _Login(self._open_logged_in(token.slot.get_token(), secrets), 0)
            self.logins_made += 1
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
                _close(login.session)

    def _open_logged_in(self, token: Any, secrets: SecretSource) -> Any:
        import pkcs11
        import pkcs11.exceptions

        if not token.flags & pkcs11.TokenFlag.LOGIN_REQUIRED:
            return None
        pin = self.pins.for_login(token, secrets)
        try:
            return token.open(user_pin=pin)
        except pkcs11.exceptions.UserAlreadyLoggedIn:
            return None  # somebody else in this process logged in: fine, and not ours to end
        except wrong_pin_errors():
            self.pins.refuse(token, pin)
            self._drop_leaked_session()
            raise WrongSecret(
                f"{token_name(token)}: the PIN is wrong", hint="it is not tried again: wrong PINs lock the token"
            ) from None

    def _drop_leaked_session(self) -> None:
        # A refused login leaves the session open that it was tried in, and python-pkcs11 loses its handle. Only
        # starting the module anew closes it, which nobody notices while no other login is held and the module is ours.
        if self._is_ours and not self._logins:
            self._lib.reinitialize()
            self._sessions = []
            self.generation += 1


_modules: dict[tuple[int, int], Module] = {}
_modules_lock = threading.RLock()


def module_at(path: Path) -> Module:
    """The process's one `Module` for a shared library, by whatever path it is named.

    Raises:
        MissingExtra: python-pkcs11 is not installed.
        InvalidArgument: no absolute path of a regular file.
    """
    with external_call("python-pkcs11", lambda error: _not_installed(error)):
        import pkcs11  # noqa: F401
    with external_call(f"PKCS#11 module {quote(path)}", lambda error: _no_module(path, error)):
        real = path.resolve(strict=True)
        status = real.stat()
    if not path.is_absolute() or not stat.S_ISREG(status.st_mode):
        raise InvalidArgument(f"PKCS#11 module {quote(path)}: the absolute path of a shared library is needed")
    key = (status.st_dev, status.st_ino)
    with _modules_lock:
        if key not in _modules:
            _modules[key] = Module(real)
        return _modules[key]


def _not_installed(error: Exception) -> ImagesigError | None:
    return MissingExtra("PKCS#11", "pkcs11") if isinstance(error, ImportError) else None


def _no_module(path: Path, error: Exception) -> ImagesigError | None:
    reason = error.strerror if isinstance(error, OSError) else ""
    if isinstance(error, RuntimeError) and not isinstance(error, RecursionError):
        reason = "a loop of symbolic links"
    if isinstance(error, ValueError):
        reason = "not the name of a file"
    hint = "install it, or correct the path"
    return InvalidArgument(f"PKCS#11 module {quote(path)}: {reason}", hint=hint) if reason else None


def _before_fork() -> None:
    """Waits until no thread is inside a module: the child gets it, and our locks, between two calls."""
    _modules_lock.acquire()
    for module in _modules.values():
        module._lock.acquire()


def _after_fork() -> None:
    for module in _modules.values():
        module._lock.release()
    _modules_lock.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


def _is_initialized_now(lib: Any) -> bool:
    """Initialises the module; False if somebody else in this process has, or a forked child's parent.

    Then it works as it is, and is not ours to end.
    """
    import pkcs11.exceptions

    try:
        lib.initialize()
    except pkcs11.exceptions.PKCS11Error as error:
        if "already initialized" not in str(error):
            raise
        return False
    return True


def _close(session: Any) -> None:
    import pkcs11.exceptions

    # A session that is gone has closed itself.
    with suppress(pkcs11.exceptions.PKCS11Error):
        session.close()
