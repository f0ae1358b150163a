"""Requests without a proxy, over connections that are kept and shared.

A verification is two or three small requests. Loading urllib3 takes longer than all of them, and it adds more than
half as much again to each, so it is left to what goes through a proxy.
"""

from __future__ import annotations

import re
import select
import socket
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from imagesig.http_answer import Answer

if TYPE_CHECKING:
    import ssl

_ORIGINS = 16
_PORTS = {"http": 80, "https": 443}
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_BREAKS_A_LINE = re.compile(r"[\r\n\0]")
_NO_TARGET = re.compile(r"[^!-~]")

Origin = tuple[str, str, int]
"""Scheme, host and port."""


class NotConnected(Exception):
    """There is no connection to the server; the cause says why."""


class Direct:
    """Connections to any number of servers. Safe to use from several threads: each takes one for itself.

    `seconds_left` is how long one read may take now, 0 or less if not at all.
    """

    def __init__(self, ca_file: str | None, most: int, seconds_left: Callable[[], float]) -> None:
        self._ca_file = ca_file
        self._most = most
        self._seconds_left = seconds_left
        self._idle: dict[Origin, list[socket.socket]] = {}
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        weakref.finalize(self, _close_all, self._idle)

    def open(
        self,
        method: str,
        origin: Origin,
        target: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
        seconds: float,
    ) -> Answer:
        """The answer to one request; `target` is path and query, `seconds` the time to connect and for each write.

        A body in pieces comes with its `content-length`.

        Raises:
            NotConnected, TimeoutError, ssl.SSLError: no connection, or not in time, or no trusted one.
            OSError, NotHttp: a lost connection, or no HTTP.
            ValueError: a target or header that would be another request.
        """
        head = _head(method, origin, target, headers, body)
        repeatable = body is None or isinstance(body, bytes)
        kept = self._kept(origin) if repeatable else None
        if kept is not None:
            _limit(kept, seconds)
            try:
                return self._exchange(kept, origin, method, head, body)
            except ConnectionError:
                pass  # it was closed while it lay idle, which is no failure of the server
        return self._exchange(self._connect(origin, seconds), origin, method, head, body)

    def close(self) -> None:
        """Closes idle connections."""
        with self._lock:
            _close_all(self._idle)

    def _exchange(
        self, sock: socket.socket, origin: Origin, method: str, head: bytes, body: bytes | Iterable[bytes] | None
    ) -> Answer:
        try:
            try:
                if body is None or isinstance(body, bytes):
                    sock.sendall(head + body if body else head)
                else:
                    sock.sendall(head)
                    for piece in body:
                        sock.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                if body is None:
                    raise
                # A server may refuse a body before it has it all: its answer is worth more than the broken pipe.
            return Answer(_Lent(self, origin, sock), method)
        except BaseException:
            sock.close()
            raise

    def receive(self, sock: socket.socket, most: int) -> bytes:
        """What came, none at the end. A timeout starts anew with each byte, so no read gets more than is left of all.

        Raises:
            TimeoutError, OSError
        """
        seconds = self._seconds_left()
        if seconds <= 0:
            raise TimeoutError("the deadline passed")
        _limit(sock, seconds)
        return sock.recv(most)

    def keep(self, origin: Origin, sock: socket.socket) -> None:
        """Makes a connection one that the next request to the origin may take."""
        with self._lock:
            idle = self._idle.setdefault(origin, [])
            if len(idle) >= self._most:
                sock.close()
            else:
                idle.append(sock)
            if len(self._idle) > _ORIGINS:
                for old in self._idle.pop(next(iter(self._idle))):
                    old.close()

    def _connect(self, origin: Origin, seconds: float) -> socket.socket:
        scheme, host, port = origin
        context = self._tls() if scheme == "https" else None
        try:
            # As bytes, for a text loads the tables of international names, whatever it is.
            name = host.encode("ascii") if host.isascii() else host
            sock = socket.create_connection((name, port), seconds)  # type: ignore[arg-type]
        except TimeoutError:
            raise
        except (OSError, UnicodeError) as error:
            raise NotConnected from error
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return context.wrap_socket(sock, server_hostname=host) if context else sock
        except BaseException:
            sock.close()
            raise

    def _kept(self, origin: Origin) -> socket.socket | None:
        while True:
            with self._lock:
                idle = self._idle.get(origin)
                if not idle:
                    return None
                sock = idle.pop()
            if _is_silent(sock):
                return sock
            sock.close()

    def _tls(self) -> ssl.SSLContext:
        import ssl

        with self._lock:
            if self._context is None:
                self._context = ssl.create_default_context(cafile=self._ca_file)
                self._context.set_alpn_protocols(["http/1.1"])
            return self._context


class _Lent:
    """A connection while one answer is read from it."""

    __slots__ = ("_direct", "_origin", "_sock")

    def __init__(self, direct: Direct, origin: Origin, sock: socket.socket) -> None:
        self._direct, self._origin, self._sock = direct, origin, sock

    def receive(self, most: int) -> bytes:
        return self._direct.receive(self._sock, most)

    def keep(self) -> None:
        self._direct.keep(self._origin, self._sock)

    def close(self) -> None:
        self._sock.close()


def _head(
    method: str, origin: Origin, target: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None
) -> bytes:
    """Request line and headers (RFC 9112 section 3). Raises `ValueError` for what would end a line of them early."""
    scheme, host, port = origin
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    name = f"[{host}]" if ":" in host else host
    lines = [f"{method} {target} HTTP/1.1", f"host: {name}" if port == _PORTS[scheme] else f"host: {name}:{port}"]
    lines += [f"{key}: {value}" for key, value in headers.items()]
    if isinstance(body, bytes) or (body is None and method in _WITH_BODY):
        lines.append(f"content-length: {len(body or b'')}")
    if _NO_TARGET.search(target) or any(map(_BREAKS_A_LINE.search, lines)):
        raise ValueError("a header or the path holds a line break or a character that no request can hold")
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def _limit(sock: socket.socket, seconds: float) -> None:
    """How long one read or write may take; told to the socket only if it is news, which is a system call."""
    if sock.gettimeout() != seconds:
        sock.settimeout(seconds)


def _is_silent(sock: socket.socket) -> bool:
    """Whether nothing came since the last answer: neither the end nor an answer that nobody asked for."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return not poll.poll(0)


def _close_all(idle: dict[Origin, list[socket.socket]]) -> None:
    while idle:
        _, sockets = idle.popitem()
        for sock in sockets:
            sock.close()
