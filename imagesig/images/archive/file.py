"""A tar file, plain or compressed with gzip, read in place: nothing is extracted, and memory use is constant."""

from __future__ import annotations

import gzip
import io
import os
import stat
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from imagesig import limits
from imagesig.deadlines import remaining
from imagesig.errors import ImagesigError, InvalidArgument, LimitExceeded, MalformedError, TransportError
from imagesig.images.archive.members import Member, Members, Readable, read_members
from imagesig.images.stream import CHUNK_BYTES

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_GZIP = b"\x1f\x8b"
_OTHERS = {b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zX": "xz", b"BZh": "bzip2"}
_KEPT_BYTES = 6 * 1024 * 1024
"""Bytes of small documents of a compressed archive that are kept: going back means decompressing from the start."""


class ArchiveFile:
    """One version of an archive. It stays readable and unchanged when another version replaces it. Thread-safe."""

    def __init__(self, path: Path, what: str, *, links: bool = False, interrupted: bool = False) -> None:
        self._what = what
        try:
            # Not blocking: the path may be a pipe.
            self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise InvalidArgument(f"{what}: there is no such file", hint="check the path") from None
        except OSError as error:
            raise TransportError(f"{what}: cannot be opened ({error.strerror})") from error
        weakref.finalize(self, os.close, self.descriptor)
        status = os.fstat(self.descriptor)
        if not stat.S_ISREG(status.st_mode):
            hint = "write oci:DIRECTORY for a layout that is a directory" if stat.S_ISDIR(status.st_mode) else ""
            raise InvalidArgument(f"{what}: is not a regular file", hint=hint)
        self.mode = stat.S_IMODE(status.st_mode)
        magic = _Plain(self.descriptor, 0).read(4)
        for start, name in _OTHERS.items():
            if magic.startswith(start):
                raise InvalidArgument(
                    f"{what}: is compressed with {name}, but only plain tar and gzip are supported; decompress it"
                )
        self.compressed = magic.startswith(_GZIP)
        self._kept: dict[str, bytes] = {}
        self.members: Members = self._scan(status.st_size, links=links, interrupted=interrupted)

    def read(self, member: Member, most: int) -> bytes:
        """The content of a member. Raises `LimitExceeded` for more than `most` bytes."""
        if member.size > most:
            raise LimitExceeded(f"{self._what}: {member.name} has {member.size} bytes, at most {most} are read")
        if member.name in self._kept:
            return self._kept[member.name]
        if not self.compressed and member.size <= CHUNK_BYTES:
            return next(self._pieces(_Plain(self.descriptor, member.offset), member), b"")
        with self.open(member) as chunks:
            return b"".join(chunks)

    def starts_with(self, member: Member, start: bytes) -> bool:
        """Whether a member starts with these bytes. In a compressed archive: whether it is a document that was kept."""
        if self.compressed:
            return member.name in self._kept
        return _Plain(self.descriptor, member.offset).read(len(start)) == start

    @contextmanager
    def open(self, member: Member) -> Iterator[Iterator[bytes]]:
        """The content of a member, in pieces."""
        if not self.compressed:
            yield self._pieces(_Plain(self.descriptor, member.offset), member)
            return
        with self._decompressed() as source:
            if not source.skip(member.offset):
                raise MalformedError(f"{self._what}: {member.name} breaks off")
            yield self._pieces(source, member)

    def _pieces(self, source: Readable, member: Member) -> Iterator[bytes]:
        left = member.size
        while left:
            remaining(f"{self._what}: {member.name}")
            chunk = source.read(min(left, CHUNK_BYTES))
            if not chunk:
                raise MalformedError(f"{self._what}: {member.name} breaks off")
            left -= len(chunk)
            yield chunk

    def _scan(self, size: int, *, links: bool, interrupted: bool) -> Members:
        if not self.compressed:
            return read_members(_Plain(self.descriptor, 0, size), self._what, links=links, interrupted=interrupted)
        with self._decompressed() as source:
            members = read_members(source, self._what, links=links)
            source.read_to_end()
        self._keep_documents(sorted(members.files.values(), key=lambda member: member.offset))
        return members

    @contextmanager
    def _decompressed(self) -> Iterator[_Compressed]:
        """One pass over a compressed archive, from its start."""
        most = max(limits.ARCHIVE_UNPACKED_FREE_BYTES, limits.ARCHIVE_RATIO * os.fstat(self.descriptor).st_size)
        with (
            io.BufferedReader(_FromStart(self.descriptor, self._what)) as raw,
            gzip.GzipFile(fileobj=raw, mode="rb") as file,
        ):
            yield _Compressed(file, self._what, min(most, limits.ARCHIVE_UNPACKED_BYTES))

    def _keep_documents(self, members: list[Member]) -> None:
        left = _KEPT_BYTES
        with self._decompressed() as source:
            for member in members:
                if not 0 < member.size <= min(left, limits.MANIFEST_BYTES):
                    continue
                source.skip(member.offset - source.tell())
                content = source.read(member.size)
                if content[:1] in (b"{", b"["):
                    self._kept[member.name] = content
                    left -= member.size


class _Plain:
    def __init__(self, descriptor: int, offset: int, size: int = -1) -> None:
        self._descriptor, self._at, self._size = descriptor, offset, size

    def read(self, size: int) -> bytes:
        try:
            content = os.pread(self._descriptor, size, self._at)
        except OSError as error:
            raise TransportError(f"archive: cannot be read ({error.strerror})") from error
        self._at += len(content)
        return content

    def skip(self, size: int) -> bool:
        self._at += size
        return self._at <= self._size

    def tell(self) -> int:
        return self._at


class _Compressed:
    def __init__(self, file: gzip.GzipFile, what: str, most: int) -> None:
        self._file, self._what, self._most = file, what, most

    def read(self, size: int) -> bytes:
        remaining(self._what)
        if self._file.tell() + size > self._most:
            raise LimitExceeded(
                f"{self._what}: unpacks to more than {self._most} bytes, far more than images of its size",
                hint="decompress it with gunzip and name the plain tar",
            )
        try:
            return self._file.read(size)
        except ImagesigError:
            raise  # DeadlineExceeded is an OSError too
        except (OSError, EOFError, zlib.error) as error:
            raise MalformedError(f"{self._what}: cannot be decompressed ({error})") from error

    def skip(self, size: int) -> bool:
        while size > 0:
            chunk = self.read(min(size, CHUNK_BYTES))
            if not chunk:
                return False
            size -= len(chunk)
        return True

    def read_to_end(self) -> None:
        """Compares all bytes with the checksum and length that end the file. Raises `MalformedError` if they differ."""
        while self.read(CHUNK_BYTES):
            pass

    def tell(self) -> int:
        return self._file.tell()


class _FromStart(io.RawIOBase):
    """The file from its start, with its own position."""

    def __init__(self, descriptor: int, what: str) -> None:
        super().__init__()
        self._source, self._what = _Plain(descriptor, 0), what

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        # `gzip` skips names, empty parts and padding of any length before it gives a byte.
        remaining(self._what)
        view = memoryview(buffer)
        content = self._source.read(len(view))
        view[: len(content)] = content
        return len(content)
