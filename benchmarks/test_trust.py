"""Docker Content Trust beside docker 28.5, on the same trust server, and a migration whose key is in Vault."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from benchmarks.conftest import Bench, Record
from imagesig import ContentTrust, TrustServers, inspect_trust, migrate_trust
from imagesig.content_trust import InMemoryTrust
from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.keys.vault.client import VaultClient
from imagesig.keys.vault.connection import VaultConnection
from imagesig.keys.vault.login import TokenLogin
from imagesig.keys.vault.provider import VaultKey, VaultProvider
from tests.content_trust.notary import notary
from tests.content_trust.repository import TrustRepository, certified, tag
from tests.interop.test_docker_trust import Docker
from tests.interop.tools import Tools
from tests.peers.servers import NotaryServer, RegistryServer, VaultServer, notary_server

ROUNDS = 15
TAGS = 10
MANY = 200
DIGEST = "sha256:" + "ab" * 32
NAME = "registry.example/bench/app"
PEER = "docker 28.5"
_START = "half of our time is the start of Python, which a program of Go does not have"
_BOTH = "two signatures for each tag and verified trust data, with at most 4 calls to Vault; cosign makes one signature"
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Signed:
    """A repository that docker and notary signed, and docker's folder with the authority of the server."""

    server: NotaryServer
    docker: Docker


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    folder = tmp_path_factory.mktemp("docker")
    with notary_server(tmp_path_factory.mktemp("notary")) as server:
        docker = Docker(server, folder)
        docker.run("trust", "key", "generate", "alice", "--dir", ".")
        docker.run("trust", "signer", "add", "--key", "alice.pub", "alice", NAME)
        for number in range(TAGS):
            docker.notary.add(NAME, f"v{number}", DIGEST, 418, "targets/releases", "targets/alice")
        yield Signed(server, docker)


@pytest.mark.benchmark(group="content trust: inspect a repository, library warm (docker: a process)")
def test_inspect_ours(benchmark: Any, side: Record, signed: Signed) -> None:
    side("ours", target=10, at_least=True, kind="rate")
    servers = TrustServers(memory=InMemoryTrust(), ca_file=signed.server.ca_file)

    def inspect() -> None:  # without a pin nothing is remembered: each asks the server for all files
        assert len(inspect_trust(NAME, server=signed.server.url, trust_servers=servers).tags) == TAGS

    benchmark.pedantic(inspect, rounds=50, warmup_rounds=5)


@pytest.mark.benchmark(group="content trust: inspect a repository, library warm (docker: a process)")
def test_inspect_docker(benchmark: Any, side: Record, signed: Signed) -> None:
    side("peer", peer=PEER)
    benchmark.pedantic(lambda: signed.docker.run("trust", "inspect", NAME), rounds=ROUNDS)


@pytest.mark.benchmark(group="content trust: the command inspects a repository")
def test_command_ours(benchmark: Any, side: Record, bench: Bench, signed: Signed) -> None:
    side("ours", target=4, reason=_START)
    there = ("--notary-server", signed.server.url, "--notary-ca", str(signed.server.ca_file))
    benchmark.pedantic(lambda: bench.imagesig("trust", "inspect", *there, NAME), rounds=ROUNDS)


@pytest.mark.benchmark(group="content trust: the command inspects a repository")
def test_command_docker(benchmark: Any, side: Record, signed: Signed) -> None:
    side("peer", peer=PEER)
    benchmark.pedantic(lambda: signed.docker.run("trust", "inspect", NAME), rounds=ROUNDS)


@pytest.fixture(scope="module")
def vault_key(vault: VaultServer) -> Iterator[VaultKey]:
    import hvac

    hvac.Client(url=vault.address, token=vault.root_token).sys.enable_secrets_engine("transit")
    provider = VaultProvider(VaultConnection(vault.address), TokenLogin(vault.root_token))
    with provider.generate("bench", KeyType.ECDSA_P256) as key:
        yield key


@pytest.mark.benchmark(group=f"content trust: {MANY} tags with one Vault key")
def test_migrate_ours(
    benchmark: Any,
    side: Record,
    registry_referrers: RegistryServer,
    vault_key: VaultKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    side("ours", target=1, at_least=True, kind="rate", reason=_BOTH)
    calls: list[str] = []
    real = VaultClient.request

    def counted(self: VaultClient, method: str, path: str, *more: Any, **options: Any) -> Any:
        calls.append(f"{method} {path}")
        return real(self, method, path, *more, **options)

    monkeypatch.setattr(VaultClient, "request", counted)
    provider = vault_key._provider

    def migrate(name: str, trust: ContentTrust) -> None:
        calls.clear()
        with provider.open("bench") as key:
            outcomes = list(migrate_trust([name], key, trust, trust_servers=TrustServers(memory=InMemoryTrust())))
        assert [item.result.state for item in outcomes if item.result] == ["migrated"] * MANY
        assert len(calls) <= 4, calls

    with notary() as server:

        def setup() -> tuple[tuple[str, ContentTrust], dict[str, str]]:
            name = f"{registry_referrers.host}/bench/migrate-{next(_numbers)}"
            tags = {}
            for number in range(MANY):
                content = {"bin/app": f"{name} {number}".encode()}
                pushed = build_image(registry(f"{name}:v{number}").home, content, PLATFORMS[0], f"v{number}")
                tags[f"v{number}"] = tag(pushed.digest, pushed.size)
            made = TrustRepository(name, root=[certified(name)], tags=tags)
            server.repositories[name] = made
            return (name, ContentTrust(server.url, made.root[0].id)), {}

        benchmark.pedantic(migrate, setup=setup, rounds=2)


@pytest.mark.benchmark(group=f"content trust: {MANY} tags with one Vault key")
def test_migrate_cosign(
    benchmark: Any,
    side: Record,
    bench: Bench,
    registry_referrers: RegistryServer,
    vault: VaultServer,
    vault_key: VaultKey,
    tmp_path: Any,
) -> None:
    side("peer", peer="cosign 3.1.3 signs the same number of images, and reads no trust data")
    tools = Tools(tmp_path, {"VAULT_ADDR": vault.address, "VAULT_TOKEN": vault.root_token})

    def sign(images: list[str]) -> None:
        tools.run(
            *("cosign3", "sign", "--key", "hashivault://bench", "--use-signing-config=false", "--tlog-upload=false"),
            *("--yes", "--allow-http-registry", *images),
            timeout=600,
        ).must_succeed()

    assert vault_key.info
    images = [bench.push(registry_referrers.host, f"cosign-{next(_numbers)}") for _ in range(MANY)]
    benchmark.pedantic(lambda: sign(images), rounds=1)
