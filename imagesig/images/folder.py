"""A folder that other users may have written to. It is opened step by step, so that no link leads out of it.

Each step starts from an open folder and follows no link, so a link that is made between check and use has no effect.
Writing makes a new file and renames it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from imagesig.deadlines import remaining
from imagesig.errors import ImagesigError, InvalidArgument, LimitExceeded, MalformedError, NotFound, TransportError
from imagesig.external import external_call
from imagesig.images.files import chunks_of
from imagesig.images.stream import hash_of
from imagesig.oci.descriptor import Descriptor

_LINKS = 8
"""Largest number of links in a row."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Not blocking: the name may be a pipe."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Missing = Callable[[], ImagesigError]


class Folder:
    """The files below one folder, by names such as `blobs/sha256/4f2c`. The folder itself may be a link.

    `what` names the folder in errors. Safe to use from several threads.

    Raises:
        NotFound: a file, or a folder above it, is missing.
        MalformedError: it is a link, or not a regular file.
        TransportError: it cannot be read or written.
    """

    def __init__(self, path: Path, what: str) -> None:
        if "\0" in str(path):
            raise InvalidArgument(f"{what}: a path with a NUL character, which paths must not have")
        self._path, self._what = path, what

    @contextmanager
    def open(self, name: str, *, links: bool = False, missing: Missing | None = None) -> Iterator[BinaryIO]:
        """A regular file, open for reading. With `links`, it may be a link to a regular file in this folder.

        Raises:
            The errors of `Folder`; for a missing file, the error that `missing` makes.
        """
        with self._failures(name, missing):
            descriptor = self._opened(name.split("/"), name, links=links)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise MalformedError(f"{self._what}: {name} is not a regular file")
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def read(self, name: str, most: int, *, links: bool = False, missing: Missing | None = None) -> bytes:
        """The content of a file. Raises the errors of `open`, and `LimitExceeded` for more than `most` bytes."""
        with self.open(name, links=links, missing=missing) as file:
            content = BytesIO()  # speed: gives its bytes without a copy of them (benchmarks/test_attestations.py)
            for chunk in chunks_of(file, f"{self._what}: {name}"):
                content.write(chunk)
                if content.tell() > most:
                    raise LimitExceeded(f"{self._what}: {name} has more than {most} bytes")
        return content.getvalue()

    def matches(self, name: str, descriptor: Descriptor, *, links: bool = False) -> bool:
        """Whether the file exists with the bytes that the descriptor names. They are read and hashed."""
        try:
            with self.open(name, links=links) as file:
                if os.fstat(file.fileno()).st_size != descriptor.size:
                    return False
                seen = hash_of(
                    chunks_of(file, self._what), descriptor.digest, f"{self._what}: hashing {descriptor.digest}"
                )
        except (NotFound, MalformedError):
            return False
        return seen == descriptor.digest

    def has(self, name: str) -> bool:
        """Whether the name exists, as a file, folder or link."""
        return self._status(name) is not None

    def names(self, folder: str, *, most: int) -> list[str]:
        """The names of the links, and of the regular files of at most `most` bytes, in a folder."""
        found = []
        with self._failures(folder), self._entered(folder.split("/")) as descriptor, os.scandir(descriptor) as entries:
            for entry in entries:
                remaining(f"{self._what}: listing {folder}")
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # removed meanwhile
                if stat.S_ISLNK(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_size <= most):
                    found.append(entry.name)
        return found

    def make(self, folder: str) -> None:
        """Makes this folder and its parents, unless they exist."""
        with self._failures(folder, writing=True):
            self._path.mkdir(parents=True, exist_ok=True)
            with self._entered(folder.split("/"), make=True):
                pass

    @contextmanager
    def replacing(self, name: str) -> Iterator[BinaryIO]:
        """A new file that gets this name when the block ends without an error, complete and on disk. A link of that
        name is replaced, not followed.
        """
        from imagesig.writing import shared_mode

        *above, leaf = name.split("/")
        with self._failures(name, writing=True):
            self._path.mkdir(parents=True, exist_ok=True)
            with self._entered(above, make=True) as folder:
                temporary = f".imagesig-{os.urandom(8).hex()}"
                descriptor = os.open(temporary, _NEW, 0o600, dir_fd=folder)
                try:
                    with os.fdopen(descriptor, "wb") as file:
                        yield file
                        file.flush()
                        os.fsync(descriptor)
                        os.fchmod(descriptor, shared_mode())
                    os.rename(temporary, leaf, src_dir_fd=folder, dst_dir_fd=folder)
                except BaseException:
                    with suppress(FileNotFoundError):
                        os.unlink(temporary, dir_fd=folder)
                    raise

    def write(self, name: str, content: bytes) -> None:
        with self.replacing(name) as file:
            file.write(content)

    def remove(self, name: str) -> None:
        """Removes a file or link, if it exists."""
        *above, leaf = name.split("/")
        with self._failures(name, writing=True), suppress(FileNotFoundError), self._entered(above) as folder:
            os.unlink(leaf, dir_fd=folder)

    # --- steps ---------------------------------------------------------------------------------------------------

    def _opened(self, parts: list[str], name: str, *, links: bool) -> int:
        for _ in range(_LINKS):
            with self._entered(parts[:-1]) as folder:
                try:
                    return os.open(parts[-1], _READ, dir_fd=folder)
                except OSError as error:
                    if not _is_link(parts[-1], folder):
                        raise
                    if not links:
                        raise self._link(name) from error
                    text = os.readlink(parts[-1], dir_fd=folder)
            parts = self._target(parts[:-1], text, name)
        raise self._link(name)

    @contextmanager
    def _entered(self, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """The folder at the end of these steps, open."""
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=descriptor)
                try:
                    below = os.open(part, _FOLDER, dir_fd=descriptor)
                except OSError as error:
                    if _is_link(part, descriptor):
                        raise self._link(part) from error
                    raise
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)

    def _target(self, above: list[str], text: str, name: str) -> list[str]:
        """The steps from this folder to the target of a link in the folder `above`."""
        inside = list(above)
        if text.startswith("/"):
            ours = (os.path.abspath(self._path), os.path.realpath(self._path))  # noqa: PTH100 - no link is resolved
            text = next((text[len(path) :] for path in ours if text.startswith(f"{path}/")), "..")
            inside = []
        down = False
        for part in text.split("/"):
            if part in ("", "."):
                continue
            if part != "..":
                inside.append(part)
                down = True
            elif down or not inside:  # up after a step down, which could be a link; or out of the folder
                raise self._link(name)
            else:
                inside.pop()
        if not down:
            raise self._link(name)
        return inside

    def _status(self, name: str) -> os.stat_result | None:
        *above, leaf = name.split("/")
        try:
            with self._failures(name), self._entered(above) as folder:
                return os.stat(leaf, dir_fd=folder, follow_symlinks=False)
        except NotFound:
            return None

    def _link(self, name: str) -> MalformedError:
        return MalformedError(
            f"{self._what}: {name} is a symbolic link that is not followed",
            hint="only a blob of a layout may be a link, to a file in the layout; replace the link by the file",
        )

    @contextmanager
    def _failures(self, name: str, missing: Missing | None = None, *, writing: bool = False) -> Iterator[None]:
        def explain(error: Exception) -> ImagesigError | None:
            return self._explained(error, name, missing) if isinstance(error, OSError) else None

        if not writing:
            with external_call(f"{self._what}: {name}", explain):
                yield
            return
        try:
            yield  # errors of the caller's block are passed on
        except ImagesigError:
            raise  # a passed deadline is an OSError too
        except OSError as error:
            raise TransportError(f"{self._what}: cannot write {name} ({error.strerror})") from error

    def _explained(self, error: OSError, name: str, missing: Missing | None) -> ImagesigError:
        if not _is_missing(error):
            return TransportError(f"{self._what}: {name} cannot be read ({error.strerror})")
        if missing is not None:
            return missing()
        return NotFound(f"{self._what}: {name}: there is no such file", hint="check the path")


def _is_missing(error: OSError) -> bool:
    return isinstance(error, FileNotFoundError | NotADirectoryError)


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False
