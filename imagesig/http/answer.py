"""Reads one HTTP/1.1 answer from a connection. llhttp (`httptools`) parses it; this module bounds its size.

Spec: RFC 9112. llhttp runs in strict mode: it refuses two lengths, a length with chunks, and bare line feeds.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from imagesig.patterns import regex

_OVERHEAD_BYTES = 64 * 1024
"""Bytes that may arrive without ending the headers or adding to the body: headers, trailers, chunk extensions."""
_RECEIVE_BYTES = 64 * 1024
_LENGTH_DIGITS = 19
"""llhttp accepts no length above 2^64."""
_COMPRESSED = regex(r"(?i)gzip|compress|deflate|\bbr\b|zstd|snappy|\bexi\b|\blz|\bxz|bzip2")
_WITHOUT_BODY = frozenset({204, 304})


class NotHttp(Exception):
    """The server sent something that is not an HTTP answer, or an incomplete one."""


class NothingCame(ConnectionError):
    """The connection ended before the first byte of an answer."""

    strerror = "the server closed the connection without an answer"


class Connection(Protocol):
    """The source of an answer."""

    def receive(self, most: int) -> bytes:
        """Some bytes; empty at the end. Raises `OSError`."""
        ...

    def keep(self) -> None:
        """Makes the connection available to another request."""
        ...

    def close(self) -> None:
        """Closes the connection. May be called repeatedly."""
        ...


class Answer:
    """One answer with an unread body. Read the body to its end and call `release_conn`, or call `close`.

    Header names are lower case. Different values of a repeated header are joined with commas (RFC 9110
    section 5.3).
    """

    __slots__ = ("_connection", "_given_back", "_message", "headers", "status")

    def __init__(self, connection: Connection, method: str) -> None:
        """Reads status and headers. Raises `NothingCame`, `NotHttp`, `OSError`."""
        self._connection, self._given_back = connection, False
        self._message = message = _Message(bodiless=method == "HEAD")
        received = False
        while not message.headers_end:
            piece = connection.receive(_RECEIVE_BYTES)
            if not piece:
                raise NotHttp("the answer ended within its headers") if received else NothingCame
            received = True
            message.feed(piece)
        self.status, self.headers = message.status, message.headers

    @property
    def announced(self) -> int | None:
        """The length of the body in `content-length`; None if there is no valid one."""
        text = self.headers.get("content-length", "")
        return int(text) if len(text) <= _LENGTH_DIGITS and text.isascii() and text.isdigit() else None

    @property
    def compression(self) -> str:
        """The content encoding, if it changes the bytes. Servers in the field name others: `utf-8`, `aws-chunked`."""
        named = self.headers.get("content-encoding", "")
        return named if _COMPRESSED.search(named) else ""

    @property
    def has_more(self) -> bool:
        """Whether more bytes arrived after the part that was read."""
        return self._message.surplus

    def read1(self, most: int) -> bytes:
        """Some of the body; empty at its end. Raises `NotHttp` if it ends too early, and `OSError`."""
        message = self._message
        while not message.pieces:
            if message.complete:
                return b""
            piece = self._connection.receive(most)
            if piece:
                message.feed(piece)
            elif message.until_closed:
                message.complete = True
            else:
                raise NotHttp("the answer ended too early")
        return message.pieces.popleft()

    def release_conn(self) -> None:
        """Keeps the connection for reuse if the answer is complete and the server allows it; otherwise closes it."""
        message = self._message
        if message.complete and message.stays_open and not message.pieces and not message.surplus:
            self._given_back = True  # set first: another thread may use the connection at once
            self._connection.keep()
        else:
            self.close()

    def close(self) -> None:
        """Closes the connection, unless it is kept for reuse."""
        self._message.end()
        if not self._given_back:
            self._connection.close()


class _Message:
    """What llhttp has parsed so far. `surplus` says that bytes arrived after the answer."""

    __slots__ = (
        "_overhead",
        "_parser",
        "bodiless",
        "complete",
        "headers",
        "headers_end",
        "pieces",
        "status",
        "stays_open",
        "surplus",
        "until_closed",
    )

    def __init__(self, *, bodiless: bool) -> None:
        self.bodiless = bodiless
        self.status = self._overhead = 0
        self.headers: dict[str, str] = {}
        self.pieces: deque[bytes] = deque()
        self.headers_end = self.complete = self.surplus = self.stays_open = self.until_closed = False
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    def feed(self, piece: bytes) -> None:
        assert self._parser is not None
        ended, had = self.headers_end, len(self.pieces)
        try:
            self._parser.feed_data(piece)
        except HttpParserUpgrade:
            raise NotHttp("the server switched to another protocol") from None
        except HttpParserError as error:
            if not self.complete:
                raise NotHttp(f"not HTTP: {error}") from error
            self.surplus = True
        useful = self.complete or self.headers_end > ended or len(self.pieces) > had
        self._overhead = 0 if useful else self._overhead + len(piece)
        if self._overhead > _OVERHEAD_BYTES:
            raise NotHttp(f"more than {_OVERHEAD_BYTES} bytes of headers or of chunk extensions")

    def end(self) -> None:
        """Breaks the reference cycle with the parser, so that both are freed at once."""
        self._parser = None

    def on_message_begin(self) -> None:
        self.surplus = self.complete

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.headers_end:
            return  # a trailer, or a header of an unrequested answer
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        known = self.headers.get(key, text)
        # A gateway that repeats a header, such as Location, says nothing new.
        self.headers[key] = text if known == text else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        if self.headers_end or self._parser is None:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = {}  # an interim answer; the final one follows
            return
        self.status, self.headers_end = status, True
        self.stays_open = self._parser.should_keep_alive()
        self.complete = self.bodiless or status in _WITHOUT_BODY
        self.until_closed = "content-length" not in self.headers and "transfer-encoding" not in self.headers

    def on_body(self, piece: bytes) -> None:
        if self.complete:
            self.surplus = True
        else:
            self.pieces.append(piece)

    def on_message_complete(self) -> None:
        if self.headers_end:
            self.complete = True
