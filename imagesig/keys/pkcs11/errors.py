"""Errors of PKCS#11: their types, and their translation to ours.

The types are functions, so that `except` imports the SDK only after an exception.
"""

from __future__ import annotations

from pathlib import Path

from imagesig.errors import (
    AccessDenied,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
    PinLocked,
    UnsupportedAlgorithm,
    WrongSecret,
)
from imagesig.keys.pkcs11.codes import code_in
from imagesig.keys.pkcs11.encoding import NO_MECHANISM
from imagesig.text import quote

WRONG_PINS = frozenset({"CKR_PIN_INCORRECT", "CKR_PIN_INVALID", "CKR_PIN_LEN_RANGE"})
NO_LOGIN_NEEDED = frozenset({"CKR_USER_TYPE_INVALID", "CKR_FUNCTION_NOT_SUPPORTED"})
"""What tokens without users answer to a login."""
NOT_LOGGED_IN = "CKR_USER_NOT_LOGGED_IN"

_Meaning = tuple[type[KeyProviderError], str]
_MEANINGS: tuple[tuple[str, _Meaning], ...] = (
    ("PIN_LOCKED", (PinLocked, "the security officer has to set a new PIN")),
    ("PIN_EXPIRED PIN_TOO_WEAK", (AccessDenied, "set a new PIN with the token's own tool")),
    ("USER_PIN_NOT_INITIALIZED", (AccessDenied, "set the user's PIN: pkcs11-tool --init-pin")),
    (
        "USER_ANOTHER_ALREADY_LOGGED_IN USER_TOO_MANY_TYPES",
        (AccessDenied, "end the login of the other user, for example the security officer"),
    ),
    ("USER_TYPE_INVALID", (AccessDenied, "use a token with a PIN of the normal user")),
    ("PIN_INCORRECT PIN_INVALID PIN_LEN_RANGE", (WrongSecret, "give the right PIN; wrong ones lock the token")),
    (
        "MECHANISM_INVALID MECHANISM_PARAM_INVALID",
        (UnsupportedAlgorithm, NO_MECHANISM),
    ),
    (
        "KEY_FUNCTION_NOT_PERMITTED KEY_TYPE_INCONSISTENT KEY_SIZE_RANGE ACTION_PROHIBITED KEY_EXHAUSTED",
        (KeyUnusable, "name a key that may sign"),
    ),
    (
        "SESSION_HANDLE_INVALID SESSION_CLOSED OBJECT_HANDLE_INVALID KEY_HANDLE_INVALID USER_NOT_LOGGED_IN "
        "CRYPTOKI_NOT_INITIALIZED OPERATION_ACTIVE OPERATION_NOT_INITIALIZED",
        (KeyProviderUnavailable, "try again; if it stays, find the library in this process that logged out"),
    ),
    (
        "DEVICE_REMOVED TOKEN_NOT_PRESENT DEVICE_ERROR TOKEN_NOT_RECOGNIZED",
        (KeyProviderUnavailable, "check that the token is connected"),
    ),
    (
        "DEVICE_MEMORY SESSION_COUNT TOKEN_RESOURCE_EXCEEDED",
        (KeyProviderUnavailable, "check that the token is connected; close sessions of other programs"),
    ),
    ("HOST_MEMORY", (KeyProviderUnavailable, "free memory on this machine")),
    (
        "TOKEN_WRITE_PROTECTED SESSION_READ_ONLY",
        (KeyProviderError, "make the key with the token's own tool, or allow writing to the token"),
    ),
    ("FUNCTION_CANCELED FUNCTION_REJECTED", (AccessDenied, "confirm the request at the token")),
    (
        "TEMPLATE_INCONSISTENT TEMPLATE_INCOMPLETE ATTRIBUTE_VALUE_INVALID ATTRIBUTE_TYPE_INVALID ATTRIBUTE_READ_ONLY "
        "CURVE_NOT_SUPPORTED DOMAIN_PARAMS_INVALID FUNCTION_NOT_SUPPORTED",
        (KeyProviderError, "the token does not do this: use another type of key, or the token's own tool"),
    ),
)
_BY_NAME = {f"CKR_{name}": meaning for names, meaning in _MEANINGS for name in names.split()}
_UNKNOWN: _Meaning = (
    KeyProviderError,
    "see the log and the documentation of the module; `imagesig doctor pkcs11:token=LABEL` shows what works",
)


def is_wrong_pin(error: Exception) -> bool:
    return code_in(error) in WRONG_PINS


def is_about_mechanism(error: Exception) -> bool:
    return code_in(error) in ("CKR_MECHANISM_INVALID", "CKR_MECHANISM_PARAM_INVALID")


def is_ended(error: Exception) -> bool:
    return code_in(error) == "CKR_CRYPTOKI_NOT_INITIALIZED"


def is_general(error: Exception) -> bool:
    """Whether the module says only that something failed: many say so when their connection is gone."""
    return code_in(error) in ("CKR_GENERAL_ERROR", "CKR_FUNCTION_FAILED")


def describe_error(error: Exception) -> str:
    """The exception's type if it has one of its own, else the name of the return code, else its text."""
    kind, code = type(error).__name__, code_in(error)
    if kind == "PKCS11Error" and code:
        return code
    return kind + (f": {quote(str(error))}" if str(error) else "")


def is_lost(error: Exception) -> bool:
    """Whether sessions, logins or the token are gone, so that the caller must start again."""
    return isinstance(error, MemoryError) or isinstance(explain(error, ""), KeyProviderUnavailable)


def explain(error: Exception, what: str) -> KeyProviderError | None:
    """Explains a PKCS#11 error, with its type, because many have no text. None for other exceptions."""
    import pkcs11.exceptions as p11

    if not isinstance(error, p11.PKCS11Error):
        return None
    kind, hint = _BY_NAME.get(code_in(error), _UNKNOWN)
    return kind(f"{what}: {describe_error(error)}", hint=hint)


_LOADER_SAYS = "OS exception while loading "
_NOT_LOADED = (
    ("cannot open shared object", "install the library that this module needs: ldd MODULE shows which one is missing"),
    ("wrong elf class", "install the module for the processor and word size of this Python"),
    ("undefined symbol: c_getfunctionlist", "this library is not a PKCS#11 module: name another one"),
    ("", "this file cannot be loaded as a library: install the module again, or name another file"),
)


def not_initialised(error: Exception, path: Path) -> KeyProviderError:
    """The error for a module that was not loaded, with the loader's reason, or that refused C_Initialize."""
    subject, text = f"PKCS#11 module {path}", str(error)
    if text.startswith(_LOADER_SAYS):
        reason = text.removeprefix(_LOADER_SAYS).removeprefix(f"{path}: ").removeprefix(f"{path}: ")
        hint = next(hint for words, hint in _NOT_LOADED if words in reason.lower())
        return KeyProviderError(f"{subject}: cannot be loaded ({quote(reason)[1:-1]})", hint=hint)
    hint = "check that this is a PKCS#11 module, and its configuration"
    if "softhsm" in path.name:
        hint = "set SOFTHSM2_CONF to a configuration file of SoftHSM that names the folder with tokens"
    return KeyProviderError(f"{subject}: cannot be initialised ({describe_error(error)})", hint=hint)


def not_generated(error: Exception, what: str) -> Exception:
    """The error for a key that the token did not make: tokens often make one for their own tool."""
    explained = explain(error, what)
    if explained is None or type(explained) is not KeyProviderError:
        return error
    explained.hint = "make the key with another tool: pkcs11-tool --keypairgen --usage-sign --key-type EC:prime256v1"
    return explained
