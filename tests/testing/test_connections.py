"""A listener of a test leaves nothing open and nothing running, also behind TLS, and hides no error of the test."""

from __future__ import annotations

import gc
import re
import socket
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from imagesig.testing.connections import served_by
from tests.tls import server_context


def _reads(connection: socket.socket) -> None:
    while connection.recv(100):
        pass


def _reads_by_tls(connection: socket.socket) -> None:
    with server_context(trustme.CA(), "127.0.0.1").wrap_socket(connection, server_side=True) as secure:
        _reads(secure)


def _needs_a_request(connection: socket.socket) -> None:
    connection.recv(100).split()[1]


@pytest.mark.parametrize("serve", [_reads, _reads_by_tls, _needs_a_request])
def test_a_block_that_ends_while_a_client_is_connected_leaves_nothing(serve: Callable[[socket.socket], None]) -> None:
    before, asked = set(threading.enumerate()), threading.Event()

    def noted(connection: socket.socket) -> None:
        asked.set()
        serve(connection)

    with warnings.catch_warnings(record=True) as said, socket.socket() as client:
        warnings.simplefilter("always")
        with served_by(noted) as place:
            client.connect(("127.0.0.1", int(place.rpartition(":")[2])))
            assert asked.wait(10)
        assert set(threading.enumerate()) <= before
        gc.collect()
    assert not [str(item.message) for item in said]


def test_a_client_that_is_gone_before_the_handshake_leaves_nothing() -> None:
    gone = threading.Event()
    context = server_context(trustme.CA(), "127.0.0.1")

    def serve(connection: socket.socket) -> None:
        assert gone.wait(10)
        context.wrap_socket(connection, server_side=True)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with served_by(serve) as place:
            client = socket.create_connection(("127.0.0.1", int(place.rpartition(":")[2])))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # a reset
            client.close()
            gone.set()
        gc.collect()
    assert not [str(item.message) for item in said]


def test_an_error_of_the_test_itself_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)

    def wrong(_connection: socket.socket) -> None:
        raise ZeroDivisionError

    with served_by(wrong) as place, socket.create_connection(("127.0.0.1", int(place.rpartition(":")[2]))) as client:
        assert not client.recv(1)
    assert [item.exc_type for item in raised] == [ZeroDivisionError]


MAY_ACCEPT = {
    "docker/test_command.py": "a Unix socket",
    "http/test_tls_socket.py": "one connection, which is reset before it is accepted",
    "peers/pkcs11_modules.py": "a Unix socket, whose connections become streams of processes",
    "test_aio.py": "one connection, which the test itself reads",
    "testing/test_connections.py": "this test",
}


def test_all_other_servers_of_the_tests_are_made_by_those_that_leave_nothing() -> None:
    folder = Path(__file__).parents[1]
    found = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if re.search(r"\.accept\b(?!\.)|\bThreading(HTTP|TCP)Server\(|\.serve_forever\b", path.read_text())
    }
    assert found == set(MAY_ACCEPT)


def test_a_server_with_tls_closes_the_socket_of_a_peer_that_is_gone() -> None:
    folder = Path(__file__).parents[1]
    texts = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.py")}
    wrapping = {name for name, text in texts.items() if re.search(r"wrap_socket\([^()]*server_side=True", text)}
    assert wrapping
    assert all("server_context(" in texts[name] for name in wrapping)
