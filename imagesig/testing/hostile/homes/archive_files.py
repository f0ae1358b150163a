"""Files that are not archives, and archives that change while they are read."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

from imagesig.errors import DeadlineExceeded
from imagesig.testing.hostile.homes.home import Home, again_and_again
from imagesig.testing.hostile.homes.tars import END, NO_ARCHIVE, empty_file, header, hostile_archive, members
from imagesig.testing.hostile.kinds import MIB, HomeScript, MadeHome


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
    """Something else has the name of the archive."""

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


def _tar_of_nothing() -> bytes:
    buffer = io.BytesIO()
    tarfile.open(fileobj=buffer, mode="w").close()
    return buffer.getvalue()


ARCHIVE_FILES = [
    hostile_archive("nothing", "The file is empty.", _special(lambda path: path.write_bytes(b"")), NO_ARCHIVE),
    hostile_archive(
        "of-nothing", "A tar has no member.", _special(lambda path: path.write_bytes(_tar_of_nothing())), NO_ARCHIVE
    ),
    hostile_archive("text", "The file is text.", _special(lambda path: path.write_bytes(b"hello\n" * 999)), NO_ARCHIVE),
    hostile_archive(
        "zstd",
        "The file is compressed with zstd.",
        _special(lambda path: path.write_bytes(b"\x28\xb5\x2f\xfd" * 999)),
        NO_ARCHIVE,
    ),
    hostile_archive("folder", "The file is a folder.", _special(lambda path: path.mkdir()), NO_ARCHIVE),
    hostile_archive("fifo", "The file is a pipe that nobody writes to.", _special(os.mkfifo), NO_ARCHIVE),
    hostile_archive(
        "link-to-zeros",
        "The file is a link to a device without an end.",
        _special(lambda path: path.symlink_to("/dev/zero")),
        NO_ARCHIVE,
    ),
    hostile_archive(
        "link-loop", "The file is a link to itself.", _special(lambda path: path.symlink_to(path.name)), NO_ARCHIVE
    ),
    hostile_archive("sparse", "The file is a sparse TiB of zeros.", _special(_sparse), NO_ARCHIVE),
    hostile_archive(
        "sparse-member", "A sparse TiB begins with a member of 7 GiB.", _special(_sparse_member), NO_ARCHIVE
    ),
    hostile_archive(
        "replaced",
        "The file is replaced by another one, again and again.",
        _moving(_replacing),
        NO_ARCHIVE,
        harmless=True,
    ),
    hostile_archive(
        "truncated",
        "The file is cut off and written again, again and again.",
        _moving(_truncating),
        NO_ARCHIVE,
        harmless=True,
    ),
    hostile_archive(
        "growing",
        "The file grows while it is read.",
        _moving(_growing),
        (*NO_ARCHIVE, DeadlineExceeded),
        harmless=True,
    ),
]
