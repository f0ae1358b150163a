"""Makers of tar and gzip files that no honest program writes."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from imagesig.errors import (
    DeadlineExceeded,
    ImagesigError,
    InvalidArgument,
    MalformedError,
    TransportError,
)
from imagesig.testing.hostile.ground import Home
from imagesig.testing.hostile.kinds import HomeScript, MadeHome

Errors = tuple[type[ImagesigError], ...]
MIB = 1024 * 1024
END = bytes(1024)
BAD: Errors = (MalformedError,)
BOMB: Errors = (MalformedError, DeadlineExceeded)
NO_ARCHIVE: Errors = (MalformedError, InvalidArgument, TransportError)


def header(name: str, kind: bytes = b"0", size: int = 0, link: str = "") -> bytes:
    """One header of a tar, of whatever type."""
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, link
    return member.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def member(name: str, content: bytes) -> bytes:
    return header(name, size=len(content)) + padded(content)


def members(files: Iterable[tuple[str, bytes]]) -> bytes:
    return b"".join(member(name, content) for name, content in files)


def pax(records: bytes, kind: bytes = b"x") -> bytes:
    return header("pax", kind, len(records)) + padded(records)


def record(name: bytes, value: bytes) -> bytes:
    body = b" " + name + b"=" + value + b"\n"
    length = len(body) + 1
    while len(b"%d" % length) + len(body) != length:
        length += 1
    return b"%d" % length + body


def around(before: bytes = b"", after: bytes = b"", *, end: bytes = END) -> HomeScript:
    """A good archive with other members before or behind it."""
    return written(lambda home: (before + members(home.files()) + after + end,))


def written(make: Callable[[Home], Iterable[bytes]], form: str = "oci-archive", target: str = ":1.0") -> HomeScript:
    def script(folder: Path) -> MadeHome:
        home = Home(folder)
        path = folder / "image.tar"
        with path.open("wb") as file:
            file.writelines(make(home))
        return home.made(f"{form}:{path}{target}")

    return script


def changed(change: Callable[[dict[str, bytes], Home], object]) -> HomeScript:
    """A good archive whose files are changed by name."""

    def make(home: Home) -> Iterable[bytes]:
        files = dict(home.files())
        change(files, home)
        return (members(files.items()), END)

    return written(make)


def blob_name(home: Home) -> str:
    return f"blobs/sha256/{home.blob.name}"


# --- gzip ------------------------------------------------------------------------------------------------------------


def zeros(home: Home) -> Iterator[bytes]:
    """A member of 8 GiB of zeros, in gzip members of 4 MiB each: 8 MB."""
    yield gzip.compress(header("zeros", size=8 * 1024**3))
    one = gzip.compress(bytes(4 * MIB), 9)
    for _ in range(2048):
        yield one
    yield gzip.compress(members(home.files()) + END)


def documents(home: Home) -> Iterator[bytes]:
    """40 documents of 4 MiB, one gzip member each."""
    document = b"[" + b" " * (4 * MIB - 2) + b"]"
    yield gzip.compress(members(home.files()))
    for number in range(40):
        yield gzip.compress(member(f"blobs/sha256/{number:064x}", document), 1)
    yield gzip.compress(END)


def empty_members(home: Home) -> Iterator[bytes]:
    """400,000 gzip members that hold nothing."""
    yield gzip.compress(members(home.files()))
    empty = gzip.compress(b"")
    for _ in range(100):
        yield empty * 4000
    yield gzip.compress(END)


def long_name(home: Home) -> Iterator[bytes]:
    """A gzip header with a file name of 48 MiB."""
    yield b"\x1f\x8b\x08\x08\0\0\0\0\0\xff"
    for _ in range(48):
        yield b"a" * MIB
    yield b"\0"
    packed = zlib.compressobj(wbits=-15)
    content = members(home.files()) + END
    yield packed.compress(content) + packed.flush()
    yield zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")


def zero_padding(home: Home) -> Iterator[bytes]:
    """64 MiB of zeros between two gzip members, which readers pass over."""
    yield gzip.compress(members(home.files()))
    for _ in range(64):
        yield bytes(MIB)
    yield gzip.compress(END)


def gzipped(change: Callable[[bytes], bytes]) -> HomeScript:
    return written(lambda home: (change(members(home.files()) + END),))


def with_extra(content: bytes) -> bytes:
    packed = gzip.compress(content)
    return packed[:3] + b"\x04" + packed[4:10] + b"\xff\xff" + bytes(65535) + packed[10:]


# --- members ---------------------------------------------------------------------------------------------------------


def by_number(count: int, make: Callable[[int], bytes]) -> Callable[[Home], Iterable[bytes]]:
    def parts(home: Home) -> Iterator[bytes]:
        yield members(home.files())
        for number in range(count):
            yield make(number)
        yield END

    return parts


def empty_file(number: int) -> bytes:
    """As `header`, several times as fast."""
    name = b"blobs/sha256/%064x" % number
    fields = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"00000000000\0" * 2
    rest = b"0" + bytes(100) + b"ustar\x0000" + bytes(247)
    check = sum(fields) + 8 * 32 + sum(rest)
    return fields + b"%06o\0 " % check + rest


SIZES = {
    "huge": header("x", size=0)[:124] + b"\x80" + b"\xff" * 11,
    "negative": header("x", size=0)[:124] + b"\xff" * 12,
    "no-number": header("x", size=0)[:124] + b"zzzzzzzzzzz\0",
    "octal-8-gib": header("x", size=0)[:124] + b"77777777777\0",
}


def checked(start: bytes) -> bytes:
    """A header that begins so, with a right checksum."""
    whole = start + header("x")[len(start) :]
    check = sum(whole[:148]) + 8 * 32 + sum(whole[156:])
    return whole[:148] + b"%06o\0 " % check + whole[156:]
