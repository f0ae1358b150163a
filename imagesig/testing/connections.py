"""Connections that servers of tests serve in threads: when a server ends, none of both is left."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

_LOOK_SECONDS = 0.2
"""How often a listener looks whether it is to end, where ending its traffic does not wake it."""
_END_SECONDS = 30.0


@contextlib.contextmanager
def served_by(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """`host:port` of a listener on loopback. Each connection is given to `serve`, in its own thread, and then closed.

    When the block ends, so does the traffic of all connections; no connection stays open, and no thread runs. A
    connection that the client loses is no error.
    """
    connections = Connections()

    def one(connection: socket.socket) -> None:
        try:
            serve(connection)
        except (OSError, ValueError):
            pass
        except Exception:
            if not connections.ended:  # else the reason may be that the traffic was ended
                raise

    def accept() -> None:
        with contextlib.suppress(OSError):
            while not connections.ended:
                with contextlib.suppress(TimeoutError):
                    connections.start(one, listener.accept()[0])

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        listener.settimeout(_LOOK_SECONDS)
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            connections.ended = True
            _end_traffic(listener)
            accepting.join()
            assert connections.end(_END_SECONDS), "a thread does not end when its connection ends"


class Connections:
    """Connections, each with the thread that serves it."""

    def __init__(self) -> None:
        self.ended = False
        self._lock = threading.Lock()
        self._running: dict[threading.Thread, socket.socket] = {}

    def start(self, serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
        """Gives the connection to `serve` in a thread, and closes it afterwards."""

        def run() -> None:
            try:
                with connection:
                    serve(connection)
            finally:
                with self._lock:
                    same.close()

        thread = threading.Thread(target=run, daemon=True)
        with contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            # Another descriptor of the same connection: `wrap_socket` takes the first one away.
            same = stack.enter_context(socket.socket(fileno=os.dup(connection.fileno())))
            with self._lock:
                thread.start()
                self._running = {other: its for other, its in self._running.items() if other.is_alive()} | {
                    thread: same
                }
            stack.pop_all()

    def end(self, seconds: float) -> bool:
        """Ends the traffic of all connections. Whether all threads ended within so many seconds."""
        self.ended, until = True, time.monotonic() + seconds
        with self._lock:
            running = [thread for thread in self._running if thread is not threading.current_thread()]
            for same in self._running.values():
                _end_traffic(same)
        for thread in running:
            thread.join(max(until - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in running)


def _end_traffic(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
