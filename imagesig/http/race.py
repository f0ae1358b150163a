"""Connects to the first of several addresses that accepts. Spec: RFC 8305 (Happy Eyeballs), in the given order."""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections import deque
from collections.abc import Sequence

from imagesig.deadlines import current_stop

Address = tuple[int, tuple[str, int] | tuple[str, int, int, int]]
"""Address family, and the address for a socket of that family."""

_LOOK_SECONDS = 0.25
"""How often a caller that cancels is noticed."""
_HEAD_START_SECONDS = 0.25
"""How long an address is tried alone before the next one starts too."""


def first_connected(addresses: Sequence[Address], until: float) -> tuple[socket.socket, Address]:
    """The socket that connects first, with its address. All others are closed.

    Raises:
        TimeoutError: the monotonic clock reached `until`.
        OSError: no address accepts; the reason is that of the first.
    """
    race = _Race(addresses)
    try:
        while True:
            if (stop := current_stop()) is not None and stop.is_set():
                raise TimeoutError("the caller cancelled")
            won = race.step(until)
            if won is not None:
                return won
    finally:
        race.end()


class _Race:
    def __init__(self, addresses: Sequence[Address]) -> None:
        self._waiting = deque(addresses)
        self._running: dict[int, tuple[socket.socket, Address]] = {}
        self._poll = select.poll()
        self._next_start = 0.0
        self._failure: OSError | None = None

    def step(self, until: float) -> tuple[socket.socket, Address] | None:
        now = time.monotonic()
        if now >= until:
            raise TimeoutError("no address of the host accepted a connection in time")
        if self._waiting and (now >= self._next_start or not self._running):
            # With little time left, every address is still tried.
            self._next_start = now + min(_HEAD_START_SECONDS, (until - now) / (2 * len(self._waiting)))
            return self._start(self._waiting.popleft())
        if not self._running:
            raise self._failure or OSError("the host has no address")
        end = min(until, self._next_start) if self._waiting else until
        for number, _ in self._poll.poll(min(max(end - now, 0), _LOOK_SECONDS) * 1000 + 1):
            sock, address = self._running.pop(number)
            self._poll.unregister(number)
            if (code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) == 0:
                return sock, address
            sock.close()
            self._failed(code)
        return None

    def end(self) -> None:
        for sock, _ in self._running.values():
            sock.close()

    def _start(self, address: Address) -> tuple[socket.socket, Address] | None:
        family, place = address
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            self._failed(error.errno or errno.EAFNOSUPPORT)
            return None
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = sock.connect_ex(place)
        except BaseException:
            sock.close()
            raise
        if code == 0:
            return sock, address
        if code == errno.EINPROGRESS:
            self._running[sock.fileno()] = (sock, address)
            self._poll.register(sock, select.POLLOUT)
        else:
            sock.close()
            self._failed(code)
        return None

    def _failed(self, code: int) -> None:
        self._failure = self._failure or OSError(code, os.strerror(code))
        self._next_start = 0.0
