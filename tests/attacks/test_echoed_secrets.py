"""6a for what is handed over: a plugin or a key service that repeats its login shows it in no error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from imagesig import open_key
from imagesig.errors import ImagesigError
from imagesig.keys import KeySettings
from imagesig.testing import ScriptedKms, ScriptedVault
from imagesig.testing.loopback_server import Answer, Request
from tests.makers import private_key
from tests.plugins.programs import executable

SECRETS = {
    "token": "hvs.CAESIJ0123456789abcdefABCDEF",
    "with signs": "Tr0ub4dor&3\\'\"<>",
    "two lines": "first Tr0ub4dor\n  second 3lephant",
    "only small": "correcthorsebattery",
    "like a path": "/Tr0ub4dor/and/more",
    "not ASCII": "Tr\u00f6ub4dor-3lephant",
}
STDERR = "sys.stderr.write('" + "y " * 180 + "login with ' + seen + ' failed'); sys.exit(1)"
ERROR_OF_NOTATION = "sys.stderr.write(json.dumps({'errorCode': 'ERROR', 'errorMessage': 'no ' + seen})); sys.exit(1)"
ERROR_OF_SIGSTORE = "print(json.dumps({'errorMessage': 'no ' + seen}))"
GARBAGE = "print('{}{}'); sys.stderr.write(seen)"
CRASH = "sys.stderr.write(seen); sys.stderr.flush(); os.kill(os.getpid(), 9)"
PLUGINS = {
    "notation-plugin://fake/k": ("plugins/fake/notation-fake", [STDERR, ERROR_OF_NOTATION, GARBAGE, CRASH]),
    "sigstore-kms://fake/k": ("sigstore-kms-fake", [STDERR, ERROR_OF_SIGSTORE, GARBAGE, CRASH]),
}


@pytest.fixture(autouse=True)
def _nothing_is_hidden_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagesig.text._secrets", {})


def refusal(uri: str, environ: Mapping[str, str]) -> str:
    with pytest.raises(ImagesigError) as refused:
        open_key(uri, settings=KeySettings(environ=environ))
    return f"{refused.value} {refused.value.hint}"


def plugin_says(folder: Path, uri: str, number: int, environ: Mapping[str, str], variable: str) -> str:
    program, scripts = PLUGINS[uri]
    seen = f"import json, os, sys\nseen = os.environ[{variable!r}]\n"
    executable(folder / program, seen + scripts[number] + "\n")
    places = {"NOTATION_LIBEXEC": str(folder), "PATH": str(folder), "IMAGESIG_PLUGIN_ENV": variable}
    return refusal(uri, places | environ)


def shows(said: str, secret: str) -> bool:
    """Whether a part of the secret is there."""
    return any(secret[start : start + 6] in said for start in range(len(secret) - 5))


@pytest.mark.parametrize("uri", PLUGINS)
@pytest.mark.parametrize("number", range(4), ids=["stderr", "error", "garbage", "crash"])
@pytest.mark.parametrize("secret", SECRETS)
def test_a_plugin_shows_no_secret_that_it_was_given(uri: str, number: int, secret: str, tmp_path: Path) -> None:
    said = plugin_says(tmp_path, uri, number, {"HSM_TOKEN": SECRETS[secret]}, "HSM_TOKEN")

    assert not shows(said, SECRETS[secret])
    assert number == 2 or "(secret)" in said


@pytest.mark.parametrize("uri", PLUGINS)
def test_a_plugin_shows_no_password_of_a_proxy(uri: str, tmp_path: Path) -> None:
    environ = {"HTTPS_PROXY": "http://me:Tr0ub4dor%263@proxy.example"}

    assert not shows(plugin_says(tmp_path, uri, 0, environ, "HTTPS_PROXY"), "Tr0ub4dor%263")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VAULT_ADDR", "https://vault.example:8200"),
        ("AWS_REGION", "eu-central-1"),
        ("HSM_CONFIG", "/etc/Hsm/Config"),
        ("KMS_KEY_ID", "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab"),
    ],
)
def test_addresses_regions_and_paths_are_shown(name: str, value: str, tmp_path: Path) -> None:
    assert value in plugin_says(tmp_path, "notation-plugin://fake/k", 1, {name: value}, name)


LOGINS = {
    "userpass": ("IMAGESIG_VAULT_PASSWORD_FILE", {"IMAGESIG_VAULT_USERNAME": "me"}),
    "approle": ("IMAGESIG_VAULT_SECRET_ID_FILE", {"IMAGESIG_VAULT_ROLE_ID": "builder"}),
    "jwt": ("IMAGESIG_VAULT_JWT_FILE", {"IMAGESIG_VAULT_ROLE": "builder"}),
    "kubernetes": ("IMAGESIG_VAULT_JWT_FILE", {"IMAGESIG_VAULT_ROLE": "builder"}),
}


@pytest.mark.parametrize("method", LOGINS)
def test_a_vault_that_repeats_a_login_shows_no_secret(method: str, tmp_path: Path) -> None:
    variable, more = LOGINS[method]
    secret = f"Tr0ub4dor&3-{len(method)}-3lephant"
    (tmp_path / "secret").write_text(secret)

    def repeated(request: Request) -> Answer | None:
        said = json.dumps({"errors": [f"refused: {request.body.decode()}"]}).encode()
        return Answer(400, said) if "/login" in request.path else None

    with ScriptedVault({"release": [private_key()]}) as vault:
        vault.faults.append(repeated)
        environ = {"VAULT_ADDR": vault.address, "IMAGESIG_VAULT_AUTH": method, variable: str(tmp_path / "secret")}
        said = refusal("hashivault://release", environ | more)
    assert "refused: " in said
    assert not shows(said, secret)


@pytest.mark.parametrize("variable", ["AWS_SESSION_TOKEN", "AWS_SECRET_ACCESS_KEY"])
def test_a_kms_that_repeats_credentials_shows_no_secret(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = f"Tr0ub4dor-3lephant-{len(variable)}"
    environ = {"AWS_ACCESS_KEY_ID": "AKIASCRIPTED", "AWS_SECRET_ACCESS_KEY": "another", variable: secret}
    with ScriptedKms({"release": private_key()}) as kms:
        said = json.dumps({"__type": "InvalidSignatureException", "message": f"signed with {secret}"}).encode()
        kms.faults.append(lambda _request: Answer(400, said, {"content-type": "application/x-amz-json-1.1"}))
        environ |= {"AWS_ENDPOINT_URL_KMS": kms.address, "AWS_REGION": kms.region}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        said_by_us = refusal("awskms:///alias/release", environ)
    assert "signed with " in said_by_us
    assert not shows(said_by_us, secret)
