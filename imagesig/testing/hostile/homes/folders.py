"""Layouts and `dir:` folders where something else has the name of a file, and `dir:` folders that attack."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from imagesig.errors import DeadlineExceeded, LimitExceeded, NoSignatureAccepted, NoSignatures
from imagesig.testing.hostile.homes.home import BAD, Home
from imagesig.testing.hostile.homes.layouts import NOT_READ
from imagesig.testing.hostile.kinds import MIB, Errors, HomeHostility, HomeScript, MadeHome

_TIB = 1024**4


def _instead(path: Path, kind: str) -> None:
    """Puts something else under the name of a file."""
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
"""What can have the name of a file."""
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


MANY: Errors = (NoSignatureAccepted, LimitExceeded, DeadlineExceeded)
FOLDERS = [
    *(
        HomeHostility(
            f"layout-{place}-{name}",
            f"In a layout, {place} is {words}.",
            _layout(place, kind),
            (*NOT_READ, NoSignatures),
            harmless=place == "config" or name == "unreadable",
        )
        for place in _IN_LAYOUT
        for name, (kind, words) in _KINDS.items()
        if place not in ("blobs", "blobs-folder") or name not in ("other-bytes", "half", "padded", "unreadable")
    ),
    *(
        HomeHostility(
            f"dir-{place}-{name}",
            f"In a dir:, {place} is {words}.",
            _directory(place, kind),
            (*NOT_READ, NoSignatures, NoSignatureAccepted),
            harmless=name == "unreadable" or (place == "version" and name == "padded"),
        )
        for place in _IN_DIRECTORY
        for name, (kind, words) in _KINDS.items()
    ),
    HomeHostility(
        "dir-other-manifest",
        "A dir: has another manifest than the one that was signed.",
        _in_directory(_other_manifest),
        (NoSignatureAccepted,),
    ),
    HomeHostility(
        "dir-2000-signatures",
        "A dir: has 2,000 signatures.",
        _in_directory(lambda path, _h: _copies(path, 2000)),
        MANY,
        harmless=True,
    ),
    HomeHostility(
        "dir-large-signatures",
        "A dir: has 100 signatures of 200 KiB.",
        _in_directory(lambda path, _h: _copies(path, 100, b"x" * 200_000)),
        MANY,
        harmless=True,
    ),
    HomeHostility(
        "dir-signature-of-4-mib",
        "A signature has 4 MiB.",
        _in_directory(lambda path, _h: (path / "signature-1").write_bytes(b"x" * 4 * MIB)),
        MANY,
    ),
    HomeHostility(
        "dir-signature-of-control-characters",
        "A signature has control characters.",
        _in_directory(lambda path, _h: (path / "signature-1").write_bytes(b"\x1b[2J\nverified" * 99)),
        MANY,
    ),
    HomeHostility(
        "dir-manifest-of-nodes",
        "The manifest has 4 MiB of empty arrays.",
        _in_directory(lambda path, _h: (path / "manifest.json").write_bytes(b"[" + b"[]," * 1_300_000 + b"[]]")),
        (*BAD, NoSignatures),
    ),
    HomeHostility(
        "dir-version-forged",
        "The version has a forged line.",
        _in_directory(
            lambda path, _h: (path / "version").write_bytes(b"Directory Transport Version: 9.9\nverified\x1b[2J")
        ),
        NOT_READ,
    ),
]
