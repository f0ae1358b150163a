"""What docker has seen counts as seen: a server that is rolled back is refused although imagesig never saw it newer."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig import ContentTrust, KeyType, TrustServers, add_signer, init_trust, revoke_trust, rotate_trust_key
from imagesig.content_trust import InMemoryTrust, TrustKeys
from imagesig.content_trust.update import TrustData
from imagesig.errors import InvalidArgument, NotTrusted, SignatureRejected, Unreachable
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.provider import FileKey
from imagesig.oci.reference import parse_reference
from tests.content_trust.notary import Notary, notary
from tests.content_trust.repository import GUN, NOW, Delegation, TrustRepository, certified, p256, tag
from tests.content_trust.writable_notary import writable_notary

IMAGE = parse_reference(f"{GUN}:1.0")


class Stage:
    """A server, and a user whose docker remembers what `docker_reads` gave it."""

    def __init__(self, server: Notary, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.present = server.repositories[GUN] = TrustRepository(
            delegations={"targets/alice": Delegation([p256()], {"1.0": tag()})}
        )
        self.present.files()  # a copy has the same signatures
        self.environ = {"DOCKER_CONFIG": str(folder / "docker"), "XDG_STATE_HOME": str(folder / "state")}

    def docker_reads(self, repository: TrustRepository | None = None) -> Path:
        """Writes docker's cache of a repository, as it is now, and gives the folder."""
        return cache(self.folder, (repository or self.present).files())

    def view(self, trust: ContentTrust | None = None, *, offline: bool = False) -> TrustData | None:
        trust = trust or ContentTrust(self.server.url, self.present.root[0].id)
        return TrustServers(environ=self.environ, offline=offline).view(trust, IMAGE, NOW)

    def roll_back(self, role: str) -> None:
        """Docker reads version 3 of a role, and afterwards the server has the version of before."""
        newer = copy.deepcopy(self.present)
        if role.startswith("targets/"):
            newer.delegations[role].version = 3
        newer.versions[role] = 3
        self.docker_reads(newer)


def cache(folder: Path, files: dict[str, bytes], gun: str = GUN) -> Path:
    metadata = folder / "docker" / "trust" / "tuf" / gun / "metadata"
    for name, content in files.items():
        if name.count(".") == 1:
            (metadata / name).parent.mkdir(parents=True, exist_ok=True)
            (metadata / name).write_bytes(content)
    return metadata


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with notary() as server:
        yield Stage(server, tmp_path)


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp", "targets/alice"])
@pytest.mark.parametrize("is_known", [True, False], ids=["known", "unknown"])
def test_a_file_that_docker_saw_newer_is_refused(stage: Stage, role: str, is_known: bool) -> None:
    if is_known:
        assert stage.view()
    stage.roll_back(role)
    for trust in (None, ContentTrust(stage.server.url, first_use=True)):
        with pytest.raises(SignatureRejected, match="was seen before"):
            stage.view(trust)


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "unknown"])
def test_a_root_that_docker_saw_newer_is_refused(stage: Stage, is_known: bool) -> None:
    if is_known:
        assert stage.view()
    newer = copy.deepcopy(stage.present)
    newer.rotate_root(certified())
    stage.docker_reads(newer)
    with pytest.raises(NotTrusted, match="rolled"):
        stage.view()
    stage.server.repositories[GUN] = newer
    assert stage.view(ContentTrust(stage.server.url, newer.root[0].id))


def test_a_repository_that_docker_knows_and_that_was_replaced_is_refused(stage: Stage) -> None:
    stage.docker_reads(TrustRepository())
    with pytest.raises(NotTrusted, match="replaced"):
        stage.view()
    assert not (stage.folder / "state").exists()


def test_what_docker_knows_of_another_server_makes_nothing_older_acceptable(stage: Stage) -> None:
    """The own memory is of this server: docker's of other keys says nothing, and takes nothing away."""
    stage.present.versions["targets"] = 5
    assert stage.view()
    stage.docker_reads(TrustRepository(versions={"root": 9, "targets": 9, "snapshot": 9, "timestamp": 9}))
    assert stage.view()
    stage.present.versions["targets"] = 4
    with pytest.raises(SignatureRejected, match="version 5 was seen before"):
        stage.view()


