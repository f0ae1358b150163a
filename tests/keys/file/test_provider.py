from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from imagesig import limits
from imagesig.crypto.algorithms import ECDSA_SHA256, KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import (
    AccessDenied,
    InvalidArgument,
    KeyExists,
    KeyNotFound,
    KeyProviderError,
    KeyUnusable,
    SecretRequired,
    UnsupportedAlgorithm,
    WrongSecret,
)
from imagesig.keys import KeySettings, open_key, open_public_keys, resolve_key
from imagesig.keys.file.disk import public_path, write_private_key
from imagesig.keys.file.form import Form, form_of
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.provider import FileProvider, MemoryProvider
from imagesig.keys.provider import ManagesKeys
from imagesig.keys.secrets import SecretKind, SecretRequest, fixed, no_secrets

_KEY = PrivateKey.generate(KeyType.ECDSA_P256)
_PEM = _KEY.to_pem(None)
_ENCRYPTED = _KEY.loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"swordfish"))
_NO_SETTINGS = KeySettings(environ={})


def _write(path: Path, content: bytes = _PEM, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


# --- opening ------------------------------------------------------------------------------------------------------


def test_the_key_id_is_the_fingerprint_wherever_the_file_lies(tmp_path: Path) -> None:
    expected = f"file:{_KEY.public_key.fingerprint}"
    _write(tmp_path / "a.key")
    _write(tmp_path / "b.key", _ENCRYPTED)
    with FileProvider(tmp_path, secrets=fixed("swordfish")) as provider:
        assert provider.open("a.key").info.key_id == provider.open("b.key").info.key_id == expected


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_private_key_that_others_can_read_is_refused_with_the_command_that_helps(tmp_path: Path, mode: int) -> None:
    path = _write(tmp_path / "app.key", mode=mode)
    with FileProvider() as provider, pytest.raises(AccessDenied, match=f"{mode:04o}") as caught:
        provider.open(str(path))
    assert caught.value.hint == f"run: chmod 600 {path}"


def test_its_public_half_is_refused_too(tmp_path: Path) -> None:
    _write(tmp_path / "app.key", mode=0o644)
    with FileProvider(tmp_path) as provider, pytest.raises(AccessDenied):
        provider.public_keys("app.key")


def test_open_permissions_are_accepted_when_asked_for(tmp_path: Path) -> None:
    _write(tmp_path / "app.key", mode=0o644)
    with FileProvider(tmp_path, allow_open_permissions=True) as provider:
        assert provider.open("app.key").info.public_key == _KEY.public_key


def test_the_passphrase_is_asked_for_once_and_never_when_signing(tmp_path: Path) -> None:
    asked: list[SecretRequest] = []

    def source(request: SecretRequest) -> str:
        asked.append(request)
        return "swordfish"

    path = _write(tmp_path / "app.key", _ENCRYPTED)
    with FileProvider(secrets=source) as provider, provider.open(str(path)) as key:
        for count in range(3):
            key.sign(b"%d" % count)
    assert asked == [SecretRequest(SecretKind.PASSPHRASE, str(path))]


def test_an_encrypted_key_is_derived_once_when_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "app.key", _KEY.to_pem("swordfish"))
    with FileProvider(tmp_path, secrets=fixed("swordfish")) as provider:
        key = provider.open("app.key")
        monkeypatch.setattr("hashlib.scrypt", lambda *_, **__: pytest.fail("derived again"))
        assert key.sign(b"message")


def test_no_passphrase_and_a_wrong_one_are_two_errors(tmp_path: Path) -> None:
    _write(tmp_path / "app.key", _ENCRYPTED)
    with FileProvider(tmp_path) as provider, pytest.raises(SecretRequired):
        provider.open("app.key")
    with FileProvider(tmp_path, secrets=fixed("sturgeon")) as provider, pytest.raises(WrongSecret):
        provider.open("app.key")


def test_a_public_key_cannot_be_opened_for_signing(tmp_path: Path) -> None:
    _write(tmp_path / "app.pub", _KEY.public_key.pem.encode())
    with FileProvider(tmp_path) as provider, pytest.raises(KeyUnusable) as caught:
        provider.open("app.pub")
    assert "public key" in caught.value.hint


