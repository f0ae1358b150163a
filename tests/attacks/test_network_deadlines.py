"""One deadline over a name, all its addresses, TLS, a proxy's tunnel, and a server that drips or reads slowly."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from imagesig import SigningKey, copy, registry, verify
from imagesig.errors import DeadlineExceeded, NoSignatures, Unreachable
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.images.registry.connect import registry_client
from imagesig.testing import Answer, InMemoryRegistry
from tests.attacks.network import Network, drip, head_of, scripted, silent
from tests.tls import server_context

pytestmark = pytest.mark.usefixtures("quick_retries", "no_proxies")

SECONDS = 1.0
UPLOAD_SECONDS = 3.0
LATE = 5.0
"""How many seconds late a deadline was kept all the same: the machine may be busy. Without it nothing here would end
so soon: the silent addresses alone take 8 seconds, one after the other."""


@contextlib.contextmanager
def in_time(seconds: float = SECONDS) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds + LATE


def ends_in_time(name: str, key: SigningKey, **options: object) -> None:
    image = registry(f"{name}/team/app:1.0", credentials=("", ""), timeout=SECONDS, **options)  # type: ignore[arg-type]
    with in_time(), pytest.raises(DeadlineExceeded):
        verify(image, key)


# --- a name and its addresses -----------------------------------------------------------------------------------------


def test_a_name_with_eight_silent_addresses(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [f"10.0.0.{number}" for number in range(8)]
    with silent() as nowhere:
        Network({"registry.example": addresses}, dict.fromkeys(addresses, nowhere)).installed(monkeypatch)
        ends_in_time("registry.example", key)


def test_the_one_address_of_eight_that_answers_is_found(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [f"10.0.0.{number}" for number in range(8)]
    with silent() as nowhere, InMemoryRegistry() as server:
        places = {**dict.fromkeys(addresses, nowhere), addresses[-1]: server.host}
        Network({"registry.example": addresses}, places).installed(monkeypatch)
        image = registry("registry.example/team/app:1.0", plain_http=True, credentials=("", ""), timeout=8)
        build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
        with pytest.raises(NoSignatures):
            verify(image, key)


@pytest.mark.parametrize("what", ["the registry", "the proxy"])
def test_a_resolver_that_hangs(key: SigningKey, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    release = threading.Event()

    def hang() -> list[str]:
        release.wait(20)
        return ["10.0.0.1"]

    Network({"slow.example": hang}, {}).installed(monkeypatch)
    if what == "the proxy":
        monkeypatch.setenv("HTTPS_PROXY", "http://slow.example:3128")
    try:
        ends_in_time("registry.example" if what == "the proxy" else "slow.example", key)
    finally:
        release.set()


def test_a_proxy_with_eight_silent_addresses(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [f"10.0.0.{number}" for number in range(8)]
    with silent() as nowhere:
        Network({"proxy.example": addresses}, dict.fromkeys(addresses, nowhere)).installed(monkeypatch)
        monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
        ends_in_time("registry.example", key)


# --- servers that drip ------------------------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\n"
DRIPS = {
    "the status line": (b"", b"HTTP/1.1 200 O"),
    "a header": (OK, b"x: y"),
    "headers": (OK, b"x: y\r\n" * 1000),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "a body": (OK + b"content-length: 100000\r\n\r\n", b"x"),
    "chunks": (OK + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 1000),
    "a body without a length": (OK + b"\r\n", b"x"),
    "trailers": (OK + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"x: y\r\n" * 1000),
}


def dripping(head: bytes, rest: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(head)
        drip(connection, rest)

    return serve


@pytest.mark.parametrize("through", ["directly", "through a proxy"])
@pytest.mark.parametrize(("head", "rest"), DRIPS.values(), ids=DRIPS)
def test_an_answer_that_drips(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch, head: bytes, rest: bytes, through: str
) -> None:
    with scripted(dripping(head, rest)) as place:
        if through == "directly":
            ends_in_time(place, key)
        else:
            monkeypatch.setenv("HTTP_PROXY", f"http://{place}")
            ends_in_time("registry.example", key, plain_http=True)


@pytest.mark.parametrize("rest", [b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nx: yyyyy", b"HTTP/1.1 100 x\r\n\r\n" * 1000])
def test_a_tunnel_that_drips(key: SigningKey, monkeypatch: pytest.MonkeyPatch, rest: bytes) -> None:
    with scripted(dripping(b"", rest)) as place:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{place}")
        ends_in_time("registry.example", key)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_handshake_behind_a_tunnel_or_of_a_proxy_that_drips(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    def serve(connection: socket.socket) -> None:
        if scheme == "http":
            head_of(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.recv(100)
        drip(connection, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xf0" + bytes(20_000), 0.02)

    with scripted(serve) as place:
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://{place}")
        ends_in_time("registry.example", key)


def test_a_handshake_that_drips(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(100)
        drip(connection, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xf0" + bytes(20_000), 0.02)

    with scripted(serve) as place:
        Network({"registry.example": ["10.0.0.1"]}, {"10.0.0.1": place}).installed(monkeypatch)
        ends_in_time("registry.example", key)


# --- servers that read slowly -----------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return made


@pytest.mark.parametrize("way", ["in clear", "over TLS", "through a tunnel", "over TLS in TLS"])
def test_an_upload_that_is_read_slowly(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: trustme.CA, way: str
) -> None:
    build_image(Layout.create(tmp_path / "source"), {"a": os.urandom(16 << 20)}, PLATFORMS[0], "1.0")
    context = server_context(authority, "registry.example", "proxy.example")
    reading, over = threading.Event(), threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.ExitStack() as stack:
            if way == "over TLS in TLS":
                connection = stack.enter_context(context.wrap_socket(connection, server_side=True))
            if way in ("through a tunnel", "over TLS in TLS"):
                head_of(connection)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            if way == "over TLS in TLS":
                inner = InnerTls(connection, context)
                _store(inner.recv, inner.sendall, reading, over)
                return
            if way != "in clear":
                connection = stack.enter_context(context.wrap_socket(connection, server_side=True))
            _store(connection.recv, connection.sendall, reading, over)

    with scripted(serve) as place:
        Network(
            {"registry.example": ["10.0.0.1"], "proxy.example": ["10.0.0.2"]},
            {"10.0.0.1": place, "10.0.0.2": place},
        ).installed(monkeypatch)
        if way in ("through a tunnel", "over TLS in TLS"):
            scheme = "https" if way == "over TLS in TLS" else "http"
            monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://proxy.example:3128")
        client = registry_client(plain_http=way == "in clear", ca_file=tmp_path / "ca.pem", credentials=("", ""))
        # Time enough for a busy machine to come to the upload itself.
        image = registry("registry.example/team/app:1.0", client=client)
        with in_time(UPLOAD_SECONDS), pytest.raises(DeadlineExceeded):
            copy(f"oci:{tmp_path}/source:1.0", image, timeout=UPLOAD_SECONDS)
        client.close()
        over.set()
    assert reading.is_set()


def _store(
    receive: Callable[[int], bytes],
    send: Callable[[bytes], object],
    reading: threading.Event,
    over: threading.Event,
) -> None:
    """A registry that takes small blobs at once, and of a large one a little now and then until all is `over`."""
    while True:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = receive(1)
            if not piece:
                return
            head += piece
        method = head.split(b" ")[0]
        announced = re.search(rb"(?i)content-length: (\d+)", head)
        length = int(announced[1]) if announced else 0
        if length > 1 << 20:
            reading.set()
            while receive(64) and not over.wait(0.05):
                pass
            return
        while length:
            piece = receive(min(length, 65536))
            if not piece:
                return
            length -= len(piece)
        if method in (b"HEAD", b"GET"):
            status = b"404 x"
        else:
            status = b"201 x" if announced and announced[1] != b"0" else b"202 x\r\nlocation: /upload"
        send(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")


class InnerTls:
    """TLS in the TLS of a proxy, on the server's side."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        self._connection = connection
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._goes, server_side=True)
        self._run(self._tls.do_handshake)

    def recv(self, most: int) -> bytes:
        return self._run(lambda: self._tls.read(most))

    def sendall(self, data: bytes) -> None:
        self._run(lambda: self._tls.write(data))

    def _run(self, action: Callable[[], Any]) -> Any:
        while True:
            try:
                result = action()
            except ssl.SSLWantReadError:
                self._connection.sendall(self._goes.read())
                piece = self._connection.recv(4096)
                if not piece:
                    raise ConnectionResetError from None
                self._came.write(piece)
            else:
                self._connection.sendall(self._goes.read())
                return result


