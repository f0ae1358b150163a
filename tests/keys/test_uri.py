from __future__ import annotations

import sys
import textwrap
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import ImagesigError, InvalidArgument, KeyMismatch, KeyNotFound, KeyUnusable
from imagesig.keys import KeySettings, open_key, open_public_keys, resolve_key
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.provider import FileProvider, MemoryProvider
from imagesig.keys.secrets import SecretRequest, fixed
from imagesig.keys.uri import KEY_HOMES, KeyHome
from imagesig.naming import scheme_of
from tests.commands import run_here

_KEY = PrivateKey.generate(KeyType.ECDSA_P256)
_SETTINGS = KeySettings(environ={"KEY": _KEY.to_pem(None).decode(), "SECRET_TOKEN": "swordfish"})
_BUILT_IN = [scheme for home in KEY_HOMES for scheme in home.schemes]


def _other_key() -> PublicKey:
    return PrivateKey.generate(KeyType.ECDSA_P256).public_key


def _install_plugin(folder: Path, name: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution whose entry point claims the scheme; its provider is called after the distribution."""
    (folder / f"{name}.py").write_text(
        textwrap.dedent(f"""
            from imagesig.keys import KeyProvider

            class Provider(KeyProvider):
                settings = None
                def open(self, name): raise NotImplementedError
                def __repr__(self): return "{name}"

            def provider_from_uri(uri, settings):
                return Provider(), uri
        """)
    )
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[imagesig.key_providers]\n{scheme} = {name}:provider_from_uri\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.parametrize(
    ("typed", "scheme"),
    [
        ("app.key", "file"),
        ("./app.key", "file"),
        ("/keys/app.key", "file"),
        ("C:\\keys\\app.key", "file"),
        ("C://keys/app.key", "file"),
        ("odd:name.key", "file"),
        ("file:///keys/app.key", "file"),
        ("FILE:///keys/app.key", "file"),
        ("env://KEY", "env"),
        ("pkcs11:token=t;object=o", "pkcs11"),
        ("PKCS11:token=t", "pkcs11"),
        ("pkcs11://token=t", "pkcs11"),
        ("hashivault://app", "hashivault"),
        ("awskms:///alias/app", "awskms"),
        ("x-y.z+1://a", "x-y.z+1"),
        ("keys/hashivault://app", "file"),
        ("1a://b", "file"),
        ("://b", "file"),
    ],
)
def test_the_scheme_of_a_path_or_uri(typed: str, scheme: str) -> None:
    assert scheme_of(typed) == scheme


def test_paths_and_variables_lead_to_their_providers() -> None:
    provider, name = resolve_key("keys/app.key", _SETTINGS)
    assert isinstance(provider, FileProvider)
    assert name == "app.key"
    provider, name = resolve_key("env://KEY", _SETTINGS)
    assert isinstance(provider, MemoryProvider)
    assert name == "env://KEY"


@pytest.mark.parametrize("typed", ["", "app\0.key", "\0"])
def test_an_empty_name_and_a_nul_byte_are_refused(typed: str) -> None:
    with pytest.raises(InvalidArgument):
        resolve_key(typed, _SETTINGS)


def test_an_unknown_scheme_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(InvalidArgument, match="unknown scheme 'gcpkms'") as caught:
        resolve_key("gcpkms://projects/p", _SETTINGS)
    for scheme in _BUILT_IN:
        assert scheme in caught.value.hint


def test_a_package_may_register_a_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _install_plugin(tmp_path, "imagesig_plugin_one", "plugin-one", monkeypatch)
    provider, name = resolve_key("plugin-one://key", _SETTINGS)
    assert repr(provider) == "imagesig_plugin_one"
    assert name == "plugin-one://key"


@pytest.mark.parametrize("scheme", _BUILT_IN)
def test_a_package_cannot_shadow_a_built_in_scheme(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _install_plugin(tmp_path, "imagesig_plugin_shadow", scheme, monkeypatch)
    uri = {"file": "app.key", "env": "env://KEY", "pkcs11": "pkcs11:"}.get(scheme, f"{scheme}://a/b c")
    try:
        provider: object = resolve_key(uri, _SETTINGS)[0]
    except ImagesigError as error:
        provider = error  # the built-in provider refused it: it was asked
    assert "shadow" not in repr(provider)
    assert "imagesig_plugin_shadow" not in sys.modules


@pytest.mark.parametrize("home", KEY_HOMES, ids=lambda home: home.schemes[0])
def test_a_line_of_the_table_names_a_module_with_a_factory_and_a_real_extra(home: KeyHome) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]

    assert callable(import_module(home.module).provider_from_uri)
    assert bool(home.extra) == bool(home.package)
    assert any(needed.startswith(f"{home.package}>=") for needed in extras.get(home.extra, [">="]))


def test_two_packages_with_one_scheme_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("imagesig_plugin_first", "imagesig_plugin_second"):
        (tmp_path / name).mkdir()
        _install_plugin(tmp_path / name, name, "plugin-two", monkeypatch)
    with pytest.raises(InvalidArgument, match="2 installed packages claim"):
        resolve_key("plugin-two://key", _SETTINGS)


def test_a_repr_of_the_settings_does_not_show_the_environment() -> None:
    assert "swordfish" not in repr(_SETTINGS)


def test_the_pinned_key_is_opened_and_another_one_refused() -> None:
    with open_key("env://KEY", expect=_KEY.public_key, settings=_SETTINGS) as key:
        assert key.sign(b"message")
    with pytest.raises(KeyMismatch):
        open_key("env://KEY", expect=_other_key(), settings=_SETTINGS)


def test_closing_a_key_opened_by_uri_closes_its_provider(tmp_path: Path) -> None:
    key = open_key("env://KEY", settings=_SETTINGS)
    key.close()
    key.close()
    with pytest.raises(KeyUnusable):
        key.sign(b"message")


def test_secrets_given_are_asked_before_those_of_the_settings(tmp_path: Path) -> None:
    def never(_request: SecretRequest) -> str:
        raise AssertionError("the settings were asked")

    (tmp_path / "app.key").write_bytes(_KEY.to_pem("swordfish"))
    (tmp_path / "app.key").chmod(0o600)
    settings = KeySettings(environ={}, secrets=never)
    with open_key(str(tmp_path / "app.key"), secrets=fixed("swordfish"), settings=settings) as key:
        assert key.info.public_key == _KEY.public_key
    with open_key(str(tmp_path / "app.key"), secrets=lambda _: None, settings=KeySettings({}, fixed("swordfish"))):
        pass


def test_secrets_given_leave_the_other_settings_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "app.key").write_bytes(_KEY.to_pem(None))
    (tmp_path / "app.key").chmod(0o644)
    settings = KeySettings(environ={}, allow_open_permissions=True)
    with open_key(str(tmp_path / "app.key"), secrets=fixed("swordfish"), settings=settings) as key:
        assert key.info.public_key == _KEY.public_key


def test_without_settings_the_environment_of_the_process_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGESIG_TEST_KEY", _KEY.to_pem("swordfish").decode())
    monkeypatch.setenv("IMAGESIG_PASSPHRASE", "swordfish")
    with open_key("env://IMAGESIG_TEST_KEY") as key:
        assert key.info.public_key == _KEY.public_key


def test_public_keys_of_a_private_key_are_its_own() -> None:
    assert open_public_keys("env://KEY", settings=_SETTINGS) == (_KEY.public_key,)


def test_a_key_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(KeyNotFound):
        open_key(str(tmp_path / "app.key"), settings=_SETTINGS)
    with pytest.raises(KeyNotFound):
        open_public_keys(str(tmp_path / "app.key"), settings=_SETTINGS)


@pytest.mark.parametrize("uri", ["hashivault:app", "awskms:alias/app", "AWSKMS:/alias/app", "env:KEY", "openbao:/app"])
def test_a_key_uri_without_its_slashes_is_no_file(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands: tuple[tuple[str, ...], ...] = (
        ("key", "generate", uri),
        ("key", "export", uri),
        ("sign", "--key", uri, "localhost:1/app:1"),
        ("verify", "--key", uri, "localhost:1/app:1"),
    )
    for command in commands:
        done = run_here(*command)
        assert isinstance(done.exception, InvalidArgument), command
        assert f"{uri.partition(':')[0].lower()}://" in str(done.exception)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "env:KEY").write_text(_KEY.public_key.pem)
    assert open_public_keys("env:KEY") == open_public_keys(Path("env:KEY")) == (_KEY.public_key,)
    with pytest.raises(KeyNotFound):
        open_key(Path("hashivault:app"))