def test_names_in_a_folder_cannot_leave_it(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    _write(tmp_path / "app.key")
    with FileProvider(tmp_path / "keys") as provider:
        for name in ("../app.key", str(tmp_path / "app.key"), "x/../../app.key"):
            with pytest.raises(InvalidArgument, match="is outside the folder"):
                provider.open(name)


def test_a_name_with_a_nul_byte_is_refused(tmp_path: Path) -> None:
    with FileProvider(tmp_path) as provider, pytest.raises(InvalidArgument):
        provider.open("app\0.key")


# --- public keys --------------------------------------------------------------------------------------------------


def test_a_public_key_file_may_be_readable_by_everyone(tmp_path: Path) -> None:
    _write(tmp_path / "app.pub", _KEY.public_key.pem.encode(), 0o644)
    with FileProvider(tmp_path) as provider:
        assert provider.public_keys("app.pub") == (_KEY.public_key,)


def test_an_rsa_public_key_in_pkcs1_is_read(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    _write(tmp_path / "app.pub", key.public_bytes(Encoding.PEM, PublicFormat.PKCS1))
    with FileProvider(tmp_path) as provider:
        assert provider.public_keys("app.pub") == (PublicKey.from_cryptography(key),)


def test_a_certificate_is_not_a_public_key_and_the_hint_explains_how_to_extract_one(tmp_path: Path) -> None:
    _write(tmp_path / "app.crt", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with FileProvider(tmp_path) as provider, pytest.raises(KeyUnusable, match="a certificate") as caught:
        provider.public_keys("app.crt")
    assert "openssl x509" in caught.value.hint


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b" " * limits.KEY_FILE_BYTES],
    ids=["empty", "prose", "three bytes", "large"],
)
def test_a_file_without_a_public_key_is_unusable_and_named(tmp_path: Path, content: bytes) -> None:
    _write(tmp_path / "app.pub", content)
    with FileProvider(tmp_path) as provider, pytest.raises(KeyUnusable, match=r"app\.pub: public key: "):
        provider.public_keys("app.pub")


def test_two_public_keys_in_one_file_are_refused(tmp_path: Path) -> None:
    _write(tmp_path / "app.pub", _KEY.public_key.pem.encode() * 2)
    with FileProvider(tmp_path) as provider, pytest.raises(KeyUnusable, match="2 PEM blocks"):
        provider.public_keys("app.pub")


def test_a_weak_public_key_is_refused_by_the_name_of_its_file(tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()
    _write(tmp_path / "app.pub", key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with FileProvider(tmp_path) as provider, pytest.raises(UnsupportedAlgorithm, match=r"app\.pub: "):
        provider.public_keys("app.pub")


# --- generating and writing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "public"), [("app.key", "app.pub"), ("app.pem", "app.pem.pub"), ("app", "app.pub"), ("a.b.key", "a.b.pub")]
)
def test_the_public_half_is_written_next_to_the_private_key(tmp_path: Path, name: str, public: str) -> None:
    with FileProvider(tmp_path) as provider, provider.generate(name, KeyType.ED25519) as key:
        assert public_path(Path(name)) == Path(public)
        assert (tmp_path / public).read_text() == key.info.public_key.pem
        assert sorted(os.listdir(tmp_path)) == sorted([name, public])


def test_without_a_passphrase_the_key_is_plain_pkcs8_for_its_owner_only(tmp_path: Path) -> None:
    with FileProvider(tmp_path) as provider:
        provider.generate("app.key", KeyType.ECDSA_P256)
        assert form_of((tmp_path / "app.key").read_bytes()) is Form.PLAIN
        assert (tmp_path / "app.key").stat().st_mode & 0o777 == 0o600
        assert provider.open("app.key").sign(b"message")


@pytest.mark.parametrize("passphrase", ["swordfish", ""])
def test_with_a_passphrase_even_an_empty_one_the_key_is_encrypted_as_cosign_does(
    tmp_path: Path, passphrase: str
) -> None:
    with FileProvider(tmp_path, secrets=fixed(passphrase)) as provider:
        generated = provider.generate("app.key", KeyType.ECDSA_P256).info
        assert form_of((tmp_path / "app.key").read_bytes()) is Form.COSIGN
        assert (tmp_path / "app.key").stat().st_mode & 0o777 == 0o600
        assert provider.open("app.key").info == generated


def test_a_new_passphrase_is_asked_for_by_the_name_of_the_file(tmp_path: Path) -> None:
    asked: list[SecretRequest] = []
    with FileProvider(tmp_path, secrets=lambda request: asked.append(request)) as provider:
        provider.generate("app.key", KeyType.ECDSA_P256)
    assert asked == [SecretRequest(SecretKind.PASSPHRASE, str(tmp_path / "app.key"), new=True)]


@pytest.mark.parametrize("existing", ["app.key", "app.pub"])
def test_no_passphrase_is_asked_for_if_the_key_cannot_be_written(tmp_path: Path, existing: str) -> None:
    _write(tmp_path / existing, b"precious")
    with (
        FileProvider(tmp_path, secrets=lambda _: pytest.fail("asked in vain")) as provider,
        pytest.raises(KeyExists, match=existing),
    ):
        provider.generate("app.key", KeyType.ECDSA_P256)
    assert os.listdir(tmp_path) == [existing]


def test_a_key_written_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    def slow_answer(_request: SecretRequest) -> None:
        _write(tmp_path / "app.pub", b"precious")

    with FileProvider(tmp_path, secrets=slow_answer) as provider, pytest.raises(KeyExists):
        provider.generate("app.key", KeyType.ECDSA_P256)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"app.pub": b"precious"}


def test_an_existing_key_is_written_in_another_form(tmp_path: Path) -> None:
    write_private_key(tmp_path / "app.key", _KEY, "swordfish")
    with FileProvider(tmp_path, secrets=fixed("swordfish")) as provider:
        assert provider.open("app.key").info.public_key == _KEY.public_key
        assert provider.public_keys("app.pub") == (_KEY.public_key,)


# --- listing ------------------------------------------------------------------------------------------------------


def test_private_keys_are_listed_by_name_with_type_and_form(tmp_path: Path) -> None:
    with FileProvider(tmp_path) as provider:
        provider.generate("b.key", KeyType.ED25519)
    write_private_key(tmp_path / "a.key", _KEY, "")
    _write(tmp_path / "c.pem", _ENCRYPTED)
    _write(tmp_path / "note.txt", b"hello")
    (tmp_path / "folder").mkdir()
    with FileProvider(tmp_path) as provider:
        assert [(Path(info.uri).name, info.key_type, info.detail) for info in provider.list()] == [
            ("a.key", KeyType.ECDSA_P256, "cosign encrypted key"),
            ("b.key", KeyType.ED25519, "PEM, not encrypted"),
            ("c.pem", None, "PEM, encrypted; its type is known when it is opened"),
        ]


def test_unusable_keys_are_listed_with_the_reason(tmp_path: Path) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    _write(tmp_path / "a.key", weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    _write(tmp_path / "b.key", _KEY.loaded.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    _write(tmp_path / "c.key", mode=0o644)
    with FileProvider(tmp_path) as provider:
        weak_info, foreign, opened = provider.list()
    assert (weak_info.key_type, foreign.key_type, opened.key_type) == (None, None, KeyType.ECDSA_P256)
    assert "1024 bits" in weak_info.detail
    assert "does not read" in foreign.detail
    assert "mode 0644" in opened.detail


def test_listing_asks_for_no_passphrase(tmp_path: Path) -> None:
    _write(tmp_path / "app.key", _ENCRYPTED)
    with FileProvider(tmp_path, secrets=lambda _: pytest.fail("asked")) as provider:
        assert len(list(provider.list())) == 1


def test_every_uri_listed_opens_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("app.key", "pkcs11:odd.key", "file:odd.key", "a?b#c%41.key"):
        _write(tmp_path / name)
    with FileProvider() as provider:
        uris = [info.uri for info in provider.list()]
    assert len(uris) == 4
    for uri in uris:
        with open_key(uri, settings=_NO_SETTINGS) as key:
            assert key.info.public_key == _KEY.public_key


def test_a_folder_that_is_not_there_cannot_be_listed(tmp_path: Path) -> None:
    with FileProvider(tmp_path / "nowhere") as provider, pytest.raises(KeyProviderError, match="cannot be listed"):
        list(provider.list())


# --- keys in memory -------------------------------------------------------------------------------------------------


def test_a_public_key_in_memory_is_read() -> None:
    with MemoryProvider({"app": _KEY.public_key.pem.encode()}) as provider:
        assert provider.public_keys("app") == (_KEY.public_key,)


def test_a_missing_name_lists_those_that_are_there() -> None:
    with MemoryProvider({"b": _PEM, "a": _PEM}) as provider, pytest.raises(KeyNotFound) as caught:
        provider.open("c")
    assert caught.value.hint == "there are: a, b"


def test_a_key_text_larger_than_any_key_file_is_refused() -> None:
    with MemoryProvider({"app": _PEM + b" " * limits.KEY_FILE_BYTES}) as provider, pytest.raises(KeyUnusable):
        provider.open("app")


def test_memory_neither_generates_nor_lists() -> None:
    assert not isinstance(MemoryProvider({}), ManagesKeys)


def test_a_repr_of_keys_in_memory_shows_names_only() -> None:
    assert repr(MemoryProvider({"app": _PEM})) == "MemoryProvider(['app'])"


# --- paths and URIs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}", "file:{}", "FILE://{}"])
def test_a_path_and_a_file_uri_open_the_same_key(tmp_path: Path, form: str) -> None:
    with open_key(form.format(_write(tmp_path / "app.key")), settings=_NO_SETTINGS) as key:
        assert key.info.public_key == _KEY.public_key


def test_a_relative_path_is_relative_to_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys").mkdir()
    _write(tmp_path / "keys" / "app.key")
    monkeypatch.chdir(tmp_path / "keys")
    for path in ("app.key", "./app.key", "../keys/app.key"):
        assert open_public_keys(path, settings=_NO_SETTINGS) == (_KEY.public_key,)


def test_percent_signs_are_decoded_in_a_uri_and_kept_in_a_path(tmp_path: Path) -> None:
    _write(tmp_path / "my key%41.key")
    for uri in (f"file://{tmp_path}/my%20key%2541.key", f"{tmp_path}/my key%41.key"):
        assert open_public_keys(uri, settings=_NO_SETTINGS) == (_KEY.public_key,)


@pytest.mark.parametrize(
    "uri",
    ["file:app.key", "file://app.key", "file://keys/app.key", "file:", "file:///a?b", "file:///a#b", "file:///a%00b"],
)
def test_a_file_uri_of_another_shape_is_refused(uri: str) -> None:
    with pytest.raises(InvalidArgument, match="file URI"):
        resolve_key(uri, _NO_SETTINGS)


def test_a_path_to_a_folder_gives_its_keys(tmp_path: Path) -> None:
    _write(tmp_path / "app.key")
    provider, name = resolve_key(str(tmp_path), _NO_SETTINGS)
    assert isinstance(provider, ManagesKeys)
    assert [info.uri for info in provider.list()] == [str(tmp_path / "app.key")]
    with pytest.raises(KeyUnusable, match="a folder"):
        provider.open(name)


def test_settings_reach_the_provider(tmp_path: Path) -> None:
    path = str(_write(tmp_path / "app.key", _ENCRYPTED, 0o644))
    settings = KeySettings(environ={}, secrets=fixed("swordfish"), allow_open_permissions=True)
    assert open_public_keys(path, settings=settings) == (_KEY.public_key,)
    with pytest.raises(AccessDenied):
        open_public_keys(path, settings=KeySettings(environ={}, secrets=fixed("swordfish")))


@pytest.mark.parametrize("content", [_PEM, _ENCRYPTED], ids=["plain", "encrypted"])
def test_a_variable_may_contain_a_key(content: bytes) -> None:
    settings = KeySettings(environ={"SIGNING_KEY": content.decode()}, secrets=fixed("swordfish"))
    with open_key("env://SIGNING_KEY", settings=settings) as key:
        key.info.public_key.verify(key.sign(b"message"), b"message", ECDSA_SHA256)
        assert key.info.key_id == f"file:{_KEY.public_key.fingerprint}"


def test_a_variable_may_contain_a_public_key() -> None:
    settings = KeySettings(environ={"PUBLIC_KEY": _KEY.public_key.pem})
    assert open_public_keys("env://PUBLIC_KEY", settings=settings) == (_KEY.public_key,)


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(KeyNotFound, match="env://SIGNING_KEY: the variable is not set"):
        resolve_key("env://SIGNING_KEY", _NO_SETTINGS)


@pytest.mark.parametrize("uri", ["env://", "env://A-B", "env://1A", "env://A/B", "env://A?x", "env://A\n"])
def test_a_variable_uri_of_another_shape_is_refused(uri: str) -> None:
    with pytest.raises(InvalidArgument):
        resolve_key(uri, _NO_SETTINGS)


def test_an_error_about_a_key_in_a_variable_does_not_show_its_text() -> None:
    settings = KeySettings(environ={"SIGNING_KEY": "swordfish swordfish"}, secrets=no_secrets)
    with pytest.raises(KeyUnusable) as caught:
        open_key("env://SIGNING_KEY", settings=settings)
    assert "swordfish" not in repr(caught.value) + caught.value.hint + repr(settings)
