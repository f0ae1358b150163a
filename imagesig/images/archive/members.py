"""The members of a tar, read strictly: names outside of it, and members that readers read differently, are refused.

Spec: POSIX.1-2017 pax (ustar and extended headers), GNU tar's long names and base-256 numbers; for the rest
Go's archive/tar, which skopeo, podman and Docker use. Nothing is ever written to disk under a member's name,
and no content is kept (CVE-2024-24579, GHSA-qmmc-jppf-32wv).
"""

from __future__ import annotations

from typing import NoReturn, Protocol

from msgspec import Struct, field

from imagesig import limits
from imagesig.deadlines import remaining
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.images.archive.header import BLOCK_BYTES, Header, parse_header
from imagesig.images.archive.names import Names, safe_name
from imagesig.images.archive.pax import Extended, parse_extended, parse_global
from imagesig.text import quote

_DIRECTORY, _SYMLINK = b"5", b"2"
_PAX, _GLOBAL_PAX, _GNU_NAME = b"x", b"g", b"L"
_REFUSED = {
    b"1": "a hard link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"7": "a contiguous file",
    b"K": "a link with a long name",
    b"S": "a sparse file",
}


class Readable(Protocol):
    """A source of a tar that is read in order."""

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer only at the end."""
        ...

    def skip(self, size: int) -> bool:
        """Skips `size` bytes; False if there are fewer."""
        ...

    def tell(self) -> int: ...


class Member(Struct, frozen=True):
    """One regular file: its content is `size` bytes from `offset` of the (decompressed) archive."""

    name: str
    offset: int
    size: int


class Members(Struct):
    """The members of a tar. `links` are symbolic links, if they are allowed. `end` is the offset after the last
    complete member; `complete` says that the archive does not break off."""

    files: dict[str, Member] = field(default_factory=dict)
    directories: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    end: int = 0
    complete: bool = True


class _BrokenOff(Exception):
    """The file ends inside a member."""


def read_members(source: Readable, what: str, *, links: bool = False, interrupted: bool = False) -> Members:
    """Every member, without reading contents.

    `links` allows symbolic links, which are not followed. `interrupted` returns the members of a file that breaks off.

    Raises:
        MalformedError: not a tar, or one with a member that is refused.
        LimitExceeded: more members or larger headers than `imagesig.limits` allows.
        DeadlineExceeded: the deadline passed.
    """
    reader = _Reader(source, what, links=links)
    try:
        while reader.next_member():
            pass
    except _BrokenOff:
        if not interrupted:
            raise MalformedError(f"{what}: breaks off after {len(reader.found.files)} members") from None
        reader.found.complete = False
    return reader.found


class _Reader:
    """One pass over the headers. A member has at most one extended header, directly before it."""

    def __init__(self, source: Readable, what: str, *, links: bool) -> None:
        self.found = Members()
        self._source, self._what, self._links = source, what, links
        self._names = Names(what)

    def next_member(self) -> bool:
        """Adds the next member; False at the end."""
        remaining(self._what)
        header = self._header()
        if header is None:
            return False
        if header.kind == _GLOBAL_PAX:
            parse_global(self._text(header), header.name, self._what)
            self._names.add_other(header.name)
            return True
        extended = None
        if header.kind in (_PAX, _GNU_NAME):
            text = self._text(header)
            extended = parse_extended(text, self._what) if header.kind == _PAX else self._long_name(text)
            header = self._header()
            if header is None or header.kind in (_PAX, _GNU_NAME, _GLOBAL_PAX):
                raise MalformedError(f"{self._what}: an extended header without a member after it")
        self._add(header, extended or Extended())
        return True

    def _header(self) -> Header | None:
        """The next header; None at the end, which is two blocks of zeros or the end of the file."""
        block = self._block()
        if not block:
            return None
        if block.strip(b"\0"):
            return parse_header(block, self._what)
        if self._block().strip(b"\0"):
            raise MalformedError(f"{self._what}: one block of zeros among the members: readers disagree")
        return None

    def _block(self) -> bytes:
        """A complete block; empty at the end of the file."""
        block = self._source.read(BLOCK_BYTES)
        if block and len(block) < BLOCK_BYTES:
            raise _BrokenOff
        return block

    def _text(self, header: Header) -> bytes:
        if header.size > limits.ARCHIVE_HEADER_BYTES:
            raise LimitExceeded(
                f"{self._what}: an extended header of {header.size} bytes, "
                f"at most {limits.ARCHIVE_HEADER_BYTES} are read"
            )
        text = self._source.read(header.size)
        if len(text) < header.size or not self._source.skip(-header.size % BLOCK_BYTES):
            raise _BrokenOff
        return text

    def _long_name(self, text: bytes) -> Extended:
        """The name in a header of GNU tar, which ends with NULs."""
        name = text.rstrip(b"\0")
        if not name or b"\0" in name:
            raise MalformedError(f"{self._what}: a long name that is empty or has NULs inside: readers disagree")
        return Extended(name)

    def _add(self, header: Header, extended: Extended) -> None:
        written = extended.name or header.name
        name = safe_name(written, self._what)
        size = self._size(header, extended, name)
        if header.kind not in _MODE_KINDS:
            self._refuse(name, _REFUSED.get(header.kind, f"of type {quote(header.kind)}"))
        if header.kind == _SYMLINK and not self._links:
            self._refuse(name, "a symbolic link")
        if header.kind != _DIRECTORY and (not name or written.endswith((b"/", b"/."))):
            self._refuse(name, "a file with the name of a directory")
        if header.kind in (_DIRECTORY, _SYMLINK) and size:
            self._refuse(name, "a directory or a link with content")
        if header.mode_kind not in _MODE_KINDS[header.kind]:
            self._refuse(name, "of one type by its header and of another by its mode")
        self._add_found(header, name, size)

    def _add_found(self, header: Header, name: str, size: int) -> None:
        found = self.found
        if header.kind == _DIRECTORY:
            self._names.add_directory(name)
            found.directories.append(name)
        elif header.kind == _SYMLINK:
            self._names.add_file(name)
            found.links[name] = self._link(header, name)
        else:
            self._names.add_file(name)
            found.files[name] = Member(name, self._source.tell(), size)
        if len(found.files) + len(found.directories) + len(found.links) > limits.ARCHIVE_MEMBERS:
            raise LimitExceeded(f"{self._what}: more than {limits.ARCHIVE_MEMBERS} members")
        if not self._source.skip(size + -size % BLOCK_BYTES):
            found.files.pop(name, None)
            raise _BrokenOff
        found.end = self._source.tell()

    def _size(self, header: Header, extended: Extended, name: str) -> int:
        if extended.size is None:
            return header.size
        if header.size not in (0, extended.size, _LARGEST_OCTAL):
            self._refuse(name, "of two sizes")
        return extended.size

    def _link(self, header: Header, name: str) -> str:
        try:
            return header.link.decode()
        except UnicodeDecodeError:
            self._refuse(name, "a link to a name that is not UTF-8")

    def _refuse(self, name: str, why: str) -> NoReturn:
        raise MalformedError(
            f"{self._what}: the member {quote(name)} is {why}; archives with such members are not read"
        )


_LARGEST_OCTAL = 8**11 - 1
"""The size that libarchive writes in a header whose real size is in the extended header before it."""
_MODE_KINDS = {b"0": (0, 0o100000), b"\0": (0, 0o100000), _DIRECTORY: (0, 0o040000), _SYMLINK: (0, 0o120000)}
"""File types that the mode of a member may have. Go's FileInfo prefers them to the type of the header."""
