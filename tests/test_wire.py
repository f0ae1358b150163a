"""Answers from a server that sends exactly the bytes of a script: what is read, refused, kept and repeated."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
import trustme

from imagesig.wire import Connections, Patience, Request, TlsFailed, TooLarge, WireError

PATIENCE = Patience(5.0, 5.0, lambda: None)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Script:
    """Sends one script a connection: each item answers one request; after the last the connection is closed."""

    def __init__(self, connections: Sequence[Sequence[bytes]], context: ssl.SSLContext | None = None) -> None:
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self._connections, self._context = connections, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for answers in self._connections:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer:
                try:
                    stream = self._context.wrap_socket(peer, server_side=True) if self._context else peer
                    with stream:
                        self._answer(stream, answers)
                except OSError:
                    continue
            self.closed.set()

    def _answer(self, peer: socket.socket, answers: Sequence[bytes]) -> None:
        for answer in answers:
            seen = b""
            while b"\r\n\r\n" not in seen:
                part = peer.recv(65536)
                if not part:
                    return
                seen += part
            head, _, body = seen.partition(b"\r\n\r\n")
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    while len(body) < int(line.split(b":")[1]):
                        body += peer.recv(65536)
            self.heads.append(head)
            self.bodies.append(body)
            peer.sendall(answer)

    def stop(self) -> None:
        self._listener.close()


@contextmanager
def scripted(*connections: Sequence[bytes], context: ssl.SSLContext | None = None) -> Iterator[Script]:
    script = Script(connections, context)
    try:
        yield script
    finally:
        script.stop()


@pytest.fixture
def pool() -> Iterator[Connections]:
    connections = Connections(None, 4)
    yield connections
    connections.close()


def get(pool: Connections, script: Script, method: str = "GET", body: bytes | None = None, limit: int = 100):
    request = Request(method, "/v2/", {"accept": "*/*"}, body, limit)
    return pool.exchange(("http", "127.0.0.1", script.port), request, PATIENCE)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length:  2 \r\ncontent-length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\nx-trailer: 1\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nok", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", b""),
    ],
)
def test_a_whole_answer_is_read(pool: Connections, answer: bytes, body: bytes) -> None:
    with scripted([answer]) as script:
        assert get(pool, script)[2] == body


def test_an_answer_to_head_has_no_body(pool: Connections) -> None:
    with scripted([b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n", OK]) as script:
        status, fields, body = get(pool, script, "HEAD")
        assert (status, fields["content-length"], body) == (200, "7", b"")
        assert get(pool, script)[2] == b"ok"


def test_fields_that_are_repeated_are_joined_and_names_are_lower_case(pool: Connections) -> None:
    answer = b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nwww-authenticate: Bearer\r\ncontent-length: 0\r\n\r\n"
    with scripted([answer]) as script:
        assert get(pool, script)[:2] == (401, {"www-authenticate": "Basic, Bearer", "content-length": "0"})


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/2 200 OK\r\n\r\n", "not HTTP/1.1"),
        (b"ICY 200 OK\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "a field that is not one"),
        (b"HTTP/1.1 200 OK\r\nname : x\r\n\r\n", "a field that is not one"),
        (b"HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n", "a field that is not one"),
        (b"HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n", "a field that is not one"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok", "in two ways"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok", "in two ways"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "in two ways"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "in two ways"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n", "no length"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n", "longer than it says"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok", "breaks off"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nok", "breaks off"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "breaks off"),
        (b"HTTP/1.1 100 Go on\r\n\r\n" * 20, "interim"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300 + b"\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\na: " + b"b" * 100_000 + b"\r\n\r\n", "head is over"),
        (b"", "the connection closed"),
    ],
)
def test_an_answer_that_is_not_one_whole_answer_is_refused(pool: Connections, answer: bytes, said: str) -> None:
    with scripted([answer]) as script, pytest.raises((WireError, ConnectionError), match=said):
        get(pool, script)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + (b"32\r\n" + b"x" * 50 + b"\r\n") * 3,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101,
    ],
)
def test_a_body_over_the_limit_is_not_read_to_its_end(pool: Connections, answer: bytes) -> None:
    with scripted([answer]) as script, pytest.raises(TooLarge):
        get(pool, script)


def test_a_connection_is_kept_for_the_next_request(pool: Connections) -> None:
    with scripted([OK, OK, OK]) as script:
        assert [get(pool, script)[2] for _ in range(3)] == [b"ok"] * 3


@pytest.mark.parametrize(
    "last",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    ],
    ids=["the server says so", "HTTP/1.0", "something is left over"],
)
def test_a_connection_is_not_kept_where(pool: Connections, last: bytes) -> None:
    with scripted([last, OK], [OK]) as script:
        assert get(pool, script)[2] == b"ok"
        assert get(pool, script)[2] == b"ok"
        assert len(script.heads) == 2


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one(pool: Connections) -> None:
    late = threading.Event()

    class Late(Script):
        def _answer(self, peer: socket.socket, answers: Sequence[bytes]) -> None:
            super()._answer(peer, answers)
            if len(self.heads) == 1:
                peer.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
                late.set()

    script = Late([[OK], [OK]])
    assert get(pool, script)[2] == b"ok"
    late.wait(5)
    assert get(pool, script)[2] == b"ok"
    script.stop()


def test_a_request_is_made_again_where_the_kept_connection_was_closed_meanwhile(pool: Connections) -> None:
    with scripted([OK], [OK]) as script:
        assert get(pool, script)[2] == b"ok"
        script.closed.wait(5)
        assert get(pool, script)[2] == b"ok"


def test_a_body_goes_with_its_length(pool: Connections) -> None:
    with scripted([OK, OK]) as script:
        get(pool, script, "PUT", b"x" * 70_000)
        get(pool, script, "POST")
        assert script.bodies[0] == b"x" * 70_000
        assert b"content-length: 0" in script.heads[1]


def test_a_request_names_its_host_and_port(pool: Connections) -> None:
    with scripted([OK]) as script:
        get(pool, script)
        assert script.heads[0].split(b"\r\n")[:2] == [b"GET /v2/ HTTP/1.1", b"host: 127.0.0.1:%d" % script.port]


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/a b", {}),
        ("/a\r\nx: y", {}),
        ("/ä", {}),
        ("http://x/", {}),
        ("/", {"a": "b\r\nc: d"}),
        ("/", {"a": "\u2028"}),
    ],
)
def test_what_would_not_be_one_request_is_not_sent(pool: Connections, target: str, headers: dict[str, str]) -> None:
    with pytest.raises(WireError):
        pool.exchange(("http", "127.0.0.1", 1), Request("GET", target, headers, None, 0), PATIENCE)


def test_a_server_that_says_nothing_is_given_up(pool: Connections) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        request = Request("GET", "/", {}, None, 10)
        with pytest.raises(TimeoutError):
            pool.exchange(("http", "127.0.0.1", silent.getsockname()[1]), request, Patience(1.0, 0.05, lambda: None))


def test_only_so_many_connections_are_kept() -> None:
    pool = Connections(None, 2)
    started = threading.Barrier(4)

    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def serve(peer: socket.socket) -> None:
        with peer:
            peer.recv(65536)
            started.wait(5)
            peer.sendall(OK)
            peer.recv(1)

    def accept() -> None:
        for _ in range(4):
            peer, _ = listener.accept()
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    request = Request("GET", "/", {}, None, 10)
    threads = [
        threading.Thread(target=pool.exchange, args=(("http", "127.0.0.1", port), request, PATIENCE)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pool._idle["http", "127.0.0.1", port]) == 2
    pool.close()
    listener.close()


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_a_certificate_of_a_trusted_authority_is_accepted(authority: trustme.CA, tmp_path) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    pool = Connections(str(tmp_path / "ca.pem"), 2)
    request = Request("GET", "/", {}, None, 10)
    with scripted([OK, OK], context=server_context(authority)) as script:
        origin = ("https", "127.0.0.1", script.port)
        assert pool.exchange(origin, request, PATIENCE)[2] == b"ok"
        assert pool.exchange(origin, request, PATIENCE)[2] == b"ok"
        pool.close()


@pytest.mark.parametrize("trusted", [True, False], ids=["for another name", "of another authority"])
def test_a_certificate_is_refused(authority: trustme.CA, tmp_path, trusted: bool) -> None:
    (authority if trusted else trustme.CA()).cert_pem.write_to_path(tmp_path / "ca.pem")
    pool = Connections(str(tmp_path / "ca.pem"), 2)
    context = server_context(authority, "elsewhere.example" if trusted else "127.0.0.1")
    with scripted([OK], context=context) as script, pytest.raises(TlsFailed):
        pool.exchange(("https", "127.0.0.1", script.port), Request("GET", "/", {}, None, 10), PATIENCE)
