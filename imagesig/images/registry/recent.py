"""Recently read manifests, so that reading a manifest after resolving it needs no second request."""

from __future__ import annotations

import threading

_MANIFESTS = 64
_BYTES_EACH = 1024 * 1024
_BYTES_ALL = 4 * 1024 * 1024


# speed: saves one request for each verification (benchmarks/test_cli.py)
class RecentManifests:
    """A bounded number of manifests by digest. Thread-safe."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def get(self, digest: str) -> bytes | None:
        return self._contents.get(digest)

    def keep(self, digest: str, content: bytes) -> None:
        if len(content) > _BYTES_EACH:
            return
        with self._lock:
            self._contents[digest] = content
            while len(self._contents) > _MANIFESTS or sum(map(len, self._contents.values())) > _BYTES_ALL:
                self._contents.pop(next(iter(self._contents)))

    def forget(self, digest: str) -> None:
        with self._lock:
            self._contents.pop(digest, None)
