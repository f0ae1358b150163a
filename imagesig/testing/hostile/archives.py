"""Archives that attack whoever reads them: tar and gzip bombs, members that are none, two descriptions."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

from imagesig.errors import (
    DeadlineExceeded,
    NoSignatureAccepted,
    NoSignatures,
    NotFound,
    SignaturesUnsupported,
)
from imagesig.testing.hostile.ground import Home, again_and_again
from imagesig.testing.hostile.kinds import HomeHostility, HomeScript, MadeHome
from imagesig.testing.hostile.tars import (
    BAD,
    BOMB,
    END,
    MIB,
    NO_ARCHIVE,
    SIZES,
    Errors,
    around,
    blob_name,
    by_number,
    changed,
    checked,
    documents,
    empty_file,
    empty_members,
    gzipped,
    header,
    long_name,
    member,
    members,
    padded,
    pax,
    record,
    with_extra,
    written,
    zero_padding,
    zeros,
)


def _evil_description(files: dict[str, bytes], home: Home) -> None:
    """A `manifest.json` of Docker that names other layers."""
    config = files[f"blobs/sha256/{home.document()['config']['digest'].removeprefix('sha256:')}"]
    files["evil.json"] = config.replace(b"linux", b"linuz")
    files["manifest.json"] = json.dumps([{"Config": "evil.json", "RepoTags": ["a:1"], "Layers": []}]).encode()


def _old_docker(_home: Home) -> Iterable[bytes]:
    files = {
        "manifest.json": json.dumps([{"Config": "c.json", "RepoTags": ["a:1.0"], "Layers": []}]).encode(),
        "c.json": b'{"rootfs":{"type":"layers","diff_ids":[]}}',
    }
    return (members(files.items()), END)


# --- changes while it is read ----------------------------------------------------------------------------------------


def _moving(step: Callable[[Path, bytes], tuple[Callable[[], object], ...]]) -> HomeScript:
    def script(folder: Path) -> MadeHome:
        home = Home(folder)
        path = folder / "image.tar"
        content = members(home.files()) + END
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
                file.write(empty_file(path.stat().st_size) * 64)

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


def _item(
    name: str,
    sentence: str,
    script: HomeScript,
    expected: Errors = BAD,
    *,
    harmless: bool = False,
    waits: bool = False,
) -> HomeHostility:
    return HomeHostility(f"archive-{name}", sentence, script, expected, harmless, waits)


def _tar_of_nothing() -> bytes:
    buffer = io.BytesIO()
    tarfile.open(fileobj=buffer, mode="w").close()
    return buffer.getvalue()


_INDEX_TWIN = b'{"schemaVersion":2,"manifests":[]}'
ARCHIVES = [
    _item("gzip-of-zeros", "A gzip of 8 MB unpacks to 8 GiB of zeros.", written(zeros), BOMB, waits=True),
    _item("gzip-of-documents", "A gzip unpacks to 40 documents of 4 MiB.", written(documents), BOMB, harmless=True),
    _item(
        "gzip-of-empty-members",
        "A gzip has 400,000 parts that hold nothing.",
        written(empty_members),
        BOMB,
        harmless=True,
        waits=True,
    ),
    _item(
        "gzip-of-a-long-name",
        "A gzip's header has a file name of 48 MiB.",
        written(long_name),
        BOMB,
        harmless=True,
        waits=True,
    ),
    _item(
        "gzip-of-zero-padding",
        "A gzip has 64 MiB of zeros between its parts.",
        written(zero_padding),
        BOMB,
        harmless=True,
        waits=True,
    ),
    _item("gzip-of-gzip", "A gzip holds another gzip.", gzipped(lambda content: gzip.compress(gzip.compress(content)))),
    _item("gzip-breaks-off", "A gzip breaks off.", gzipped(lambda content: gzip.compress(content)[:-20])),
    _item(
        "gzip-checksum",
        "A gzip has a wrong checksum.",
        gzipped(lambda content: gzip.compress(content)[:-8] + b"\xff" * 8),
        BAD,
        harmless=True,
    ),
    _item("gzip-extra", "A gzip has the largest extra field.", gzipped(with_extra), BAD, harmless=True),
    _item(
        "gzip-garbage",
        "Other bytes lie behind a gzip.",
        gzipped(lambda content: gzip.compress(content) + b"x" * 999),
        BAD,
        harmless=True,
    ),
    _item("gzip-of-nothing", "A gzip holds nothing.", gzipped(lambda _c: gzip.compress(b"")), NO_ARCHIVE),
    _item("40000-members", "A tar has 40,000 members.", written(by_number(40_000, empty_file)), BOMB),
    _item(
        "24000-members",
        "A tar has nearly as many members as are read.",
        written(by_number(24_000, empty_file)),
        BOMB,
        harmless=True,
    ),
    _item(
        "20000-folders",
        "A tar has 20,000 folders.",
        written(by_number(20_000, lambda n: header(f"d/{n}", b"5"))),
        BOMB,
        harmless=True,
    ),
    _item(
        "pax-flood",
        "A tar has 20,000 global headers.",
        written(by_number(20_000, lambda _n: pax(record(b"comment", b"x"), b"g"))),
        BOMB,
        harmless=True,
    ),
    _item(
        "pax-comments",
        "Members have extended headers of 60 KiB.",
        written(by_number(500, lambda n: pax(record(b"comment", b"x" * 60_000)) + header(f"f{n}"))),
        BOMB,
        harmless=True,
    ),
    _item("pax-of-64-mib", "An extended header has 64 MiB.", around(pax(b"x" * 64 * MIB))),
    _item("pax-length-lies", "A record says another length than it has.", around(pax(b"99999 path=a\n") + header("x"))),
    _item(
        "pax-length-long",
        "A record says a length of 5,000 digits.",
        around(pax(b"9" * 5000 + b" path=a\n") + header("x")),
    ),
    _item(
        "pax-size-huge",
        "An extended header says a size of 2^63.",
        around(pax(record(b"size", b"9223372036854775808")) + header("x")),
    ),
    _item(
        "pax-size-negative",
        "An extended header says a size below zero.",
        around(pax(record(b"size", b"-1")) + header("x")),
    ),
    _item(
        "pax-twice",
        "Two extended headers stand before one member.",
        around(pax(record(b"path", b"a")) * 2 + header("x")),
    ),
    _item(
        "pax-renames-index",
        "An extended header gives another member the name index.json.",
        around(after=pax(record(b"path", b"index.json")) + header("x", size=len(_INDEX_TWIN)) + padded(_INDEX_TWIN)),
    ),
    _item(
        "pax-global-renames",
        "A global header gives every member the same name.",
        around(pax(record(b"path", b"index.json"), b"g")),
    ),
    _item(
        "long-name-of-64-mib",
        "A member has a name of 64 MiB.",
        around(header("././@LongLink", b"L", 64 * MIB) + b"a" * 64 * MIB + header("x")),
    ),
    _item(
        "long-name-of-60-kib",
        "A member has a name of 60 KiB.",
        around(header("././@LongLink", b"L", 60_000) + padded(b"a" * 60_000) + header("x")),
    ),
    _item(
        "deep-name",
        "A member lies 1,500 folders deep.",
        around(header("././@LongLink", b"L", 3000) + padded(b"a/" * 1500) + header("x")),
    ),
    *(
        _item(f"size-{name}", f"A member has a size that is wrong: {name}.", around(checked(start)))
        for name, start in SIZES.items()
    ),
    _item("checksum", "A header has a wrong checksum.", around(header("x").replace(b"0000644", b"0000777"))),
    *(
        _item(f"member-{name}", f"A tar has {words}.", around(header("x", kind, link="/etc/passwd")))
        for name, (kind, words) in {
            "hard-link": (b"1", "a hard link"),
            "link": (b"2", "a link"),
            "device": (b"3", "a device"),
            "block-device": (b"4", "a block device"),
            "fifo": (b"6", "a pipe"),
            "sparse": (b"S", "a sparse member"),
            "volume": (b"V", "a volume label"),
            "multi-volume": (b"M", "a part of a member"),
            "unknown": (b"!", "a member of an unknown kind"),
            "long-link": (b"K", "a link with a long name"),
        }.items()
    ),
    *(
        _item(f"name-{name}", f"A member's name is {words}.", around(header(text)))
        for name, (text, words) in {
            "up": ("../../etc/passwd", "a path out of the archive"),
            "absolute": ("/etc/passwd", "absolute"),
            "line-break": ("a\nverified", "broken over lines"),
            "control": ("\x1b[2J", "of control characters"),
            "backslash": ("..\\..\\a", "a path of another system"),
            "empty": ("", "empty"),
            "drive": ("C:\\a", "that of a drive"),
            "surrogate": ("a\udcff", "not UTF-8"),
        }.items()
        if name not in ("backslash", "drive", "line-break", "control")
    ),
    *(
        _item(f"name-{name}", f"A member's name is {words}.", around(header(text)), harmless=True)
        for name, (text, words) in {
            "line-break": ("a\nverified", "broken over lines"),
            "control": ("\x1b[2J", "of control characters"),
            "dot-inside": ("blobs/./sha256/a", "written in an odd way"),
            "backslash": ("..\\..\\a", "a path of another system"),
            "drive": ("C:\\a", "that of a drive"),
        }.items()
    ),
    _item("index-twice", "A tar has two index.json.", around(after=member("index.json", _INDEX_TWIN))),
    _item("index-under-a-folder", "A folder has the name of a file.", around(after=header("index.json", b"5"))),
    _item("file-for-folder", "A file has the name of a folder.", around(after=member("blobs", b"x"))),
    _item(
        "blob-swapped",
        "The manifest has other bytes.",
        changed(lambda files, home: files.update({blob_name(home): files[blob_name(home)].swapcase()})),
    ),
    _item(
        "blob-missing", "The manifest is missing.", changed(lambda files, home: files.pop(blob_name(home))), (NotFound,)
    ),
    _item(
        "blob-half",
        "The manifest is half of its bytes.",
        changed(lambda files, home: files.update({blob_name(home): files[blob_name(home)][:50]})),
    ),
    _item("two-descriptions", "Docker's description names another image.", changed(_evil_description)),
    _item(
        "description-of-4-mib",
        "Docker's description has 4 MiB.",
        changed(lambda files, _h: files.update({"manifest.json": b"[" + b"[]," * 1_300_000 + b"[]]"})),
    ),
    _item(
        "old-docker",
        "Docker's old form names no layers.",
        written(_old_docker, "docker-archive", ""),
        (*BAD, SignaturesUnsupported, NoSignatures, NoSignatureAccepted),
    ),
    _item("breaks-off", "A tar breaks off within a member.", written(lambda home: (members(home.files())[:-700],))),
    _item("no-end", "A tar has no end.", around(end=b""), BAD, harmless=True),
    _item("other-bytes-behind", "Other bytes lie behind the end.", around(end=END + b"x" * 5000), BAD, harmless=True),
    _item(
        "second-tar-behind",
        "A second tar lies behind the end of the first.",
        around(end=END + member("index.json", _INDEX_TWIN) + END),
        BAD,
        harmless=True,
    ),
    _item("nothing", "The file is empty.", _special(lambda path: path.write_bytes(b"")), NO_ARCHIVE),
    _item("of-nothing", "A tar has no member.", _special(lambda path: path.write_bytes(_tar_of_nothing())), NO_ARCHIVE),
    _item("text", "The file is text.", _special(lambda path: path.write_bytes(b"hello\n" * 999)), NO_ARCHIVE),
    _item(
        "zstd",
        "The file is compressed with zstd.",
        _special(lambda path: path.write_bytes(b"\x28\xb5\x2f\xfd" * 999)),
        NO_ARCHIVE,
    ),
    _item("folder", "The file is a folder.", _special(lambda path: path.mkdir()), NO_ARCHIVE),
    _item("fifo", "The file is a pipe that nobody writes to.", _special(os.mkfifo), NO_ARCHIVE),
    _item(
        "link-to-zeros",
        "The file is a link to a device without an end.",
        _special(lambda path: path.symlink_to("/dev/zero")),
        NO_ARCHIVE,
    ),
    _item("link-loop", "The file is a link to itself.", _special(lambda path: path.symlink_to(path.name)), NO_ARCHIVE),
    _item("sparse", "The file is a sparse TiB of zeros.", _special(_sparse), NO_ARCHIVE),
    _item("sparse-member", "A sparse TiB begins with a member of 7 GiB.", _special(_sparse_member), NO_ARCHIVE),
    _item(
        "replaced",
        "The file is replaced by another one, again and again.",
        _moving(_replacing),
        NO_ARCHIVE,
        harmless=True,
    ),
    _item(
        "truncated",
        "The file is cut off and written again, again and again.",
        _moving(_truncating),
        NO_ARCHIVE,
        harmless=True,
    ),
    _item(
        "growing",
        "The file grows while it is read.",
        _moving(_growing),
        (*NO_ARCHIVE, DeadlineExceeded),
        harmless=True,
    ),
]
