"""Errors of PKCS#11 in our words."""

from __future__ import annotations

import pytest
from pkcs11 import exceptions

from imagesig.errors import (
    KeyProviderError,
    KeyProviderUnavailable,
    PinLocked,
    UnsupportedAlgorithm,
    WrongSecret,
)
from imagesig.keys.pkcs11.errors import explain


@pytest.mark.parametrize(
    ("raised", "error"),
    [
        (exceptions.PinLocked(), PinLocked),
        (exceptions.PinIncorrect(), WrongSecret),
        (exceptions.MechanismInvalid(), UnsupportedAlgorithm),
        (exceptions.SessionHandleInvalid(), KeyProviderUnavailable),
        (exceptions.ObjectHandleInvalid(), KeyProviderUnavailable),
        (exceptions.UserNotLoggedIn(), KeyProviderUnavailable),
        (exceptions.DeviceRemoved(), KeyProviderUnavailable),
        (exceptions.TokenNotPresent(), KeyProviderUnavailable),
        (exceptions.DeviceMemory(), KeyProviderUnavailable),
        (exceptions.GeneralError("what the module expected"), KeyProviderError),
    ],
)
def test_every_error_names_its_kind_and_has_its_place_in_the_tree(
    raised: Exception, error: type[KeyProviderError]
) -> None:
    explained = explain(raised, "PKCS#11 key pkcs11:object=a (m.so)")
    assert type(explained) is error
    assert str(explained).startswith(f"PKCS#11 key pkcs11:object=a (m.so): {type(raised).__name__}")
