"""What notary signs on its own server, imagesig verifies and shows; what it must not believe, it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig import ContentTrust, InspectedTrust, Policy, TrustServers, VerificationResult, inspect_trust, verify
from imagesig.content_trust import DockerTrust, FolderMemory, InMemoryTrust, TrustMemory
from imagesig.errors import NoSignatureAccepted, NoSignatures, Unreachable
from imagesig.oci.digest import sha256
from imagesig.testing import InMemoryRegistry
from tests.commands import run_here
from tests.interop.notary_client import NotaryClient, unused_repository
from tests.peers.servers import NotaryServer

pytestmark = pytest.mark.interop


class Stage:
    def __init__(self, registry: InMemoryRegistry, server: NotaryServer, folder: Path) -> None:
        self.server, self.folder = server, folder
        app = unused_repository()
        self.gun = f"{registry.host}/{app}"
        self.digests, self.sizes = {}, {}
        for name, platforms in (("one", ()), ("two", ("linux/amd64",))):
            registry.add_image(f"{app}:{name}", platforms=platforms)
            content, _ = registry.manifest(app, name)
            self.digests[name], self.sizes[name] = sha256(content), len(content)
        for tag in ("1.0", "2.0", "3.0"):
            registry.add_image(f"{app}:{tag}")
        self.client = NotaryClient(server, folder / "trust")
        self.client.init(self.gun)

    def sign(self, tag: str, image: str, *roles: str) -> None:
        self.client.add(self.gun, tag, self.digests[image], self.sizes[image], *roles)

    @property
    def root_id(self) -> str:
        """The canonical id: the name of the key's file."""
        listed = self.client.run("key", "list").splitlines()
        return next(line.split()[1] for line in listed if line.strip().startswith("root"))

    def servers(self, memory: TrustMemory | None = None) -> TrustServers:
        return TrustServers(memory=memory or InMemoryTrust(), ca_file=self.server.ca_file)

    def verify(self, name: str, memory: TrustMemory | None = None, **more: object) -> VerificationResult:
        trust = ContentTrust(self.server.url, self.root_id, **more)  # type: ignore[arg-type]
        return verify(self.gun + name, trust, trust_servers=self.servers(memory))

    def inspect(self, name: str = "") -> InspectedTrust:
        return inspect_trust(self.gun + name, server=self.server.url, trust_servers=self.servers())


@pytest.fixture
def stage(notary: NotaryServer, tmp_path: Path) -> Iterator[Stage]:
    with InMemoryRegistry() as registry:
        yield Stage(registry, notary, tmp_path)


def test_what_notary_signs_is_verified_and_shown(stage: Stage) -> None:
    releases, alice = stage.client.key("targets/releases"), stage.client.key("targets/alice")
    stage.client.delegate(stage.gun, "targets/releases", releases)
    stage.client.delegate(stage.gun, "targets/alice", alice)
    stage.sign("1.0", "one", "targets/releases", "targets/alice")
    stage.sign("2.0", "two")
    stage.sign("3.0", "two", "targets/alice")

    assert stage.verify(":1.0", signers="alice").digest == stage.digests["one"]
    assert stage.verify(":2.0").pinned == f"{stage.gun}@{stage.digests['two']}"
    with pytest.raises(NoSignatures, match="is not released"):
        stage.verify(":3.0")
    with pytest.raises(NoSignatureAccepted, match="not signed by alice"):
        stage.verify(":2.0", signers="alice")

    shown = stage.inspect().document()
    tags = {item["SignedTag"]: (item["Digest"], item["Signers"]) for item in shown["SignedTags"]}  # type: ignore[attr-defined]
    assert tags == {
        "1.0": (stage.digests["one"][7:], ["alice"]),
        "2.0": (stage.digests["two"][7:], ["Repo Admin"]),
    }
    listed = stage.client.run("delegation", "list", stage.gun)
    ((signer),) = shown["Signers"]  # type: ignore[misc]
    assert signer["Name"] == "alice"  # type: ignore[index]
    assert signer["Keys"][0]["ID"] in listed  # type: ignore[index]
    assert not stage.inspect().is_verified


