"""A refused login is named: the user, the credential file and its entry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imagesig.testing import Answer, InMemoryRegistry
from imagesig.testing.registry import Request
from tests.commands import run_here

pytestmark = pytest.mark.usefixtures("quick_retries", "no_proxies")

LOGIN = ("robot", "s3cret-word")


def denied(request: Request) -> Answer | None:
    """A login that may read only."""
    if request.method not in ("POST", "PUT"):
        return None
    return Answer(403, b'{"errors": [{"code": "DENIED", "message": "read only"}]}')


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
@pytest.mark.parametrize("fault", ["password", "rights"])
@pytest.mark.parametrize("entry", ["{host}", "https://{host}/v2/", "{host}/team"])
def test_a_refused_login_names_the_file_and_the_entry(
    scheme: str, fault: str, entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("IMAGESIG_PASSPHRASE", "")
    key = tmp_path / "k.key"
    assert run_here("key", "generate", key).exit_code == 0
    with InMemoryRegistry(**{scheme: LOGIN}) as server:
        server.add_image("team/app:1.0")
        if fault == "rights":
            server.faults.append(denied)
        user, password = LOGIN
        word = "wr0ng-word" if fault == "password" else password
        (tmp_path / ".docker").mkdir()
        file, name = tmp_path / ".docker" / "config.json", entry.format(host=server.host)
        file.write_text(json.dumps({"auths": {name: {"username": user, "password": word}}}))
        done = run_here("sign", "--key", key, f"{server.host}/team/app:1.0")
    assert done.exit_code == 1
    assert str(file) in done.stderr
    assert name in done.stderr
    assert word not in done.stderr