def test_older_files_of_docker_change_nothing(stage: Stage) -> None:
    stage.docker_reads()
    stage.present.versions |= {"targets": 2, "snapshot": 2, "timestamp": 2}
    assert stage.view()
    assert stage.view()


def test_what_docker_has_seen_is_enough_offline_and_the_newest_is_used(stage: Stage) -> None:
    assert stage.view()
    newer = copy.deepcopy(stage.present)
    newer.versions |= {"targets": 3, "snapshot": 3, "timestamp": 3}
    stage.docker_reads(newer)
    found = stage.view(offline=True)
    assert found is not None
    assert found.targets.targets.document.version == 3
    assert not any(name.startswith("3.") for name in stage.server.asked)


@pytest.mark.parametrize("is_own", [True, False], ids=["this-server", "another-server"])
def test_what_docker_trusted_at_first_contact_is_no_first_contact_offline(stage: Stage, is_own: bool) -> None:
    """Docker's folder names no server: the files may be of another one, whose root nobody has pinned."""
    stage.docker_reads(stage.present if is_own else TrustRepository())
    first = ContentTrust(stage.server.url, first_use=True)
    with pytest.raises(Unreachable, match="is not remembered, and nothing is asked offline"):
        stage.view(first, offline=True)
    if is_own:
        assert stage.view(offline=True), "a pin says whose files these are"
        assert stage.view(first)
        assert stage.view(first, offline=True)


def test_a_pin_is_needed_for_what_docker_trusted_at_first_contact(stage: Stage) -> None:
    stage.docker_reads()
    with pytest.raises(SignatureRejected, match="not one that is pinned"):
        stage.view(ContentTrust(stage.server.url, "0" * 64))
    servers = TrustServers(server=stage.server.url, environ=stage.environ)
    with pytest.raises(InvalidArgument, match="no root is pinned or remembered"):
        revoke_trust(f"{GUN}:1.0", TrustKeys(), trust_servers=servers)


def test_a_repository_that_docker_began_and_never_read_is_not_remembered(stage: Stage) -> None:
    (stage.docker_reads(TrustRepository()) / "timestamp.json").unlink()
    assert stage.view()


def test_a_memory_that_is_given_is_the_only_one(stage: Stage) -> None:
    stage.docker_reads(TrustRepository())
    servers = TrustServers(environ=stage.environ, memory=InMemoryTrust())
    assert servers.view(ContentTrust(stage.server.url, stage.present.root[0].id), IMAGE, NOW)


@pytest.mark.parametrize("name", ["root", "targets", "timestamp", "targets/alice"])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"signed":{"_type":"Other"}}'], ids=repr)
def test_a_damaged_file_of_docker_is_an_error_of_the_caller(stage: Stage, name: str, content: bytes) -> None:
    (stage.docker_reads() / f"{name}.json").write_bytes(content)
    with pytest.raises(InvalidArgument, match="docker's trust data"):
        stage.view()


def test_a_change_is_refused_if_docker_saw_the_server_newer(tmp_path: Path) -> None:
    root, targets = (FileKey(PrivateKey.generate(KeyType.ECDSA_P256), name) for name in ("root", "targets"))
    keys = TrustKeys(root=root, targets=targets)
    environ = {"DOCKER_CONFIG": str(tmp_path / "docker"), "XDG_STATE_HOME": str(tmp_path / "state")}
    with writable_notary() as server:
        init_trust(GUN, keys, trust_servers=TrustServers(server=server.url, memory=InMemoryTrust()))
        before = copy.deepcopy((server.current, server.named))
        other = TrustServers(server=server.url, memory=InMemoryTrust())
        rotate_trust_key(GUN, "snapshot", keys, trust_servers=other)
        cache(tmp_path, {f"{role}.json": content for role, content in server.current[GUN].items()})
        server.current, server.named = before
        server.updates.clear()
        own = TrustServers(server=server.url, environ=environ)
        with pytest.raises(SignatureRejected, match="rolled"):
            add_signer(GUN, "alice", [targets.info.public_key], keys, trust_servers=own)
        assert not server.updates
