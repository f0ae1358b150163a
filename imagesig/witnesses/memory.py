"""A bounded cache of bytes by name."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict


class Memory:
    """Stores up to `capacity` bytes, each entry for `seconds`. Drops the least recently used first. Thread-safe."""

    def __init__(self, capacity: int, seconds: float = float("inf")) -> None:
        self._capacity = capacity
        self._seconds = seconds
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, name: str) -> bytes | None:
        with self._lock:
            if name not in self._kept:
                return None
            end, content = self._kept[name]
            if time.monotonic() > end:
                self._drop(name)
                return None
            self._kept.move_to_end(name)
            return content

    def put(self, name: str, content: bytes | None) -> None:
        """Replaces the entry of that name; None removes it."""
        with self._lock:
            if name in self._kept:
                self._drop(name)
            if content is None or len(content) > self._capacity:
                return
            self._kept[name] = (time.monotonic() + self._seconds, content)
            self._size += len(content)
            while self._size > self._capacity:
                self._drop(next(iter(self._kept)))

    def _drop(self, name: str) -> None:
        self._size -= len(self._kept.pop(name)[1])
