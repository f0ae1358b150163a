"""TLS inside TLS: an HTTPS server behind a proxy that uses TLS itself."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")

_RECEIVE_BYTES = 64 * 1024


class TlsInTls:
    """A TLS connection over another one, with the methods of a socket that HTTP needs. A timeout is per operation."""

    def __init__(self, outer: socket.socket, context: ssl.SSLContext, host: str) -> None:
        """Makes the handshake. Raises `OSError`, such as `TimeoutError` and `ssl.SSLError`."""
        self._outer = outer
        self._seconds = outer.gettimeout()
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._goes, server_hostname=host)
        self._run(self._tls.do_handshake)

    def recv(self, most: int) -> bytes:
        try:
            return self._run(lambda: self._tls.read(most))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def send(self, data: bytes | memoryview) -> int:
        return self._run(lambda: self._tls.write(data[:_RECEIVE_BYTES]))

    def settimeout(self, seconds: float) -> None:
        self._seconds = seconds

    def gettimeout(self) -> float | None:
        return self._seconds

    def fileno(self) -> int:
        return self._outer.fileno()

    def close(self) -> None:
        self._outer.close()

    def _run(self, action: Callable[[], _Result]) -> _Result:
        until = None if self._seconds is None else time.monotonic() + self._seconds
        while True:
            try:
                result = action()
            except ssl.SSLWantReadError:
                self._flush(until)
                self._wait(until)
                if piece := self._outer.recv(_RECEIVE_BYTES):
                    self._came.write(piece)
                else:
                    self._came.write_eof()
            else:
                self._flush(until)
                return result

    def _flush(self, until: float | None) -> None:
        while piece := self._goes.read():
            view = memoryview(piece)
            while view:
                self._wait(until)
                view = view[self._outer.send(view) :]

    def _wait(self, until: float | None) -> None:
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("the deadline passed")
        self._outer.settimeout(left)
