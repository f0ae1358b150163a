"""Archives whose contents contradict each other: files twice, blobs swapped, two descriptions, a second tar."""

from __future__ import annotations

import json
from collections.abc import Iterable

from imagesig.errors import NoSignatureAccepted, NoSignatures, NotFound, SignaturesUnsupported
from imagesig.testing.hostile.homes.home import BAD, Home
from imagesig.testing.hostile.homes.tars import (
    END,
    INDEX_TWIN,
    archive_of,
    around,
    blob_name,
    changed,
    header,
    hostile_archive,
    member,
    members,
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


ARCHIVES = [
    hostile_archive("index-twice", "A tar has two index.json.", around(after=member("index.json", INDEX_TWIN))),
    hostile_archive(
        "index-under-a-folder", "A folder has the name of a file.", around(after=header("index.json", b"5"))
    ),
    hostile_archive("file-for-folder", "A file has the name of a folder.", around(after=member("blobs", b"x"))),
    hostile_archive(
        "blob-swapped",
        "The manifest has other bytes.",
        changed(lambda files, home: files.update({blob_name(home): files[blob_name(home)].swapcase()})),
    ),
    hostile_archive(
        "blob-missing", "The manifest is missing.", changed(lambda files, home: files.pop(blob_name(home))), (NotFound,)
    ),
    hostile_archive(
        "blob-half",
        "The manifest is half of its bytes.",
        changed(lambda files, home: files.update({blob_name(home): files[blob_name(home)][:50]})),
    ),
    hostile_archive("two-descriptions", "Docker's description names another image.", changed(_evil_description)),
    hostile_archive(
        "description-of-4-mib",
        "Docker's description has 4 MiB.",
        changed(lambda files, _h: files.update({"manifest.json": b"[" + b"[]," * 1_300_000 + b"[]]"})),
    ),
    hostile_archive(
        "old-docker",
        "Docker's old form names no layers.",
        archive_of(_old_docker, "docker-archive", ""),
        (*BAD, SignaturesUnsupported, NoSignatures, NoSignatureAccepted),
    ),
    hostile_archive(
        "breaks-off", "A tar breaks off within a member.", archive_of(lambda home: (members(home.files())[:-700],))
    ),
    hostile_archive("no-end", "A tar has no end.", around(end=b""), BAD, harmless=True),
    hostile_archive(
        "other-bytes-behind", "Other bytes lie behind the end.", around(end=END + b"x" * 5000), BAD, harmless=True
    ),
    hostile_archive(
        "second-tar-behind",
        "A second tar lies behind the end of the first.",
        around(end=END + member("index.json", INDEX_TWIN) + END),
        BAD,
        harmless=True,
    ),
]
