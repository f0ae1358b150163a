"""A server of TLS on loopback before another server, and the first bytes that each client sent it."""

from __future__ import annotations

import _socket
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import trustme

from imagesig.http.tls_socket import TlsSocket
from tests.attacks.network import scripted


class TlsFront:
    """`host` is `name:port`. `first` has the first byte of each connection: 0x16 begins a ClientHello."""

    def __init__(self) -> None:
        self.host = ""
        self.first: list[bytes] = []

    @property
    def plain(self) -> list[bytes]:
        """First bytes of requests without TLS."""
        return [byte for byte in self.first if byte not in (b"", b"\x16")]


@contextlib.contextmanager
def tls_front(
    to: str,
    authority: trustme.CA,
    *names: str,
    name: str = "127.0.0.1",
    common_name: str = "",
    clients: trustme.CA | None = None,
) -> Iterator[TlsFront]:
    """Ends TLS and passes everything on to the server at `to`. With `clients`, it asks for a client's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = TlsSocket
    identities = names or ("127.0.0.1", "localhost", "::1")
    certificate = authority.issue_cert(*identities, **({"common_name": common_name} if common_name else {}))
    certificate.configure_cert(context)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        clients.configure_trust(context)
    front = TlsFront()

    def serve(connection: socket.socket) -> None:
        front.first.append(connection.recv(1, socket.MSG_PEEK))
        with context.wrap_socket(connection, server_side=True) as secure, _connected(to) as behind:
            threading.Thread(target=_copy, args=(behind, secure), daemon=True).start()
            _copy(secure, behind)

    with scripted(serve) as place:
        front.host = f"{name}:{place.rpartition(':')[2]}"
        yield front


def trusted(authority: trustme.CA, folder: Path) -> Path:
    """A file with the authority's certificate."""
    file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return file


def _connected(to: str) -> socket.socket:
    host, _, port = to.rpartition(":")
    sock = socket.socket()
    try:
        _socket.socket.connect(sock, (host, int(port)))  # not the one that `tests.attacks.network.Network` replaces
    except OSError:
        sock.close()  # the server may have ended meanwhile
        raise
    return sock


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError, ValueError):
        while piece := source.recv(65536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
