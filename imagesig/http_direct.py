"""Requests without a proxy: the standard library's `http.client` over connections that are kept and shared.

A verification is two or three small requests. Loading urllib3 takes longer than all of them, and it adds half as much
again to each, so it is left to what goes through a proxy.
"""

from __future__ import annotations

import http.client
import select
import socket
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from imagesig.http_connection import Timed

if TYPE_CHECKING:
    import ssl

_ORIGINS = 16

Origin = tuple[str, str, int]
"""Scheme, host and port."""


class NotConnected(Exception):
    """There is no connection to the server; the cause says why."""


class Answer:
    """One answer, its body unread. Header names are lower case. Read it to its end and `release_conn`, or `close`."""

    __slots__ = ("_connection", "_keep", "_released", "_response", "headers", "status")

    def __init__(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse, keep: Callable[[], None]
    ) -> None:
        self._connection, self._response, self._keep = connection, response, keep
        self._released = False
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}
        if response.length == 0:
            response.read()  # which ends it: there is nothing to read

    def read1(self, most: int) -> bytes:
        """Some of the body, nothing at its end. Raises `IncompleteRead` where it ends too early."""
        piece = self._response.read1(most)
        if not piece:
            if self._response.length:
                raise http.client.IncompleteRead(b"", self._response.length)
            self._response.read()  # tells it that it is at its end, which frees the connection
        return piece

    def release_conn(self) -> None:
        """Gives the connection back if the answer was read whole and the server keeps it open."""
        if self._response.isclosed() and not self._response.will_close:
            self._released = True  # before somebody else has it: it is no longer ours to close
            self._keep()
        else:
            self.close()

    def close(self) -> None:
        """Closes the connection, unless it was given back."""
        if not self._released:
            self._response.close()
            self._connection.close()


class Direct:
    """Connections to any number of servers. Safe to use from several threads: each takes one for itself.

    `seconds_left` is how long one read may take now, 0 or less if not at all.
    """

    def __init__(self, ca_file: str | None, most: int, seconds_left: Callable[[], float]) -> None:
        self._ca_file = ca_file
        self._most = most
        self._idle: dict[Origin, list[http.client.HTTPConnection]] = {}
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None

        class Response(http.client.HTTPResponse):
            def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
                super().__init__(Timed(sock, seconds_left), *arguments, **options)  # type: ignore[arg-type]

        self._response_class = Response
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

        Raises:
            NotConnected, TimeoutError, ssl.SSLError: no connection, or not in time, or no trusted one.
            OSError, http.client.HTTPException, ValueError: a lost connection, or no HTTP.
        """
        connection = self._kept(origin)
        if connection is not None and (body is None or isinstance(body, bytes)):
            connection.sock.settimeout(seconds)
            try:
                return self._exchange(connection, method, origin, target, headers, body)
            except (ConnectionError, http.client.BadStatusLine):
                pass  # it was closed while it lay idle, which is no failure of the server
        elif connection is not None:
            connection.close()
        return self._exchange(self._new(origin, seconds), method, origin, target, headers, body)

    def close(self) -> None:
        """Closes idle connections."""
        with self._lock:
            _close_all(self._idle)

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        origin: Origin,
        target: str,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
    ) -> Answer:
        try:
            if connection.sock is None:
                _connect(connection)
            try:
                connection.request(method, target, body=body, headers=dict(headers))
            except (BrokenPipeError, ConnectionResetError):
                if body is None:
                    raise
                # A server may refuse a body before it has it all: its answer is worth more than the broken pipe.
            response = connection.getresponse()
            if len(set(response.headers.get_all("content-length", ()))) > 1:
                raise http.client.HTTPException("two different lengths of one answer")
        except BaseException:
            connection.close()
            raise
        return Answer(connection, response, lambda: self._keep(origin, connection))

    def _new(self, origin: Origin, seconds: float) -> http.client.HTTPConnection:
        scheme, host, port = origin
        made: http.client.HTTPConnection
        if scheme == "https":
            made = http.client.HTTPSConnection(host, port, timeout=seconds, context=self._tls())
        else:
            made = http.client.HTTPConnection(host, port, timeout=seconds)
        made.response_class = self._response_class
        return made

    def _kept(self, origin: Origin) -> http.client.HTTPConnection | None:
        while True:
            with self._lock:
                idle = self._idle.get(origin)
                if not idle:
                    return None
                connection = idle.pop()
            if _is_silent(connection):
                return connection
            connection.close()

    def _keep(self, origin: Origin, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            idle = self._idle.setdefault(origin, [])
            if connection.sock is None or len(idle) >= self._most:
                connection.close()
            else:
                idle.append(connection)
            if len(self._idle) > _ORIGINS:
                for old in self._idle.pop(next(iter(self._idle))):
                    old.close()

    def _tls(self) -> ssl.SSLContext:
        import ssl

        with self._lock:
            if self._context is None:
                self._context = ssl.create_default_context(cafile=self._ca_file)
                self._context.set_alpn_protocols(["http/1.1"])
            return self._context


def _connect(connection: http.client.HTTPConnection) -> None:
    import ssl

    try:
        connection.connect()
    except (TimeoutError, ssl.SSLError):
        raise
    except OSError as error:
        raise NotConnected from error


def _is_silent(connection: http.client.HTTPConnection) -> bool:
    """Whether nothing came since the last answer: neither the end nor an answer that nobody asked for."""
    if connection.sock is None:
        return False
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return not poll.poll(0)


def _close_all(idle: dict[Origin, list[http.client.HTTPConnection]]) -> None:
    while idle:
        _, connections = idle.popitem()
        for connection in connections:
            connection.close()
