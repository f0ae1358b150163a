from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from imagesig import ContentTrust, ImagesigError, TrustServers
from imagesig.content_trust import FolderMemory, InMemoryTrust
from imagesig.errors import Expired, InvalidArgument, LimitExceeded, Unreachable
from imagesig.images.registry.credential import Credential
from imagesig.oci.reference import parse_reference
from imagesig.testing.loopback_server import Answer
from tests.content_trust.notary import Notary, notary
from tests.content_trust.repository import GUN, NOW, TrustRepository, p256

IMAGE = parse_reference(f"{GUN}:1.0")


@pytest.fixture
def trust() -> Iterator[Notary]:
    with notary() as server:
        server.repositories[GUN] = TrustRepository()
        yield server


def pinned(server: Notary) -> ContentTrust:
    return ContentTrust(server.url, server.repositories[GUN].root[0].id)


def test_one_update_serves_many_images_until_a_file_expires(trust: Notary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagesig.content_trust.servers._VIEW_SECONDS", 10**9)
    trust.repositories[GUN].expires["timestamp"] = NOW + timedelta(seconds=30)
    servers = TrustServers(memory=InMemoryTrust())
    for seconds in (0, 10, 29):
        assert servers.view(pinned(trust), IMAGE, NOW + timedelta(seconds=seconds))
    assert trust.asked.count("timestamp.json") == 1

    for seconds in (30, 59, 3600):
        with pytest.raises(Expired):
            servers.view(pinned(trust), IMAGE, NOW + timedelta(seconds=seconds))


def test_other_pins_get_another_verdict(trust: Notary) -> None:
    servers = TrustServers(memory=InMemoryTrust())
    assert servers.view(pinned(trust), IMAGE, NOW)

    with pytest.raises(ImagesigError, match="not one that is pinned"):
        servers.view(ContentTrust(trust.url, "0" * 64), IMAGE, NOW)


@pytest.mark.usefixtures("quick_retries")
def test_a_server_that_ends_is_named_in_the_hint(trust: Notary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagesig.content_trust.server.DOCKER_SERVER", trust.url)
    trust.answer = Answer(503)

    with pytest.raises(Unreachable) as failed:
        TrustServers(memory=InMemoryTrust()).view(pinned(trust), IMAGE, NOW)

    assert "2026-12-08" in failed.value.hint


def test_nothing_is_written_if_nothing_changed(trust: Notary, tmp_path: Path) -> None:
    TrustServers(memory=FolderMemory(tmp_path)).view(pinned(trust), IMAGE, NOW)
    (written,) = tmp_path.glob("*.json")
    before = written.stat()

    TrustServers(memory=FolderMemory(tmp_path)).view(pinned(trust), IMAGE, NOW)

    assert (written.stat().st_ino, written.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_trust_data_without_end_are_refused(trust: Notary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagesig.limits.TRUST_UPDATE_BYTES", 2000)

    with pytest.raises(LimitExceeded, match="more than 2000 bytes of trust data"):
        TrustServers(memory=InMemoryTrust()).view(pinned(trust), IMAGE, NOW)


def test_servers_in_another_process_open_their_own_connections(trust: Notary, tmp_path: Path) -> None:
    made = pickle.loads(pickle.dumps(TrustServers(memory=FolderMemory(tmp_path))))

    assert made.view(pinned(trust), IMAGE, NOW)


def test_the_login_is_that_of_the_registry(trust: Notary) -> None:
    asked: list[str] = []

    def credentials(host: str) -> Credential:
        asked.append(host)
        return Credential("user", "password")

    trust.answer = Answer(401, headers={"www-authenticate": 'Basic realm="x"'})
    with pytest.raises(ImagesigError, match=r"does not accept|status 401"):
        TrustServers(memory=InMemoryTrust(), credentials=credentials).view(pinned(trust), IMAGE, NOW)

    assert set(asked) == {"registry.example"}


@pytest.mark.parametrize("content", [b"", b"-----BEGIN X-----", b"\x30\x59"])
def test_a_pin_file_without_a_key_is_refused(trust: Notary, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pin").write_bytes(content)

    with pytest.raises(InvalidArgument):
        TrustServers(memory=InMemoryTrust()).view(ContentTrust(trust.url, tmp_path / "pin"), IMAGE, NOW)


def test_a_folder_in_place_of_a_server_speaks_for_the_repository_of_its_name_and_publishes_nothing(
    trust: Notary, tmp_path: Path
) -> None:
    made = TrustRepository(root=[p256()])  # a pinned key without a certificate names no repository
    for name, content in made.files().items():
        path = tmp_path / GUN / "metadata" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    servers = TrustServers(server=trust.url, memory=InMemoryTrust(), backup=tmp_path)
    pin = ContentTrust(pin=made.root[0].id)
    assert servers.view(pin, IMAGE, NOW)
    assert servers.view(pin, parse_reference(f"{GUN}/metadata"), NOW) is None
    with pytest.raises(InvalidArgument, match="nothing can be published"):
        servers.server(pin, IMAGE)
