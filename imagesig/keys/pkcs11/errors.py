"""Errors of PKCS#11: their kinds, for `except`, and what each of them is in our words.

The kinds are functions because `except kind()` calls them only once something was raised: a signature that succeeds
spends no time on an import.
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
    # python-pkcs11 has no class of its own for CKR_CRYPTOKI_NOT_INITIALIZED.
    return "not initialized" in str(error)


# python-pkcs11 has no class of its own for CKR_KEY_FUNCTION_NOT_PERMITTED either.
_NOT_PERMITTED = "0x68"


def said(error: Exception) -> str:
    return type(error).__name__ + (f": {quote(str(error))}" if str(error) else "")


def is_lost(error: Exception) -> bool:
    """Whether sessions, logins or the token itself are gone, so that nothing more can be read with them."""
    return isinstance(error, MemoryError) or isinstance(explain(error, ""), KeyProviderUnavailable)


def explain(error: Exception, what: str) -> KeyProviderError | None:
    """A PKCS#11 error in our words; many of them have no text of their own, so the kind is named. None for others."""
    import pkcs11.exceptions as p11

    if not isinstance(error, p11.PKCS11Error):
        return None
    text = f"{what}: {said(error)}"
    if _NOT_PERMITTED in str(error):
        return KeyUnusable(f"{text} (CKR_KEY_FUNCTION_NOT_PERMITTED)", hint="name a key that may sign")
    if isinstance(error, p11.PinLocked):
        return PinLocked(text, hint="the security officer has to set a new PIN")
    if isinstance(error, wrong_pin_errors()):
        return WrongSecret(text)
    if isinstance(error, mechanism_errors()):
        return UnsupportedAlgorithm(text, hint="the token does not have this mechanism")
    handles = p11.SessionHandleInvalid | p11.SessionClosed | p11.ObjectHandleInvalid | p11.KeyHandleInvalid
    if isinstance(error, handles | p11.UserNotLoggedIn) or is_ended(error):
        return KeyProviderUnavailable(text, hint="another library in this process logged out or ended the module")
    if isinstance(error, p11.DeviceRemoved | p11.TokenNotPresent | p11.DeviceError | p11.DeviceMemory):
        return KeyProviderUnavailable(text, hint="is the token still there?")
    return KeyProviderError(text)
