"""PKCS#11 modules of this process: one object for each shared library, with one lock around all its uses.

python-pkcs11 initialises modules for a single thread and releases the GIL while it calls them, so concurrent calls
crash. A login is per token and process, not per session: providers share it, and the last one logs out. A forked child
has to initialise the module again.
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
from imagesig.keys.pkcs11.errors import describe_error, explain, is_ended, wrong_pin_errors
from imagesig.keys.pkcs11.pins import Pins, token_name
from imagesig.keys.pkcs11.tokens import choose_token, describe_token, identity_of
from imagesig.keys.pkcs11.uri import Pkcs11Uri
from imagesig.keys.secrets import SecretSource
from imagesig.text import quote

T = TypeVar("T")


class _Login(Struct):
    """One login to one token, and the number of providers that use it."""

    session: Any
    users: int


class Module:
    """One shared library. Use it only inside `locked()`.

    `generation` increases each time that all sessions, logins and object handles become invalid: in a forked child,
    when other code in the process finalizes the module or logs out, and when the token is removed.
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
        """The initialised library, for one thread at a time. Its exceptions become ours and name `what`.

        After an error that invalidates sessions or the login, the next use opens them again.
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
        """Loads the module. A forked child loads it again, because it must not use the inherited one."""
        import pkcs11._pkcs11
        import pkcs11.exceptions

        if self._lib is not None:
            # Keep the old object: its destructor would finalize the module that is loaded now.
            self._former.append(self._lib)
        self._lib, self._sessions = None, []
        self._logins.clear()
        self.generation += 1
        try:
            # Not `pkcs11.lib`, which caches modules by path and fails if one is already initialised.
            kind: Any = pkcs11._pkcs11.lib
            lib = kind.__new__(kind, str(self.path))
            self._is_ours = _is_initialized_now(lib)
        except pkcs11.exceptions.PKCS11Error as error:
            hint = "check that this is a PKCS#11 module, and its configuration"
            if "softhsm" in self.path.name:
                hint = "set SOFTHSM2_CONF to a configuration file of SoftHSM that names the folder with tokens"
            raise KeyProviderError(
                f"PKCS#11 module {self.path}: cannot be initialised ({describe_error(error)})", hint=hint
            ) from error
        self._lib, self._pid = lib, os.getpid()

    def start_anew(self, *, ended: bool = False) -> None:
        """Drops every session and login. `ended`: the module was finalized. Call it inside `locked()`."""
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
        """A new session, without a login. Call it inside `locked()`."""
        session = token.open(rw=writable, attribute_mapper=lenient_attributes())
        self._sessions.append(session)
        return session

    def close_session(self, session: Any) -> None:
        """Closes a session of `open_session`, unless it is closed already. Call it inside `locked()`."""
        if session in self._sessions:
            self._sessions.remove(session)
            _close(session)

    def token(self, wanted: Pkcs11Uri) -> Any:
        """The only token that fits. Call it inside `locked()`.

        Raises:
            KeyNotFound: none or several fit; the hint lists all tokens.
        """
        return choose_token(list(self._tokens()), wanted, self.path.name)

    def describe_tokens(self) -> tuple[str, ...]:
        """Every token and the state of its PIN, for people. Call it inside `locked()`."""
        return tuple(describe_token(token, slot_id) for slot_id, token in self._tokens())

    def _tokens(self) -> Iterator[tuple[int, Any]]:
        import pkcs11.exceptions

        for slot in self._lib.get_slots(token_present=True):
            # Skip a card that was removed or is unknown to the module.
            with suppress(pkcs11.exceptions.TokenNotPresent, pkcs11.exceptions.TokenNotRecognised):
                yield slot.slot_id, slot.get_token()

    def log_in(self, token: Any, secrets: SecretSource) -> str:
        """Logs in unless this process is logged in. Returns the argument for `log_out`. Call it inside `locked()`.

        Raises:
            SecretRequired, PinLocked: see `Pins.for_login`.
            WrongSecret: the PIN is wrong; it is never tried again on this token.
        """
        key = identity_of(token)
        login = self._logins.get(key)
        if login is None:
            # Read the token again: its flags show how many tries are left.
            login = self._logins[key] = _Login(self._open_logged_in(token.slot.get_token(), secrets), 0)
            self.logins_made += 1
        login.users += 1
        return key

    def log_out(self, key: str, generation: int) -> None:
        """Ends the use of a login by one provider; the last one logs out. Call it inside `locked()`."""
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
            return None  # other code in this process logged in; it also logs out
        except wrong_pin_errors():
            self.pins.refuse(token, pin)
            self._drop_leaked_session()
            raise WrongSecret(
                f"{token_name(token)}: the PIN is wrong",
                hint="give the right PIN; wrong ones lock the token",
            ) from None

    def _drop_leaked_session(self) -> None:
        # After a refused login python-pkcs11 loses the handle of the open session. Only initialising the module again
        # closes it. That affects nobody while there is no other login and we initialised the module.
        if self._is_ours and not self._logins:
            self._lib.reinitialize()
            self._sessions = []
            self.generation += 1


_modules: dict[tuple[int, int], Module] = {}
_modules_lock = threading.RLock()


def module_at(path: Path) -> Module:
    """The process's `Module` for a shared library; all paths of one file give the same object.

    Raises:
        MissingExtra: python-pkcs11 is not installed.
        InvalidArgument: not the absolute path of a regular file.
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
    """Waits until no thread uses a module, so that the child inherits modules and locks in a consistent state."""
    _modules_lock.acquire()
    for module in _modules.values():
        module._lock.acquire()


def _after_fork() -> None:
    for module in _modules.values():
        module._lock.release()
    _modules_lock.release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


def _is_initialized_now(lib: Any) -> bool:
    """Initialises the module. False if other code in this process, or the parent process, did that before.

    Then the module is usable, and others finalize it.
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

    # An invalid session is closed already.
    with suppress(pkcs11.exceptions.PKCS11Error):
        session.close()
