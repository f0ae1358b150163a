"""urllib3 connections whose every read ends at the deadline.

A socket's timeout restarts with each byte, so a server that sends one byte now and then could keep a reader for days.
Here each read gets only the time that is left until the deadline.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import urllib3


def timely(pool: urllib3.PoolManager, seconds_left: Callable[[], float]) -> urllib3.PoolManager:
    """The same pool, with such connections. `seconds_left` is how long one read may take now; 0 or less: no time."""

    import urllib3
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Answer(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
            super().__init__(Timed(sock, seconds_left), *arguments, **options)  # type: ignore[arg-type]

    class Plain(HTTPConnection):
        response_class = Answer

    class Secure(HTTPSConnection):
        response_class = Answer

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    pool.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return pool


class Timed:
    """The part of a socket that `http.client` uses: a file to read from."""

    def __init__(self, sock: socket.socket, seconds_left: Callable[[], float]) -> None:
        self._socket, self._seconds_left = sock, seconds_left

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReads(self._socket, self._seconds_left))


class _TimedReads(io.RawIOBase):
    def __init__(self, sock: socket.socket, seconds_left: Callable[[], float]) -> None:
        self._socket, self._seconds_left = sock, seconds_left
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        seconds = self._seconds_left()
        if seconds <= 0:
            raise TimeoutError("the deadline passed")
        self._socket.settimeout(seconds)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()
