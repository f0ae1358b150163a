"""One image in each kind of local home, and hands that change what lies there as an attacker would."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from imagesig import copy
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout.layout import Layout
from tests.images.archive.archives import tar_of

NAME = "registry.example/team/app:1.0"
BLOBS = "blobs/sha256/"
LOCAL = ("oci", "oci-archive", "dir")


class LocalHome:
    """An image in a layout, an archive or a `dir:`. `text` names it; files are changed by the names that they have."""

    def __init__(self, kind: str, folder: Path, *, index: bool = False) -> None:
        self.kind = kind
        layout = Layout.create(folder / "made")
        make = build_index if index else _one
        self.digest = make(layout, {"bin/app": b"hello"}, "1.0").digest
        self.path = folder / ("image.tar" if kind == "oci-archive" else "image")
        copy(f"oci:{folder / 'made'}:1.0", self.destination, all_platforms=True)

    @property
    def destination(self) -> str:
        return f"{self.kind}:{self.path}" + ("" if self.kind == "dir" else ":1.0")

    @property
    def names(self) -> tuple[str, ...]:
        """The ways in which the image is named."""
        pinned = f"{self.kind}:{self.path}@{self.digest}"
        return (self.destination,) if self.kind == "dir" else (self.destination, pinned, f"{self.kind}:{self.path}")

    def blob(self, digest: str, *, manifest: bool = False) -> str:
        """The name of the file with these bytes."""
        plain = digest.removeprefix("sha256:")
        if self.kind != "dir":
            return BLOBS + plain
        if digest == self.digest:
            return "manifest.json"
        return f"{plain}.manifest.json" if manifest else plain

    def read(self, name: str) -> bytes:
        if self.kind != "oci-archive":
            return (self.path / name).read_bytes()
        return dict(_members(self.path))[name]

    def write(self, name: str, content: bytes | None) -> None:
        """Puts these bytes under the name, or takes the file away."""
        if self.kind == "oci-archive":
            members = dict(_members(self.path))
            members.pop(name, None)
            if content is not None:
                members[name] = content
            self.path.write_bytes(tar_of(members.items()))
        elif content is None:
            (self.path / name).unlink()
        else:
            (self.path / name).write_bytes(content)

    def document(self, digest: str = "") -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.read(self.blob(digest or self.digest, manifest=True)))
        return loaded


def _one(layout: Layout, files: dict[str, bytes], tag: str) -> Any:
    return build_image(layout, files, PLATFORMS[0], tag)


def _members(path: Path) -> list[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        found = []
        for member in archive.getmembers():
            opened = archive.extractfile(member)
            assert opened is not None
            found.append((member.name, opened.read()))
        return found


def same_length(content: bytes) -> bytes:
    """Other bytes, as many, that are JSON if these are."""
    changed = content.replace(b'"schemaVersion":2', b'"schemaversion":2').replace(b'"rootfs"', b'"r00tfs"')
    return changed if changed != content else bytes(len(content))
