"""Files on disk as homes of images need them: regular ones only, bounded, replaced whole, changed by one writer."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from imagesig.deadlines import wait
from imagesig.errors import ImagesigError, LimitExceeded, MalformedError, NotFound, TransportError
from imagesig.images.stream import CHUNK_BYTES

_TURN_SECONDS = 0.005
"""Between two looks at whether another writer is done."""


@contextmanager
def open_regular(path: Path, what: str, *, missing: Callable[[], ImagesigError] | None = None) -> Iterator[BinaryIO]:
    """A regular file, open for reading.

    Raises:
        NotFound: it is not there; or what `missing` gives.
        MalformedError: no regular file.
        TransportError: it cannot be opened.
    """
    try:
        # Not blocking: somebody may have put a pipe there.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        if missing is not None:
            raise missing() from None
        raise NotFound(f"{what}: {path.name}: it is not there", hint="check the path") from None
    except OSError as error:
        raise TransportError(f"{what}: {path.name} cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MalformedError(f"{what}: {path.name} is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        yield file


def read_file(path: Path, most: int, what: str, *, missing: Callable[[], ImagesigError] | None = None) -> bytes:
    """The content of a regular file. Raises as `open_regular` does, and `LimitExceeded` for more than `most` bytes."""
    with open_regular(path, what, missing=missing) as file:
        try:
            content = file.read(most + 1)
        except OSError as error:
            raise TransportError(f"{what}: {path.name} cannot be read ({error.strerror})") from error
    if len(content) > most:
        raise LimitExceeded(f"{what}: {path.name} has more than {most} bytes")
    return content


def chunks_of(file: BinaryIO, what: str) -> Iterator[bytes]:
    """The rest of the file in pieces."""
    try:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
    except OSError as error:
        raise TransportError(f"{what}: cannot be read ({error.strerror})") from error


@contextmanager
def replacing(path: Path, what: str) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` once the block is through, whole and on the disk; or never.

    Raises:
        TransportError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".imagesig-", delete=False) as file:
            try:
                yield file  # type: ignore[misc]
                file.flush()
                os.fsync(file.fileno())
                os.fchmod(file.fileno(), 0o644)
                Path(file.name).rename(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except ImagesigError:
        raise  # of the block; a passed deadline is an OSError too
    except OSError as error:
        raise TransportError(f"{what}: cannot write {path.name} ({error.strerror})") from error


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
