"""Reading a file in pieces, and a lock for writers of a folder."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from imagesig.deadlines import wait
from imagesig.errors import TransportError
from imagesig.images.stream import CHUNK_BYTES

_TURN_SECONDS = 0.005
"""Pause between two attempts to get the lock."""


def chunks_of(file: BinaryIO, what: str) -> Iterator[bytes]:
    """The rest of the file in pieces."""
    try:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
    except OSError as error:
        raise TransportError(f"{what}: cannot be read ({error.strerror})") from error


@contextmanager
def locked(path: Path, what: str, held: threading.local) -> Iterator[None]:
    """Holds the lock of a folder, across threads and processes. `held` remembers that this thread has it.

    Raises:
        DeadlineExceeded: the deadline passed before the lock was free.
        TransportError: the directory cannot be opened.
    """
    if getattr(held, "here", False):
        yield
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise TransportError(f"{what}: cannot be opened ({error.strerror})") from error
    try:
        while not _try_lock(descriptor):
            wait(_TURN_SECONDS, f"{what}: waiting for another writer")
        held.here = True
        yield
    finally:
        held.here = False
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    """Takes the lock of an open folder if it is free; False if it is not."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
