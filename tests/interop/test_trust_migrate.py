"""What docker and notary signed is migrated; then cosign, skopeo and notation verify it, and Vault is asked seldom."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import pytest

from imagesig import ContentTrust, TrustServers, migrate_trust, open_key
from imagesig.content_trust import InMemoryTrust
from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.registry.connect import registry
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.vault.client import VaultClient
from imagesig.oci.digest import sha256
from imagesig.testing import InMemoryRegistry
from tests.commands import run_here
from tests.content_trust.notary import notary as trust_server
from tests.content_trust.repository import TrustRepository, certified, tag
from tests.interop.homes import Homes
from tests.interop.notation import NotationHome
from tests.interop.test_docker_trust import Docker
from tests.interop.tools import Tools
from tests.peers.servers import NotaryServer, RegistryServer

pytestmark = pytest.mark.interop

SIGNERS = "imagesig.content-trust.signers"


class Stage:
    """A repository in a real registry: docker made its signer alice, notary signed 1.0 and the index 2.0 for her."""

    def __init__(self, server: NotaryServer, images: RegistryServer, folder: Path) -> None:
        self.docker, self.folder = Docker(server, folder / "docker"), folder
        self.name = f"{images.host.replace('127.0.0.1', 'localhost')}/migrate/{uuid.uuid4().hex[:12]}"
        one = build_image(registry(f"{self.name}:1.0").home, {"a": b"1"}, PLATFORMS[0], "1.0")
        two = build_index(registry(f"{self.name}:2.0").home, {"a": b"2"}, "2.0")
        build_image(registry(f"{self.name}:3.0").home, {"a": b"3"}, PLATFORMS[0], "3.0")
        self.digests = {"1.0": one.digest, "2.0": two.digest}
        self.docker.run("trust", "key", "generate", "alice", "--dir", ".")
        self.docker.run("trust", "signer", "add", "--key", "alice.pub", "alice", self.name)
        for name, made in (("1.0", one), ("2.0", two)):
            roles = ("targets/releases", "targets/alice")
            self.docker.notary.add(self.name, name, made.digest, made.size, *roles)
        self.docker.run("trust", "inspect", self.name)  # fills docker's cache
        listed = self.docker.notary.run("key", "list").splitlines()
        self.root_id = next(line.split()[1] for line in listed if line.strip().startswith("root"))
        moved = {"a": b"later"}
        build_image(registry(f"{self.name}:1.0").home, moved, PLATFORMS[0], "1.0")


@pytest.fixture
def stage(
    notary: NotaryServer, registry_referrers: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Stage:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "docker").mkdir()
    return Stage(notary, registry_referrers, tmp_path)


def test_cosign_and_skopeo_verify_what_is_migrated_from_the_server_and_from_dockers_cache(
    stage: Stage, notary: NotaryServer, tmp_path: Path
) -> None:
    key, tools = tmp_path / "k.key", Tools(tmp_path)
    assert run_here("key", "generate", key).exit_code == 0
    command = ("trust", "migrate", "--key", key, "--pin", stage.root_id)
    done = run_here(*command, "--notary-server", notary.url, "--notary-ca", notary.ca_file, stage.name)

    assert done.exit_code == 0, done.stderr
    assert "3 tags: 2 migrated, 1 nobody signed; 1 moved in the registry" in done.stderr
    for digest in stage.digests.values():
        for form in (["--new-bundle-format=false"], ["--new-bundle-format=true"]):
            signed = (f"{stage.name}@{digest}", "-a", f"{SIGNERS}=alice", *form)
            tools.cosign_verify("cosign3", str(tmp_path / "k.pub"), *signed).must_succeed()
    tools.skopeo_verify(tmp_path / "k.pub", f"{stage.name}:2.0").must_succeed()
    assert not tools.skopeo_verify(tmp_path / "k.pub", f"{stage.name}:1.0").ok, "the registry's tag moved"

    shutil.copytree(stage.docker.folder / "trust" / "tuf", tmp_path / "kept" / "tuf")
    again = run_here(*command, "--notary-server", "https://gone.example", "--from", tmp_path / "kept", stage.name)
    assert again.exit_code == 0, again.stderr
    assert "2 already signed" in again.stderr


def test_notation_verifies_what_is_migrated(stage: Stage, notary: NotaryServer, tmp_path: Path) -> None:
    home = NotationHome.create(tmp_path / "notation")
    key_file = tmp_path / "certified.key"
    key = home.certified(PrivateKey.generate(KeyType.ECDSA_P256))
    key_file.write_bytes(key.to_pem(None) + "".join(item.pem for item in key.chain).encode())
    key_file.chmod(0o600)
    trust = ContentTrust(notary.url, stage.root_id)
    servers = TrustServers(memory=InMemoryTrust(), ca_file=notary.ca_file)
    made = list(migrate_trust([stage.name], key_file, trust, formats=["notation"], trust_servers=servers))

    assert sorted(item.result.state for item in made if item.result) == ["migrated", "migrated", "unsigned"]
    for digest in stage.digests.values():
        home.verify(f"{stage.name}@{digest}", "-m", f"{SIGNERS}=alice").must_succeed()


def test_two_hundred_tags_with_one_vault_key_are_at_most_four_calls_to_vault(
    homes: Homes, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"migrate-{uuid.uuid4().hex[:8]}"
    for variable in ("VAULT_ADDR", "VAULT_TOKEN"):
        monkeypatch.setenv(variable, homes.environ[variable])
    assert run_here("key", "generate", f"hashivault://{name}").exit_code == 0
    calls: list[str] = []
    real = VaultClient.request

    def counted(self: VaultClient, method: str, path: str, *more: object, **options: object) -> object:
        calls.append(f"{method} {path}")
        return real(self, method, path, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(VaultClient, "request", counted)
    with InMemoryRegistry() as images, trust_server() as server:
        gun = f"{images.host}/app"
        released = {}
        for number in range(200):
            images.add_image(f"app:v{number}", platforms=("linux/amd64",) if number % 2 else ())
            content, _ = images.manifest("app", f"v{number}")
            released[f"v{number}"] = tag(sha256(content), len(content))
        made = TrustRepository(gun, root=[certified(gun)], tags=released)
        server.repositories[gun] = made
        trust = ContentTrust(server.url, made.root[0].id)
        servers = TrustServers(memory=InMemoryTrust())
        with open_key(f"hashivault://{name}") as key:
            outcomes = list(migrate_trust([gun], key, trust, trust_servers=servers))

    assert [item.result.state for item in outcomes if item.result] == ["migrated"] * 200
    assert len(calls) <= 4, calls
