"""Checks that an archive's OCI layout and its `manifest.json` describe the same images.

skopeo's `docker-archive:` and Docker's older store read `manifest.json`; skopeo's `oci-archive:`, Docker's containerd
store and imagesig read `index.json`. They must load the image that imagesig verifies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from posixpath import normpath

from msgspec import Struct

from imagesig import limits
from imagesig.errors import InvalidArgument, LimitExceeded, MalformedError, NotFound
from imagesig.images.archive.docker_document import DOCUMENT, Entry, member_named, read_entries
from imagesig.images.archive.file import ArchiveFile
from imagesig.images.layout.index import tag_of_entry, whole_name
from imagesig.images.layout.loadable import has_image_config, is_image_manifest
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import sha256
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES, Manifest, parse_index, parse_manifest
from imagesig.oci.reference import parse_reference
from imagesig.patterns import regex
from imagesig.text import quote

_BLOB = regex(r"blobs/sha256/([0-9a-f]{64})")
_BEFORE_DOCKER_1_10 = regex(r"repositories|[^/]+/(json|VERSION|layer\.tar)")
_DEPTH = 3
"""Indexes within indexes."""

Read = Callable[[Descriptor], bytes]


def has_description(opened: ArchiveFile, name: str) -> bool:
    """Whether the archive has a `manifest.json`. Raises `MalformedError` for a description of Docker 1.9."""
    if DOCUMENT in opened.members.files:
        return True
    if any(_BEFORE_DOCKER_1_10.fullmatch(member) for member in opened.members.files):
        raise MalformedError(f"{name}: has an OCI layout and images in the form of Docker 1.9: readers disagree")
    return False


def described_by_docker(
    opened: ArchiveFile, name: str, listed: list[Descriptor], read: Read, *, without_layers: bool
) -> frozenset[str]:
    """The digests of the manifests that `manifest.json` also describes.

    `listed` are the entries of the layout's index, and `read` reads their manifests. `without_layers` accepts a
    manifest without layers, as Docker 25.0.0 wrote it (moby#47065).

    Raises:
        MalformedError: the two describe different images, or the same image under different names.
    """
    comparison = _Comparison(opened, name, read, without_layers)
    images = {digest: image for entry in listed for digest, image in comparison.images_of(entry, _DEPTH)}
    entries = read_entries(opened, name)
    listed = [item for item in listed if comparison.reaches(item)]
    found: set[str] = set()
    for entry in entries:
        same = comparison.same(entry, images)
        _check_names(entry, [item for item in listed if comparison.reaches(item) & same], listed, name)
        found |= same
    for item in listed:
        if not comparison.reaches(item) & found:
            raise MalformedError(f"{name}: {DOCUMENT} does not describe {item.digest}, which index.json lists")
    return frozenset(found)


class _Comparison(Struct):
    """The two descriptions of one archive."""

    opened: ArchiveFile
    name: str
    read: Read
    without_layers: bool
    reached: dict[str, frozenset[str]] = {}
    hashed: dict[str, str] = {}

    def images_of(self, entry: Descriptor, depth: int) -> Iterator[tuple[str, Manifest]]:
        """The image manifests below an entry that exist in the archive, without signatures."""
        found = dict(self._images_below(entry, depth))
        self.reached[entry.digest] = frozenset(found)
        yield from found.items()

    def reaches(self, entry: Descriptor) -> frozenset[str]:
        """The digests of the image manifests below an entry."""
        return self.reached[entry.digest]

    def _images_below(self, entry: Descriptor, depth: int) -> Iterator[tuple[str, Manifest]]:
        try:
            if entry.media_type in MANIFEST_TYPES:
                manifest = parse_manifest(self.read(entry), entry.media_type, f"{self.name}: {entry.digest}")
                if is_image_manifest(manifest) or (not manifest.layers and has_image_config(manifest)):
                    yield entry.digest, manifest
            elif entry.media_type in INDEX_TYPES:
                index = parse_index(self.read(entry), entry.media_type, f"{self.name}: {entry.digest}")
                if depth == 0:
                    raise LimitExceeded(f"{self.name}: indexes nested more than {_DEPTH} deep")
                for child in index.manifests:
                    yield from self._images_below(child, depth - 1)
        except NotFound:
            return  # this platform was not saved

    def same(self, entry: Entry, images: dict[str, Manifest]) -> set[str]:
        """The digests of the manifests with the config and the layers of an entry of `manifest.json`."""
        config = sha256(self.opened.read(member_named(self.opened, self.name, entry.config), limits.CONFIG_BYTES))
        layers = tuple(self._digest(layer) for layer in entry.layers)
        found = {
            digest
            for digest, image in images.items()
            if image.config.digest == config
            and (tuple(layer.digest for layer in image.layers) == layers or (self.without_layers and not image.layers))
        }
        if not found:
            raise MalformedError(
                f"{self.name}: {DOCUMENT} describes the image {quote(next(iter(entry.tags), config))}, "
                "but index.json lists none with its config and layers: readers load different images"
            )
        return found

    def _digest(self, layer: str) -> str:
        """The digest of a layer. It is the name of a blob, which every reader checks; another file is hashed."""
        blob = _BLOB.fullmatch(normpath(layer))
        member = member_named(self.opened, self.name, layer)
        if blob:
            return f"sha256:{blob[1]}"
        if layer not in self.hashed:
            hashed = hashlib.sha256()
            with self.opened.open(member) as chunks:
                for chunk in chunks:
                    hashed.update(chunk)
            self.hashed[layer] = f"sha256:{hashed.hexdigest()}"
        return self.hashed[layer]


def _check_names(entry: Entry, same: list[Descriptor], listed: list[Descriptor], name: str) -> None:
    """Returns if every name of an entry of `manifest.json` names the same image in the index."""
    for tag in entry.tags:
        try:
            reference = parse_reference(tag)
        except InvalidArgument as error:
            raise MalformedError(f"{name}: {DOCUMENT} has an invalid name, {quote(tag)}") from error
        wanted = (reference.repository, reference.tag or "latest")
        holders = [item for item in listed if whole_name(item) == wanted]
        if not holders:
            holders = [item for item in listed if whole_name(item) is None and tag_of_entry(item) == wanted[1]]
        if any(item not in same for item in holders) or (not holders and len({item.digest for item in listed}) > 1):
            raise MalformedError(f"{name}: {DOCUMENT} and index.json use the name {quote(tag)} for different images")
