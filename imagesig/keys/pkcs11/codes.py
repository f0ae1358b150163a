"""Return codes of PKCS#11 by name. Pure.

Spec: PKCS#11 3.1, section 3.6 and the header pkcs11t.h.
"""

from __future__ import annotations

import re

from imagesig.patterns import regex

_NAMES = {
    0x00: "OK CANCEL HOST_MEMORY SLOT_ID_INVALID - GENERAL_ERROR FUNCTION_FAILED ARGUMENTS_BAD NO_EVENT "
    "NEED_TO_CREATE_THREADS CANT_LOCK",
    0x10: "ATTRIBUTE_READ_ONLY ATTRIBUTE_SENSITIVE ATTRIBUTE_TYPE_INVALID ATTRIBUTE_VALUE_INVALID",
    0x1B: "ACTION_PROHIBITED",
    0x20: "DATA_INVALID DATA_LEN_RANGE",
    0x30: "DEVICE_ERROR DEVICE_MEMORY DEVICE_REMOVED",
    0x40: "ENCRYPTED_DATA_INVALID ENCRYPTED_DATA_LEN_RANGE AEAD_DECRYPT_FAILED",
    0x50: "FUNCTION_CANCELED FUNCTION_NOT_PARALLEL - - FUNCTION_NOT_SUPPORTED",
    0x60: "KEY_HANDLE_INVALID - KEY_SIZE_RANGE KEY_TYPE_INCONSISTENT KEY_NOT_NEEDED KEY_CHANGED KEY_NEEDED "
    "KEY_INDIGESTIBLE KEY_FUNCTION_NOT_PERMITTED KEY_NOT_WRAPPABLE KEY_UNEXTRACTABLE",
    0x70: "MECHANISM_INVALID MECHANISM_PARAM_INVALID",
    0x82: "OBJECT_HANDLE_INVALID",
    0x90: "OPERATION_ACTIVE OPERATION_NOT_INITIALIZED",
    0xA0: "PIN_INCORRECT PIN_INVALID PIN_LEN_RANGE PIN_EXPIRED PIN_LOCKED",
    0xB0: "SESSION_CLOSED SESSION_COUNT - SESSION_HANDLE_INVALID SESSION_PARALLEL_NOT_SUPPORTED SESSION_READ_ONLY "
    "SESSION_EXISTS SESSION_READ_ONLY_EXISTS SESSION_READ_WRITE_SO_EXISTS",
    0xC0: "SIGNATURE_INVALID SIGNATURE_LEN_RANGE",
    0xD0: "TEMPLATE_INCOMPLETE TEMPLATE_INCONSISTENT",
    0xE0: "TOKEN_NOT_PRESENT TOKEN_NOT_RECOGNIZED TOKEN_WRITE_PROTECTED",
    0xF0: "UNWRAPPING_KEY_HANDLE_INVALID UNWRAPPING_KEY_SIZE_RANGE UNWRAPPING_KEY_TYPE_INCONSISTENT",
    0x100: "USER_ALREADY_LOGGED_IN USER_NOT_LOGGED_IN USER_PIN_NOT_INITIALIZED USER_TYPE_INVALID "
    "USER_ANOTHER_ALREADY_LOGGED_IN USER_TOO_MANY_TYPES",
    0x110: "WRAPPED_KEY_INVALID - WRAPPED_KEY_LEN_RANGE WRAPPING_KEY_HANDLE_INVALID WRAPPING_KEY_SIZE_RANGE "
    "WRAPPING_KEY_TYPE_INCONSISTENT",
    0x120: "RANDOM_SEED_NOT_SUPPORTED RANDOM_NO_RNG",
    0x130: "DOMAIN_PARAMS_INVALID",
    0x140: "CURVE_NOT_SUPPORTED",
    0x150: "BUFFER_TOO_SMALL",
    0x160: "SAVED_STATE_INVALID",
    0x170: "INFORMATION_SENSITIVE",
    0x180: "STATE_UNSAVEABLE",
    0x190: "CRYPTOKI_NOT_INITIALIZED CRYPTOKI_ALREADY_INITIALIZED",
    0x1A0: "MUTEX_BAD MUTEX_NOT_LOCKED",
    0x1B0: "NEW_PIN_MODE NEXT_OTP",
    0x1C0: "EXCEEDED_MAX_ITERATIONS FIPS_SELF_TEST_FAILED LIBRARY_LOAD_FAILED PIN_TOO_WEAK PUBLIC_KEY_INVALID",
    0x200: "FUNCTION_REJECTED TOKEN_RESOURCE_EXCEEDED OPERATION_CANCEL_FAILED KEY_EXHAUSTED PENDING "
    "SESSION_ASYNC_NOT_SUPPORTED SEED_RANDOM_REQUIRED OPERATION_NOT_VALIDATED TOKEN_NOT_INITIALIZED",
}
"""Names without CKR_, for a first code and those that follow it; `-` for a code without a name."""
_VENDOR_DEFINED = 0x80000000

CODES = {
    name: first + place for first, names in _NAMES.items() for place, name in enumerate(names.split()) if name != "-"
}
"""The return codes by their names without CKR_."""
_BY_CODE = {code: f"CKR_{name}" for name, code in CODES.items()}

# How python-pkcs11 spells a name otherwise, or says it in the text of its base class.
_SPELLED = {
    "AnotherUserAlreadyLoggedIn": "USER_ANOTHER_ALREADY_LOGGED_IN",
    "FunctionCancelled": "FUNCTION_CANCELED",
    "RandomNoRNG": "RANDOM_NO_RNG",
    "SessionReadWriteSOExists": "SESSION_READ_WRITE_SO_EXISTS",
    "SlotIDInvalid": "SLOT_ID_INVALID",
    "TokenNotRecognised": "TOKEN_NOT_RECOGNIZED",
}
_SAID = {
    "Buffer was too small": "BUFFER_TOO_SMALL",
    "already initialized": "CRYPTOKI_ALREADY_INITIALIZED",
    "not initialized": "CRYPTOKI_NOT_INITIALIZED",
    "Parallel not supported": "SESSION_PARALLEL_NOT_SUPPORTED",
    "User type invalid": "USER_TYPE_INVALID",
}
_UNMAPPED = regex(r"Unmapped error code 0x([0-9a-f]+)")


def name_of_code(code: int) -> str:
    """The name of a return code, `CKR_DEVICE_REMOVED`; a vendor's own as `CKR_VENDOR_DEFINED + 0x388`."""
    if code >= _VENDOR_DEFINED:
        return f"CKR_VENDOR_DEFINED + {code - _VENDOR_DEFINED:#x}"
    return _BY_CODE.get(code, f"{code:#x}")


def code_in(error: Exception) -> str:
    """The name of the return code that an exception of python-pkcs11 is about; empty if it is about none."""
    text, kind = str(error), type(error).__name__
    if unmapped := _UNMAPPED.search(text):
        return name_of_code(int(unmapped[1], 16))
    name = _SPELLED.get(kind) or re.sub(r"(?<!^)(?=[A-Z])", "_", kind).upper()
    if name not in CODES:
        name = next((code for said, code in _SAID.items() if said in text), "")
    return f"CKR_{name}" if name else ""
