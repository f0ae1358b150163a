"""A server of TLS on loopback before another server, and the first bytes that each client sent it."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import trustme

from imagesig.http.tls_socket import TlsSocket
from tests.attacks.network import connected, pass_on, scripted


class TlsFront:
    """`host` is `name:port`. `first` has the first byte of each connection: 0x16 begins a ClientHello."""

    def __init__(self) -> None:
        self.host = ""
        self.first: list[bytes] = []

    @property
    def plain(self) -> list[bytes]:
        """First bytes of requests without TLS."""
        return [byte for byte in self.first if byte not in (b"", b"\x16")]


def server_context(
    authority: trustme.CA, *names: str, clients: trustme.CA | None = None, common_name: str = ""
) -> ssl.SSLContext:
    """TLS of a server with these names. With `clients`, it asks for a client's certificate.

    Its sockets are closed if the peer is gone before the handshake, which those of Python 3.11 and 3.12 are not.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = TlsSocket
    certificate = authority.issue_cert(*names, **({"common_name": common_name} if common_name else {}))
    certificate.configure_cert(context)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        clients.configure_trust(context)
    return context


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
    identities = names or ("127.0.0.1", "localhost", "::1")
    context = server_context(authority, *identities, clients=clients, common_name=common_name)
    front = TlsFront()

    def serve(connection: socket.socket) -> None:
        front.first.append(connection.recv(1, socket.MSG_PEEK))
        with context.wrap_socket(connection, server_side=True) as secure, connected(to) as behind:
            pass_on(secure, behind)

    with scripted(serve) as place:
        front.host = f"{name}:{place.rpartition(':')[2]}"
        yield front


def trusted(authority: trustme.CA, folder: Path) -> Path:
    """A file with the authority's certificate."""
    file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return file
