"""The members of a tar, read strictly: what could mean two things, or a place outside, is refused.

Spec: POSIX.1-2017 pax (ustar and extended headers), GNU tar's long names and base-256 numbers. Nothing is ever written
to disk under a member's name, and no content is kept (CVE-2024-24579, GHSA-qmmc-jppf-32wv).
"""

from __future__ import annotations

from typing import NoReturn, Protocol

from msgspec import Struct, field

from imagesig import limits
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.text import quote

BLOCK_BYTES = 512
_REGULAR, _DIRECTORY, _SYMLINK = b"0\0", b"5", b"2"
_PAX, _GLOBAL_PAX, _GNU_NAME = b"x", b"g", b"L"
_REFUSED = {
    b"1": "a hard link",
    b"3": "a device",
    b"4": "a device",
    b"6": "a pipe",
    b"K": "a link with a long name",
    b"S": "a sparse file",
}


class Readable(Protocol):
    """Where a tar comes from, in order."""

    def read(self, size: int) -> bytes:
        """So many bytes; fewer only at the end."""
        ...

    def skip(self, size: int) -> bool:
        """Passes over so many bytes; False if there are fewer."""
        ...

    def tell(self) -> int: ...


class Member(Struct, frozen=True):
    """One regular file: its content is `size` bytes from `offset` of the (decompressed) archive."""

    name: str
    offset: int
    size: int


class Members(Struct):
    """What is in a tar. `links` are symbolic links as they stand, only where those are let in. `end` is where the last
    whole member ends; `complete` says that the end was marked or is the end of the file."""

    files: dict[str, Member] = field(default_factory=dict)
    directories: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    end: int = 0
    complete: bool = True


class _Extended(Struct):
    """What extended headers say of the next member."""

    name: str = ""
    size: int = -1


def read_members(source: Readable, what: str, *, links: bool = False, interrupted: bool = False) -> Members:
    """Every member, none of their content.

    `links` lets symbolic links in, without following them. `interrupted` returns what came before the file breaks off.

    Raises:
        MalformedError: no tar, or one with a member that is refused.
        LimitExceeded: more members or larger headers than `imagesig.limits` allows.
    """
    found = Members()
    extended = _Extended()
    while True:
        header = source.read(BLOCK_BYTES)
        if not header.strip(b"\0"):
            return found
        if len(header) < BLOCK_BYTES:
            return _broken_off(found, what, interrupted=interrupted)
        kind, size = _check(header, what), _number(header[124:136], what)
        if kind in (_PAX, _GLOBAL_PAX, _GNU_NAME):
            text = _header_text(source, size, what)
            if text is None:
                return _broken_off(found, what, interrupted=interrupted)
            if kind == _PAX:
                _read_pax(text, extended, what)
            elif kind == _GNU_NAME:
                extended.name = _decoded(text.rstrip(b"\0"), what)
            continue
        if extended.size >= 0:
            size = extended.size
        name = _safe_name(extended.name or _ustar_name(header, what), what)
        extended = _Extended()
        if kind == _DIRECTORY or not name:
            found.directories.append(name)
            size = 0
        elif kind == _SYMLINK and links:
            found.links[name] = _decoded(header[157:257].partition(b"\0")[0], what)
            size = 0
        elif kind not in (b"0", b"\0", b"7"):
            _refuse(what, name, _REFUSED.get(kind, "a symbolic link" if kind == _SYMLINK else f"of type {kind!r}"))
        else:
            if name in found.files or name in found.links:
                _refuse(what, name, "there twice")
            found.files[name] = Member(name, source.tell(), size)
        if len(found.files) + len(found.directories) + len(found.links) > limits.ARCHIVE_MEMBERS:
            raise LimitExceeded(f"{what}: more than {limits.ARCHIVE_MEMBERS} members")
        if not source.skip(size + -size % BLOCK_BYTES):
            found.files.pop(name, None)
            return _broken_off(found, what, interrupted=interrupted)
        found.end = source.tell()


def _broken_off(found: Members, what: str, *, interrupted: bool) -> Members:
    if not interrupted:
        raise MalformedError(f"{what}: breaks off after {len(found.files)} members")
    found.complete = False
    return found


def _check(header: bytes, what: str) -> bytes:
    """The type of a header that is one."""
    total = sum(header[:148]) + 8 * 0x20 + sum(header[156:])
    if _number(header[148:156], what) != total:
        raise MalformedError(f"{what}: no tar, or a damaged one: a header has another checksum")
    return header[156:157]


def _number(field_bytes: bytes, what: str) -> int:
    """Octal digits, or GNU's base-256 for what does not fit into them."""
    if field_bytes[0] == 0x80:
        value = int.from_bytes(field_bytes[1:], "big")
        if value >= 2**63:
            raise LimitExceeded(f"{what}: a member larger than any file")
        return value
    digits = field_bytes.strip(b" \0")
    if not digits:
        return 0
    if digits.strip(b"01234567"):
        raise MalformedError(f"{what}: no tar, or a damaged one: {quote(field_bytes)} is no number")
    return int(digits, 8)


def _header_text(source: Readable, size: int, what: str) -> bytes | None:
    if size > limits.ARCHIVE_HEADER_BYTES:
        raise LimitExceeded(
            f"{what}: an extended header of {size} bytes, at most {limits.ARCHIVE_HEADER_BYTES} are read"
        )
    text = source.read(size)
    return text if len(text) == size and source.skip(-size % BLOCK_BYTES) else None


def _read_pax(text: bytes, extended: _Extended, what: str) -> None:
    at = 0
    while at < len(text):
        digits, space, _ = text[at : at + 8].partition(b" ")
        if not space or not digits.isdigit():
            raise MalformedError(f"{what}: an extended header that is none")
        end = at + int(digits)
        keyword, equals, value = text[at + len(digits) + 1 : end - 1].partition(b"=")
        if not equals or end > len(text) or text[end - 1 : end] != b"\n":
            raise MalformedError(f"{what}: an extended header that is none")
        if keyword == b"path":
            extended.name = _decoded(value, what)
        elif keyword == b"size":
            if not value.isdigit() or len(value) > 18:
                raise MalformedError(f"{what}: an extended header with the size {quote(value)}")
            extended.size = int(value)
        elif keyword.startswith(b"GNU.sparse"):
            _refuse(what, extended.name, "a sparse file")
        elif keyword == b"linkpath":
            _refuse(what, extended.name, "a link with a long name")
        at = end


def _ustar_name(header: bytes, what: str) -> str:
    name = header[:100].partition(b"\0")[0]
    prefix = header[345:500].partition(b"\0")[0] if header[257:263] == b"ustar\0" else b""
    return _decoded(prefix + b"/" + name if prefix else name, what)


def _decoded(text: bytes, what: str) -> str:
    if len(text) > limits.ARCHIVE_NAME_BYTES:
        raise LimitExceeded(f"{what}: a name of {len(text)} bytes, at most {limits.ARCHIVE_NAME_BYTES} are read")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError(f"{what}: a name that is not UTF-8, {quote(text)}") from None


def _safe_name(name: str, what: str) -> str:
    """The name without `./` and a directory's slash; empty for the archive's own root."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name or "\\" in name:
        _refuse(what, name, "outside the archive")
    return "/".join(parts)


def _refuse(what: str, name: str, why: str) -> NoReturn:
    raise MalformedError(f"{what}: the member {quote(name)} is {why}; archives with such members are not read")
