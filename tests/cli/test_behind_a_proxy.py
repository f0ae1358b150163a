"""The README's lines at a registry like Harbor, behind a proxy with a login, and with a private authority."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from imagesig import Policy, open_key, sign, verify
from imagesig.testing import Answer, InMemoryRegistry, Request
from imagesig.testing.images import StoredImages
from imagesig.testing.profiles import PROFILES
from tests.attacks.network import connected, head_of, pass_on, scripted
from tests.commands import run_here
from tests.tls import tls_front, trusted

HOST = "harbor.corp.example"
IMAGE = f"{HOST}/acme/app:1.0"
SBOM = {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "app", "dataLicense": "CC0-1.0"}
SBOM |= {"documentNamespace": "https://acme.example/app"}
PROXY_LOGIN, LOGIN = "proxy:s3cret-p", ("robot$ci", "s3cret-r")


class Corporate:
    """A proxy that passes connections to `HOST` on, and the registry there. `refused` are its refusals."""

    def __init__(self, registry: InMemoryRegistry) -> None:
        self.registry = registry
        self.heads: list[bytes] = []
        self.front = ""

    def serve(self, connection: socket.socket) -> None:
        head = head_of(connection)
        self.heads.append(head)
        login = base64.b64encode(PROXY_LOGIN.encode())
        if b"Basic " + login not in head:
            connection.sendall(b"HTTP/1.1 407 x\r\nproxy-authenticate: Basic\r\ncontent-length: 0\r\n\r\n")
            return
        if not head.startswith(f"CONNECT {HOST}:443 ".encode()):
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            return
        with connected(self.front) as behind:
            # Squid answers in HTTP/1.0, with headers of its own.
            connection.sendall(b"HTTP/1.0 200 Connection established\r\nvia: 1.1 proxy\r\n\r\n")
            pass_on(connection, behind)


def harbor() -> InMemoryRegistry:
    """Harbor's profile with a robot's login: its token server names the outer address, and a repository is hidden."""
    server = PROFILES["harbor"].registry()
    server._bearer = LOGIN

    def outer(request: Request) -> Answer | None:
        if not request.path.startswith("/v2/"):
            return None
        own = server.own_answer(request)
        if own.status != 401:
            return None
        challenge = re.sub(r'realm="[^"]*"', f'realm="https://{HOST}/token"', own.headers["www-authenticate"])
        return Answer(401, own.body, {"www-authenticate": challenge})

    server.faults.insert(0, outer)
    return server


@pytest.fixture
def corporate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Corporate]:
    authority = trustme.CA()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("IMAGESIG_PASSPHRASE", "correct horse")
    for name in ("NO_PROXY", "no_proxy", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".docker").mkdir()
    auth = base64.b64encode(":".join(LOGIN).encode()).decode()
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"auths": {f"https://{HOST}": {"auth": auth}}}))
    with harbor() as registry, tls_front(registry.host, authority, HOST) as front:
        place = Corporate(registry)
        place.front = front.host
        StoredImages(
            lambda content: registry.put_blob("acme/app", content),
            lambda content, kind, tag: registry.put_manifest("acme/app", content, kind, tag),
        ).add("acme/app", "1.0", ())
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted(authority, tmp_path)))
        with scripted(place.serve) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://{PROXY_LOGIN}@{proxy}")
            yield place


def line(text: str, status: int = 0) -> str:
    """What a line of the README prints."""
    done = run_here(*text.split())
    assert done.exit_code == status, f"{text}: {done.output} {done.stderr}"
    return done.output


def test_the_lines_of_the_readme_work_for_a_new_user(corporate: Corporate, tmp_path: Path) -> None:
    line("key generate release.key")
    assert "attached" in line(f"sign --key release.key --output json {IMAGE}")
    assert "sha256:" in line(f"verify --key release.pub {IMAGE}")
    line(f"inspect {IMAGE}")
    line(f"tree {IMAGE}")
    report = line(f"doctor release.key {IMAGE}")
    assert "failed" not in report
    assert f"{HOST}" in report
    line("policy init --key release.pub --write")
    line(f"verify {IMAGE}")
    (tmp_path / "sbom.json").write_text(json.dumps(SBOM))
    line(f"attest --key release.key --type spdxjson --predicate sbom.json {IMAGE}")
    line(f"verify-attestation --key release.pub --type spdxjson {IMAGE}")
    with open_key("release.key") as key:
        sign(IMAGE, key)
    assert verify(IMAGE, Policy.any_of("release.pub")).pinned.startswith(f"{HOST}/acme/app@sha256:")
    assert all(head.startswith(f"CONNECT {HOST}:443 ".encode()) for head in corporate.heads)
    seen = b"".join(corporate.heads)
    assert LOGIN[1].encode() not in seen
    assert b"Bearer" not in seen


@pytest.mark.parametrize(
    ("name", "value", "says", "do"),
    [
        ("HTTPS_PROXY", "http://127.0.0.1:1", "127.0.0.1:1", "HTTPS_PROXY"),
        ("HTTPS_PROXY", "http://{}", "407", "HTTPS_PROXY"),
        ("HTTPS_PROXY", "socks5://127.0.0.1:1080", "HTTPS_PROXY", "http"),
        ("SSL_CERT_FILE", "none.pem", "none.pem", "SSL_CERT_FILE"),
        ("SSL_CERT_FILE", "", "certificate verify failed", "--registry-ca"),
        ("HOME", "/nonexistent", "credentials", "docker login"),
    ],
)
def test_doctor_names_what_is_missing(
    corporate: Corporate, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str, do: str
) -> None:
    proxy = os.environ["HTTPS_PROXY"].rpartition("@")[2]
    monkeypatch.setenv(name, value.format(proxy)) if value else monkeypatch.delenv(name)
    report = " ".join(line(f"doctor {IMAGE}", status=1).split())
    assert says in report
    assert do in report
    assert "s3cret" not in report


def test_a_wrong_login_is_named_by_its_file(corporate: Corporate, tmp_path: Path) -> None:
    auth = base64.b64encode(b"robot$ci:s3cret-x").decode()
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"auths": {HOST: {"auth": auth}}}))
    report = " ".join(line(f"doctor {IMAGE}", status=1).split())
    assert "config.json" in report
    assert f"docker login {HOST}" in report
    assert "s3cret-x" not in report
