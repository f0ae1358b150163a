"""The addresses of a host, looked up within the deadline."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from imagesig import limits
from imagesig.http.faults import NotConnected
from imagesig.http.race import Address

_LOOKUPS = threading.BoundedSemaphore(limits.LOOKUPS)


def addresses(host: str, port: int, until: float) -> Sequence[Address]:
    """The addresses of a host, in the system's order. An address is returned as it is; `localhost` is this machine.

    Raises:
        NotConnected: the name has no address.
        TimeoutError: the monotonic clock reached `until`.
    """
    if host.rstrip(".") == "localhost":
        return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port, 0, 0))]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _looked_up(host, port, until)
    if address.version == 4:
        return [(socket.AF_INET, (host, port))]
    return [(socket.AF_INET6, (host, port, 0, 0))]


def _looked_up(host: str, port: int, until: float) -> Sequence[Address]:
    """The resolver has no timeout, so it runs in a thread that is abandoned when it takes too long."""
    answer: SimpleQueue[list[Address] | Exception] = SimpleQueue()
    # speed: a text would load the tables of international names, even for an ASCII one (benchmarks/test_cli.py)
    name = host.encode("ascii")

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            answer.put([(family, place) for family, _, _, _, place in found])  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001 - raised below, where the result is awaited
            answer.put(error)
        finally:
            running.release()

    running = _LOOKUPS
    if not running.acquire(timeout=max(until - time.monotonic(), 0)):
        raise TimeoutError("too many names are being looked up")
    try:
        threading.Thread(target=look_up, name="imagesig-lookup", daemon=True).start()
    except RuntimeError as error:  # the system gives no more threads
        running.release()
        raise NotConnected from error
    try:
        found = answer.get(timeout=max(until - time.monotonic(), 0))
    except Empty:
        raise TimeoutError("the name was not looked up in time") from None
    if isinstance(found, Exception):
        raise NotConnected from found
    inet = [item for item in found if item[0] in (socket.AF_INET, socket.AF_INET6)]
    if not inet:
        raise NotConnected from OSError("the name has no address")
    return inet
