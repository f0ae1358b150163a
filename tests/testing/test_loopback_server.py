"""What is left of a scripted server when its block ends: nothing, at whatever moment it ends."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import time
import warnings

import pytest

from imagesig.testing import Answer, InMemoryRegistry, Request, ScriptedVault

ASK = b"GET /v2/ HTTP/1.1\r\nhost: x\r\n\r\n"


def _place(server: InMemoryRegistry) -> tuple[str, int]:
    host, _, port = server.host.rpartition(":")
    return host, int(port)


def test_a_server_that_ended_answers_no_request_on_a_connection_that_was_kept() -> None:
    with InMemoryRegistry() as server, socket.create_connection(_place(server), 10) as client:
        client.sendall(ASK)
        assert client.recv(65536)
        server.__exit__(None, None, None)
        with contextlib.suppress(ConnectionError):
            client.sendall(ASK)
            assert not client.recv(65536)
        assert len(server.requests) == 1


@pytest.mark.parametrize("sent", [b"", b"GET /v2/ HT", b"PUT /v2/ HTTP/1.1\r\ncontent-length: 9\r\n\r\nx", ASK])
def test_no_thread_of_a_server_outlives_it(sent: bytes) -> None:
    before = set(threading.enumerate())
    with contextlib.ExitStack() as later:
        with InMemoryRegistry() as server:
            client = later.enter_context(socket.create_connection(_place(server), 10))
            client.sendall(sent)
            if sent == ASK:
                assert client.recv(65536)
            while len(set(threading.enumerate()) - before) < 2:  # the server's, and that of the connection
                time.sleep(0.001)
        assert set(threading.enumerate()) <= before


def test_a_server_waits_for_an_answer_that_is_being_made() -> None:
    asked, made = threading.Event(), []

    def slow(_request: Request) -> Answer:
        asked.set()
        time.sleep(0.1)
        made.append(1)
        return Answer()

    with InMemoryRegistry() as server, socket.create_connection(_place(server), 10) as client:
        server.faults.append(slow)
        client.sendall(ASK)
        assert asked.wait(10)
    assert made


def test_a_service_that_is_never_entered_leaves_no_socket_open() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        service = ScriptedVault({})
        del service
        gc.collect()
    assert not [str(item.message) for item in said]
