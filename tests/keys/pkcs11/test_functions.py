"""The table of functions that python-pkcs11 uses."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.keys.pkcs11 import functions
from tests.keys.pkcs11.test_provider import fresh, opened
from tests.keys.pkcs11.test_quirks import PIN
from tests.peers.quirks import quirky_module
from tests.peers.servers import SoftHsmToken

pytestmark = pytest.mark.interop


def test_the_installed_python_pkcs11_has_the_known_layout(softhsm: SoftHsmToken) -> None:
    """A new version with another layout fails here first; for users it only loses the tolerance."""
    import pkcs11._pkcs11

    kind: Any = pkcs11._pkcs11.lib
    lib = kind.__new__(kind, str(softhsm.module))
    found = functions._table_of(lib)
    listed = ctypes.c_void_p()
    assert ctypes.CDLL(str(softhsm.module)).C_GetFunctionList(ctypes.byref(listed)) == 0
    assert found is not None
    assert found.value == listed.value


def test_a_python_pkcs11_with_another_layout_signs(
    softhsm: SoftHsmToken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functions, "_table_of", lambda _: None)
    token = softhsm.add("layout", pin=PIN)
    with quirky_module(tmp_path, token) as module, opened_with(module.path, token) as provider:
        assert provider.generate(fresh(), KeyType.ECDSA_P256).sign(b"message")


def opened_with(path: Path, token: SoftHsmToken) -> Any:
    return opened(SoftHsmToken(path, token.label, token.pin, token.config, token.so_pin))


def test_an_interrupt_during_a_call_is_raised_after_it(
    softhsm: SoftHsmToken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    token = softhsm.add("interrupted", pin=PIN)
    with quirky_module(tmp_path, token) as module, opened_with(module.path, token) as provider:
        label = fresh()
        provider.generate(label, KeyType.ECDSA_P256)
        with monkeypatch.context() as patch:
            patch.setitem(provider._module.functions._real, "find_init", interrupted)
            with pytest.raises(KeyboardInterrupt):
                provider.open(label)
        assert provider.open(label).sign(b"message")
