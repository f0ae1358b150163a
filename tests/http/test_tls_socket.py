"""Connections that end around a TLS handshake: no socket stays open, and the server's alert is read."""

from __future__ import annotations

import contextlib
import gc
import socket
import ssl
import threading
import warnings
from pathlib import Path

import pytest
import trustme

from imagesig.errors import Unreachable
from imagesig.http.client import HttpClient
from imagesig.http.reach import ANYWHERE
from imagesig.http.tls_socket import TlsSocket
from tests.attacks.network import scripted
from tests.tls import server_context, trusted

RESET = b"\x01\0\0\0\0\0\0\0"


@pytest.mark.parametrize("sent", [b"", b"x"])
def test_a_peer_that_resets_before_the_handshake_leaves_no_open_socket(sent: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = TlsSocket
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        client.sendall(sent)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        accepted, _ = listening.accept()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            with pytest.raises(ConnectionResetError):
                context.wrap_socket(accepted, server_side=True)
            gc.collect()
    assert not [item for item in said if "SSLSocket" in str(item.message)]


def test_an_alert_that_came_before_the_reset_is_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    authority, closed = trustme.CA(), threading.Event()
    context = server_context(authority, "127.0.0.1", clients=trustme.CA())

    def serve(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        with contextlib.suppress(OSError):
            context.wrap_socket(connection, server_side=True)
        closed.set()

    send = ssl.SSLSocket.send

    def late(sock: ssl.SSLSocket, *arguments: object) -> int:
        assert closed.wait(10)
        return send(sock, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("ssl.SSLSocket.send", late)
    client = HttpClient(user_agent="test", ca_files=[trusted(authority, tmp_path)])
    with scripted(serve) as place, pytest.raises(Unreachable) as refused:
        client.request("GET", f"https://{place}/", reach=ANYWHERE, limit=10, attempts=1)
    client.close()
    assert "a client's certificate" in refused.value.hint
