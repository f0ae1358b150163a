"""Archives of `docker save` before Docker 25 and of `podman save`: `manifest.json`, a config and plain layers.

Such an archive has no manifest, so there is no digest that a signature could name. For copying, it is presented as the
OCI image with the same config and the same uncompressed layers: the same archive always gives the same digest, and the
image id stays. Docker computes another digest when it pushes the image.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.errors import (
    ImageNotFound,
    InvalidArgument,
    MalformedError,
    NotFound,
    SignaturesUnsupported,
)
from imagesig.images.archive.archive import DOCKER, Archive
from imagesig.images.archive.docker_document import Entry, diff_ids_of, member_named, read_entries
from imagesig.images.archive.file import ArchiveFile
from imagesig.images.archive.members import Member
from imagesig.images.archive.read_only import ReadOnlyHome
from imagesig.images.image import Image
from imagesig.images.layout.index import INDEX, MARKER
from imagesig.images.layout.loadable import DOCKER_CONFIG
from imagesig.images.local_path import local_path
from imagesig.images.stream import checked
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import sha256
from imagesig.oci.listing import Listing
from imagesig.oci.manifest import MANIFEST_TYPES, OCI_CONFIG, OCI_MANIFEST, Manifest, parse_manifest
from imagesig.oci.reference import parse_reference
from imagesig.patterns import regex
from imagesig.text import quote

_LAYER = "application/vnd.oci.image.layer.v1.tar"
_SIGNATURES_TAG = regex(r"sha256-[0-9a-f]{64}(\..+)?")


@checks_arguments
def docker_archive(
    file: str | os.PathLike[str], reference: str = "", *, timeout: float = limits.OPERATION_SECONDS
) -> Image:
    """The image in an archive of `docker save` that a tag, reference or digest names; without one, the only image.

    Raises:
        InvalidArgument: not such an archive, or several images and no name.
        MalformedError: the tar is damaged, or has members that are refused.
        ImageNotFound: there is no such image.
        DeadlineExceeded: reading it took more than `timeout` seconds.
    """

    return Image.opened(lambda: _find(local_path(file), reference), timeout)


def _find(path: Path, reference: str) -> Image:
    """The image in an archive of the new or the old form."""
    what = f"{DOCKER}:{path}"
    opened = ArchiveFile(path, what, links=True)
    files = opened.members.files
    if MARKER in files and INDEX in files:
        if opened.members.links:
            raise MalformedError(f"{what}: has symbolic links, which are not allowed in an archive of an OCI layout")
        layout = Archive(path, DOCKER, opened=opened)
        image = layout.image(reference)
        if not _lacks_layers(layout, image.target):
            return image
    home = DockerArchive(path, opened)
    return home.image(home.named(reference))


def _lacks_layers(layout: Archive, target: str) -> bool:
    """Whether the manifest has no layers although the config has: Docker 25.0.0 wrote such manifests (moby#47065).

    A signature of such a manifest would sign an empty image.
    """
    try:
        descriptor = layout.resolve(target)
    except NotFound:
        return False
    if descriptor.media_type not in MANIFEST_TYPES:
        return False
    content = layout.read(descriptor, limit=limits.MANIFEST_BYTES)
    manifest = parse_manifest(content, descriptor.media_type, f"{layout.name}: {descriptor.digest}")
    if manifest.layers or manifest.config.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
        return False
    config = layout.read(manifest.config, limit=limits.CONFIG_BYTES)
    return bool(diff_ids_of(config, f"{layout.name}: config"))


class DockerArchive(ReadOnlyHome):
    """One archive in Docker's old form, an `ImageHome` that can only be read. Thread-safe."""

    def __init__(self, path: Path, opened: ArchiveFile) -> None:
        super().__init__(DOCKER, path)
        self._opened = opened
        self._entries = read_entries(opened, self.name)
        self._manifests: dict[str, bytes] = {}
        self._members: dict[str, Member] = {}
        self._named: dict[str, str] = {}

    def only_image(self) -> str:
        return self.named("")

    def named(self, reference: str) -> str:
        """The name, else the digest, of the image with this reference, or of the only image. Reads all its layers."""
        fitting = [entry for entry in self._entries if not reference or _is_named(entry, reference)]
        if len(fitting) == 1:
            digest = self._convert(fitting[0])
            name = reference or next(iter(fitting[0].tags), digest)
            self._named[name] = digest
            return name
        names = ", ".join(quote(tag) for entry in self._entries[:10] for tag in entry.tags or ("no name",))
        if not fitting:
            raise ImageNotFound(f"{self.name}: has no image {quote(reference)} (it has: {names or 'none'})")
        raise InvalidArgument(
            f"{self.name}: has {len(self._entries)} images ({names})", hint=f"name one: {self.name}:REFERENCE"
        )

    # --- reading -------------------------------------------------------------------------------------------------

    def resolve(self, tag_or_digest: str) -> Descriptor:
        digest = self._named.get(tag_or_digest, tag_or_digest)
        if digest in self._manifests:
            return Descriptor.of(self._manifests[digest], OCI_MANIFEST)
        if _SIGNATURES_TAG.fullmatch(tag_or_digest):
            self._no_signatures()
        raise NotFound(f"{self.name}: no manifest {quote(tag_or_digest)}")

    def _manifest(self, digest: str) -> bytes:
        if digest not in self._manifests:
            raise NotFound(f"{self.name}: no manifest {digest}")
        return self._manifests[digest]

    @contextmanager
    def open_blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        member = self._members.get(descriptor.digest)
        if member is None:
            raise NotFound(f"{self.name}: no blob {descriptor.digest}")
        with self._opened.open(member) as chunks:
            yield checked(chunks, descriptor, f"{self.name}: {member.name}")

    def referrers(self, digest: str, artifact_type: str = "") -> Listing:
        self._no_signatures()

    # --- conversion ----------------------------------------------------------------------------------------------

    def _convert(self, entry: Entry) -> str:
        config = self._opened.read(member_named(self._opened, self.name, entry.config), limits.CONFIG_BYTES)
        named = entry.config.rpartition("/")[2].removesuffix(".json")
        if re.fullmatch(r"[0-9a-f]{64}", named) and sha256(config) != f"sha256:{named}":
            raise MalformedError(f"{self.name}: {quote(entry.config)} has other bytes, {sha256(config)}")
        diff_ids = diff_ids_of(config, f"{self.name}: {quote(entry.config)}")
        if len(diff_ids) != len(entry.layers):
            raise MalformedError(f"{self.name}: {len(entry.layers)} layers, but the config names {len(diff_ids)}")
        layers = tuple(self._layer(name, diff_id) for name, diff_id in zip(entry.layers, diff_ids, strict=True))
        described = Descriptor.of(config, OCI_CONFIG)
        self._members[described.digest] = member_named(self._opened, self.name, entry.config)
        manifest = Manifest(described, layers).to_bytes()
        digest = sha256(manifest)
        self._manifests[digest] = manifest
        return digest

    def _layer(self, name: str, diff_id: object) -> Descriptor:
        member = member_named(self._opened, self.name, name)
        hashed, first = hashlib.sha256(), b""
        with self._opened.open(member) as chunks:
            for chunk in chunks:
                first = first or chunk[:2]
                hashed.update(chunk)
        digest = f"sha256:{hashed.hexdigest()}"
        compressed = first == b"\x1f\x8b"
        if not compressed and digest != diff_id:
            raise MalformedError(f"{self.name}: layer {quote(name)} is {digest}, the config names {quote(diff_id)}")
        self._members[digest] = member
        return Descriptor(_LAYER + "+gzip" if compressed else _LAYER, digest, member.size)

    def _no_signatures(self) -> NoReturn:
        raise SignaturesUnsupported(
            f"{self.name}: has no manifest that names its layers (as Docker wrote before version 25, and in 25.0.0): "
            "there is no digest that a signature could name, so it can be neither signed nor verified",
            hint=f"convert it, and sign the copy: imagesig copy {self.name} oci-archive:FILE (or push it, sign there)",
        )


def _is_named(entry: Entry, text: str) -> bool:
    for tag in entry.tags:
        try:
            wanted, named = parse_reference(text), parse_reference(tag)
        except InvalidArgument:
            continue
        if (wanted.repository, wanted.tag or "latest") == (named.repository, named.tag):
            return True
    return False
