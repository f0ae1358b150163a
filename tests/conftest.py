"""Fixtures of all tests: above all one real server of each kind per process, started when a test first asks for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.peers.servers import (
    NotaryServer,
    RegistryServer,
    SoftHsmToken,
    VaultServer,
    notary_server,
    registry_server,
    softhsm_token,
    vault_server,
)
from tests.vectors.conftest import pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown

if TYPE_CHECKING:
    from pathlib import Path

    from imagesig.keys.provider import SigningKey
    from tests.peers.engine import DockerEngine
    from tests.peers.kms import KmsServer


__all__ = ["pytest_sessionfinish", "pytest_terminal_summary", "pytest_testnodedown"]


# A busy machine is slow, which is no fault of an example. A commit that passed passes again: `make properties` makes
# other examples each time.
settings.register_profile(
    "repeatable",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not os.environ.get("IMAGESIG_NEW_EXAMPLES"),
)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _no_secret_of_another_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test gave to a server is not taken out of the errors of the next."""
    monkeypatch.setattr("imagesig.text._secrets", {})


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries without pauses."""
    monkeypatch.setattr("imagesig.deadlines._BACKOFF_SECONDS", 0.001)


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy is named in the environment."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `key` is: in `k.key`, its public key in `k.pub`."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def key(key_folder: Path) -> SigningKey:
    """A key in a file, one for the tests of a module."""
    from imagesig.crypto.algorithms import KeyType
    from imagesig.keys.file.provider import FileProvider

    return FileProvider(key_folder).generate("k.key", KeyType.ECDSA_P256)


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultServer]:
    """An unsealed Vault with nothing mounted; a test mounts under a name of its own."""
    with vault_server(tmp_path_factory.mktemp("vault")) as server:
        yield server


@pytest.fixture(scope="session")
def registry_referrers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A registry with the referrers API; a test pushes to a repository of its own."""
    with registry_server("referrers", tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="session")
def registry_tag(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """A registry without the referrers API."""
    with registry_server("tag", tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="session")
def registry_ggcr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """go-containerregistry's registry: the referrers API with its quirks."""
    with registry_server("ggcr", tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="session")
def notary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotaryServer]:
    """A trust server; a test uses a repository of its own."""
    with notary_server(tmp_path_factory.mktemp("notary")) as server:
        yield server


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsmToken]:
    """A SoftHSM token; a test names its keys so that they collide with no other test's."""
    # A PIN that no fingerprint contains: tests look for it in what is printed.
    with softhsm_token(tmp_path_factory.mktemp("softhsm"), pin="s3cret-pin") as token:
        yield token


@pytest.fixture(scope="session")
def kms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KmsServer]:
    """An AWS KMS over HTTP."""
    from tests.peers.kms import kms_server

    with kms_server() as server:
        yield server


@pytest.fixture(scope="session")
def docker_classic() -> Iterator[DockerEngine]:
    """A Docker Engine with the classic image store; a test uses names of its own."""
    from tests.peers.engine import docker_engine

    with docker_engine("classic") as engine:
        yield engine


@pytest.fixture(scope="session")
def docker_containerd() -> Iterator[DockerEngine]:
    """A Docker Engine with the containerd image store."""
    from tests.peers.engine import docker_engine

    with docker_engine("containerd") as engine:
        yield engine


@pytest.fixture(params=["classic", "containerd"])
def docker(request: pytest.FixtureRequest) -> DockerEngine:
    """Each of the two."""
    engine: DockerEngine = request.getfixturevalue(f"docker_{request.param}")
    return engine
