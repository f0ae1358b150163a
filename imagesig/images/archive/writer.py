"""Writes the tar that replaces an archive: a new file in the same folder, renamed at the end."""

from __future__ import annotations

import fcntl
import os
import stat
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Protocol

from imagesig.deadlines import remaining
from imagesig.errors import ImagesigError, InvalidArgument, TransportError
from imagesig.images.archive.file import ArchiveFile
from imagesig.images.archive.header import BLOCK_BYTES
from imagesig.images.archive.members import Member
from imagesig.images.stream import hash_of
from imagesig.oci.digest import is_address

_POLL_SECONDS = 0.05
_END = bytes(2 * BLOCK_BYTES)
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class MemberSource(Protocol):
    def open(self, member: Member) -> AbstractContextManager[Iterator[bytes]]: ...


class ArchiveWriter:
    """One new version of the archive at `path`. Only one writer of an archive works at a time, across processes.

    `resume` uses the blobs of an interrupted writer after checking their digests. Call `finish` or `abandon` once.
    """

    def __init__(self, path: Path, what: str, *, resume: bool) -> None:
        self._path, self._what = path, what
        self._partial = path.with_name(f".{path.name}.imagesig")
        self._file = self._locked(resume=resume)
        self._resumed: dict[str, Member] = {}
        self._wanted: set[str] = set()
        self._has_leftovers = False
        self._members: dict[str, Member] = {}
        if resume:
            self._resumed = self._left_behind()
        end = max((member.offset + member.size for member in self._resumed.values()), default=0)
        self._file.truncate(end + -end % BLOCK_BYTES)
        self._file.seek(0, os.SEEK_END)

    def get(self, name: str) -> Member | None:
        """The member of this name that was written, here or by an interrupted writer."""
        if name in self._resumed:
            self._wanted.add(name)
        return self._members.get(name) or self._resumed.get(name)

    def names(self) -> list[str]:
        return [*self._members, *(name for name in self._resumed if name in self._wanted)]

    @contextmanager
    def open(self, member: Member) -> Iterator[Iterator[bytes]]:
        """The content of a member, in pieces."""
        yield _pieces(self._file.fileno(), member)

    def add(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """Writes one more member. If the pieces raise, nothing of it stays."""
        start = self._file.tell()
        try:
            self._members[name] = _write_member(self._file, name, size, chunks)
        except BaseException as error:
            self._file.truncate(start)
            self._file.seek(start)
            if isinstance(error, OSError) and not isinstance(error, ImagesigError):
                raise self._failed(error) from error
            raise

    def remove(self, name: str) -> None:
        """Leaves out a member that was written before."""
        if self._members.pop(name, None) or self._resumed.pop(name, None):
            self._has_leftovers = True

    def finish(self, previous: MemberSource | None, kept: Iterable[Member], mode: int) -> None:
        """Adds the members that are kept of the previous archive, and replaces it."""
        try:
            if self._has_leftovers or not self._wanted.issuperset(self._resumed):
                self._compact(previous, list(kept), mode)
            else:
                _write_members(self._file, previous, kept)
                _complete(self._file, mode)
                self._partial.rename(self._path)
        except ImagesigError:
            raise
        except OSError as error:
            raise self._failed(error) from error
        finally:
            self._file.close()

    def abandon(self, *, keep: bool) -> None:
        """Ends without replacing the archive. `keep` leaves the written blobs for the next writer that resumes."""
        if not (keep and (self._members or self._resumed)):
            with suppress(OSError):  # it is only cleaned up: the error that ended the writer is raised
                self._partial.unlink(missing_ok=True)
        self._file.close()

    def _compact(self, previous: MemberSource | None, kept: list[Member], mode: int) -> None:
        """Writes everything again, without members that are not needed."""
        with tempfile.NamedTemporaryFile(
            dir=self._path.parent, prefix=f".{self._path.name}-", buffering=0, delete=False
        ) as file:
            try:
                ours = [member for name in self.names() if (member := self.get(name))]
                _write_members(file, self, ours)  # type: ignore[arg-type]
                _write_members(file, previous, kept)  # type: ignore[arg-type]
                _complete(file, mode)  # type: ignore[arg-type]
                Path(file.name).rename(self._path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        self._partial.unlink(missing_ok=True)

    def _left_behind(self) -> dict[str, Member]:
        """The complete blobs of an interrupted writer whose digests match their names."""
        found: dict[str, Member] = {}
        try:
            left = ArchiveFile(self._partial, self._what, interrupted=True)
        except ImagesigError:
            return {}
        if not os.path.sameopenfile(left.descriptor, self._file.fileno()):
            return {}  # another file has its name now
        for member in sorted(left.members.files.values(), key=lambda member: member.offset):
            digest = member.name.removeprefix("blobs/").replace("/", ":")
            if not member.name.startswith("blobs/") or not is_address(digest):
                break
            with left.open(member) as chunks:
                if hash_of(chunks, digest, f"{self._what}: hashing {digest}") != digest:
                    break
            found[member.name] = member
        return found

    def _locked(self, *, resume: bool) -> FileIO:
        """The new file, locked until it is renamed or removed.

        The file of an interrupted writer is used to resume if no other user could write to it; otherwise a new one.
        """
        while True:
            descriptor, is_new = self._made_or_found()
            # Without a buffer: on a full disk, each later call and the closing would try to write it, and raise again.
            file = os.fdopen(descriptor, "r+b", buffering=0)
            try:
                self._wait_for_lock(descriptor)
                if self._is_still_there(descriptor):
                    if is_new or (resume and _is_private(os.fstat(descriptor))):
                        return file
                    self._partial.unlink(missing_ok=True)
            except OSError as error:
                file.close()
                raise error if isinstance(error, ImagesigError) else self._failed(error) from error
            except BaseException:
                file.close()
                raise
            file.close()  # another writer has renamed or removed it

    def _made_or_found(self) -> tuple[int, bool]:
        """The file that serves as a lock, open, and whether it is new. It is a regular file of this user.

        Raises:
            InvalidArgument: something else has its name, or it cannot be created.
        """
        while True:
            remaining(f"{self._what}: waiting for another writer")
            try:
                return os.open(self._partial, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600), True
            except FileExistsError:
                pass
            except OSError as error:
                hint = "create the directory first" if isinstance(error, FileNotFoundError) else ""
                raise InvalidArgument(f"{self._what}: cannot be written ({error.strerror})", hint=hint) from error
            try:
                status = os.lstat(self._partial)
                if not stat.S_ISREG(status.st_mode):
                    raise self._in_the_way("which is not a regular file")
                if status.st_uid != os.geteuid():
                    raise self._in_the_way("which is another user's")
                descriptor = os.open(self._partial, _FLAGS)
            except FileNotFoundError:
                continue  # another writer has renamed or removed it
            except OSError as error:
                raise self._in_the_way(f"which cannot be opened ({error.strerror})") from error
            opened = os.fstat(descriptor)
            if stat.S_ISREG(opened.st_mode) and opened.st_uid == os.geteuid():
                return descriptor, False
            os.close(descriptor)
            raise self._in_the_way("which another user put there")

    def _in_the_way(self, what: str) -> InvalidArgument:
        return InvalidArgument(
            f"{self._what}: cannot be written: {self._partial.name} is in the way, {what}",
            hint=f"remove {self._partial.name}, unless another user is writing there right now",
        )

    def _wait_for_lock(self, descriptor: int) -> None:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                remaining(f"{self._what}: waiting for another writer")
                time.sleep(_POLL_SECONDS)

    def _is_still_there(self, descriptor: int) -> bool:
        try:
            ours, there = os.fstat(descriptor), os.lstat(self._partial)
        except FileNotFoundError:
            return False
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)

    def _failed(self, error: OSError) -> TransportError:
        return TransportError(f"{self._what}: cannot be written ({error.strerror})")


def _is_private(status: os.stat_result) -> bool:
    """Whether no other user can write to this file: by its mode, or by another name of it."""
    return status.st_nlink == 1 and not stat.S_IMODE(status.st_mode) & 0o022


def _write_members(file: FileIO, source: MemberSource | None, members: Iterable[Member]) -> None:
    for member in members:
        assert source is not None
        with source.open(member) as chunks:
            _write_member(file, member.name, member.size, chunks)


def _write_member(file: FileIO, name: str, size: int, chunks: Iterable[bytes]) -> Member:
    header = tarfile.TarInfo(name)
    header.size = size
    _write(file, header.tobuf(tarfile.PAX_FORMAT))
    offset = file.tell()
    for chunk in chunks:
        _write(file, chunk)
    _write(file, bytes(-size % BLOCK_BYTES))
    return Member(name, offset, size)


def _write(file: FileIO, content: bytes) -> None:
    """Writes all of it: one call may write less."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]


def _complete(file: FileIO, mode: int) -> None:
    _write(file, _END)
    os.fsync(file.fileno())
    os.fchmod(file.fileno(), mode)


def _pieces(descriptor: int, member: Member) -> Iterator[bytes]:
    at, end = member.offset, member.offset + member.size
    while at < end and (chunk := os.pread(descriptor, min(end - at, 256 * 1024), at)):
        at += len(chunk)
        yield chunk
