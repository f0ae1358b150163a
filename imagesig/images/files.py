"""What homes of images on disk share: a file in pieces, and one writer at a time."""

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
"""Between two looks at whether another writer is done."""


def chunks_of(file: BinaryIO, what: str) -> Iterator[bytes]:
    """The rest of the file in pieces."""
    try:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
    except OSError as error:
        raise TransportError(f"{what}: cannot be read ({error.strerror})") from error


@contextmanager
def locked(path: Path, what: str, held: threading.local) -> Iterator[None]:
    """One writer in a directory at a time, across threads and processes. `held` remembers what this thread holds.

    Raises:
        DeadlineExceeded: the deadline passed before it was our turn.
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
        while not took(descriptor):
            wait(_TURN_SECONDS, f"{what}: another writer's turn")
        held.here = True
        yield
    finally:
        held.here = False
        os.close(descriptor)


def took(descriptor: int) -> bool:
    """Whether the lock of an open file or directory was free, and is ours now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
