"""Layouts whose index attacks, with things beside the image, and that change while they are read."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
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
    TransportError,
)
from imagesig.testing.hostile.bombs import FILLINGS, filled
from imagesig.testing.hostile.ground import Home, again_and_again
from imagesig.testing.hostile.kinds import HomeHostility, HomeScript, MadeHome

Errors = tuple[type[ImagesigError], ...]
MIB = 1024 * 1024
BAD: Errors = (MalformedError,)
NOT_READ: Errors = (MalformedError, TransportError, InvalidArgument)


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
    start, unit, end = FILLINGS[filling]
    return _changed_index(
        lambda _h, document: filled(json.dumps(document)[:-1].encode() + b"," + start, unit, end + b"}", 4 * MIB)
    )


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
    return home.made(
        during=again_and_again(lambda: home.index.write_bytes(b""), lambda: home.index.write_bytes(content))
    )


LAYOUTS = [
    *(
        HomeHostility(
            f"layout-index-of-{filling}",
            f"index.json has 4 MiB of {filling.replace('-', ' ')}.",
            _bomb_in_index(filling),
            (*BAD, DeadlineExceeded),
            harmless=True,
        )
        for filling in FILLINGS
    ),
    HomeHostility("layout-index-twins", "index.json has manifests in two cases.", _changed_index(_twins), BAD),
    HomeHostility(
        "layout-index-of-100000",
        "index.json lists 60,000 manifests.",
        _changed_index(
            lambda _h, document: _entries(document).extend(
                [{"mediaType": "a/b", "digest": "sha256:" + "0" * 64, "size": 1}] * 40_000
            )
        ),
        BAD,
        harmless=True,
    ),
    HomeHostility(
        "layout-two-of-one-tag",
        "Two manifests have the same tag.",
        _changed_index(
            lambda home, document: _entries(document).append({**_of(document, home), "digest": "sha256:" + "0" * 64})
        ),
        BAD,
    ),
    HomeHostility(
        "layout-two-images",
        "A second image has no tag, and none is asked for.",
        _changed_index(
            lambda home, document: _entries(document).append(
                {"mediaType": _of(document, home)["mediaType"], "digest": "sha256:" + "0" * 64, "size": 9}
            ),
            "",
        ),
        (*BAD, InvalidArgument, NotFound),
        harmless=True,
    ),
    HomeHostility(
        "layout-size-wrong",
        "index.json has a size that is off by one.",
        _changed_index(lambda home, document: _of(document, home).update(size=1)),
        BAD,
    ),
    HomeHostility(
        "layout-size-long",
        "index.json has a size of 4,000 digits.",
        _changed_index(
            lambda home, document: (
                json.dumps(document).replace(f'"size": {_of(document, home)["size"]}', f'"size": {"9" * 4000}').encode()
            )
        ),
        BAD,
    ),
    HomeHostility(
        "layout-type-wrong",
        "index.json calls the manifest an index.",
        _changed_index(
            lambda home, document: _of(document, home).update(mediaType="application/vnd.oci.image.index.v1+json")
        ),
        BAD,
    ),
    HomeHostility(
        "layout-digest-is-a-path",
        "index.json has a path for a digest.",
        _changed_index(lambda home, document: _of(document, home).update(digest="sha256:../../../../etc/passwd")),
        BAD,
    ),
    HomeHostility(
        "layout-tag-of-control-characters",
        "A tag has control characters and a forged line.",
        _changed_index(
            lambda home, document: _of(document, home).update(
                annotations={"org.opencontainers.image.ref.name": "\x1b[2J\nverified"}
            )
        ),
        (NotFound, *BAD),
    ),
    HomeHostility(
        "layout-entry-null",
        "index.json has null for an entry.",
        _changed_index(lambda _h, document: document.update(manifests=[None])),
        BAD,
    ),
    HomeHostility(
        "layout-5000-blobs",
        "A layout has 5,000 other blobs.",
        _beside(_many_blobs),
        (DeadlineExceeded, LimitExceeded),
        harmless=True,
    ),
    HomeHostility(
        "layout-large-blobs",
        "24 blobs of 4 MiB look as if they referred to the image.",
        _beside(_large_blobs),
        (DeadlineExceeded, LimitExceeded),
        harmless=True,
    ),
    HomeHostility(
        "layout-odd-names",
        "Blobs have names with line breaks and control characters.",
        _beside(_odd_names),
        BAD,
        harmless=True,
    ),
    HomeHostility(
        "layout-200-pipes", "200 blobs are pipes that nobody writes to.", _beside(_pipes), NOT_READ, harmless=True
    ),
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
