"""HTTP/1.1 over kept connections: one request, one answer read whole, and nothing that registries do not need.

Why it is here although urllib3 is installed: a verification is two or three small requests, and in those the general
client costs several times what the registry does; loading it takes longer than the whole exchange. What goes through a
proxy, or in pieces, is left to urllib3. The reading is strict: an answer that could be read in two ways is refused, and
a connection on which anything is left over is not used again.

Spec: RFC 9112; RFC 9110 for which answers have a body.
"""

from __future__ import annotations

import re
import select
import socket
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

_HEAD_BYTES = 64 * 1024
_FIELDS = 256
_READ_BYTES = 64 * 1024
_INTERIM_ANSWERS = 8
_ORIGINS = 16

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n]*)?")
_FIELD_LINES = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*(?:\r\n|$))*")
_TARGET = re.compile(r"/[!-~]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?")


class WireError(Exception):
    """What came is not one whole HTTP answer, or what is to be sent would not be one request."""


class TooLarge(WireError):
    """The body is longer than it may be."""


class TlsFailed(Exception):
    """No trusted TLS connection; the cause says why."""


class _Closed(WireError):
    """The server closed the connection before it answered anything."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `target` is path and query as they go over the line; `limit` bounds the answer's body, in bytes."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None
    limit: int


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait for a connection and for each piece of an answer; `tick`, called between them, may raise."""

    connect: float
    read: float
    tick: Callable[[], object]


Answer = tuple[int, dict[str, str], bytes]
"""Status, fields by lower-case name (repeated ones joined by commas), body."""


class Connections:
    """Kept connections to any number of servers. Safe to use from several threads: each uses one alone."""

    def __init__(self, ca_file: str | None, most: int) -> None:
        self._ca_file = ca_file
        self._most = most
        self._idle: dict[tuple[str, str, int], list[_Connection]] = {}
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        weakref.finalize(self, _close_all, self._idle)

    def exchange(self, origin: tuple[str, str, int], request: Request, patience: Patience) -> Answer:
        """The answer of the server at this origin (scheme, host, port). Redirects and statuses are the caller's.

        Raises:
            TlsFailed, TimeoutError, OSError: no connection, or a lost one.
            TooLarge: a body over the limit.
            WireError: an answer that is not HTTP.
        """
        head = _head(origin, request)
        kept = self._idle.get(origin)
        while kept:
            try:
                connection = kept.pop()
            except IndexError:
                break  # another thread was faster
            if connection.is_quiet():
                try:
                    return self._use(connection, origin, head, request, patience)
                except (_Closed, ConnectionError):
                    continue  # it was closed while it lay idle: that is no failure of the server
            connection.close()
        return self._use(self._connect(origin, patience), origin, head, request, patience)

    def close(self) -> None:
        """Closes idle connections."""
        with self._lock:
            _close_all(self._idle)

    def _use(
        self, connection: _Connection, origin: tuple[str, str, int], head: bytes, request: Request, patience: Patience
    ) -> Answer:
        try:
            answer = connection.exchange(head, request, patience)
        except BaseException:
            connection.close()
            raise
        if connection.reusable:
            self._keep(origin, connection)
        else:
            connection.close()
        return answer

    def _keep(self, origin: tuple[str, str, int], connection: _Connection) -> None:
        with self._lock:
            kept = self._idle.setdefault(origin, [])
            if len(kept) < self._most:
                kept.append(connection)
            else:
                connection.close()
            if len(self._idle) > _ORIGINS:
                for old in self._idle.pop(next(iter(self._idle))):
                    old.close()

    def _connect(self, origin: tuple[str, str, int], patience: Patience) -> _Connection:
        scheme, host, port = origin
        # Bytes: looking a text up loads the tables of internationalised names, which takes longer than the request.
        address = host.encode("ascii") if host.isascii() else host
        plain = socket.create_connection((address, port), patience.connect)  # type: ignore[arg-type]
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return _Connection(plain if scheme == "http" else self._secured(plain, host))
        except BaseException:
            plain.close()
            raise

    def _secured(self, plain: socket.socket, host: str) -> socket.socket:
        import ssl

        try:
            with self._lock:
                if self._context is None:
                    context = ssl.create_default_context(cafile=self._ca_file)
                    context.set_alpn_protocols(["http/1.1"])
                    self._context = context
            return self._context.wrap_socket(plain, server_hostname=host)
        except (ssl.SSLError, ssl.CertificateError) as error:
            raise TlsFailed(host) from error


def _close_all(idle: dict[tuple[str, str, int], list[_Connection]]) -> None:
    while idle:
        _, kept = idle.popitem()
        for connection in kept:
            connection.close()


