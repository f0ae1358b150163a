"""Which plugin a URI names, which key of it, and where plugins lie."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imagesig.crypto.algorithms import RSA_PSS_SHA256, KeyType
from imagesig.errors import InvalidArgument, KeyProviderError
from imagesig.keys import KeySettings, open_key, resolve_key
from imagesig.keys.plugin.notation import NotationPluginProvider
from imagesig.keys.plugin.notation_open import plugin_directory
from imagesig.text import holds_key
from tests.issuers import Issuer, pem
from tests.makers import private_key
from tests.plugins.programs import executable, program

ROOT = Issuer("root")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> NotationPluginProvider:
    """One that is there, and is never run."""
    folder = tmp_path_factory.mktemp("libexec") / "plugins"
    executable(folder / "fake" / "notation-fake", "")
    return NotationPluginProvider("fake", folder, environ={})


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"NOTATION_LIBEXEC": "/libexec", "HOME": "/user"}, "/libexec/plugins"),
        ({"XDG_CONFIG_HOME": "/cfg", "HOME": "/user"}, "/cfg/notation/plugins"),
        ({"HOME": "/user"}, "/user/.config/notation/plugins"),
    ],
)
def test_plugins_lie_where_notation_has_them(environ: dict[str, str], folder: str) -> None:
    assert plugin_directory(environ) == Path(folder)


def test_a_uri_names_plugin_key_and_configuration(tmp_path: Path) -> None:
    script = (
        "import json, sys\nrequest = json.load(sys.stdin)\n"
        "message = json.dumps([request.get('keyId'), request['pluginConfig']])\n"
        "sys.stderr.write(json.dumps({'errorCode': 'ERROR', 'errorMessage': message})); sys.exit(1)\n"
    )
    executable(tmp_path / "plugins" / "fake" / "notation-fake", script)
    settings = KeySettings({"NOTATION_LIBEXEC": str(tmp_path)})
    uri = "notation-plugin://fake/https://kv.example/keys/a%3Fb?self_signed=true&cert_chain=/a%26b.pem"
    provider, name = resolve_key(uri, settings)
    assert name == "https://kv.example/keys/a?b"
    with provider, pytest.raises(KeyProviderError) as failed:
        provider.open(name)
    assert '\'cert_chain": "/a&b.pem'.replace("'", '"') in str(failed.value)


@pytest.mark.parametrize(
    "uri",
    [
        "notation-plugin://fake",
        "notation-plugin://fake/",
        "notation-plugin:///k",
        "notation-plugin://../k",
        "notation-plugin://fake/%00",
        "notation-plugin://fake/%zz",
        "notation-plugin://fake/%ff",
        "notation-plugin://fake/k?a",
        "notation-plugin://fake/k?=b",
        "notation-plugin://fake/k?a=1&a=2",
        "notation-plugin://fake/k?a=1&",
    ],
)
def test_a_uri_of_another_shape_is_refused(uri: str, tmp_path: Path) -> None:
    executable(tmp_path / "plugins" / "fake" / "notation-fake", "")
    with pytest.raises(InvalidArgument):
        resolve_key(uri, KeySettings({"NOTATION_LIBEXEC": str(tmp_path)}))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_the_uri_of_a_key_leads_back_to_it(plugin: NotationPluginProvider, key_id: str) -> None:
    assume(not holds_key(plugin.key_uri(key_id)))  # a key that is given as a name is refused
    environ = {"NOTATION_LIBEXEC": str(plugin._program.parents[2])}
    assert resolve_key(plugin.key_uri(key_id), KeySettings(environ))[1] == key_id


def test_our_own_plugin_is_one_of_them(tmp_path: Path) -> None:
    program(tmp_path / "plugins" / "imagesig", "notation-imagesig")
    key = private_key(KeyType.RSA_2048)
    (tmp_path / "release.key").write_bytes(key.to_pem(None))
    (tmp_path / "release.key").chmod(0o600)
    (tmp_path / "chain.pem").write_bytes(pem(ROOT.chain_for(key.public_key)))
    uri = f"notation-plugin://imagesig/{tmp_path}/release.key?cert_chain={tmp_path}/chain.pem"
    with open_key(uri, settings=KeySettings({"NOTATION_LIBEXEC": str(tmp_path)})) as opened_key:
        assert opened_key.info.algorithms == (RSA_PSS_SHA256,)
        assert opened_key.expect(key.public_key).sign(b"message")
