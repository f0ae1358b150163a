"""`docker build --sign-key` with keys that never leave their home: a token, Vault, KMS."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import imagesig
from imagesig.crypto.algorithms import KeyType
from tests.commands import run_here
from tests.docker.test_engines import context
from tests.interop.homes import Homes
from tests.peers import RUN_SECONDS, binary
from tests.peers.engine import DockerEngine
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("home", ["PKCS#11", "Vault", "KMS"])
def test_a_build_is_signed_by_a_key_in_its_home(
    docker_containerd: DockerEngine,
    homes: Homes,
    registry_referrers: RegistryServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    home: str,
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(docker_containerd.config))
    assert run_here("docker", "install", "--builder").exit_code == 0
    key = homes.make(home, KeyType.ECDSA_P256)
    name = f"{registry_referrers.host}/docker-build/{home.lower().replace('#', '')}:1"

    done = subprocess.run(
        [str(binary("docker")), "build", "--sign-key", key.peer_uri, "-t", name, "--push", str(context(tmp_path))],
        env={**docker_containerd.environ, **homes.environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    run_here("docker", "uninstall")

    assert done.returncode == 0, done.stderr
    assert imagesig.verify(name, key.pem).verified
    assert homes.environ["COSIGN_PKCS11_PIN"] not in done.stdout + done.stderr
