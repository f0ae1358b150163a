"""A network of our own: names that mean the addresses a test wants, and addresses that are servers on loopback."""

from __future__ import annotations

import _socket
import contextlib
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from imagesig.testing.connections import served_by

OUTSIDE = "93.184.215.14"
"""An address that everybody can reach; here it is whatever a test says."""


class Network:
    """`names` are looked up here alone. `places` says which server on loopback an address is; others refuse.

    `asked` has each name that was looked up, `tried` each place that was connected, both in order.
    """

    def __init__(
        self, names: Mapping[str, Sequence[str] | Callable[[], Sequence[str]]], places: Mapping[str, str | None]
    ) -> None:
        self.names, self.places = dict(names), dict(places)
        self.asked: list[str] = []
        self.tried: list[tuple[str, int]] = []

    def installed(self, monkeypatch: pytest.MonkeyPatch) -> Network:
        network = self

        def getaddrinfo(host: str | bytes, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
            name = host.decode("ascii") if isinstance(host, bytes) else host.encode("idna").decode("ascii")
            return network._look_up(name, port)

        def connect(sock: socket.socket, place: tuple[str, int]) -> None:
            _socket.socket.connect(sock, network._place(sock, place))

        def connect_ex(sock: socket.socket, place: tuple[str, int]) -> int:
            try:
                return _socket.socket.connect_ex(sock, network._place(sock, place))
            except ConnectionRefusedError as error:
                return error.errno

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(socket.socket, "connect", connect, raising=False)
        monkeypatch.setattr(socket.socket, "connect_ex", connect_ex, raising=False)
        return self

    def _look_up(self, name: str, port: int) -> list[tuple[object, ...]]:
        self.asked.append(name)
        found = self.names.get(name, [name])
        addresses = found() if callable(found) else found
        answer: list[tuple[object, ...]] = []
        for text in addresses:
            try:
                socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
            except OSError:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
            if ":" in text:
                answer.append((socket.AF_INET6, socket.SOCK_STREAM, 6, "", (text, port, 0, 0)))
            else:
                answer.append((socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)))
        return answer

    def _place(self, sock: socket.socket, place: tuple[str, int]) -> tuple[str, int]:
        self.tried.append((place[0], place[1]))
        to = self.places.get(place[0])
        if to is None:
            raise ConnectionRefusedError(111, "Connection refused")
        host, _, port = to.rpartition(":")
        if sock.family == socket.AF_INET6:
            return (f"::ffff:{host}", int(port), 0, 0)  # type: ignore[return-value]
        return host, int(port)


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """`host:port` of a listener that takes no connection and refuses none, as if packets were lost."""
    with socket.socket() as listener, contextlib.ExitStack() as fillers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        time.sleep(0.05)
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def scripted(serve: Callable[[socket.socket], None]) -> contextlib.AbstractContextManager[str]:
    """`host:port` of a server that gives each connection to `serve`, in a thread of its own, and ends it gently."""

    def one(connection: socket.socket) -> None:
        try:
            serve(connection)
        finally:
            drain(connection)

    return served_by(one)


def drain(connection: socket.socket) -> None:
    """Ends the connection without a reset: closing a socket with unread bytes resets the client's."""
    with contextlib.suppress(OSError, ValueError):
        connection.settimeout(1)
        connection.shutdown(socket.SHUT_WR)
        for _ in range(100):
            if not connection.recv(65536):
                return


def head_of(connection: socket.socket) -> bytes:
    """One request's line and headers. Raises `ConnectionError` if the client ends the connection before."""
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(1)
        if not more:
            raise ConnectionResetError("the client ended the connection")
        head += more
    return head


def connected(to: str) -> socket.socket:
    """A connection to `host:port`, not to the place that a `Network` puts there."""
    host, _, port = to.rpartition(":")
    sock = socket.socket()
    try:
        _socket.socket.connect(sock, (host, int(port)))
    except BaseException:
        sock.close()  # the server may have ended meanwhile
        raise
    return sock


def pass_on(one: socket.socket, other: socket.socket, wanted: Callable[[], bool] = lambda: True) -> None:
    """Passes bytes both ways until both sides have ended. It drops pieces that are not `wanted`.

    One thread does both: two must not read and write one TLS connection at the same time.
    """
    sinks = {one: other, other: one}
    with selectors.DefaultSelector() as selector:
        for source in sinks:
            selector.register(source, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                source: Any = key.fileobj
                if not _pass_piece(source, sinks[source], wanted):
                    selector.unregister(source)


def _pass_piece(source: Any, sink: socket.socket, wanted: Callable[[], bool]) -> bool:
    """Passes on what has come. False at the end of the source, or when one of both is lost."""
    is_first = True
    try:
        while is_first or (isinstance(source, ssl.SSLSocket) and source.pending()):
            is_first, piece = False, source.recv(65536)
            if not piece:
                # Not SSLSocket.shutdown, after which nothing can be read.
                socket.socket.shutdown(sink, socket.SHUT_WR)
                return False
            if wanted():
                sink.sendall(piece)
    except OSError:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(sink, socket.SHUT_WR)
        return False
    return True


def drip(connection: socket.socket, content: bytes, pause: float = 0.05) -> None:
    """Sends a byte now and then, and goes on with the last one: each within every timeout of a single read."""
    for byte in content:
        connection.sendall(bytes([byte]))
        time.sleep(pause)
    while True:
        connection.sendall(content[-1:])
        time.sleep(pause)
