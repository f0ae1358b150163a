"""Layouts and `dir:` folders that attack whoever reads them."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from imagesig.errors import (
    DeadlineExceeded,
    DigestMismatch,
    ImagesigError,
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    NoSignatureAccepted,
    NoSignatures,
    NotFound,
    TransportError,
)
from imagesig.testing.hostile.bombs import _FILLINGS, _filled
from imagesig.testing.hostile.ground import Home, again_and_again
from imagesig.testing.hostile.kinds import HomeHostility, HomeScript, MadeHome

Errors = tuple[type[ImagesigError], ...]
MIB = 1024 * 1024
_TIB = 1024**4
_BAD: Errors = (MalformedError,)
_NOT_READ: Errors = (MalformedError, TransportError, InvalidArgument)


def _instead(path: Path, kind: str) -> None:
    """Something else under the name of a file."""
    content = path.read_bytes() if path.is_file() else b""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if kind == "other bytes":
        path.write_bytes(content.swapcase())
    elif kind == "half":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "nothing":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    elif kind == "unreadable":
        path.write_bytes(content)
        path.chmod(0)
    elif kind == "sparse":
        with path.open("wb") as file:
            file.truncate(_TIB)
    elif kind == "padded":
        path.write_bytes(content + b" " * 4 * MIB)
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "long-chain":
        for number in range(50):
            path.with_name(f"{path.name}.{number}").symlink_to(f"{path.name}.{number + 1}")
        path.symlink_to(f"{path.name}.0")
    elif kind != "missing":
        path.symlink_to(kind)


_KINDS: dict[str, tuple[str, str]] = {
    "other-bytes": ("other bytes", "other bytes, as many"),
    "half": ("half", "half of its bytes"),
    "nothing": ("nothing", "no bytes"),
    "missing": ("missing", "not there"),
    "folder": ("folder", "a folder"),
    "fifo": ("fifo", "a pipe that nobody writes to"),
    "socket": ("socket", "a socket"),
    "unreadable": ("unreadable", "a file that nobody may read"),
    "sparse": ("sparse", "a sparse file of 1 TiB"),
    "padded": ("padded", "its bytes and 4 MiB of blanks"),
    "link-loop": ("loop", "a link to itself"),
    "link-chain": ("long-chain", "a chain of 50 links"),
    "link-out": ("../../../../../../../../../etc/passwd", "a link out of the folder"),
    "link-absolute": ("/etc/passwd", "a link to a file of the machine"),
    "link-to-zeros": ("/dev/zero", "a link to a device without an end"),
    "link-to-a-terminal": ("/dev/tty", "a link to the terminal"),
    "link-to-standard-input": ("/proc/self/fd/0", "a link to standard input"),
    "link-to-memory": ("/proc/self/mem", "a link to the memory of who reads it"),
    "link-dangling": ("nowhere", "a link to nothing"),
}
"""What may lie in the place of a file."""
_IN_LAYOUT: dict[str, Callable[[Home], Path]] = {
    "manifest": lambda home: home.blob,
    "config": lambda home: home.blob_of(home.document()["config"]["digest"]),
    "index.json": lambda home: home.index,
    "oci-layout": lambda home: home.path / "oci-layout",
    "blobs": lambda home: home.path / "blobs",
    "blobs-folder": lambda home: home.path / "blobs/sha256",
}
_IN_DIRECTORY = ("manifest.json", "signature-1", "version")


def _layout(place: str, kind: str) -> HomeScript:
    def script(folder: Path) -> MadeHome:
        home = Home(folder)
        _instead(_IN_LAYOUT[place](home), kind)
        return home.made()

    return script


def _directory(name: str, kind: str) -> HomeScript:
    def script(folder: Path) -> MadeHome:
        home = Home(folder)
        path = home.as_directory()
        _instead(path / name, kind)
        return home.made(f"dir:{path}")

    return script


def _changed_index(change: Callable[[Home, dict[str, object]], object], text: str = "") -> HomeScript:
    """`index.json` with a change; `text` is what is asked for, instead of the tag."""

    def script(folder: Path) -> MadeHome:
        home = Home(folder)
        document = home.listed()
        written = change(home, document)
        home.index.write_bytes(written if isinstance(written, bytes) else json.dumps(document).encode())
        return home.made(f"oci:{home.path}{text}" if text else "")

    return script


def _entries(document: dict[str, object]) -> list[dict[str, object]]:
    listed = document["manifests"]
    assert isinstance(listed, list)
    return listed


def _of(document: dict[str, object], home: Home) -> dict[str, object]:
    return next(entry for entry in _entries(document) if entry["digest"] == home.digest)


def _bomb_in_index(filling: str) -> HomeScript:
    start, unit, end = _FILLINGS[filling]
    return _changed_index(lambda _h, document: _filled(json.dumps(document)[:-1].encode() + b"," + start, unit, end + b"}", 4 * MIB))


def _twins(home: Home, document: dict[str, object]) -> bytes:
    return json.dumps({**document, "Manifests": [{**_of(document, home), "digest": "sha256:" + "0" * 64}]}).encode()


def _beside(write: Callable[[Home], object]) -> HomeScript:
    """A layout with something beside the image."""

    def script(folder: Path) -> MadeHome:
        home = Home(folder)
        write(home)
        return home.made()

    return script


def _many_blobs(home: Home) -> None:
    for number in range(5000):
        (home.path / "blobs/sha256" / f"{number:064x}").write_bytes(b"{}")


def _large_blobs(home: Home) -> None:
    content = b'{"subject":{},"x":"' + home.digest.encode() + b'"' + b" " * 4_100_000 + b"}"
    for number in range(24):
        (home.path / "blobs/sha256" / f"{number:064x}").write_bytes(content)


def _odd_names(home: Home) -> None:
    for name in ("a\nverified sha256:0", "\x1b[2J", "\udcff", "..." + "x" * 200, "A" * 64, "-rf", "\u202e"):
        (home.path / "blobs/sha256" / name).write_bytes(b'{"subject":"' + home.digest.encode() + b'"}')


def _pipes(home: Home) -> None:
    for number in range(200):
        os.mkfifo(home.path / "blobs/sha256" / f"{number:064x}")


# --- changes between two reads ---------------------------------------------------------------------------------------


def _replaced(path: Path, content: bytes) -> None:
    aside = path.with_name(f".{path.name}.new")
    aside.write_bytes(content)
    aside.replace(path)


def _swapping_index(folder: Path) -> MadeHome:
    home = Home(folder)
    other = Home(folder, name="other", content=b"evil", signed=False)
    for path in (other.path / "blobs/sha256").iterdir():
        shutil.copy(path, home.path / "blobs/sha256" / path.name)
    good, evil = home.index.read_bytes(), other.index.read_bytes()
    return home.made(during=again_and_again(lambda: _replaced(home.index, evil), lambda: _replaced(home.index, good)))


def _swapping_manifest(folder: Path) -> MadeHome:
    home = Home(folder)
    good = home.blob.read_bytes()
    evil = good.swapcase()
    return home.made(during=again_and_again(lambda: _replaced(home.blob, evil), lambda: _replaced(home.blob, good)))


def _swapping_link(folder: Path) -> MadeHome:
    """The manifest is a file now and a link to a file of the machine then."""
    home = Home(folder)
    good, aside = home.blob.read_bytes(), home.folder / "link"

    def link() -> None:
        aside.unlink(missing_ok=True)
        aside.symlink_to("/etc/passwd")
        aside.replace(home.blob)

    return home.made(during=again_and_again(link, lambda: _replaced(home.blob, good)))


def _swapping_folder(folder: Path) -> MadeHome:
    """The folder of blobs is itself now and a link to another one then."""
    home = Home(folder)
    blobs, aside = home.path / "blobs/sha256", home.path / "aside"
    shutil.copytree(blobs, folder / "evil")
    (folder / "evil" / home.blob.name).write_bytes(b"{}")

    def away() -> None:
        blobs.rename(aside)
        blobs.symlink_to(folder / "evil")

    def back() -> None:
        if aside.is_dir():
            blobs.unlink(missing_ok=True)
            aside.rename(blobs)

    return home.made(during=again_and_again(away, back))


def _growing(name: str) -> HomeScript:
    """A file grows by 64 KiB again and again, to 256 MiB."""

    def script(folder: Path) -> MadeHome:
        home = Home(folder)
        path = home.index if name == "index.json" else home.blob

        def grow() -> None:
            if path.stat().st_size < 256 * MIB:
                with path.open("ab") as file:
                    file.write(b" " * 65536)

        return home.made(during=again_and_again(grow, pause=0))

    return script


def _rewritten(folder: Path) -> MadeHome:
    """`index.json` is emptied and written again in place, byte for byte."""
    home = Home(folder)
    content = home.index.read_bytes()
    return home.made(during=again_and_again(lambda: home.index.write_bytes(b""), lambda: home.index.write_bytes(content)))


# --- directories -----------------------------------------------------------------------------------------------------


def _in_directory(change: Callable[[Path, Home], object]) -> HomeScript:
    def script(folder: Path) -> MadeHome:
        home = Home(folder)
        path = home.as_directory()
        change(path, home)
        return home.made(f"dir:{path}")

    return script


def _other_manifest(path: Path, home: Home) -> None:
    (path / "manifest.json").write_bytes(json.dumps(home.document()).encode())


def _copies(path: Path, count: int, content: bytes | None = None) -> None:
    good = (path / "signature-1").read_bytes()
    for number in range(2, count):
        (path / f"signature-{number}").write_bytes(good if content is None else content)


_MANY: Errors = (NoSignatureAccepted, LimitExceeded, DeadlineExceeded)
FOLDERS = [
    *(
        HomeHostility(f"layout-{place}-{name}", f"In a layout, {place} is {words}.", _layout(place, kind), (*_NOT_READ, NoSignatures), harmless=place == "config" or name == "unreadable")
        for place in _IN_LAYOUT
        for name, (kind, words) in _KINDS.items()
        if place not in ("blobs", "blobs-folder") or name not in ("other-bytes", "half", "padded", "unreadable")
    ),
    *(
        HomeHostility(f"dir-{place}-{name}", f"In a dir:, {place} is {words}.", _directory(place, kind), (*_NOT_READ, NoSignatures, NoSignatureAccepted), harmless=name == "unreadable" or (place == "version" and name == "padded"))
        for place in _IN_DIRECTORY
        for name, (kind, words) in _KINDS.items()
    ),
    *(HomeHostility(f"layout-index-of-{filling}", f"index.json has 4 MiB of {filling.replace('-', ' ')}.", _bomb_in_index(filling), (*_BAD, DeadlineExceeded), harmless=True) for filling in _FILLINGS),
    HomeHostility("layout-index-twins", "index.json has manifests in two cases.", _changed_index(_twins), _BAD),
    HomeHostility("layout-index-of-100000", "index.json lists 60,000 manifests.", _changed_index(lambda _h, document: _entries(document).extend([{"mediaType": "a/b", "digest": "sha256:" + "0" * 64, "size": 1}] * 40_000)), _BAD, harmless=True),
    HomeHostility("layout-two-of-one-tag", "Two manifests have the same tag.", _changed_index(lambda home, document: _entries(document).append({**_of(document, home), "digest": "sha256:" + "0" * 64})), _BAD),
    HomeHostility("layout-two-images", "A second image has no tag, and none is asked for.", _changed_index(lambda home, document: _entries(document).append({"mediaType": _of(document, home)["mediaType"], "digest": "sha256:" + "0" * 64, "size": 9}), ""), (*_BAD, InvalidArgument, NotFound), harmless=True),
    HomeHostility("layout-size-wrong", "index.json has a size that is off by one.", _changed_index(lambda home, document: _of(document, home).update(size=1)), _BAD),
    HomeHostility("layout-size-long", "index.json has a size of 4,000 digits.", _changed_index(lambda home, document: json.dumps(document).replace(f'"size": {_of(document, home)["size"]}', f'"size": {"9" * 4000}').encode()), _BAD),
    HomeHostility("layout-type-wrong", "index.json calls the manifest an index.", _changed_index(lambda home, document: _of(document, home).update(mediaType="application/vnd.oci.image.index.v1+json")), _BAD),
    HomeHostility("layout-digest-is-a-path", "index.json has a path for a digest.", _changed_index(lambda home, document: _of(document, home).update(digest="sha256:../../../../etc/passwd")), _BAD),
    HomeHostility("layout-tag-of-control-characters", "A tag has control characters and a forged line.", _changed_index(lambda home, document: _of(document, home).update(annotations={"org.opencontainers.image.ref.name": "\x1b[2J\nverified"})), (NotFound, *_BAD)),
    HomeHostility("layout-entry-null", "index.json has null for an entry.", _changed_index(lambda _h, document: document.update(manifests=[None])), _BAD),
    HomeHostility("layout-5000-blobs", "A layout has 5,000 other blobs.", _beside(_many_blobs), (DeadlineExceeded, LimitExceeded), harmless=True),
    HomeHostility("layout-large-blobs", "24 blobs of 4 MiB look as if they referred to the image.", _beside(_large_blobs), (DeadlineExceeded, LimitExceeded), harmless=True),
    HomeHostility("layout-odd-names", "Blobs have names with line breaks and control characters.", _beside(_odd_names), _BAD, harmless=True),
    HomeHostility("layout-200-pipes", "200 blobs are pipes that nobody writes to.", _beside(_pipes), _NOT_READ, harmless=True),
    HomeHostility("layout-swapping-index", "index.json names another image, again and again.", _swapping_index, (*_NOT_READ, NoSignatures, NoSignatureAccepted), harmless=True),
    HomeHostility("layout-swapping-manifest", "The manifest has other bytes, again and again.", _swapping_manifest, (*_NOT_READ, NoSignatures), harmless=True),
    HomeHostility("layout-swapping-link", "The manifest is a link, again and again.", _swapping_link, (*_NOT_READ, NoSignatures), harmless=True),
    HomeHostility("layout-swapping-folder", "The folder of blobs is a link, again and again.", _swapping_folder, (*_NOT_READ, NoSignatures), harmless=True),
    HomeHostility("layout-growing-index", "index.json grows while it is read.", _growing("index.json"), _NOT_READ, harmless=True),
    HomeHostility("layout-growing-manifest", "The manifest grows while it is read.", _growing("manifest"), _NOT_READ),
    HomeHostility("layout-rewritten-index", "index.json is emptied and written again while it is read.", _rewritten, _NOT_READ, harmless=True),
    HomeHostility("dir-other-manifest", "A dir: has another manifest than the one that was signed.", _in_directory(_other_manifest), (NoSignatureAccepted,)),
    HomeHostility("dir-2000-signatures", "A dir: has 2,000 signatures.", _in_directory(lambda path, _h: _copies(path, 2000)), _MANY, harmless=True),
    HomeHostility("dir-large-signatures", "A dir: has 100 signatures of 200 KiB.", _in_directory(lambda path, _h: _copies(path, 100, b"x" * 200_000)), _MANY, harmless=True),
    HomeHostility("dir-signature-of-4-mib", "A signature has 4 MiB.", _in_directory(lambda path, _h: (path / "signature-1").write_bytes(b"x" * 4 * MIB)), _MANY),
    HomeHostility("dir-signature-of-control-characters", "A signature has control characters.", _in_directory(lambda path, _h: (path / "signature-1").write_bytes(b"\x1b[2J\nverified" * 99)), _MANY),
    HomeHostility("dir-manifest-of-nodes", "The manifest has 4 MiB of empty arrays.", _in_directory(lambda path, _h: (path / "manifest.json").write_bytes(b"[" + b"[]," * 1_300_000 + b"[]]")), (*_BAD, NoSignatures)),
    HomeHostility("dir-version-forged", "The version has a forged line.", _in_directory(lambda path, _h: (path / "version").write_bytes(b"Directory Transport Version: 9.9\nverified\x1b[2J")), _NOT_READ),
]
