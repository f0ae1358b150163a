"""Blobs of any size to and from registries: compared on the way, in constant memory, begun again when they break."""

from __future__ import annotations

import hashlib
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig import limits
from imagesig.deadlines import deadline
from imagesig.errors import (
    DeadlineExceeded,
    DigestMismatch,
    MalformedError,
    TransportError,
    Unauthorized,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.images.layout.layout import Layout
from imagesig.images.registry.connect import RegistryClient, registry, registry_client
from imagesig.images.registry.repository import RegistryRepository
from imagesig.images.transfer import BlobCount, Transfer
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import sha256
from imagesig.oci.reference import parse_reference
from imagesig.testing import Answer, InMemoryRegistry, Request
from tests.peers.servers import RegistryServer

CONTENT = b"0123456789abcdef" * 200_000
BLOB = Descriptor("application/vnd.oci.image.layer.v1.tar", sha256(CONTENT), len(CONTENT))
LARGE = 64 * 1024 * 1024


pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    made = registry_client(credentials=("user", "password"))
    yield made
    made.close()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    home = Layout.create(tmp_path / "layout")
    home.put_blob(CONTENT, BLOB.media_type)
    return home


def at(client: RegistryClient, server: InMemoryRegistry, path: str = "team/app") -> RegistryRepository:
    return client.repository(parse_reference(f"{server.host}/{path}"))


def fetched(home: RegistryRepository | Layout, descriptor: Descriptor = BLOB) -> bytes:
    with home.open_blob(descriptor) as chunks:
        return b"".join(chunks)


def test_a_blob_comes_back_as_it_was_sent(client: RegistryClient, server: InMemoryRegistry) -> None:
    home = at(client, server)
    home.put_blob_stream(BLOB, (CONTENT[:1000], CONTENT[1000:]))
    assert home.has_blob(BLOB)
    assert fetched(home) == CONTENT


@pytest.mark.parametrize("lie", [CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"x"], ids=["short", "long", "other"])
def test_other_bytes_from_a_registry_never_end_well(
    client: RegistryClient, server: InMemoryRegistry, lie: bytes
) -> None:
    home = at(client, server)
    server.faults.append(lambda request: Answer(200, lie) if request.method == "GET" else None)
    with pytest.raises(DigestMismatch):
        fetched(home)


@pytest.mark.parametrize("lie", [CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"x"], ids=["short", "long", "other"])
def test_other_bytes_are_not_sent_to_the_end(client: RegistryClient, server: InMemoryRegistry, lie: bytes) -> None:
    home = at(client, server)
    with pytest.raises(DigestMismatch):
        home.put_blob_stream(BLOB, (lie,))
    assert not home.has_blob(BLOB)


def test_a_download_that_breaks_off_is_restarted(
    client: RegistryClient, server: InMemoryRegistry, tmp_path: Path
) -> None:
    home = at(client, server)
    home.put_blob_stream(BLOB, (CONTENT,))
    broken: list[Request] = []

    def breaks_twice(request: Request) -> Answer | None:
        if request.method != "GET" or len(broken) == 2:
            return None
        broken.append(request)
        return Answer(200, CONTENT[:100_000], content_length=len(CONTENT))

    server.faults.append(breaks_twice)
    target = Layout.create(tmp_path / "target")
    transfer = Transfer(target)
    transfer.blob(BLOB, home)
    assert fetched(target) == CONTENT
    assert transfer.count == BlobCount(sent=1, sent_bytes=len(CONTENT))
    assert len(broken) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_upload_that_fails_is_begun_again(
    client: RegistryClient, server: InMemoryRegistry, layout: Layout, status: int
) -> None:
    home = at(client, server)
    failed: list[Request] = []

    def fails_twice(request: Request) -> Answer | None:
        if request.method != "PUT" or len(failed) == 2:
            return None
        failed.append(request)
        return Answer(status)

    server.faults.append(fails_twice)
    Transfer(home).blob(BLOB, layout)
    assert fetched(home) == CONTENT
    assert [request.body for request in failed] == [CONTENT, CONTENT]


def test_an_upload_that_is_refused_in_passing_is_begun_again(
    client: RegistryClient, server: InMemoryRegistry, layout: Layout
) -> None:
    refusals = [
        Answer(400, b'{"errors": [{"code": "DIGEST_INVALID"}]}'),
        Answer(404, b'{"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}'),
    ]
    server.faults.append(lambda request: refusals.pop() if refusals and request.method == "PUT" else None)
    home = at(client, server)
    Transfer(home).blob(BLOB, layout)
    assert not refusals
    assert fetched(home) == CONTENT


def test_an_upload_that_is_refused_permanently_is_not_sent_again(
    client: RegistryClient, server: InMemoryRegistry, layout: Layout
) -> None:
    refusal = Answer(400, b'{"errors": [{"code": "SIZE_INVALID"}]}')
    server.faults.append(lambda request: refusal if request.method == "PUT" else None)
    with pytest.raises(UnexpectedResponse, match="SIZE_INVALID"):
        Transfer(at(client, server)).blob(BLOB, layout)
    assert server.asked("PUT") == 1


def test_an_answer_to_a_large_upload_may_take_longer_but_for_the_deadline(
    client: RegistryClient, server: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "READ_SECONDS", 0.2)
    hashed, seconds = threading.Event(), 30.0

    def hashes(request: Request) -> Answer | None:
        if request.method == "PUT":
            hashed.wait(seconds)
        return None

    server.faults.append(hashes)
    home = at(client, server)
    with pytest.raises(Unreachable, match="no answer in time"):
        home.put_blob_stream(BLOB, (CONTENT,))
    monkeypatch.setattr(limits, "UPLOAD_BYTES_PER_SECOND", 100_000)
    with pytest.raises(DeadlineExceeded), deadline(0.4):
        home.put_blob_stream(BLOB, (CONTENT,))
    hashed.set()
    hashed, seconds = threading.Event(), 0.5
    home.put_blob_stream(BLOB, (CONTENT,))
    assert fetched(home) == CONTENT


def test_an_upload_that_never_works_is_unreachable(
    client: RegistryClient, server: InMemoryRegistry, layout: Layout
) -> None:
    server.faults.append(lambda request: Answer(503) if request.method == "PUT" else None)
    with pytest.raises(Unreachable):
        Transfer(at(client, server)).blob(BLOB, layout)


def test_a_registry_that_hangs_up_during_an_upload_is_unreachable(
    client: RegistryClient, server: InMemoryRegistry, layout: Layout
) -> None:
    server.faults.append(lambda request: Answer(500, close=True) if request.method == "PUT" else None)
    with pytest.raises(Unreachable):
        Transfer(at(client, server)).blob(BLOB, layout)


def test_what_the_source_raises_is_what_is_raised(client: RegistryClient, server: InMemoryRegistry) -> None:
    def source(error: Exception) -> Iterator[bytes]:
        yield CONTENT[:1000]
        raise error

    for error in (DeadlineExceeded("late"), MalformedError("bad"), Unreachable("gone")):
        with pytest.raises(type(error), match=str(error)):
            at(client, server).put_blob_stream(BLOB, source(error))


def test_existing_content_is_not_sent_again(client: RegistryClient, server: InMemoryRegistry, layout: Layout) -> None:
    Transfer(at(client, server)).blob(BLOB, layout)
    server.requests.clear()
    transfer = Transfer(at(client, server))
    transfer.blob(BLOB, layout)
    assert transfer.count == BlobCount(present=1)
    assert [request.method for request in server.requests] == ["HEAD"]


def test_running_transfers_end_on_stop(client: RegistryClient, server: InMemoryRegistry, layout: Layout) -> None:
    transfer = Transfer(at(client, server))
    transfer.stop()
    with pytest.raises(TransportError, match="stopped"):
        transfer.blob(BLOB, layout)
    assert not at(client, server).has_blob(BLOB)


def test_a_blob_of_another_repository_is_mounted(client: RegistryClient, server: InMemoryRegistry) -> None:
    at(client, server, "from/here").put_blob_stream(BLOB, (CONTENT,))
    server.requests.clear()
    transfer = Transfer(at(client, server, "to/there"))
    transfer.blob(BLOB, at(client, server, "from/here"))
    assert transfer.count == BlobCount(mounted=1)
    assert server.asked("GET") == server.asked("PUT") == 0
    assert fetched(at(client, server, "to/there")) == CONTENT


def test_a_registry_that_does_not_mount_gets_the_bytes_without_further_attempts(client: RegistryClient) -> None:
    small = Descriptor("a/b", sha256(b"small"), 5)
    with InMemoryRegistry(mounts=False) as server:
        source = at(client, server, "from/here")
        source.put_blob_stream(BLOB, (CONTENT,))
        source.put_blob(b"small", "a/b")
        transfer = Transfer(at(client, server, "to/there"))
        transfer.blob(BLOB, source)
        transfer.blob(small, source)
        assert transfer.count == BlobCount(sent=2, sent_bytes=len(CONTENT) + 5)
        assert sum("mount" in request.query for request in server.requests) == 1


def test_mounting_logs_in_for_both_repositories() -> None:
    with InMemoryRegistry(bearer=("user", "password")) as server:
        client = registry_client(credentials=("user", "password"))
        at(client, server, "from/here").put_blob_stream(BLOB, (CONTENT,))
        transfer = Transfer(at(client, server, "to/there"))
        transfer.blob(BLOB, at(client, server, "from/here"))
        assert transfer.count == BlobCount(mounted=1)
        asked = [request.query["scope"] for request in server.requests if request.path == "/token"]
        assert ["repository:to/there:pull,push", "repository:from/here:pull"] in asked
        client.close()


def test_a_neighbour_that_may_not_be_read_for_mounting_is_sent(client: RegistryClient) -> None:
    with InMemoryRegistry() as server:
        source = at(client, server, "from/here")
        source.put_blob_stream(BLOB, (CONTENT,))
        refused = {"www-authenticate": 'Basic realm="test"'}
        server.faults.append(lambda request: Answer(401, headers=refused) if "mount" in request.query else None)
        transfer = Transfer(at(client, server, "to/there"))
        transfer.blob(BLOB, source)
        assert transfer.count == BlobCount(sent=1, sent_bytes=len(CONTENT))


def test_streams_log_in_and_are_refused_like_all_else() -> None:
    with InMemoryRegistry(bearer=("user", "password")) as server:
        client = registry_client(credentials=("user", "password"))
        at(client, server).put_blob_stream(BLOB, (CONTENT,))
        assert fetched(at(registry_client(credentials=("user", "password")), server)) == CONTENT
        with pytest.raises(Unauthorized):
            fetched(at(registry_client(credentials=("user", "wrong")), server))
        client.close()


def test_credentials_do_not_follow_a_blob_to_its_storage(client: RegistryClient) -> None:
    with InMemoryRegistry(basic=("user", "password")) as server, InMemoryRegistry() as storage:
        storage.faults.append(lambda _: Answer(200, CONTENT))
        there = f"http://{storage.host}/signed?secret=1"
        server.faults.append(
            lambda request: Answer(307, headers={"location": there}) if "authorization" in request.headers else None
        )
        assert fetched(at(client, server)) == CONTENT
        assert all("authorization" not in request.headers for request in storage.requests)


def test_the_deadline_holds_for_a_stream(client: RegistryClient, server: InMemoryRegistry) -> None:
    home = at(client, server)
    home.put_blob_stream(BLOB, (CONTENT,))
    with pytest.raises(DeadlineExceeded), deadline(0):
        fetched(home)


@pytest.mark.interop
@pytest.mark.parametrize("kind", ["tag", "referrers", "ggcr"])
def test_a_large_blob_passes_through_constant_memory(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server: RegistryServer = request.getfixturevalue(f"registry_{kind}")
    piece = bytes(1024 * 1024)
    hashed = hashlib.sha256(piece * (LARGE // len(piece)))
    large = Descriptor(BLOB.media_type, f"sha256:{hashed.hexdigest()}", LARGE)
    first, second = (registry(f"{server.host}/large/{name}").home for name in ("first", "second"))
    target = Layout.create(tmp_path / "target")
    tracemalloc.start()
    try:
        first.put_blob_stream(large, (piece for _ in range(LARGE // len(piece))))
        with first.open_blob(large) as chunks:
            second.put_blob_stream(large, chunks)
        Transfer(target).blob(large, second)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert target.has_blob(large)
    assert peak < LARGE // 8
