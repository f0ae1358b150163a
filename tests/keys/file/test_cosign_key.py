from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from imagesig import limits
from imagesig.errors import LimitExceeded, MalformedError, WrongSecret
from imagesig.keys.file import cosign_key
from imagesig.keys.file.form import COSIGN_LABELS

_PKCS8 = b"any bytes: the box does not look at what is in it"
_PEM = cosign_key.encrypt(_PKCS8, b"swordfish")


def _document(pem: bytes) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.b64decode(b"".join(pem.splitlines()[1:-1])))
    return document


def _pem(content: bytes, label: bytes = COSIGN_LABELS[0]) -> bytes:
    return b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label, base64.b64encode(content), label)


def _changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = _document(_PEM)
    change(document)
    return _pem(json.dumps(document).encode())


def test_an_encrypted_key_is_decrypted() -> None:
    assert cosign_key.decrypt(_PEM, b"swordfish") == _PKCS8


def test_an_empty_passphrase_encrypts_too() -> None:
    pem = cosign_key.encrypt(_PKCS8, b"")
    assert cosign_key.decrypt(pem, b"") == _PKCS8
    with pytest.raises(WrongSecret):
        cosign_key.decrypt(pem, b" ")


def test_a_wrong_passphrase_is_refused_without_showing_it() -> None:
    with pytest.raises(WrongSecret) as caught:
        cosign_key.decrypt(_PEM, b"sturgeon")
    assert "sturgeon" not in repr(caught.value) + caught.value.hint


def test_the_file_has_the_shape_that_cosign_writes() -> None:
    lines = _PEM.decode().splitlines()
    assert lines[0] == "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"
    assert {len(line) for line in lines[1:-2]} == {64}
    content = base64.b64decode("".join(lines[1:-1]))
    document = json.loads(content)
    assert content == json.dumps(document, separators=(",", ":")).encode()
    assert list(document) == ["kdf", "cipher", "ciphertext"]
    assert list(document["kdf"]) == ["name", "params", "salt"]
    assert document["kdf"]["params"] == {"N": 65536, "r": 8, "p": 1}
    assert len(base64.b64decode(document["kdf"]["salt"])) == 32
    assert document["cipher"]["name"] == "nacl/secretbox"
    assert len(base64.b64decode(document["cipher"]["nonce"])) == 24
    assert len(base64.b64decode(document["ciphertext"])) == 16 + len(_PKCS8)


def test_salt_and_nonce_are_new_each_time() -> None:
    again = _document(cosign_key.encrypt(_PKCS8, b"swordfish"))
    assert again["kdf"]["salt"] != _document(_PEM)["kdf"]["salt"]
    assert again["cipher"]["nonce"] != _document(_PEM)["cipher"]["nonce"]


def test_the_older_label_is_read() -> None:
    body = base64.b64decode(b"".join(_PEM.splitlines()[1:-1]))
    assert cosign_key.decrypt(_pem(body, b"ENCRYPTED COSIGN PRIVATE KEY"), b"swordfish") == _PKCS8


def test_windows_line_ends_are_read() -> None:
    assert cosign_key.decrypt(_PEM.replace(b"\n", b"\r\n"), b"swordfish") == _PKCS8


@pytest.mark.parametrize("n", [32768, 131072])
def test_the_other_parameters_that_cosign_takes_are_tried(n: int) -> None:
    # The passphrase now derives another key, so that the box stays shut: but the parameters were not what was refused.
    with pytest.raises(WrongSecret):
        cosign_key.decrypt(_changed(lambda d: d["kdf"]["params"].update(N=n)), b"swordfish")


@pytest.mark.parametrize(
    "params",
    [
        {"N": 1 << 30, "r": 8, "p": 1},
        {"N": 65536, "r": 1 << 20, "p": 1},
        {"N": 65536, "r": 8, "p": 1 << 30},
        {"N": 2, "r": 8, "p": 1},
        {"N": 65536.0, "r": 8, "p": 1},
        {"N": 65536, "r": 8, "p": True},
        {"N": "65536", "r": 8, "p": 1},
        {"N": 65536, "r": 8},
    ],
    ids=str,
)
def test_scrypt_parameters_that_cosign_does_not_take_are_refused_before_any_work(
    params: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hashlib.scrypt", lambda *_, **__: pytest.fail("key derivation was started"))
    with pytest.raises(MalformedError, match="scrypt parameters"):
        cosign_key.decrypt(_changed(lambda d: d["kdf"].update(params=params)), b"swordfish")


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["kdf"].update(name="argon2"),
        lambda d: d["cipher"].update(name="aes-gcm"),
        lambda d: d.pop("kdf"),
        lambda d: d.update(cipher=None),
        lambda d: d.update(kdf=[1]),
        lambda d: d["kdf"].pop("salt"),
        lambda d: d["kdf"].update(salt="AAAA"),
        lambda d: d["kdf"].update(salt=None),
        lambda d: d["cipher"].update(nonce="AAAA"),
        lambda d: d["cipher"].update(nonce="not base64!"),
        lambda d: d["cipher"].update(nonce="é" * 32),
        lambda d: d.update(ciphertext=""),
        lambda d: d.update(ciphertext=base64.b64encode(bytes(16)).decode()),
    ],
)
def test_a_document_of_another_shape_is_malformed(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(MalformedError):
        cosign_key.decrypt(_changed(change), b"swordfish")


def test_a_changed_ciphertext_is_refused() -> None:
    def flip(document: dict[str, Any]) -> None:
        content = bytearray(base64.b64decode(document["ciphertext"]))
        content[-1] ^= 1
        document["ciphertext"] = base64.b64encode(content).decode()

    with pytest.raises(WrongSecret):
        cosign_key.decrypt(_changed(flip), b"swordfish")


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        _PEM[:-20],
        _PEM.replace(b"eyJ", b"e*J", 1),
        _pem(b"no JSON"),
        _pem(b"[]"),
        _pem(b'{"kdf":{},"kdf":{}}'),
        _pem(b"{" * 10_000),
        _pem(b"\xff"),
    ],
    ids=["empty", "other label", "cut", "not base64", "no JSON", "array", "member twice", "deep", "not UTF-8"],
)
def test_another_file_than_a_cosign_key_is_malformed(pem: bytes) -> None:
    with pytest.raises(MalformedError):
        cosign_key.decrypt(pem, b"swordfish")


def test_a_file_larger_than_any_key_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        cosign_key.decrypt(_PEM + b" " * limits.KEY_FILE_BYTES, b"swordfish")
