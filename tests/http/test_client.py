"""The HTTP client against servers that are gone, slow, in the way or not to be trusted."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from imagesig import limits
from imagesig.deadlines import at_most_attempts, deadline
from imagesig.effort import ALLOWANCE, Cost, one_image
from imagesig.errors import (
    DeadlineExceeded,
    ImagesigError,
    InvalidArgument,
    LimitExceeded,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.http.client import HttpClient
from imagesig.http.proxies import Proxies
from imagesig.http.reach import ANYWHERE
from imagesig.images.registry.connect import registry_client
from imagesig.oci.reference import parse_reference
from imagesig.testing import Answer, InMemoryRegistry
from imagesig.testing.connections import served_by
from tests.tls import server_context

pytestmark = pytest.mark.usefixtures("quick_retries")

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
def client() -> Iterator[HttpClient]:
    made = HttpClient(user_agent="test")
    yield made
    made.close()


def request_head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and (more := connection.recv(4096)):
        head += more
    return head


def answering(content: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        request_head(connection)
        connection.sendall(content)

    return serve


def flooding(head: bytes, again: bytes) -> Callable[[socket.socket], None]:
    """Never ends by itself."""

    def serve(connection: socket.socket) -> None:
        request_head(connection)
        connection.sendall(head)
        while True:
            connection.sendall(again)

    return serve


def dripping(head: bytes, stop: threading.Event) -> Callable[[socket.socket], None]:
    """One byte now and then, each well within every timeout of a single read."""

    def serve(connection: socket.socket) -> None:
        request_head(connection)
        connection.sendall(head)
        while not stop.wait(0.02):
            connection.sendall(b"x")

    return serve


# --- connections ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "content"),
    [
        ("GET", OK),
        ("GET", b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"),
        ("PUT", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ],
)
def test_one_connection_serves_many_requests(client: HttpClient, method: str, content: bytes) -> None:
    made = []

    def serve(connection: socket.socket) -> None:
        made.append(connection)
        while request_head(connection):
            connection.sendall(content)

    with served_by(serve) as host:
        for _ in range(3):
            client.request(method, f"http://{host}/", reach=ANYWHERE, limit=10)
        client.close()
    assert len(made) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    ],
    ids=["it says so", "the end is the end of the body", "an answer that nobody asked for"],
)
def test_a_connection_that_cannot_be_used_again_is_not(client: HttpClient, content: bytes) -> None:
    made = []

    def serve(connection: socket.socket) -> None:
        made.append(connection)
        request_head(connection)
        connection.sendall(content)

    with served_by(serve) as host:
        for _ in range(2):
            assert client.request("GET", f"http://{host}/", reach=ANYWHERE, limit=10).body == b"ok"
    assert len(made) == 2


def test_a_connection_closed_while_idle_is_not_a_failure(client: HttpClient) -> None:
    with served_by(answering(OK)) as host:
        for _ in range(3):
            assert client.request("GET", f"http://{host}/", reach=ANYWHERE, limit=10, attempts=1).body == b"ok"


# --- reasons ----------------------------------------------------------------------------------------------------------


def test_a_refused_connection_is_named_and_has_a_hint(client: HttpClient) -> None:
    with pytest.raises(Unreachable, match="no connection: Connection refused") as failed:
        client.request("GET", "http://127.0.0.1:9/x", reach=ANYWHERE, limit=10)
    assert "host name" in failed.value.hint


def test_a_host_without_an_address_is_called_that(client: HttpClient) -> None:
    with pytest.raises(Unreachable, match="no connection"):
        client.request("GET", "http://no-such-host.invalid/", reach=ANYWHERE, limit=10)


@pytest.mark.parametrize("url", ["http://h:99999/", "http://h:x/"])
def test_an_invalid_port_is_refused(client: HttpClient, url: str) -> None:
    with pytest.raises(InvalidArgument, match="port"):
        client.request("GET", url, reach=ANYWHERE, limit=10)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-len",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok",
        b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    ],
    ids=[
        "nothing",
        "no HTTP",
        "too little",
        "no chunk",
        "half a head",
        "two lengths",
        "a length and chunks",
        "a negative length",
        "bare line feeds",
        "a blank before the colon",
        "another protocol",
    ],
)
def test_an_invalid_answer_is_unreachable(client: HttpClient, content: bytes) -> None:
    with served_by(answering(content)) as host, pytest.raises(Unreachable):
        client.request("GET", f"http://{host}/", reach=ANYWHERE, limit=10)


def test_a_server_that_switches_to_another_protocol_is_said_to_do_so(client: HttpClient) -> None:
    switching = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"
    with (
        served_by(answering(switching)) as host,
        pytest.raises(Unreachable, match="the server switched to another pro"),
    ):
        client.request("GET", f"http://{host}/", reach=ANYWHERE, limit=10)


# --- sizes and deadlines ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "again"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"400\r\n" + b"x" * 1024 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1024),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", b"x" * 1024),
    ],
    ids=["chunked", "until closed", "an error"],
)
def test_a_body_without_end_is_cut_off(client: HttpClient, head: bytes, again: bytes) -> None:
    with served_by(flooding(head, again)) as host, pytest.raises(LimitExceeded):
        client.request("GET", f"http://{host}/", reach=ANYWHERE, limit=100_000)


_CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "again"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"x" * 1024),
        (b"HTTP/1.1 200 ", b"x" * 1024),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (_CHUNKED + b"0\r\n", b"x: y\r\n"),
        (_CHUNKED + b"0\r\nx: ", b"x" * 1024),
        (_CHUNKED + b"2;", b"x" * 1024),
    ],
    ids=["headers", "one header", "a reason", "interim answers", "trailers", "one trailer", "a chunk extension"],
)
def test_endless_bytes_outside_the_body_are_cut_off(client: HttpClient, head: bytes, again: bytes) -> None:
    with served_by(flooding(head, again)) as host, pytest.raises(Unreachable, match=r"more than \d+ bytes"):
        client.request("GET", f"http://{host}/", reach=ANYWHERE, limit=100, attempts=1)


def test_the_answer_after_interim_ones_is_used(client: HttpClient) -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nx: no\r\n\r\n"
    with served_by(answering(interim + OK)) as host:
        response = client.request("GET", f"http://{host}/", reach=ANYWHERE, limit=100)
    assert (response.status, response.body, response.headers) == (200, b"ok", {"content-length": "2"})


def test_a_header_that_comes_twice_keeps_both_values(client: HttpClient) -> None:
    challenges = b"WWW-Authenticate: Basic realm=a\r\nwww-authenticate:  Bearer realm=b \r\n"
    with served_by(answering(b"HTTP/1.1 401 No\r\n" + challenges + b"content-length: 0\r\n\r\n")) as host:
        response = client.request("GET", f"http://{host}/", reach=ANYWHERE, limit=100)
    assert response.headers["www-authenticate"] == "Basic realm=a, Bearer realm=b"


def test_a_header_that_is_repeated_has_its_value_once(client: HttpClient) -> None:
    places = b"Location: /v2/app/blobs/uploads/1\r\n" * 3
    with served_by(answering(b"HTTP/1.1 202 Accepted\r\n" + places + b"content-length: 0\r\n\r\n")) as host:
        response = client.request("POST", f"http://{host}/", reach=ANYWHERE, limit=100)
    assert response.headers["location"] == "/v2/app/blobs/uploads/1"


def test_trailers_are_no_headers(client: HttpClient) -> None:
    with served_by(answering(_CHUNKED + b"2\r\nok\r\n0\r\nlocation: /evil\r\n\r\n")) as host:
        response = client.request("GET", f"http://{host}/", reach=ANYWHERE, limit=100)
    assert response.headers == {"transfer-encoding": "chunked"}


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/", {"accept": "a\r\nx: y"}), ("/", {"accept\r\nx": "y"}), ("/", {"a": "\0"}), ("/", {"a": "\u20ac"})],
)
def test_a_header_that_would_be_another_one_is_refused(client: HttpClient, path: str, headers: dict[str, str]) -> None:
    with served_by(answering(OK)) as host, pytest.raises(InvalidArgument, match="a header has"):
        client.request("GET", f"http://{host}{path}", reach=ANYWHERE, limit=100, headers=headers)


@pytest.mark.parametrize("path", ["/a\x01", "/a\x7f", "/a b", "/\u20ac", "/a\r\nx: y"])
def test_a_path_with_invalid_characters_is_not_requested(client: HttpClient, path: str) -> None:
    with pytest.raises(InvalidArgument, match="characters that URLs must not have"):
        client.request("GET", f"http://127.0.0.1:9{path}", reach=ANYWHERE, limit=100)


def test_a_compressed_body_is_refused_unread(client: HttpClient) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b..."
    with served_by(answering(head)) as host, pytest.raises(UnexpectedResponse, match="gzip"):
        client.request("GET", f"http://{host}/", reach=ANYWHERE, limit=100)


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 "],
    ids=["body", "headers", "status line"],
)
def test_a_server_that_drips_meets_the_deadline(client: HttpClient, head: bytes) -> None:
    stop = threading.Event()
    with served_by(dripping(head, stop)) as host:
        try:
            with pytest.raises(DeadlineExceeded), deadline(0.5):
                client.request("GET", f"http://{host}/", reach=ANYWHERE, limit=10_000)
        finally:
            stop.set()


# --- redirects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "Proxy-Authorization"])
def test_no_secret_header_follows_a_redirect_to_another_port(client: HttpClient, name: str) -> None:
    with InMemoryRegistry() as first, InMemoryRegistry() as second:
        first.faults.append(lambda _request: Answer(307, headers={"location": f"http://{second.host}/x"}))
        client.request(
            "GET", f"http://{first.host}/x", reach=ANYWHERE, limit=1000, headers={name: "s3cret", "accept": "a/b"}
        )
        assert first.requests[0].headers[name.lower()] == "s3cret"
        assert name.lower() not in second.requests[0].headers
        assert second.requests[0].headers["accept"] == "a/b"


def test_a_secret_header_does_not_come_back_with_a_redirect_that_returns(client: HttpClient) -> None:
    with InMemoryRegistry() as first, InMemoryRegistry() as second:
        back = Answer(307, headers={"location": f"http://{first.host}/y"})
        away = Answer(307, headers={"location": f"http://{second.host}/x"})
        first.faults.append(lambda request: away if request.path == "/x" else None)
        second.faults.append(lambda _request: back)
        client.request("GET", f"http://{first.host}/x", reach=ANYWHERE, limit=1000, headers={"authorization": "s3cret"})
        assert [request.headers.get("authorization") for request in first.requests] == ["s3cret", None]


@pytest.mark.parametrize("location", ["", "ftp://x/y", "file:///etc/passwd", "javascript:0"])
def test_a_redirect_to_anything_but_http_is_refused(client: HttpClient, location: str) -> None:
    with InMemoryRegistry() as first:
        first.faults.append(lambda _request: Answer(307, headers={"location": location} if location else {}))
        with pytest.raises((UnexpectedResponse, Unreachable)):
            client.request("GET", f"http://{first.host}/x", reach=ANYWHERE, limit=1000)
        assert first.asked() == 1


# --- proxies ----------------------------------------------------------------------------------------------------------


def test_a_proxy_is_used_and_only_it_gets_its_password() -> None:
    with InMemoryRegistry() as proxy:
        client = HttpClient(user_agent="test", proxies=Proxies({"http": f"http://me:p%40ss@{proxy.host}"}))
        client.request(
            "GET", "http://registry.example/v2/x", reach=ANYWHERE, limit=1000, headers={"authorization": "Basic ours"}
        )
        client.close()
        (request,) = proxy.requests
    assert request.headers["host"] == "registry.example"
    assert request.headers["authorization"] == "Basic ours"
    assert request.headers["proxy-authorization"] == "Basic bWU6cEBzcw=="  # me:p@ss


@pytest.mark.parametrize("bypass", ["127.0.0.1", "*", "localhost,127.0.0.1"])
def test_hosts_in_no_proxy_are_reached_without_one(bypass: str) -> None:
    with InMemoryRegistry() as direct:
        proxies = Proxies({"http": "http://me:s3cret@127.0.0.1:9"}, bypass)
        client = HttpClient(user_agent="test", proxies=proxies)
        client.request("GET", f"http://{direct.host}/v2/x", reach=ANYWHERE, limit=1000)
        client.close()
        assert "proxy-authorization" not in direct.requests[0].headers


@pytest.mark.parametrize("proxy", ["127.0.0.1:9", "http://127.0.0.1:9"])
def test_a_proxy_that_is_gone_is_named_without_its_password(proxy: str) -> None:
    client = HttpClient(user_agent="test", proxies=Proxies({"http": proxy.replace("127", "me:s3cret@127")}))
    with pytest.raises(Unreachable, match=r"through the proxy http://127\.0\.0\.1:9") as failed:
        client.request("GET", "http://registry.example/", reach=ANYWHERE, limit=10)
    assert "s3cret" not in f"{failed.value} {failed.value.__cause__!r}"


@pytest.mark.parametrize("proxy", ["bogus://me:s3cret@h", "http://me:s3cret@h:x", "http://me:s3cret@", "socks5://h:1"])
def test_an_invalid_proxy_setting_is_refused_without_its_password(proxy: str) -> None:
    client = HttpClient(user_agent="test", proxies=Proxies({"http": proxy}))
    with pytest.raises(InvalidArgument, match="proxy") as refused:
        client.request("GET", "http://registry.example/", reach=ANYWHERE, limit=10)
    assert "s3cret" not in f"{refused.value}{refused.value.hint}"


def test_the_environment_names_the_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with InMemoryRegistry() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
        monkeypatch.setenv("NO_PROXY", "direct.example")
        client = registry_client(plain_http=True, credentials=("", ""))
        client.repository(parse_reference("registry.example/app")).has("sha256:" + "0" * 64)
        client.close()
        assert proxy.requests[0].headers["host"] == "registry.example"


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@contextlib.contextmanager
def tls_server(authority: trustme.CA, *names: str) -> Iterator[str]:
    context = server_context(authority, *names)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            answering(OK)(secure)

    with served_by(serve) as host:
        yield host


def test_a_server_of_a_named_authority_is_trusted(authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with tls_server(authority, "127.0.0.1") as host:
        client = HttpClient(user_agent="test", ca_files=[tmp_path / "ca.pem"])
        assert client.request("GET", f"https://{host}/", reach=ANYWHERE, limit=10).body == b"ok"
        client.close()


def test_a_server_of_an_unknown_authority_is_refused_at_once_and_the_option_is_named(
    client: HttpClient, authority: trustme.CA
) -> None:
    with tls_server(authority, "127.0.0.1") as host, pytest.raises(Unreachable, match="TLS") as refused:
        client.request("GET", f"https://{host}/", reach=ANYWHERE, limit=10)
    assert "--registry-ca" in refused.value.hint
    assert not refused.value.retryable


def test_a_server_without_tls_is_refused_and_the_option_is_named(client: HttpClient) -> None:
    with InMemoryRegistry() as plain, pytest.raises(Unreachable, match="TLS") as refused:
        client.request("GET", f"https://{plain.host}/", reach=ANYWHERE, limit=10)
    assert "--plain-http" in refused.value.hint


def test_a_certificate_for_another_host_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with tls_server(authority, "registry.example") as host:
        client = HttpClient(user_agent="test", ca_files=[tmp_path / "ca.pem"])
        with pytest.raises(Unreachable, match="TLS"):
            client.request("GET", f"https://{host}/", reach=ANYWHERE, limit=10)
        client.close()


def test_a_redirect_from_https_to_http_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = server_context(authority, "127.0.0.1")

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            answering(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n")(secure)

    with served_by(serve) as host:
        client = HttpClient(user_agent="test", ca_files=[tmp_path / "ca.pem"])
        with pytest.raises(UnexpectedResponse, match="HTTPS to HTTP"):
            client.request("GET", f"https://{host}/", reach=ANYWHERE, limit=10)
        client.close()


@pytest.mark.parametrize("content", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_an_invalid_file_of_authorities_is_refused_at_once(tmp_path: Path, content: str) -> None:
    (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(InvalidArgument, match=r"ca\.pem"):
        HttpClient(user_agent="test", ca_files=[tmp_path / "ca.pem"])


def test_a_folder_or_nothing_as_authorities_is_refused_at_once(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(InvalidArgument, match="certificate authorities"):
            HttpClient(user_agent="test", ca_files=[path])


def test_attempts_are_bounded(client: HttpClient) -> None:
    with InMemoryRegistry() as busy:
        busy.faults.append(lambda _request: Answer(429, headers={"retry-after": "0"}))
        with pytest.raises(Unreachable, match="429"):
            client.request("GET", f"http://{busy.host}/", reach=ANYWHERE, limit=10)
        assert busy.asked() == limits.HTTP_ATTEMPTS


def test_a_block_may_allow_fewer_attempts_but_not_more(client: HttpClient) -> None:
    with InMemoryRegistry() as running:
        running.faults.append(lambda _request: Answer(503))
        url = f"http://{running.host}/v2/"
        for most, asked in ((1, 1), (2, 2), (99, limits.HTTP_ATTEMPTS)):
            running.requests.clear()
            with at_most_attempts(most), pytest.raises(Unreachable, match=f"after {asked} attempt"):
                client.request("GET", url, reach=ANYWHERE, limit=10)
            assert running.asked() == asked
        running.requests.clear()
        with pytest.raises(Unreachable):
            client.request("GET", url, reach=ANYWHERE, limit=10)
        assert running.asked() == limits.HTTP_ATTEMPTS


# --- what nobody foresaw ----------------------------------------------------------------------------------------------


FOREIGN = [TypeError, KeyError, AttributeError, UnicodeError, OSError, RecursionError, MemoryError, ValueError]


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize(
    "place",
    [
        "imagesig.http.answer._Message.feed",
        "imagesig.http.connect.first_connected",
        "imagesig.http.direct._write",
        "imagesig.http.connect.Connector.receive",
        "ssl.SSLContext.wrap_socket",
        "ssl.create_default_context",
    ],
)
def test_every_exception_of_sockets_tls_and_the_parser_is_an_error_of_ours(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch, place: str, kind: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise kind("x")

    with served_by(answering(OK)) as host:
        monkeypatch.setattr(place, fail)
        scheme = "https" if place.startswith("ssl") else "http"
        with pytest.raises(ImagesigError):
            client.request("GET", f"{scheme}://{host}/", reach=ANYWHERE, limit=10, attempts=1)


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_the_source_of_an_upload_raises_goes_through_unchanged(client: HttpClient, kind: type[Exception]) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a"
        raise kind("mine")

    with served_by(answering(OK)) as host, pytest.raises(kind, match="mine"):
        client.upload("PUT", f"http://{host}/", chunks(), 2, reach=ANYWHERE, limit=10, headers={})


def test_requests_of_one_image_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ALLOWANCE, Cost.REQUESTS, 3)
    with InMemoryRegistry() as running:
        repository = registry_client(credentials=("", "")).repository(parse_reference(f"{running.host}/app"))
        with one_image():
            for _ in range(3):
                assert not repository.has("sha256:" + "0" * 64)
            with pytest.raises(LimitExceeded, match="3 requests"):
                repository.has("sha256:" + "0" * 64)
        assert running.asked() == 3


# --- what is followed, and what is said -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "followed"), [(301, True), (302, True), (303, True), (307, True), (308, True), (300, False)]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_each_status_of_a_redirect_is_followed(client: HttpClient, status: int, followed: bool, method: str) -> None:
    with InMemoryRegistry() as first:
        moved = Answer(status, headers={"location": f"http://{first.host}/y"})
        first.faults.append(lambda request: moved if request.path == "/x" else Answer(200))
        answer = client.request(method, f"http://{first.host}/x", reach=ANYWHERE, limit=1000)
        assert (answer.status, answer.url.endswith("/y")) == (200 if followed else status, followed)


def test_a_redirect_from_https_to_https_of_another_host_is_followed_without_the_login(
    authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = server_context(authority, "127.0.0.1")
    heads: list[bytes] = []

    def elsewhere(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            heads.append(request_head(secure))
            secure.sendall(OK)

    with served_by(elsewhere) as target:
        moved = f"HTTP/1.1 307 x\r\nlocation: https://{target}/blob\r\ncontent-length: 0\r\n\r\n".encode()

        def serve(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as secure:
                answering(moved)(secure)

        with served_by(serve) as host:
            client = HttpClient(user_agent="test", ca_files=[tmp_path / "ca.pem"])
            headers = {"authorization": "s3cret", "accept": "a/b"}
            assert client.request("GET", f"https://{host}/", reach=ANYWHERE, limit=10, headers=headers).body == b"ok"
            client.close()
    assert b"s3cret" not in heads[0]
    assert b"accept: a/b" in heads[0]


def test_the_login_of_a_proxy_goes_to_the_proxy_and_not_through_it(authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = server_context(authority, "registry.example")
    heads: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        heads.append(request_head(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as secure:
            heads.append(request_head(secure))
            secure.sendall(OK)

    with served_by(serve) as host:
        proxies = Proxies({"https": f"http://user:s3cret@{host}"}, "")
        client = HttpClient(user_agent="test", ca_files=[tmp_path / "ca.pem"], proxies=proxies)
        assert client.request("GET", "https://registry.example/x?y", reach=ANYWHERE, limit=10).body == b"ok"
        client.close()
    assert heads[0].startswith(b"CONNECT registry.example:443 HTTP/1.1\r\n")
    assert b"proxy-authorization: Basic" in heads[0]
    assert heads[1].startswith(b"GET /x?y HTTP/1.1\r\n")
    assert b"proxy-authorization" not in heads[1]


def test_a_connection_on_which_more_came_than_the_answer_is_not_used_again(client: HttpClient) -> None:
    made = []

    def serve(connection: socket.socket) -> None:
        made.append(connection)
        while request_head(connection):
            connection.sendall(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")

    with served_by(serve) as host:
        for _ in range(2):
            assert client.request("GET", f"http://{host}/", reach=ANYWHERE, limit=10).body == b"ok"
        client.close()
    assert len(made) == 2


def test_an_answer_that_came_unasked_is_not_taken_for_the_next_one(client: HttpClient) -> None:
    came = threading.Event()

    def serve(connection: socket.socket) -> None:
        request_head(connection)
        connection.sendall(OK)
        time.sleep(0.05)  # so that it is no part of the answer before it
        with contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        came.set()

    with served_by(serve) as host:
        for _ in range(2):
            assert client.request("GET", f"http://{host}/", reach=ANYWHERE, limit=10).body == b"ok"
            assert came.wait(5)


def test_the_protocol_that_is_spoken_is_named_to_the_server(authority: trustme.CA, tmp_path: Path) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = server_context(authority, "127.0.0.1")
    context.set_alpn_protocols(["h2", "http/1.1"])
    chosen = []

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            chosen.append(secure.selected_alpn_protocol())
            answering(OK)(secure)

    with served_by(serve) as host:
        client = HttpClient(user_agent="test", ca_files=[tmp_path / "ca.pem"])
        assert client.request("GET", f"https://{host}/", reach=ANYWHERE, limit=10).body == b"ok"
        client.close()
    assert chosen == ["http/1.1"]


def test_a_certificate_that_is_not_trusted_is_met_once(client: HttpClient, authority: trustme.CA) -> None:
    context = server_context(authority, "127.0.0.1")
    met = []

    def serve(connection: socket.socket) -> None:
        met.append(connection)
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secure:
            answering(OK)(secure)

    with served_by(serve) as host, pytest.raises(Unreachable, match="TLS"):
        client.request("GET", f"https://{host}/", reach=ANYWHERE, limit=10, attempts=3)
    assert len(met) == 1


def test_the_reason_of_a_refused_download_is_in_the_answer_and_not_in_the_stream(client: HttpClient) -> None:
    with InMemoryRegistry() as first:
        first.faults.append(lambda _: Answer(403, b"not you"))
        with client.stream(f"http://{first.host}/x", reach=ANYWHERE) as (answer, body):
            assert (answer.status, answer.body, list(body)) == (403, b"not you", [])
        first.faults[:] = [lambda _: Answer(200, b"content")]
        with client.stream(f"http://{first.host}/x", reach=ANYWHERE) as (answer, body):
            assert (answer.status, answer.body, b"".join(body)) == (200, b"", b"content")


def test_closing_ends_idle_connections(client: HttpClient) -> None:
    ended = threading.Event()

    def serve(connection: socket.socket) -> None:
        while request_head(connection):
            connection.sendall(OK)
        ended.set()

    with served_by(serve) as host:
        assert client.request("GET", f"http://{host}/", reach=ANYWHERE, limit=10).body == b"ok"
        assert not ended.is_set()
        client.close()
        assert ended.wait(5)


@pytest.mark.parametrize(("method", "length"), [("POST", "0"), ("PUT", "0"), ("GET", None), ("HEAD", None)])
def test_a_request_that_may_have_a_body_says_that_it_has_none(client: HttpClient, method: str, length: str) -> None:
    with InMemoryRegistry() as first:
        first.faults.append(lambda _: Answer(200))
        client.request(method, f"http://{first.host}/x", reach=ANYWHERE, limit=1000)
        assert first.requests[0].headers.get("content-length") == length
