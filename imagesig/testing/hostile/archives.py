"""Archives that attack whoever reads them: tar and gzip bombs, members that are none, two descriptions."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from imagesig.errors import (
    DeadlineExceeded,
    ImagesigError,
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    NoSignatureAccepted,
    NoSignatures,
    NotFound,
    SignaturesUnsupported,
    TransportError,
)
from imagesig.testing.hostile.ground import Home, again_and_again
from imagesig.testing.hostile.kinds import HomeHostility, HomeScript, MadeHome

Errors = tuple[type[ImagesigError], ...]
MIB = 1024 * 1024
_END = bytes(1024)
_BAD: Errors = (MalformedError,)
_BOMB: Errors = (MalformedError, DeadlineExceeded)
_NO_ARCHIVE: Errors = (MalformedError, InvalidArgument, TransportError)


def header(name: str, kind: bytes = b"0", size: int = 0, link: str = "") -> bytes:
    """One header of a tar, of whatever type."""
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, link
    return member.tobuf(tarfile.GNU_FORMAT)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def _member(name: str, content: bytes) -> bytes:
    return header(name, size=len(content)) + _padded(content)


def _members(files: Iterable[tuple[str, bytes]]) -> bytes:
    return b"".join(_member(name, content) for name, content in files)


def _pax(records: bytes, kind: bytes = b"x") -> bytes:
    return header("pax", kind, len(records)) + _padded(records)


def _record(name: bytes, value: bytes) -> bytes:
    body = b" " + name + b"=" + value + b"\n"
    length = len(body) + 1
    while len(b"%d" % length) + len(body) != length:
        length += 1
    return b"%d" % length + body


def _around(before: bytes = b"", after: bytes = b"", *, end: bytes = _END) -> HomeScript:
    """A good archive with other members before or behind it."""
    return _written(lambda home: (before + _members(home.files()) + after + end,))


def _written(make: Callable[[Home], Iterable[bytes]], form: str = "oci-archive", target: str = ":1.0") -> HomeScript:
    def script(folder: Path) -> MadeHome:
        home = Home(folder)
        path = folder / "image.tar"
        with path.open("wb") as file:
            file.writelines(make(home))
        return home.made(f"{form}:{path}{target}")

    return script


def _changed(change: Callable[[dict[str, bytes], Home], object]) -> HomeScript:
    """A good archive whose files are changed by name."""

    def make(home: Home) -> Iterable[bytes]:
        files = dict(home.files())
        change(files, home)
        return (_members(files.items()), _END)

    return _written(make)


def _blob(home: Home) -> str:
    return f"blobs/sha256/{home.blob.name}"


# --- gzip ------------------------------------------------------------------------------------------------------------


def _zeros(home: Home) -> Iterator[bytes]:
    """A member of 8 GiB of zeros, in gzip members of 4 MiB each: 8 MB."""
    yield gzip.compress(header("zeros", size=8 * 1024**3))
    one = gzip.compress(bytes(4 * MIB), 9)
    for _ in range(2048):
        yield one
    yield gzip.compress(_members(home.files()) + _END)


def _documents(home: Home) -> Iterator[bytes]:
    """40 documents of 4 MiB, one gzip member each."""
    document = b"[" + b" " * (4 * MIB - 2) + b"]"
    yield gzip.compress(_members(home.files()))
    for number in range(40):
        yield gzip.compress(_member(f"blobs/sha256/{number:064x}", document), 1)
    yield gzip.compress(_END)


def _empty_members(home: Home) -> Iterator[bytes]:
    """400,000 gzip members that hold nothing."""
    yield gzip.compress(_members(home.files()))
    empty = gzip.compress(b"")
    for _ in range(100):
        yield empty * 4000
    yield gzip.compress(_END)


def _long_name(home: Home) -> Iterator[bytes]:
    """A gzip header with a file name of 48 MiB."""
    yield b"\x1f\x8b\x08\x08\0\0\0\0\0\xff"
    for _ in range(48):
        yield b"a" * MIB
    yield b"\0"
    packed = zlib.compressobj(wbits=-15)
    content = _members(home.files()) + _END
    yield packed.compress(content) + packed.flush()
    yield zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")


def _zero_padding(home: Home) -> Iterator[bytes]:
    """64 MiB of zeros between two gzip members, which readers pass over."""
    yield gzip.compress(_members(home.files()))
    for _ in range(64):
        yield bytes(MIB)
    yield gzip.compress(_END)


def _gzipped(change: Callable[[bytes], bytes]) -> HomeScript:
    return _written(lambda home: (change(_members(home.files()) + _END),))


def _with_extra(content: bytes) -> bytes:
    packed = gzip.compress(content)
    return packed[:3] + b"\x04" + packed[4:10] + b"\xff\xff" + bytes(65535) + packed[10:]


# --- members ---------------------------------------------------------------------------------------------------------


def _by_number(count: int, make: Callable[[int], bytes]) -> Callable[[Home], Iterable[bytes]]:
    def parts(home: Home) -> Iterator[bytes]:
        yield _members(home.files())
        for number in range(count):
            yield make(number)
        yield _END

    return parts


def _empty_file(number: int) -> bytes:
    """As `header`, several times as fast."""
    name = b"blobs/sha256/%064x" % number
    fields = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"00000000000\0" * 2
    rest = b"0" + bytes(100) + b"ustar\x0000" + bytes(247)
    check = sum(fields) + 8 * 32 + sum(rest)
    return fields + b"%06o\0 " % check + rest


_SIZES = {
    "huge": header("x", size=0)[:124] + b"\x80" + b"\xff" * 11,
    "negative": header("x", size=0)[:124] + b"\xff" * 12,
    "no-number": header("x", size=0)[:124] + b"zzzzzzzzzzz\0",
    "octal-8-gib": header("x", size=0)[:124] + b"77777777777\0",
}


def _checked(start: bytes) -> bytes:
    """A header that begins so, with a right checksum."""
    whole = start + header("x")[len(start) :]
    check = sum(whole[:148]) + 8 * 32 + sum(whole[156:])
    return whole[:148] + b"%06o\0 " % check + whole[156:]


def _evil_description(files: dict[str, bytes], home: Home) -> None:
    """A `manifest.json` of Docker that names other layers."""
    config = files[f"blobs/sha256/{home.document()['config']['digest'].removeprefix('sha256:')}"]
    files["evil.json"] = config.replace(b"linux", b"linuz")
    files["manifest.json"] = json.dumps([{"Config": "evil.json", "RepoTags": ["a:1"], "Layers": []}]).encode()


def _old_docker(_home: Home) -> Iterable[bytes]:
    files = {"manifest.json": json.dumps([{"Config": "c.json", "RepoTags": ["a:1.0"], "Layers": []}]).encode(), "c.json": b'{"rootfs":{"type":"layers","diff_ids":[]}}'}
    return (_members(files.items()), _END)


# --- changes while it is read ----------------------------------------------------------------------------------------


def _moving(step: Callable[[Path, bytes], tuple[Callable[[], object], ...]]) -> HomeScript:
    def script(folder: Path) -> MadeHome:
        home = Home(folder)
        path = folder / "image.tar"
        content = _members(home.files()) + _END
        path.write_bytes(content)
        return home.made(f"oci-archive:{path}:1.0", again_and_again(*step(path, content)))

    return script


def _replacing(path: Path, content: bytes) -> tuple[Callable[[], object], ...]:
    aside = path.with_name("aside")

    def put(what: bytes) -> Callable[[], object]:
        return lambda: (aside.write_bytes(what), aside.replace(path))

    return put(content.swapcase()), put(content)


def _truncating(path: Path, content: bytes) -> tuple[Callable[[], object], ...]:
    return lambda: os.truncate(path, 1024), lambda: path.write_bytes(content)


def _growing(path: Path, _content: bytes) -> tuple[Callable[[], object], ...]:
    def grow() -> None:
        if path.stat().st_size < 64 * MIB:
            with path.open("ab") as file:
                file.write(_empty_file(path.stat().st_size) * 64)

    return (grow,)


def _special(make: Callable[[Path], object]) -> HomeScript:
    """Something else in the place of the archive."""

    def script(folder: Path) -> MadeHome:
        path = folder / "image.tar"
        make(path)
        return MadeHome(f"oci-archive:{path}:1.0", "")

    return script


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1024**4)


def _sparse_member(path: Path) -> None:
    with path.open("wb") as file:
        file.write(header("x", size=7 * 1024**3))
        file.truncate(1024**4)


def _item(name: str, sentence: str, script: HomeScript, expected: Errors = _BAD, *, harmless: bool = False, waits: bool = False) -> HomeHostility:
    return HomeHostility(f"archive-{name}", sentence, script, expected, harmless, waits)


def _tar_of_nothing() -> bytes:
    buffer = io.BytesIO()
    tarfile.open(fileobj=buffer, mode="w").close()
    return buffer.getvalue()


_INDEX_TWIN = b'{"schemaVersion":2,"manifests":[]}'
ARCHIVES = [
    _item("gzip-of-zeros", "A gzip of 8 MB unpacks to 8 GiB of zeros.", _written(_zeros), _BOMB, waits=True),
    _item("gzip-of-documents", "A gzip unpacks to 40 documents of 4 MiB.", _written(_documents), _BOMB, harmless=True),
    _item("gzip-of-empty-members", "A gzip has 400,000 parts that hold nothing.", _written(_empty_members), _BOMB, harmless=True),
    _item("gzip-of-a-long-name", "A gzip's header has a file name of 48 MiB.", _written(_long_name), _BOMB, harmless=True),
    _item("gzip-of-zero-padding", "A gzip has 64 MiB of zeros between its parts.", _written(_zero_padding), _BOMB, harmless=True),
    _item("gzip-of-gzip", "A gzip holds another gzip.", _gzipped(lambda content: gzip.compress(gzip.compress(content)))),
    _item("gzip-breaks-off", "A gzip breaks off.", _gzipped(lambda content: gzip.compress(content)[:-20])),
    _item("gzip-checksum", "A gzip has a wrong checksum.", _gzipped(lambda content: gzip.compress(content)[:-8] + b"\xff" * 8)),
    _item("gzip-extra", "A gzip has the largest extra field.", _gzipped(_with_extra), _BAD, harmless=True),
    _item("gzip-garbage", "Other bytes lie behind a gzip.", _gzipped(lambda content: gzip.compress(content) + b"x" * 999), _BAD, harmless=True),
    _item("gzip-of-nothing", "A gzip holds nothing.", _gzipped(lambda _c: gzip.compress(b"")), _NO_ARCHIVE),
    _item("100000-members", "A tar has 100,000 members.", _written(_by_number(100_000, _empty_file)), _BOMB),
    _item("49000-members", "A tar has nearly as many members as are read.", _written(_by_number(49_000, _empty_file)), _BOMB, harmless=True),
    _item("40000-folders", "A tar has 40,000 folders.", _written(_by_number(40_000, lambda n: header(f"d/{n}", b"5"))), _BOMB, harmless=True),
    _item("pax-flood", "A tar has 20,000 global headers.", _written(_by_number(20_000, lambda _n: _pax(_record(b"comment", b"x"), b"g"))), _BOMB, harmless=True),
    _item("pax-comments", "Members have extended headers of 60 KiB.", _written(_by_number(500, lambda n: _pax(_record(b"comment", b"x" * 60_000)) + header(f"f{n}"))), _BOMB, harmless=True),
    _item("pax-of-64-mib", "An extended header has 64 MiB.", _around(_pax(b"x" * 64 * MIB))),
    _item("pax-length-lies", "A record says another length than it has.", _around(_pax(b"99999 path=a\n") + header("x"))),
    _item("pax-length-long", "A record says a length of 5,000 digits.", _around(_pax(b"9" * 5000 + b" path=a\n") + header("x"))),
    _item("pax-size-huge", "An extended header says a size of 2^63.", _around(_pax(_record(b"size", b"9223372036854775808")) + header("x"))),
    _item("pax-size-negative", "An extended header says a size below zero.", _around(_pax(_record(b"size", b"-1")) + header("x"))),
    _item("pax-twice", "Two extended headers stand before one member.", _around(_pax(_record(b"path", b"a")) * 2 + header("x"))),
    _item("pax-renames-index", "An extended header gives another member the name index.json.", _around(after=_pax(_record(b"path", b"index.json")) + header("x", size=len(_INDEX_TWIN)) + _padded(_INDEX_TWIN))),
    _item("pax-global-renames", "A global header gives every member the same name.", _around(_pax(_record(b"path", b"index.json"), b"g"))),
    _item("long-name-of-64-mib", "A member has a name of 64 MiB.", _around(header("././@LongLink", b"L", 64 * MIB) + b"a" * 64 * MIB + header("x"))),
    _item("long-name-of-60-kib", "A member has a name of 60 KiB.", _around(header("././@LongLink", b"L", 60_000) + _padded(b"a" * 60_000) + header("x"))),
    _item("deep-name", "A member lies 1,500 folders deep.", _around(header("././@LongLink", b"L", 3000) + _padded(b"a/" * 1500) + header("x"))),
    *(_item(f"size-{name}", f"A member has a size that is wrong: {name}.", _around(_checked(start))) for name, start in _SIZES.items()),
    _item("checksum", "A header has a wrong checksum.", _around(header("x").replace(b"0000644", b"0000777"))),
    *(
        _item(f"member-{name}", f"A tar has {words}.", _around(header("x", kind, link="/etc/passwd")))
        for name, (kind, words) in {
            "hard-link": (b"1", "a hard link"), "link": (b"2", "a link"), "device": (b"3", "a device"), "block-device": (b"4", "a block device"), "fifo": (b"6", "a pipe"),
            "sparse": (b"S", "a sparse member"), "volume": (b"V", "a volume label"), "multi-volume": (b"M", "a part of a member"), "unknown": (b"!", "a member of an unknown kind"), "long-link": (b"K", "a link with a long name"),
        }.items()
    ),
    *(
        _item(f"name-{name}", f"A member's name is {words}.", _around(header(text)))
        for name, (text, words) in {
            "up": ("../../etc/passwd", "a path out of the archive"), "absolute": ("/etc/passwd", "absolute"), "line-break": ("a\nverified", "broken over lines"), "control": ("\x1b[2J", "of control characters"),
            "backslash": ("..\\..\\a", "a path of another system"), "dot-inside": ("blobs/./sha256/a", "written in an odd way"), "empty": ("", "empty"), "drive": ("C:\\a", "that of a drive"), "surrogate": ("a\udcff", "not UTF-8"),
        }.items()
        if name not in ("backslash", "drive", "line-break", "control")
    ),
    *(
        _item(f"name-{name}", f"A member's name is {words}.", _around(header(text)), harmless=True)
        for name, (text, words) in {"line-break": ("a\nverified", "broken over lines"), "control": ("\x1b[2J", "of control characters"), "backslash": ("..\\..\\a", "a path of another system"), "drive": ("C:\\a", "that of a drive")}.items()
    ),
    _item("index-twice", "A tar has two index.json.", _around(after=_member("index.json", _INDEX_TWIN))),
    _item("index-under-a-folder", "A folder has the name of a file.", _around(after=header("index.json", b"5"))),
    _item("file-for-folder", "A file has the name of a folder.", _around(after=_member("blobs", b"x"))),
    _item("blob-swapped", "The manifest has other bytes.", _changed(lambda files, home: files.update({_blob(home): files[_blob(home)].swapcase()}))),
    _item("blob-missing", "The manifest is missing.", _changed(lambda files, home: files.pop(_blob(home))), (NotFound,)),
    _item("blob-half", "The manifest is half of its bytes.", _changed(lambda files, home: files.update({_blob(home): files[_blob(home)][:50]}))),
    _item("two-descriptions", "Docker's description names another image.", _changed(_evil_description)),
    _item("description-of-4-mib", "Docker's description has 4 MiB.", _changed(lambda files, _h: files.update({"manifest.json": b"[" + b"[]," * 1_300_000 + b"[]]"}))),
    _item("old-docker", "Docker's old form names no layers.", _written(_old_docker, "docker-archive", ""), (*_BAD, SignaturesUnsupported, NoSignatures, NoSignatureAccepted)),
    _item("breaks-off", "A tar breaks off within a member.", _written(lambda home: (_members(home.files())[:-700],))),
    _item("no-end", "A tar has no end.", _around(end=b""), _BAD, harmless=True),
    _item("other-bytes-behind", "Other bytes lie behind the end.", _around(end=_END + b"x" * 5000), _BAD, harmless=True),
    _item("second-tar-behind", "A second tar lies behind the end of the first.", _around(end=_END + _member("index.json", _INDEX_TWIN) + _END), _BAD, harmless=True),
    _item("nothing", "The file is empty.", _special(lambda path: path.write_bytes(b"")), _NO_ARCHIVE),
    _item("of-nothing", "A tar has no member.", _special(lambda path: path.write_bytes(_tar_of_nothing())), _NO_ARCHIVE),
    _item("text", "The file is text.", _special(lambda path: path.write_bytes(b"hello\n" * 999)), _NO_ARCHIVE),
    _item("zstd", "The file is compressed with zstd.", _special(lambda path: path.write_bytes(b"\x28\xb5\x2f\xfd" * 999)), _NO_ARCHIVE),
    _item("folder", "The file is a folder.", _special(lambda path: path.mkdir()), _NO_ARCHIVE),
    _item("fifo", "The file is a pipe that nobody writes to.", _special(os.mkfifo), _NO_ARCHIVE),
    _item("link-to-zeros", "The file is a link to a device without an end.", _special(lambda path: path.symlink_to("/dev/zero")), _NO_ARCHIVE),
    _item("link-loop", "The file is a link to itself.", _special(lambda path: path.symlink_to(path.name)), _NO_ARCHIVE),
    _item("sparse", "The file is a sparse TiB of zeros.", _special(_sparse), _NO_ARCHIVE),
    _item("sparse-member", "A sparse TiB begins with a member of 7 GiB.", _special(_sparse_member), _NO_ARCHIVE),
    _item("replaced", "The file is replaced by another one, again and again.", _moving(_replacing), _NO_ARCHIVE, harmless=True),
    _item("truncated", "The file is cut off and written again, again and again.", _moving(_truncating), _NO_ARCHIVE, harmless=True),
    _item("growing", "The file grows while it is read.", _moving(_growing), (*_NO_ARCHIVE, DeadlineExceeded), harmless=True),
]
_unused = (LimitExceeded, LimitExceeded)
