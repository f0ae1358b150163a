"""`imagesig trust inspect` beside `docker trust inspect`: the same bytes for what docker and notary signed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands import run_here
from tests.interop.notary_client import PASSPHRASE, NotaryClient
from tests.peers import RUN_SECONDS, binary
from tests.peers.servers import NotaryServer

pytestmark = pytest.mark.interop

DIGESTS = {name: "sha256:" + name * 32 for name in ("ab", "cd")}


class Docker:
    """docker's CLI, and notary's on the same keys and caches. No engine is needed."""

    def __init__(self, server: NotaryServer, folder: Path) -> None:
        self.folder, self.server = folder, server
        self.notary = NotaryClient(server, folder / "trust")
        tls = folder / "tls" / server.url.removeprefix("https://")
        tls.mkdir(parents=True)
        shutil.copy(server.ca_file, tls / "ca.crt")

    def run(self, *arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            [binary("docker"), *arguments],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "DOCKER_CONFIG": str(self.folder),
                "DOCKER_CONTENT_TRUST_SERVER": self.server.url,
                "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE": PASSPHRASE,
                "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE": PASSPHRASE,
            },
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        assert done.returncode == status, f"docker {arguments}: {done.stdout}{done.stderr}"
        return done.stdout


def test_the_output_is_dockers_byte_for_byte(
    notary: NotaryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker, gun = Docker(notary, tmp_path), "registry.example/docker/hello"
    for name in ("alice", "bob2", "bob10"):
        docker.run("trust", "key", "generate", name, "--dir", ".")
        docker.run("trust", "signer", "add", "--key", f"{name}.pub", name, gun)
    roles = ("targets/releases", "targets/alice")
    for tag in ("v10", "v2", "v02", "latest", "1.0-rc.1", "1.0"):
        docker.notary.add(gun, tag, DIGESTS["ab"], 418, *roles)
    docker.notary.add(gun, "v2", DIGESTS["ab"], 418, "targets/bob2")
    docker.notary.add(gun, "by-the-admin", DIGESTS["cd"], 7)
    docker.notary.add(gun, "of-bob-alone", DIGESTS["cd"], 7, "targets/bob10")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONTENT_TRUST_SERVER", notary.url)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    for names in ([gun], [f"{gun}:v2"], [f"{gun}:of-bob-alone"], [f"{gun}:none", f"{gun}:by-the-admin"]):
        for options in ([], ["--pretty"]):
            shown = run_here("trust", "inspect", *options, *names)
            assert shown.exit_code == 0, shown.stderr
            assert shown.stdout == docker.run("trust", "inspect", *options, *names)
    for names in ([gun, f"{gun}/none", f"{gun}:v2"], [f"{gun}/none", gun], [f"{gun}/none"]):
        for options in ([], ["--pretty"]):
            shown = run_here("trust", "inspect", *options, *names)
            assert shown.exit_code == 10
            assert shown.stdout == docker.run("trust", "inspect", *options, *names, status=1)


def test_what_docker_has_seen_newer_is_a_rollback(
    notary: NotaryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trust data of before, which verify by themselves, are refused to a user whose docker has seen later ones."""
    docker, gun = Docker(notary, tmp_path / "docker"), "registry.example/docker/seen"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    docker.run("trust", "key", "generate", "alice", "--dir", ".")
    docker.run("trust", "signer", "add", "--key", "alice.pub", "alice", gun)
    for tag in ("1.0", "2.0"):
        docker.notary.add(gun, tag, DIGESTS["ab"], 418, "targets/releases", "targets/alice")
        docker.run("trust", "inspect", gun)
        shutil.copytree(docker.folder / "trust" / "tuf", tmp_path / tag / "tuf")
    options = ("trust", "migrate", "--dry-run", "--key", tmp_path / "k.key", "--trust-on-first-use")
    assert run_here("key", "generate", tmp_path / "k.key").exit_code == 0

    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nothing"))
    before = run_here(*options, "--from", tmp_path / "1.0", gun)
    monkeypatch.setenv("DOCKER_CONFIG", str(docker.folder))
    rolled_back = run_here(*options, "--from", tmp_path / "1.0", gun)
    present = run_here(*options, "--from", tmp_path / "2.0", gun)

    assert "was seen before" not in before.stdout + before.stderr
    assert rolled_back.exit_code == 12
    assert "was seen before" in rolled_back.stdout + rolled_back.stderr
    assert "was seen before" not in present.stdout + present.stderr
