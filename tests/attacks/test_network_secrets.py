"""The password of a proxy is in nothing that we write, however it is written; NO_PROXY as Go's programs read it."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path

import pytest

from imagesig import ImagesigError, SigningKey, registry, verify
from imagesig.errors import InvalidArgument, Unauthorized
from imagesig.images.registry.connect import RegistryClient
from imagesig.images.registry.credential_entry import helper_for
from imagesig.images.registry.credentials import CredentialFiles
from imagesig.testing import InMemoryRegistry
from tests.cli.test_commands import imagesig as command

pytestmark = pytest.mark.usefixtures("quick_retries", "no_proxies")

PASSWORDS = ["hunter/tw", "hunter#tw", "hunter?tw", "hunter@tw", "hunter%tw", "hunter tw", "hunter:tw", "hunter\\tw"]
PASSWORDS += [
    "hunter[tw",
    "hunter\ntw",
    "hunter\xe4tw",
    "/huntertw",
    "#huntertw",
    "@huntertw",
    "hunter/t@w",
    "a/b#huntertw",
]


@pytest.mark.parametrize("scheme", ["http://", "https://", ""])
@pytest.mark.parametrize("password", PASSWORDS)
def test_a_proxys_password_is_not_shown(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, password: str, scheme: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}me:{password}@127.0.0.1:9")
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ImagesigError) as failed:
        verify(registry("registry.example/team/app:1.0", credentials=("", ""), timeout=5), key)
    shown = "".join(traceback.format_exception(failed.value)) + failed.value.hint + caplog.text
    assert "hunter" not in shown
    assert "tw" not in shown.replace("between", "").replace("network", "")


@pytest.mark.parametrize("password", ["hunter/tw", "hunter#tw", "hunter?tw", "hunter tw", "hunter%tw"])
def test_what_is_no_proxy_is_called_that_by_its_variable(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{password}@127.0.0.1:9")
    with pytest.raises(InvalidArgument, match="HTTPS_PROXY"):
        verify(registry("registry.example/team/app:1.0", credentials=("", ""), timeout=5), key)


@pytest.mark.parametrize("password", ["hunter/tw", "hunter#tw", "hunter%2Ftw", "hunter@tw"])
def test_the_command_shows_no_password_of_a_proxy(tmp_path: Path, key: SigningKey, password: str) -> None:
    (tmp_path / "k.pub").write_text(PUBLIC)
    for arguments in (["verify", "--key", str(tmp_path / "k.pub")], ["doctor", "--image"], ["inspect"]):
        done = command(
            *arguments,
            "registry.example/team/app:1.0",
            HTTPS_PROXY=f"http://me:{password}@127.0.0.1:9",
            HTTP_PROXY=f"http://me:{password}@127.0.0.1:9",
        )
        assert "hunter" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_a_loopback_registrys_login_does_not_reach_the_proxy(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    with InMemoryRegistry() as proxy, InMemoryRegistry(basic=("user", "s3cret")) as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
        with pytest.raises(ImagesigError):
            verify(registry(f"{server.host}/team/app:1.0", credentials=("user", "s3cret")), key)
        assert server.requests
        assert not proxy.requests


@pytest.mark.parametrize(
    "host", ["registry.localhost", "localhost4", "ip6-localhost", "registry.localdomain", "registry.example"]
)
def test_no_login_reaches_a_proxy_in_clear_text(key: SigningKey, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """The proxy looks the name up: it is not this machine, whatever the name says."""
    with InMemoryRegistry(basic=("user", "s3cret")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
        image = registry(f"{host}:5000/team/app:1.0", plain_http=True, credentials=("user", "s3cret"))
        with pytest.raises(ImagesigError, match="a login is sent over plain HTTP"):
            verify(image, key)
        assert proxy.requests
        assert not any("authorization" in request.headers for request in proxy.requests)


@pytest.mark.parametrize(
    ("bypass", "direct"),
    [
        ("10.0.0.0/8", True),
        ("10.1.2.3/32", True),
        ("10.1.2.3:80", True),
        ("10.1.2.3:81", False),
        ("11.0.0.0/8", False),
        ("x, *", True),
        ("0.1.2.3", False),
    ],
)
def test_no_proxy_is_read_as_go_reads_it(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch, bypass: str, direct: bool
) -> None:
    with InMemoryRegistry() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
        monkeypatch.setenv("NO_PROXY", bypass)
        image = registry("10.1.2.3:80/team/app:1.0", plain_http=True, credentials=("", ""), timeout=0.5)
        with pytest.raises(ImagesigError):
            verify(image, key)
        assert bool(proxy.requests) is not direct


PUBLIC = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE5+Cpb5AMzxbJGpBcXgPRmyPLBTtR
CXqTjzJt+Wq1YnBbS0YpqTS1BVDlhiPQyRmIpLmmXT9NvnBPXl0VIzxGdg==
-----END PUBLIC KEY-----
"""


@pytest.mark.parametrize("scheme", ["https://", "http://", ""])
@pytest.mark.parametrize("auth", ["dXNlcjp3cm9uZw==", "not base64"])
def test_a_login_in_a_key_of_a_credential_file_is_not_shown(
    tmp_path: Path, key: SigningKey, scheme: str, auth: str
) -> None:
    file = tmp_path / "auth.json"
    with InMemoryRegistry(basic=("user", "another")) as server:
        entry = {f"{scheme}me:hunter2tw@{server.host}/v1/": {"auth": auth}}
        file.write_text(json.dumps({"auths": entry}))
        files = CredentialFiles((file,))
        with pytest.raises(ImagesigError) as failed, RegistryClient(files) as client:
            verify(registry(f"{server.host}/team/app:1.0", client=client), key)
        done = command("doctor", f"{server.host}/team/app:1.0", REGISTRY_AUTH_FILE=str(file), HOME=str(tmp_path))
    assert str(file) in done.stdout + done.stderr
    assert "hunter" not in f"{failed.value} {failed.value.hint} {done.stdout}{done.stderr}"


@pytest.mark.parametrize("name", ["credHelpers", "auths"])
def test_a_login_in_a_key_is_not_in_the_steps(tmp_path: Path, name: str) -> None:
    file = tmp_path / "config.json"
    value = "none" if name == "credHelpers" else {}
    file.write_text(json.dumps({name: {"https://me:hunter2tw@registry.example": value}}))
    files = CredentialFiles((file,), path=str(tmp_path))
    if name == "auths":
        assert "hunter" not in repr(files.steps("registry.example", "app"))
    else:  # no such helper is installed
        with pytest.raises(Unauthorized) as failed:
            files.steps("registry.example", "app")
        assert "hunter" not in f"{failed.value} {failed.value.hint}"
    document = json.loads(file.read_bytes())
    assert helper_for(document, "registry.example").key == ("https://registry.example" if value else "")
