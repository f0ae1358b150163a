"""The servers of the tests themselves: a wrong fixture makes every test wrong."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Literal

import pytest

from tests.peers import binary, servers
from tests.peers.servers import ServerFailed, registry_server, softhsm_token, vault_server

pytestmark = pytest.mark.interop

NO_PROXY = urllib.request.ProxyHandler({})


def _get(url: str, ca_file: Path | None = None) -> bytes:
    context = ssl.create_default_context(cafile=ca_file) if ca_file else None
    opener = urllib.request.build_opener(NO_PROXY, urllib.request.HTTPSHandler(context=context))
    with opener.open(url, timeout=10) as response:
        body: bytes = response.read()
    return body


def _put_index(repository: str) -> str:
    """Pushes an empty index; its digest."""
    media_type = "application/vnd.oci.image.index.v1+json"
    body = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": []}).encode()
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    put = urllib.request.Request(
        f"{repository}/manifests/{digest}", data=body, method="PUT", headers={"Content-Type": media_type}
    )
    with urllib.request.build_opener(NO_PROXY).open(put, timeout=10):
        return digest


@pytest.mark.parametrize("tls", [False, True])
def test_vault_is_unsealed_and_empty(tmp_path: Path, tls: bool) -> None:
    with vault_server(tmp_path, tls=tls) as vault:
        health = json.loads(_get(f"{vault.address}/v1/sys/health", vault.ca_file))

    assert vault.address.startswith("https://" if tls else "http://")
    assert (health["initialized"], health["sealed"]) == (True, False)


@pytest.mark.parametrize("kind", ["referrers", "tag", "ggcr"])
def test_two_registries_of_a_kind_run_side_by_side(tmp_path: Path, kind: Literal["referrers", "tag", "ggcr"]) -> None:
    with registry_server(kind, tmp_path) as first, registry_server(kind, tmp_path) as second:
        assert first.host != second.host
        _get(f"http://{first.host}/v2/")
        _get(f"http://{second.host}/v2/")


@pytest.mark.parametrize(("kind", "status"), [("referrers", 200), ("tag", 404), ("ggcr", 200)])
def test_the_kinds_differ_in_the_referrers_api(
    tmp_path: Path, kind: Literal["referrers", "tag", "ggcr"], status: int
) -> None:
    with registry_server(kind, tmp_path) as registry:
        subject = _put_index(f"http://{registry.host}/v2/acme/app")
        try:
            _get(f"http://{registry.host}/v2/acme/app/referrers/{subject}")
            seen = 200
        except urllib.error.HTTPError as error:
            seen = error.code
            error.close()

    assert seen == status


def test_a_server_is_gone_after_its_block(tmp_path: Path) -> None:
    with registry_server("referrers", tmp_path) as registry:
        pass

    with pytest.raises(urllib.error.URLError, match="refused"):
        _get(f"http://{registry.host}/v2/")


def test_a_server_that_does_not_start_shows_what_it_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_DISTRIBUTION", "not a configuration")

    failure = pytest.raises(ServerFailed, match=r"(?s)registry-tag did not start: exited with status 1.*configuration")
    with failure, registry_server("tag", tmp_path):
        pass


def test_a_token_is_there_for_its_block_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTHSM2_CONF", "before")

    with softhsm_token(tmp_path, label="mine") as token:
        assert os.environ["SOFTHSM2_CONF"] == str(token.config)
        token.add("second")
        listed = subprocess.run(
            [binary("pkcs11-tool"), "--module", token.module, "--list-token-slots"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert "mine" in listed
    assert "second" in listed
    assert os.environ["SOFTHSM2_CONF"] == "before"