def _head(origin: tuple[str, str, int], request: Request) -> bytes:
    scheme, host, port = origin
    if not _TARGET.fullmatch(request.target):
        raise WireError("a path that is not percent-encoded")
    host = host if host.isascii() else host.encode("idna").decode("ascii")
    host = f"[{host}]" if ":" in host else host
    standard = port == (443 if scheme == "https" else 80)
    lines = [f"{request.method} {request.target} HTTP/1.1", f"host: {host if standard else f'{host}:{port}'}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if request.body is not None or request.method not in ("GET", "HEAD"):
        lines.append(f"content-length: {len(request.body or b'')}")
    text = "\r\n".join([*lines, "\r\n"])
    if not text.count("\r") == text.count("\n") == len(lines) + 1 or "\0" in text:
        raise WireError("a control character in a header")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise WireError("a character in a header that HTTP does not have") from None


class _Connection:
    """One connection; `reusable` says, after an exchange, whether it can have another."""

    __slots__ = ("_buffer", "_poll", "_socket", "_started", "reusable")

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)
        self._buffer = b""
        self._started = False
        self.reusable = True

    def close(self) -> None:
        self.reusable = False
        self._socket.close()

    def is_quiet(self) -> bool:
        """Whether nothing came since the last answer: neither the end nor an answer that nobody asked for."""
        return not self._poll.poll(0)

    def exchange(self, head: bytes, request: Request, patience: Patience) -> Answer:
        self._started = False
        self.reusable = False
        if self._socket.gettimeout() != patience.read:
            self._socket.settimeout(patience.read)
        try:
            self._socket.sendall(head + request.body if request.body else head)
        except (BrokenPipeError, ConnectionResetError):
            if not request.body:
                raise
            # A server may refuse a body before it has it all: its answer is worth more than the broken pipe.
        for _ in range(_INTERIM_ANSWERS):
            version, status, fields = self._read_head(patience)
            if status >= 200:
                break
        else:
            raise WireError("more interim answers than one")
        if request.method == "HEAD" or status in (204, 304):
            body, whole = b"", True
        else:
            body, whole = self._read_body(fields, request.limit, patience)
        tokens = fields.get("connection", "").lower()
        stays = "close" not in tokens if version == 1 else "keep-alive" in tokens
        self.reusable = whole and stays and not self._buffer
        return status, fields, body

    def _read_head(self, patience: Patience) -> tuple[int, int, dict[str, str]]:
        while (end := self._buffer.find(b"\r\n\r\n", 0, _HEAD_BYTES)) < 0:
            if len(self._buffer) >= _HEAD_BYTES:
                raise WireError(f"an answer whose head is over {_HEAD_BYTES} bytes")
            self._fill(patience)
        first, _, rest = self._buffer[:end].partition(b"\r\n")
        self._buffer = self._buffer[end + 4 :]
        match = _STATUS.fullmatch(first)
        if match is None or rest.count(b"\n") >= _FIELDS:
            raise WireError("an answer that is not HTTP/1.1")
        if not _FIELD_LINES.fullmatch(rest):
            raise WireError("an answer with a field that is not one")
        fields: dict[str, str] = {}
        for line in rest.decode("latin-1").split("\r\n") if rest else ():
            name, _, value = line.partition(":")
            key, text = name.lower(), value.strip(" \t")
            fields[key] = f"{fields[key]}, {text}" if key in fields else text
        return int(match[1]), int(match[2]), fields

    def _read_body(self, fields: Mapping[str, str], limit: int, patience: Patience) -> tuple[bytes, bool]:
        """The body, and whether its end is known without the connection's."""
        length = fields.get("content-length")
        coding = fields.get("transfer-encoding")
        if coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise WireError("an answer whose length can be read in two ways")
            return self._read_chunks(limit, patience), True
        if length is None:
            return self._read_to_end(limit, patience), False
        # The same length twice is one length (RFC 9110 section 8.6).
        lengths = {item.strip() for item in length.split(",")}
        (said,) = lengths if len(lengths) == 1 else ("",)
        if not (said.isascii() and said.isdecimal() and len(said) < 20):
            raise WireError("an answer whose length can be read in two ways")
        if int(said) > limit:
            raise TooLarge(f"{int(said)} bytes announced, at most {limit} are read")
        return self._take(int(said), patience), True

    def _read_chunks(self, limit: int, patience: Patience) -> bytes:
        chunks, total = [], 0
        while True:
            match = _CHUNK.fullmatch(self._line(patience))
            if match is None:
                raise WireError("an answer with a chunk that has no length")
            size = int(match[1], 16)
            total += size
            if total > limit:
                raise TooLarge(f"more than {limit} bytes")
            if size == 0:
                break
            chunks.append(self._take(size, patience))
            if self._line(patience):
                raise WireError("an answer with a chunk that is longer than it says")
        for _ in range(_FIELDS):
            if not self._line(patience):
                return b"".join(chunks)
        raise WireError("an answer with too many trailers")

    def _read_to_end(self, limit: int, patience: Patience) -> bytes:
        parts, total = [self._buffer], len(self._buffer)
        self._buffer = b""
        while total <= limit:
            part = self._socket.recv(_READ_BYTES)
            if not part:
                return b"".join(parts)
            parts.append(part)
            total += len(part)
            patience.tick()
        raise TooLarge(f"more than {limit} bytes")

    def _take(self, size: int, patience: Patience) -> bytes:
        if len(self._buffer) >= size:
            taken, self._buffer = self._buffer[:size], self._buffer[size:]
            return taken
        parts, missing = [self._buffer], size - len(self._buffer)
        self._buffer = b""
        while missing > 0:
            self._fill(patience)
            parts.append(self._buffer[:missing])
            self._buffer, missing = self._buffer[missing:], missing - len(self._buffer)
        return b"".join(parts)

    def _line(self, patience: Patience) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _HEAD_BYTES:
                raise WireError("an answer with a line without an end")
            self._fill(patience)
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def _fill(self, patience: Patience) -> None:
        part = self._socket.recv(_READ_BYTES)
        if not part:
            raise (
                WireError("an answer that breaks off") if self._started else _Closed("no answer: the connection closed")
            )
        if self._started:
            patience.tick()
        self._started = True
        self._buffer += part
