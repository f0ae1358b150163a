"""An HTTP server on loopback that sends what a test asks for, also bytes that are not HTTP."""

from __future__ import annotations

import socketserver
import ssl
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_UNIX
from typing import Any
from urllib.parse import parse_qs

from msgspec import Struct, field

from imagesig.http.tls_socket import TlsSocket
from imagesig.redacted import RedactedStruct
from imagesig.testing.connections import Connections

_POLL_SECONDS = 0.02
"""The longest that `stop` waits for the server."""
_END_SECONDS = 2.0
"""The longest that `stop` waits for a function that still makes an answer."""


class Request(RedactedStruct, frozen=True):
    """One request as it came. Header names are lower case; `path` is without the query."""

    hidden = ("body",)

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


Pieces = Callable[[], Iterable[bytes | float]]
"""What is sent, piece by piece as it is made: bytes go over the line at once, a number is a pause in seconds."""


class Answer(Struct, frozen=True):
    """One answer. `content_length` may lie; `close` ends the connection before anything is sent.

    `pieces` is a body that need not end: it takes the place of `body`, and goes in chunks unless `content_length` is
    given. `raw` takes the place of everything, the status line included: what it gives is sent as it is. After both the
    connection ends.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_length: int | None = None
    close: bool = False
    pieces: Pieces | None = None
    raw: Pieces | None = None


class LoopbackServer:
    """Gives each request the answer that `answer` returns, from `start` to `stop`.

    It speaks TLS with a context `tls`, and listens on a Unix socket at the path `unix` instead of a port.
    """

    def __init__(
        self, answer: Callable[[Request], Answer], *, tls: ssl.SSLContext | None = None, unix: str = ""
    ) -> None:
        closing = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = not unix  # an option of TCP
            wbufsize = -1  # headers and body in one packet

            def handle_any(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                path, _, query = self.path.partition("?")
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(length)
                request = Request(self.command, path, parse_qs(query), headers, body)
                _send(self, answer(request), closing)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_LIST = handle_any  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                """Logs nothing: the answering function may log the requests."""

        self._closing = closing
        address: Any = unix or ("127.0.0.1", 0)
        self._server = (_UnixServer if unix else ThreadedServer)(address, Handler)
        if tls is not None:
            tls.sslsocket_class = TlsSocket
            # The handshake is made by the thread of the connection, so one that fails does not stop the server.
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        weakref.finalize(self, self._server.socket.close)  # a server that is never started closes its port too

    @property
    def host(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        """Ends all connections, also while an answer is sent: no later request gets an answer."""
        self._closing.set()
        self._server.stop()


class ThreadedServer(ThreadingHTTPServer):
    """A server that serves in threads from `start` to `stop`, and leaves no connection and no thread behind."""

    request_queue_size = 128  # a connection that finds no place waits a second

    def __init__(self, address: Any, handler: type[BaseHTTPRequestHandler]) -> None:
        self._connections = Connections()
        super().__init__(address, handler)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()

    def stop(self) -> None:
        """Ends all connections."""
        self.shutdown()
        self.server_close()
        self._connections.end(_END_SECONDS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serves one connection, in its own thread."""
        self._connections.start(lambda sock: self.process_request_thread(sock, client_address), request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing of clients that close the connection early: some tests do that."""


class _UnixServer(ThreadedServer):
    address_family = AF_UNIX

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # without a look-up of the host's name


def _send(handler: BaseHTTPRequestHandler, answer: Answer, closing: threading.Event) -> None:
    if answer.close or answer.raw is not None:
        handler.close_connection = True
        if answer.raw is not None:
            _play(handler, answer.raw, closing, chunked=False)
        return
    if "date" in answer.headers:
        handler.send_response_only(answer.status)  # which adds no date of its own
    else:
        handler.send_response(answer.status)
    for name, value in answer.headers.items():
        handler.send_header(name, value)
    length = len(answer.body) if answer.content_length is None else answer.content_length
    chunked = answer.pieces is not None and answer.content_length is None
    handler.send_header(*(("transfer-encoding", "chunked") if chunked else ("content-length", str(length))))
    handler.end_headers()
    if answer.pieces is not None:
        handler.close_connection = True
        _play(handler, answer.pieces, closing, chunked=chunked)
        return
    if handler.command != "HEAD":
        try:
            handler.wfile.write(answer.body)
        except OSError:
            handler.close_connection = True
    if length != len(answer.body):
        handler.close_connection = True


def _play(handler: BaseHTTPRequestHandler, script: Pieces, closing: threading.Event, *, chunked: bool) -> None:
    """Sends a script until it ends, the client goes away, or the server stops."""
    with suppress(OSError):
        handler.wfile.flush()
        for piece in script():
            if closing.is_set() or (isinstance(piece, float) and closing.wait(piece)):
                return
            if isinstance(piece, bytes) and piece:
                handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                handler.wfile.flush()
        if chunked:
            handler.wfile.write(b"0\r\n\r\n")
        handler.wfile.flush()
