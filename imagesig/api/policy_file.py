"""`PolicyFile`: the policy of a file that changes while a service runs."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from imagesig.arguments import checks_arguments
from imagesig.naming import PathLike
from imagesig.policy import Policy

SECONDS = 300.0
"""The certificates that a policy names are files too: they are read again after this time."""


class PolicyFile:
    """A policy file, read again when it changes. Thread-safe.

    Args:
        path: the file, as of `Policy.load`.
        max_age: seconds after which it is read again although it did not change, for the certificates that it names.
    """

    @checks_arguments
    def __init__(self, path: str | PathLike, *, max_age: float = SECONDS) -> None:
        self._path, self._max_age = path, max_age
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, ...], float, Policy] | None = None

    def current(self) -> Policy:
        """The policy that is in the file now.

        Raises:
            InvalidArgument: there is no such file, or it is invalid. An older policy does not take its place.
        """
        with self._lock:
            found = self._state()
            if self._read is None or self._read[0] != found or time.monotonic() - self._read[1] >= self._max_age:
                self._read = None
                self._read = (found, time.monotonic(), Policy.load(self._path))
            return self._read[2]

    def _state(self) -> tuple[int, ...]:
        """What differs once the file was written or replaced; empty if it cannot be looked at."""
        try:
            state = Path(self._path).stat()
        except (OSError, ValueError):  # `Policy.load` says why
            return ()
        return (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
