"""Layouts that change while they are read."""

from __future__ import annotations

import shutil
from pathlib import Path

from imagesig.errors import NoSignatureAccepted, NoSignatures
from imagesig.testing.hostile.homes.home import Home, again_and_again
from imagesig.testing.hostile.homes.layouts import NOT_READ
from imagesig.testing.hostile.kinds import MIB, HomeHostility, HomeScript, MadeHome


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
    """The manifest is a file, then a link to a file of the machine, again and again."""
    home = Home(folder)
    good, aside = home.blob.read_bytes(), home.folder / "link"

    def link() -> None:
        aside.unlink(missing_ok=True)
        aside.symlink_to("/etc/passwd")
        aside.replace(home.blob)

    return home.made(during=again_and_again(link, lambda: _replaced(home.blob, good)))


def _swapping_folder(folder: Path) -> MadeHome:
    """The folder of blobs is itself, then a link to another folder, again and again."""
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
    return home.made(
        during=again_and_again(lambda: home.index.write_bytes(b""), lambda: home.index.write_bytes(content))
    )


CHANGING_LAYOUTS = [
    HomeHostility(
        "layout-swapping-index",
        "index.json names another image, again and again.",
        _swapping_index,
        (*NOT_READ, NoSignatures, NoSignatureAccepted),
        harmless=True,
    ),
    HomeHostility(
        "layout-swapping-manifest",
        "The manifest has other bytes, again and again.",
        _swapping_manifest,
        (*NOT_READ, NoSignatures, NoSignatureAccepted),
        harmless=True,
    ),
    HomeHostility(
        "layout-swapping-link",
        "The manifest is a link, again and again.",
        _swapping_link,
        (*NOT_READ, NoSignatures, NoSignatureAccepted),
        harmless=True,
    ),
    HomeHostility(
        "layout-swapping-folder",
        "The folder of blobs is a link, again and again.",
        _swapping_folder,
        (*NOT_READ, NoSignatures, NoSignatureAccepted),
        harmless=True,
    ),
    HomeHostility(
        "layout-growing-index", "index.json grows while it is read.", _growing("index.json"), NOT_READ, harmless=True
    ),
    HomeHostility("layout-growing-manifest", "The manifest grows while it is read.", _growing("manifest"), NOT_READ),
    HomeHostility(
        "layout-rewritten-index",
        "index.json is emptied and written again while it is read.",
        _rewritten,
        (*NOT_READ, NoSignatures, NoSignatureAccepted),
        harmless=True,
    ),
]
