"""What a layout holds, wherever its files lie: in a directory or in an archive.

Spec: OCI image-spec, image layout.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from imagesig import limits
from imagesig.encoding.json import go_json, parse_object
from imagesig.errors import DigestMismatch, ImageNotFound, InvalidArgument, LimitExceeded, MalformedError, NotFound
from imagesig.images.layout_index import (
    INDEX,
    LAYOUT_VERSION,
    MARKER,
    is_image,
    is_named,
    saved_by_cosign,
    tag_of_entry,
)
from imagesig.images.loadable import is_loadable
from imagesig.oci.descriptor import Descriptor, parse_descriptor
from imagesig.oci.digest import is_digest, sha256
from imagesig.oci.manifest import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_MANIFEST,
    detect_media_type,
    parse_index,
    parse_manifest,
)
from imagesig.text import quote


class LayoutReader(ABC):
    """The reading half of an `ImageHome` over the files of a layout. Those who write it add the other half."""

    @property
    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def _file(self, name: str, most: int) -> bytes:
        """The file `oci-layout`, `index.json` or `blobs/sha256/<hex>`.

        Raises:
            InvalidArgument: a file that every layout has is missing.
            NotFound: the blob is missing.
            LimitExceeded: it has more than `most` bytes.
        """

    @abstractmethod
    def _size(self, name: str) -> int | None:
        """The size of a file; None if it is not there."""

    @abstractmethod
    def _small_blobs(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """The digest of every blob that is small enough to be a manifest, and what reads it."""

    def _check_version(self) -> None:
        version = parse_object(self._file(MARKER, limits.CONFIG_BYTES), f"{self.name}: {MARKER}").get(
            "imageLayoutVersion"
        )
        if version != LAYOUT_VERSION:
            raise InvalidArgument(f"{self.name}: layout version {quote(version)}, {LAYOUT_VERSION} is needed")

    def resolve(self, tag_or_digest: str) -> Descriptor:
        entries = self._entries()
        if is_digest(tag_or_digest):
            found = [entry for entry in entries if entry.digest == tag_or_digest]
            return found[0] if found else self._manifest_by_digest(tag_or_digest)
        found = [entry for entry in entries if is_named(entry, tag_or_digest)]
        distinct = {entry.digest: entry for entry in found}
        if len(distinct) > 1:
            raise MalformedError(f"{self.name}: the tag {tag_or_digest!r} names {len(distinct)} different manifests")
        if distinct:
            return next(iter(distinct.values()))
        saved = saved_by_cosign(entries, tag_or_digest)
        if saved is None:
            raise NotFound(f"{self.name}: no manifest is tagged {quote(tag_or_digest)}")
        return saved

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        if descriptor.size > limit:
            raise LimitExceeded(
                f"{self.name}: {descriptor.digest} has {descriptor.size} bytes, at most {limit} are read"
            )
        content = self._read_blob(descriptor.digest, descriptor.size)
        if len(content) != descriptor.size:
            raise DigestMismatch(f"{self.name}: {descriptor.digest} is not {descriptor.size} bytes long")
        return content

    def has(self, digest: str) -> bool:
        return self._size(self._blob(digest)) is not None

    def has_blob(self, descriptor: Descriptor) -> bool:
        return self._size(self._blob(descriptor.digest)) == descriptor.size

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """Found in the blobs themselves: not every tool lists its referrers in `index.json` (cosign does not)."""
        found: dict[str, Descriptor] = {}
        for name, read in self._small_blobs():
            content = read()
            if digest.encode() not in content or b'"subject"' not in content:
                continue
            try:
                media_type = detect_media_type(content, name)
                parse = parse_index if media_type in INDEX_TYPES else parse_manifest
                subject = parse(content, media_type, name).subject
            except MalformedError:
                continue  # a config, a layer or an index that mentions the digest
            if subject and subject.digest == digest:
                found[name] = Descriptor.of(content, media_type)
            if len(found) > limits.REFERRERS:
                raise LimitExceeded(f"{self.name}: more than {limits.REFERRERS} referrers of {digest}")
        return tuple(found[name] for name in sorted(found))

    def only_image(self) -> str:
        """The digest of the one image here. Raises `InvalidArgument` or `ImageNotFound` if there is not exactly one."""
        entries = self._entries()
        images = {entry.digest: entry for entry in entries if is_image(entry)}
        images = {digest: entry for digest, entry in images.items() if not self._has_subject(entry)}
        if not images:
            raise ImageNotFound(f"{self.name}: holds no image")
        if len(images) > 1:
            tags = ", ".join(quote(tag_of_entry(entry) or entry.digest) for entry in list(images.values())[:10])
            raise InvalidArgument(
                f"{self.name}: holds {len(images)} images ({tags})", hint=f"name one: {self.name}:TAG or @DIGEST"
            )
        for entry in entries:
            if entry.digest not in images and is_loadable(entry, self._read_manifest):
                raise MalformedError(
                    f"{self.name}: beside the image, index.json lists {entry.digest}, which other tools load as an "
                    "image although it is listed as a signature or refers to another image",
                    hint=f"name the image: {self.name}:TAG or @DIGEST",
                )
        return next(iter(images))

    def tag_for(self, digest: str) -> str:
        """A tag of the image with this digest, empty if it has none."""
        tags = [tag_of_entry(entry) for entry in self._entries() if entry.digest == digest]
        return next((tag for tag in tags if tag), "")

    def _has_subject(self, entry: Descriptor) -> bool:
        if entry.media_type not in MANIFEST_TYPES:
            return False
        content = self._read_manifest(entry)
        return parse_manifest(content, entry.media_type, entry.digest).subject is not None

    def _read_manifest(self, entry: Descriptor) -> bytes:
        return self.read(entry, limit=limits.MANIFEST_BYTES)

    def _entries(self) -> list[Descriptor]:
        return [parse_descriptor(entry, f"{self.name}: index.json entry") for entry in self._index()]

    def _index(self) -> list[dict[str, object]]:
        return self._listed(INDEX)

    def _listed(self, name: str) -> list[dict[str, object]]:
        """The entries of `index.json`, or of another index of its form."""
        document = parse_object(self._file(name, limits.MANIFEST_BYTES), f"{self.name}: {name}")
        entries = document.get("manifests")
        if entries is None and "manifests" in document:
            return []  # as Go writes a list without entries; Docker 25.0 did
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise MalformedError(f"{self.name}: {name} has no list of manifests")
        return entries

    def _manifest_by_digest(self, digest: str) -> Descriptor:
        """A manifest that `index.json` does not list, such as the child of an index."""
        content = self._read_blob(digest, limits.MANIFEST_BYTES)
        document = parse_object(content, f"{self.name}: {digest}")
        media_type = document.get("mediaType", OCI_MANIFEST)
        if media_type not in (*MANIFEST_TYPES, *INDEX_TYPES):
            raise NotFound(f"{self.name}: {digest} is no manifest")
        return Descriptor.of(content, str(media_type))

    def _blob(self, digest: str) -> str:
        """The blob's file. A digest is a path here: CVE-2024-3727."""
        if not is_digest(digest):
            raise MalformedError(
                f"{self.name}: digest {quote(digest)}, sha256: and 64 lower-case hex digits are needed"
            )
        return f"blobs/sha256/{digest.removeprefix('sha256:')}"

    def _read_blob(self, digest: str, most: int) -> bytes:
        content = self._file(self._blob(digest), most)
        if sha256(content) != digest:
            raise DigestMismatch(f"{self.name}: the blob {digest} holds other bytes, {sha256(content)}")
        return content

    def _rewritten(self, name: str, entries: list[dict[str, object]]) -> bytes:
        """The bytes of an index with these entries, every other member kept as it stands."""
        document = parse_object(self._file(name, limits.MANIFEST_BYTES), name)
        content = go_json(document | {"manifests": entries})
        if len(content) > limits.MANIFEST_BYTES:
            raise LimitExceeded(f"{self.name}: {name} would grow over {limits.MANIFEST_BYTES} bytes")
        return content