def test_a_registry_behind_a_proxy_over_tls_works(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: trustme.CA
) -> None:
    """What is above is about failures: the same way gives an answer."""
    content = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []})
    seen: list[bytes] = []
    context = server_context(authority, "registry.example", "proxy.example")

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            seen.append(head_of(secure))
            secure.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            inner = InnerTls(secure, context)
            for _ in range(2):
                head = b""
                while b"\r\n\r\n" not in head and (more := inner.recv(1)):
                    head += more
                seen.append(head)
                inner.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {len(content)}\r\n\r\n{content}".encode())

    with scripted(serve) as place:
        Network({"proxy.example": ["10.0.0.2"]}, {"10.0.0.2": place}).installed(monkeypatch)
        monkeypatch.setenv("HTTPS_PROXY", "https://me:p%2Fss@proxy.example:3128")
        client = registry_client(ca_file=tmp_path / "ca.pem", credentials=("", ""))
        home = registry("registry.example/team/app:1.0", client=client, timeout=20).home
        digests = {home.resolve("1.0").digest for _ in range(2)}
        client.close()
    assert digests == {"sha256:" + hashlib.sha256(content.encode()).hexdigest()}
    assert seen[0].startswith(b"CONNECT registry.example:443 HTTP/1.1\r\n")
    assert b"proxy-authorization: Basic bWU6cC9zcw==\r\n" in seen[0]
    assert all(b"roxy" not in head for head in seen[1:])


def test_a_pause_that_a_server_asks_for_is_within_the_deadline(key: SigningKey) -> None:
    with InMemoryRegistry() as server:
        server.faults.append(lambda _request: Answer(429, headers={"retry-after": "30"}))
        image = registry(f"{server.host}/team/app:1.0", credentials=("", ""), timeout=SECONDS)
        with in_time(), pytest.raises(Unreachable) as raised:
            verify(image, key)
        assert raised.value.retry_after == 30
