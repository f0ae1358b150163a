"""Errors of PKCS#11: their types, and their translation to ours.

The types are functions, so that `except` imports the SDK only after an exception.
"""

from __future__ import annotations

from imagesig.errors import (
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
    PinLocked,
    UnsupportedAlgorithm,
    WrongSecret,
)
from imagesig.text import quote


def wrong_pin_errors() -> tuple[type[Exception], ...]:
    import pkcs11.exceptions as p11

    return p11.PinIncorrect, p11.PinInvalid, p11.PinLenRange


def mechanism_errors() -> tuple[type[Exception], ...]:
    import pkcs11.exceptions as p11

    return p11.MechanismInvalid, p11.MechanismParamInvalid


def is_ended(error: Exception) -> bool:
    # python-pkcs11 has no class for CKR_CRYPTOKI_NOT_INITIALIZED.
    return "not initialized" in str(error)


# python-pkcs11 has no class for CKR_KEY_FUNCTION_NOT_PERMITTED either.
_NOT_PERMITTED = "0x68"


def describe_error(error: Exception) -> str:
    return type(error).__name__ + (f": {quote(str(error))}" if str(error) else "")


def is_lost(error: Exception) -> bool:
    """Whether sessions, logins or the token are gone, so that the caller must start again."""
    return isinstance(error, MemoryError) or isinstance(explain(error, ""), KeyProviderUnavailable)


def explain(error: Exception, what: str) -> KeyProviderError | None:
    """Explains a PKCS#11 error, with its type, because many have no text. None for other exceptions."""
    import pkcs11.exceptions as p11

    if not isinstance(error, p11.PKCS11Error):
        return None
    text = f"{what}: {describe_error(error)}"
    if _NOT_PERMITTED in str(error):
        return KeyUnusable(f"{text} (CKR_KEY_FUNCTION_NOT_PERMITTED)", hint="name a key that may sign")
    if isinstance(error, p11.PinLocked):
        return PinLocked(text, hint="the security officer has to set a new PIN")
    if isinstance(error, wrong_pin_errors()):
        return WrongSecret(text)
    if isinstance(error, mechanism_errors()):
        return UnsupportedAlgorithm(text, hint="use an algorithm whose mechanism the token has")
    handles = p11.SessionHandleInvalid | p11.SessionClosed | p11.ObjectHandleInvalid | p11.KeyHandleInvalid
    if isinstance(error, handles | p11.UserNotLoggedIn) or is_ended(error):
        return KeyProviderUnavailable(text, hint="find the library in this process that logged out")
    if isinstance(error, p11.DeviceRemoved | p11.TokenNotPresent | p11.DeviceError | p11.DeviceMemory):
        return KeyProviderUnavailable(text, hint="check that the token is connected")
    return KeyProviderError(text)
