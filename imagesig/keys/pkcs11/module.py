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
    KeyProviderUnavailable,
    MissingExtra,
    WrongSecret,
)
from imagesig.external import explained, external_call
from imagesig.keys.pkcs11.attributes import lenient_attributes
from imagesig.keys.pkcs11.codes import code_in
from imagesig.keys.pkcs11.errors import NO_LOGIN_NEEDED, WRONG_PINS, explain, is_ended, is_general, not_initialised
from imagesig.keys.pkcs11.functions import Functions, initialize
from imagesig.keys.pkcs11.pins import Pins, token_name
from imagesig.keys.pkcs11.tokens import choose_token, describe_slots, identity_of, needs_login
from imagesig.keys.pkcs11.uri import Pkcs11Uri
from imagesig.keys.secrets import SecretSource
from imagesig.text import quote

T = TypeVar("T")


class _Login(Struct):
    """One login to one token, and the number of providers that use it.

    `session` is None if other code in this process logged in, or if the token wants no login; `answer` is then the
    token's answer to C_Login, if it was called.
    """

    session: Any = None
    users: int = 0
    tried: bool = False
    answer: str = ""


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
        self._former: list[Any] = []
        self._pid = 0
        self._sessions: list[Any] = []
        self._logins: dict[str, _Login] = {}
        self.logins_made = 0
        self.pins = Pins()
        self.functions = Functions()

    @contextmanager
    def locked(self, what: str, *, again: bool = False) -> Iterator[Any]:
        """The initialised library, for one thread at a time. Its exceptions become ours and name `what`.

        After an error that invalidates sessions or the login, the next use opens them again. `again`: such an error
        came before, so it ends only what cannot do without the call that failed.
        """
        with self._lock:
            try:
                if self._lib is None or self._pid != os.getpid():
                    self._initialize()
                self.functions.tolerant = again
                yield self._lib
            except ImagesigError:
                raise
            except Exception as error:
                raise self._refusal(error, what) from error
            finally:
                self.functions.raise_interrupt()

    def _refusal(self, error: Exception, what: str) -> ImagesigError:
        name = f"{what} ({self.path.name})"
        refusal = explained(error, name, lambda error: explain(error, name))
        if isinstance(refusal, KeyProviderUnavailable) or is_general(error):
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
            self.functions = Functions()
            self.functions.replace_in(lib)
            initialize(lib)
        except pkcs11.exceptions.PKCS11Error as error:
            raise not_initialised(error, self.path) from error
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
            self._close(session)

    def open_session(self, token: Any, *, writable: bool = False) -> Any:
        """A new session, without a login. Call it inside `locked()`."""
        session = token.open(rw=writable, attribute_mapper=lenient_attributes())
        self._sessions.append(session)
        return session

    def close_session(self, session: Any) -> None:
        """Closes a session of `open_session`, unless it is closed already. Call it inside `locked()`."""
        if session in self._sessions:
            self._sessions.remove(session)
            self._close(session)

    def _close(self, session: Any) -> None:
        import pkcs11.exceptions

        try:
            session.close()
        except pkcs11.exceptions.PKCS11Error:
            # It may be closed already. If only the logout failed, it is still open.
            self.functions.close_session(session.handle)

    def token(self, wanted: Pkcs11Uri) -> Any:
        """The only token that fits. Call it inside `locked()`.

        Raises:
            KeyNotFound: none or several fit; the hint lists all tokens, and the slots that cannot be read.
        """
        return choose_token(list(self._tokens()), wanted, self.path.name, self.functions)

    def describe_slots(self) -> list[tuple[str, str]]:
        """See `describe_slots`. Call it inside `locked()`."""
        return describe_slots(list(self._tokens()), self.functions)

    def _tokens(self) -> Iterator[tuple[int, Any]]:
        import pkcs11.exceptions

        self.functions.slots.clear()
        for slot in self._lib.get_slots(token_present=True):
            # Skip a card that was removed or is unknown to the module.
            with suppress(pkcs11.exceptions.TokenNotPresent, pkcs11.exceptions.TokenNotRecognised):
                yield slot.slot_id, slot.get_token()

    def log_in(self, token: Any, secrets: SecretSource, *, unasked: bool = False) -> str:
        """Logs in unless this process is logged in. Returns the argument for `log_out`. Call it inside `locked()`.

        `unasked`: also if the token says that it needs no login.

        Raises:
            SecretRequired, PinLocked: see `Pins.for_login`.
            WrongSecret: the PIN is wrong; it is never tried again on this token.
        """
        key = identity_of(token)
        login = self._logins.get(key) or _Login()
        if not login.tried and (unasked or needs_login(token)):
            login.session, login.answer = self._open_logged_in(self._now(token), secrets)
            login.tried = True
            self.logins_made += 1
        self._logins[key] = login
        login.users += 1
        return key

    def _now(self, token: Any) -> Any:
        """The token read again, if that works: its flags show how many tries are left."""
        import pkcs11.exceptions

        with suppress(pkcs11.exceptions.PKCS11Error):
            now = token.slot.get_token()
            return token if token.slot.slot_id in self.functions.unknown else now
        return token

    def log_out(self, key: str, generation: int) -> None:
        """Ends the use of a login by one provider; the last one logs out. Call it inside `locked()`."""
        login = self._logins.get(key) if generation == self.generation else None
        if login is None:
            return
        login.users -= 1
        if login.users == 0:
            del self._logins[key]
            if login.session is not None:
                self._close(login.session)

    def answer_to_login(self, key: str) -> str:
        """The return code of a login that made no session; empty if one was made, or none tried."""
        login = self._logins.get(key)
        return login.answer if login else ""

    def _open_logged_in(self, token: Any, secrets: SecretSource) -> tuple[Any, str]:
        import pkcs11.exceptions

        pin = self.pins.for_login(token, secrets)
        try:
            return token.open(user_pin=pin), ""
        except pkcs11.exceptions.PKCS11Error as error:
            self.functions.close_newest_session()
            code = code_in(error)
            # Other code in this process logged in, which also logs out; or the token has no users.
            if code == "CKR_USER_ALREADY_LOGGED_IN" or code in NO_LOGIN_NEEDED:
                return None, code
            if code not in WRONG_PINS:
                raise
            self.pins.refuse(token, pin)
        raise WrongSecret(
            f"{token_name(token)}: the PIN is wrong", hint="give the right PIN; wrong ones lock the token"
        )


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
