"""Requests over connections that are kept for reuse, to servers and through proxies."""

# speed: a verification is two or three small requests; loading a large HTTP client takes longer than all of them, and
# adds half as much again to each (benchmarks/test_cli.py, benchmarks/test_fleet.py)

from __future__ import annotations

import select
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from imagesig import limits
from imagesig.deadlines import current_stop
from imagesig.http.answer import Answer, NothingCame
from imagesig.http.connect import Connector, connect_seconds, end_traffic, limit_time
from imagesig.http.faults import not_sent
from imagesig.http.proxies import Proxy
from imagesig.http.reach import Reach
from imagesig.patterns import regex
from imagesig.url import Origin, Url

if TYPE_CHECKING:
    import ssl

    from imagesig.http.connect import Line

    _Idle = tuple[Line, float]
    """A connection, and since when it is idle."""

_PLACES = 16
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_BREAKS_A_LINE = regex(r"[\r\n\0]")

ClientFiles = tuple[Path, Path] | None
"""The PEM files of a client's certificate and of its private key, if it has one."""
_Place = tuple[Origin, Proxy | None, Reach]
"""The purpose of a connection. One that was checked for one reach is not used for another."""


# speed: a verification is two or three small requests; loading a large HTTP client takes longer than all of them, and
# adds half as much again to each (benchmarks/test_cli.py, benchmarks/test_fleet.py)
class Direct:
    """Connections to any number of servers. Safe to use from several threads: each request has its own connection.

    `read_seconds` is how long one read may take now; 0 or less: no time. `context` takes the place of the usual one.
    """

    def __init__(
        self,
        ca_files: Sequence[Path],
        most: int,
        read_seconds: Callable[[], float],
        own: ClientFiles = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._connector = Connector(ca_files, read_seconds, own, context)
        self._most = most
        self._idle: dict[_Place, list[_Idle]] = {}
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._idle)

    def open(
        self,
        method: str,
        url: Url,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
        proxy: Proxy | None,
        reach: Reach,
    ) -> Answer:
        """The answer to one request. A body in pieces comes with its `content-length`.

        Raises:
            InvalidArgument: a header with a line break, which would start another request.
            UnexpectedResponse: the URL is out of reach.
            NotConnected, TimeoutError, ssl.SSLError: no connection, not in time, or not a trusted one.
            OSError, NotHttp: a lost connection, or an answer that is not HTTP.
        """
        head = _head(method, url, headers, body, proxy)
        place = (url.origin, proxy, reach)
        repeatable = body is None or isinstance(body, bytes)
        kept = self._kept(place) if repeatable else None
        if kept is not None:
            try:
                return self._exchange(kept, place, method, head, body)
            except TimeoutError:
                self._forget(place)  # a router dropped it without a word, and the others with it
                raise
            except OSError:
                pass  # closed while idle: not a server failure
        return self._exchange(self._connector.connect(url, proxy, reach), place, method, head, body)

    def speaks_tls(self, url: Url, reach: Reach) -> bool | None:
        """See `Connector.speaks_tls`."""
        return self._connector.speaks_tls(url, reach)

    def close(self) -> None:
        """Closes idle connections."""
        with self._lock:
            _close_all(self._idle)

    def _exchange(
        self, line: Line, place: _Place, method: str, head: bytes, body: bytes | Iterable[bytes] | None
    ) -> Answer:
        in_use, broken = _InUse(self, place, line), None
        try:
            try:
                if body is None or isinstance(body, bytes):
                    _write(line, head + body if body else head)
                else:
                    _write(line, head)
                    for piece in body:
                        _write(line, piece)
            except (BrokenPipeError, ConnectionResetError) as error:
                # A server may refuse a body before all of it came, and in TLS 1.3 a client's certificate after the
                # handshake: its answer, or its alert, says more than the broken pipe.
                broken = error
            try:
                return Answer(in_use, method)
            except NothingCame:
                raise broken or NothingCame from None
        except BaseException:
            in_use.close()
            raise

    def receive(self, line: Line, most: int) -> bytes:
        """See `Connector.receive`."""
        return self._connector.receive(line, most)

    def keep(self, place: _Place, line: Line) -> None:
        """Keeps a connection for the next request with the same purpose."""
        with self._lock:
            idle = self._idle.setdefault(place, [])
            if len(idle) >= self._most:
                line.close()
            else:
                idle.append((line, monotonic()))
            if len(self._idle) > _PLACES:
                for old, _ in self._idle.pop(next(iter(self._idle))):
                    old.close()

    def _forget(self, place: _Place) -> None:
        with self._lock:
            for line, _ in self._idle.pop(place, []):
                line.close()

    def _kept(self, place: _Place) -> Line | None:
        while True:
            with self._lock:
                idle = self._idle.get(place)
                if not idle:
                    return None
                line, since = idle.pop()
            # Routers and proxies drop an idle connection without a word: a request on it would wait for nothing.
            if monotonic() - since < limits.IDLE_SECONDS and _is_silent(line):
                return line
            line.close()


class _InUse:
    """A connection while a request is sent and its answer is read. A caller that cancels ends both."""

    __slots__ = ("_abort", "_direct", "_line", "_place", "_stop")

    def __init__(self, direct: Direct, place: _Place, line: Line) -> None:
        self._direct, self._place, self._line = direct, place, line
        self._stop = current_stop()
        if self._stop is not None:
            self._abort = partial(end_traffic, line)
            self._stop.watch(self._abort)

    def receive(self, most: int) -> bytes:
        return self._direct.receive(self._line, most)

    def keep(self) -> None:
        if self._stop is not None:
            self._stop.forget(self._abort)
            if self._stop.is_set():
                self._line.close()
                return
        self._direct.keep(self._place, self._line)

    def close(self) -> None:
        if self._stop is not None:
            self._stop.forget(self._abort)
        self._line.close()


def _head(
    method: str, url: Url, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None, proxy: Proxy | None
) -> bytes:
    """Request line and headers (RFC 9112 section 3). Raises `InvalidArgument` for a line break in a header."""
    lines = [f"{method} {url.target} HTTP/1.1", f"host: {url.netloc}"]
    if proxy is not None and url.scheme == "http":
        lines[0] = f"{method} {url} HTTP/1.1"
        if proxy.login:
            lines.append(f"proxy-authorization: {proxy.authorization}")
    lines += [f"{key}: {value}" for key, value in headers.items()]
    if isinstance(body, bytes) or (body is None and method in _WITH_BODY):
        lines.append(f"content-length: {len(body or b'')}")
    if any(map(_BREAKS_A_LINE.search, lines)):
        raise not_sent(f"{method} {url.netloc}", "a header has a line break")
    try:
        return "\r\n".join((*lines, "", "")).encode("latin-1")
    except UnicodeError:
        raise not_sent(f"{method} {url.netloc}", "a header has a character that headers must not have") from None


def _write(line: Line, data: bytes) -> None:
    """Writes all data within the time that is left, even if the server reads slowly."""
    view = memoryview(data)
    while view:
        limit_time(line, connect_seconds())
        view = view[line.send(view) :]


def _is_silent(line: Line) -> bool:
    """Whether nothing arrived since the last answer: neither its end nor an unrequested answer."""
    poll = select.poll()
    poll.register(line.fileno(), select.POLLIN)
    return not poll.poll(0)


def _close_all(idle: dict[_Place, list[_Idle]]) -> None:
    while idle:
        _, lines = idle.popitem()
        for line, _ in lines:
            line.close()
