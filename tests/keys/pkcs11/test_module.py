"""Logins as a token's flags allow them, and what an error leaves behind. The token is a double: SoftHSM never locks."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pkcs11
import pytest
from pkcs11 import exceptions

from imagesig.errors import (
    InternalError,
    KeyProviderUnavailable,
    KeyUnusable,
    PinLocked,
    SecretRequired,
    WrongSecret,
)
from imagesig.keys.pkcs11.module import Module
from imagesig.keys.secrets import fixed, no_secrets

NEEDS_LOGIN = pkcs11.TokenFlag.LOGIN_REQUIRED


class Token:
    """Takes the PIN `1234`, or `pin_pad` typed at its pad; other uses are errors."""

    label, serial = "HSM", b"42"

    def __init__(self, flags: pkcs11.TokenFlag, pin_pad: str = "") -> None:
        self.flags, self.pin_pad = flags, pin_pad
        self.slot = SimpleNamespace(slot_id=0, get_token=lambda: self)
        self.tried: list[Any] = []

    def open(self, *, user_pin: Any) -> object:
        self.tried.append(user_pin)
        entered = self.pin_pad if user_pin is pkcs11.PROTECTED_AUTH else user_pin
        if entered != "1234":
            raise exceptions.PinIncorrect
        return object()


@pytest.fixture
def module() -> Module:
    return Module(Path("/nonexistent/module.so"))


@pytest.mark.parametrize("flag", [pkcs11.TokenFlag.USER_PIN_LOCKED, pkcs11.TokenFlag.USER_PIN_FINAL_TRY])
def test_a_pin_that_is_locked_or_nearly_so_is_not_tried(module: Module, flag: pkcs11.TokenFlag) -> None:
    token = Token(NEEDS_LOGIN | flag)
    with pytest.raises(PinLocked):
        module.log_in(token, fixed("1234"))
    assert not token.tried


def test_a_wrong_pin_is_tried_once_and_another_one_may_follow(module: Module) -> None:
    token = Token(NEEDS_LOGIN | pkcs11.TokenFlag.USER_PIN_COUNT_LOW)
    for _ in range(3):
        with pytest.raises(WrongSecret):
            module.log_in(token, fixed("0000"))
    assert token.tried == ["0000"]
    module.log_in(token, fixed("1234"))


def test_a_pin_pad_is_used_and_may_be_mistyped(module: Module) -> None:
    token = Token(NEEDS_LOGIN | pkcs11.TokenFlag.PROTECTED_AUTHENTICATION_PATH, pin_pad="0000")
    for _ in range(2):
        with pytest.raises(WrongSecret):
            module.log_in(token, no_secrets)
    token.pin_pad = "1234"
    module.log_in(token, no_secrets)
    assert token.tried == [pkcs11.PROTECTED_AUTH] * 3


def test_a_pin_pad_does_not_serve_keys_that_want_the_pin_each_time(module: Module) -> None:
    with pytest.raises(KeyUnusable, match="PIN pad"):
        module.pins.for_signing(Token(NEEDS_LOGIN | pkcs11.TokenFlag.PROTECTED_AUTHENTICATION_PATH), no_secrets)


def test_a_token_without_a_login_needs_no_pin(module: Module) -> None:
    token = Token(pkcs11.TokenFlag.TOKEN_INITIALIZED)
    module.log_in(token, no_secrets)
    assert not token.tried


def test_without_a_pin_nothing_is_tried(module: Module) -> None:
    token = Token(NEEDS_LOGIN)
    with pytest.raises(SecretRequired):
        module.log_in(token, no_secrets)
    assert not token.tried


@pytest.mark.parametrize(
    ("raised", "error", "lost"),
    [
        (exceptions.SessionHandleInvalid(), KeyProviderUnavailable, True),
        (exceptions.UserNotLoggedIn(), KeyProviderUnavailable, True),
        (exceptions.DeviceRemoved(), KeyProviderUnavailable, True),
        (exceptions.PinIncorrect(), WrongSecret, False),
    ],
)
def test_sessions_are_given_up_after_an_error_that_ends_them_and_no_other(
    module: Module,
    raised: Exception,
    error: type[Exception],
    lost: bool,
) -> None:
    module._lib, module._pid = object(), os.getpid()
    with pytest.raises(error, match=r"key a \(module\.so\)"), module.locked("key a"):
        raise raised
    assert module.generation == lost


def test_an_unknown_exception_is_an_internal_error(module: Module) -> None:
    module._lib, module._pid = object(), os.getpid()
    with pytest.raises(InternalError, match="ZeroDivisionError"), module.locked("key a"):
        raise ZeroDivisionError
