"""Archives in gzip that attack: bombs, and bytes between and after their parts."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator

from imagesig.testing.hostile.homes.home import BAD, Home
from imagesig.testing.hostile.homes.tars import (
    BOMB,
    END,
    NO_ARCHIVE,
    archive_of,
    header,
    hostile_archive,
    member,
    members,
)
from imagesig.testing.hostile.kinds import MIB, HomeScript


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
    """64 MiB of zeros between two gzip members, which readers skip."""
    yield gzip.compress(members(home.files()))
    for _ in range(64):
        yield bytes(MIB)
    yield gzip.compress(END)


def gzipped(change: Callable[[bytes], bytes]) -> HomeScript:
    return archive_of(lambda home: (change(members(home.files()) + END),))


def with_extra(content: bytes) -> bytes:
    packed = gzip.compress(content)
    return packed[:3] + b"\x04" + packed[4:10] + b"\xff\xff" + bytes(65535) + packed[10:]


GZIPS = [
    hostile_archive("gzip-of-zeros", "A gzip of 8 MB unpacks to 8 GiB of zeros.", archive_of(zeros), BOMB, waits=True),
    hostile_archive(
        "gzip-of-documents", "A gzip unpacks to 40 documents of 4 MiB.", archive_of(documents), BOMB, harmless=True
    ),
    hostile_archive(
        "gzip-of-empty-members",
        "A gzip has 400,000 parts that hold nothing.",
        archive_of(empty_members),
        BOMB,
        harmless=True,
        waits=True,
    ),
    hostile_archive(
        "gzip-of-a-long-name",
        "A gzip's header has a file name of 48 MiB.",
        archive_of(long_name),
        BOMB,
        harmless=True,
        waits=True,
    ),
    hostile_archive(
        "gzip-of-zero-padding",
        "A gzip has 64 MiB of zeros between its parts.",
        archive_of(zero_padding),
        BOMB,
        harmless=True,
        waits=True,
    ),
    hostile_archive(
        "gzip-of-gzip", "A gzip holds another gzip.", gzipped(lambda content: gzip.compress(gzip.compress(content)))
    ),
    hostile_archive("gzip-breaks-off", "A gzip breaks off.", gzipped(lambda content: gzip.compress(content)[:-20])),
    hostile_archive(
        "gzip-checksum",
        "A gzip has a wrong checksum.",
        gzipped(lambda content: gzip.compress(content)[:-8] + b"\xff" * 8),
        BAD,
        harmless=True,
    ),
    hostile_archive("gzip-extra", "A gzip has the largest extra field.", gzipped(with_extra), BAD, harmless=True),
    hostile_archive(
        "gzip-garbage",
        "Other bytes lie behind a gzip.",
        gzipped(lambda content: gzip.compress(content) + b"x" * 999),
        BAD,
        harmless=True,
    ),
    hostile_archive("gzip-of-nothing", "A gzip holds nothing.", gzipped(lambda _c: gzip.compress(b"")), NO_ARCHIVE),
]