def test_a_revoked_tag_is_no_longer_released(stage: Stage) -> None:
    memory = InMemoryTrust()
    stage.sign("1.0", "one")
    assert stage.verify(":1.0", memory).verified
    stage.client.run("remove", stage.gun, "1.0", "-p")

    with pytest.raises(NoSignatures, match="is not released"):
        stage.verify(":1.0", memory)


def test_a_replaced_repository_is_refused_by_those_who_remember_or_pin(stage: Stage, tmp_path: Path) -> None:
    memory, root = FolderMemory(tmp_path / "state"), stage.root_id
    stage.sign("1.0", "one")
    assert stage.verify(":1.0", memory).verified
    stage.client.run("delete", stage.gun, "--remote")
    with pytest.raises(NoSignatureAccepted, match="is remembered"):
        stage.verify(":1.0", memory)
    with pytest.raises(NoSignatures, match="has no trust data"):
        stage.verify(":1.0")
    thief = NotaryClient(stage.server, tmp_path / "thief")
    thief.init(stage.gun)
    thief.add(stage.gun, "1.0", stage.digests["two"], stage.sizes["two"])

    for kept in (memory, InMemoryTrust()):
        policy = Policy.any_of(ContentTrust(stage.server.url, root))
        with pytest.raises(NoSignatureAccepted):
            verify(f"{stage.gun}:1.0", policy, trust_servers=stage.servers(kept))


def test_a_rotated_root_is_followed_from_the_remembered_one(stage: Stage) -> None:
    memory = InMemoryTrust()
    stage.sign("1.0", "one")
    trust = ContentTrust(stage.server.url, first_use=True)
    servers = [stage.servers(memory) for _ in range(2)]
    before = stage.root_id
    assert verify(f"{stage.gun}:1.0", trust, trust_servers=servers[0]).verified
    stage.client.run("key", "rotate", stage.gun, "root")

    assert verify(f"{stage.gun}:1.0", trust, trust_servers=servers[1]).verified
    with pytest.raises(NoSignatureAccepted, match="not one that is pinned"):
        verify(f"{stage.gun}:1.0", ContentTrust(stage.server.url, before), trust_servers=stage.servers(InMemoryTrust()))


def test_the_cache_of_notary_is_read(stage: Stage) -> None:
    stage.sign("1.0", "one")
    stage.client.run("list", stage.gun)
    memory = DockerTrust(stage.client.folder)
    assert set(memory.load(stage.server.url, stage.gun)) == {"root", "targets", "snapshot", "timestamp"}

    offline = TrustServers(memory=memory, offline=True)
    trust = ContentTrust(stage.server.url, stage.root_id)
    assert verify(f"{stage.gun}:1.0", trust, trust_servers=offline).digest == stage.digests["one"]


def test_the_command_verifies_and_shows(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("DOCKER_CONTENT_TRUST_SERVER", stage.server.url)
    stage.sign("1.0", "one")
    tls = tmp_path / "docker" / "tls" / stage.server.url.removeprefix("https://")

    failed = run_here("trust", "inspect", f"{stage.gun}:1.0")
    assert failed.exit_code != 0, "the authority of the server is not known yet"
    assert failed.exit_code == Unreachable.exit_status
    assert "certificate" in failed.stderr
    tls.mkdir(parents=True)
    shutil.copy(stage.server.ca_file, tls / "ca.crt")

    shown = run_here("trust", "inspect", f"{stage.gun}:1.0")
    assert json.loads(shown.stdout)[0]["SignedTags"][0]["Digest"] == stage.digests["one"][7:]
    assert "nothing was verified" in shown.stderr
    assert not (tmp_path / "state").exists()
    pretty = run_here("trust", "inspect", "--pretty", "--pin", stage.root_id, stage.gun)
    assert f"Signatures for {stage.gun}" in pretty.stdout
    assert "nothing was verified" not in pretty.stderr

    done = run_here("verify", "--pin", stage.root_id, "--notary-server", stage.server.url, f"{stage.gun}:1.0")
    assert done.exit_code == 0, done.stderr
    assert stage.digests["one"] in done.stdout
    offline = run_here("verify", "--pin", stage.root_id, "--offline", f"{stage.gun}:1.0")
    assert offline.exit_code == 0, offline.stderr
    assert run_here("verify", "--pin", "0" * 64, f"{stage.gun}:1.0").exit_code == 12
    assert run_here("verify", "--notary-server", stage.server.url, f"{stage.gun}:1.0").exit_code == 2
