"""Makers of tar files that no honest program writes."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

from imagesig.errors import DeadlineExceeded, InvalidArgument, MalformedError, TransportError
from imagesig.testing.hostile.homes.home import BAD, Home
from imagesig.testing.hostile.kinds import Errors, HomeHostility, HomeScript, MadeHome

END = bytes(1024)
BOMB: Errors = (MalformedError, DeadlineExceeded)
NO_ARCHIVE: Errors = (MalformedError, InvalidArgument, TransportError)


def header(name: str, kind: bytes = b"0", size: int = 0, link: str = "") -> bytes:
    """One header of a tar, of any type."""
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
    """A good archive with other members before or after it."""
    return archive_of(lambda home: (before + members(home.files()) + after + end,))


def archive_of(make: Callable[[Home], Iterable[bytes]], form: str = "oci-archive", target: str = ":1.0") -> HomeScript:
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

    return archive_of(make)


def blob_name(home: Home) -> str:
    return f"blobs/sha256/{home.blob.name}"


def empty_file(number: int) -> bytes:
    """The header of an empty file, several times as fast as `header`."""
    name = b"blobs/sha256/%064x" % number
    fields = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"00000000000\0" * 2
    rest = b"0" + bytes(100) + b"ustar\x0000" + bytes(247)
    check = sum(fields) + 8 * 32 + sum(rest)
    return fields + b"%06o\0 " % check + rest


def hostile_archive(
    name: str,
    sentence: str,
    script: HomeScript,
    expected: Errors = BAD,
    *,
    harmless: bool = False,
    waits: bool = False,
) -> HomeHostility:
    return HomeHostility(f"archive-{name}", sentence, script, expected, harmless, waits)


INDEX_TWIN = b'{"schemaVersion":2,"manifests":[]}'
"""An `index.json` without images."""
