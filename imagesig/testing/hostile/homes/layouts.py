"""Layouts whose index attacks, or with things beside the image."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from imagesig.errors import (
    DeadlineExceeded,
    ImageNotFound,
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    NotFound,
    TransportError,
)
from imagesig.testing.hostile.homes.home import BAD, Home
from imagesig.testing.hostile.kinds import MIB, Errors, HomeHostility, HomeScript, MadeHome
from imagesig.testing.hostile.registries.fillings import FILLINGS, filled
from imagesig.testing.hostile.registries.stage import OTHER_DIGEST

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
    return json.dumps({**document, "Manifests": [{**_of(document, home), "digest": OTHER_DIGEST}]}).encode()


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
                [{"mediaType": "a/b", "digest": OTHER_DIGEST, "size": 1}] * 40_000
            )
        ),
        BAD,
        harmless=True,
    ),
    HomeHostility(
        "layout-two-of-one-tag",
        "Two manifests have the same tag.",
        _changed_index(
            lambda home, document: _entries(document).append({**_of(document, home), "digest": OTHER_DIGEST})
        ),
        BAD,
    ),
    HomeHostility(
        "layout-two-images",
        "A second image has no tag, and none is asked for.",
        _changed_index(
            lambda home, document: _entries(document).append(
                {"mediaType": _of(document, home)["mediaType"], "digest": OTHER_DIGEST, "size": 9}
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
        "index.json has null for its only entry: other readers see an entry without a name there.",
        _changed_index(lambda _h, document: document.update(manifests=[None])),
        (*BAD, ImageNotFound),
    ),
    HomeHostility(
        "layout-entry-text",
        "index.json has a text for an entry.",
        _changed_index(lambda _h, document: document.update(manifests=["entry"])),
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
]
