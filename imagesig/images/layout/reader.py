"""Reading a layout in a directory or an archive.

Spec: OCI image-spec, image layout.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec.structs import replace

from imagesig import limits
from imagesig.deadlines import remaining
from imagesig.encoding.json import parse_object
from imagesig.errors import (
    BudgetExceeded,
    DigestMismatch,
    ImageNotFound,
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    NotFound,
)
from imagesig.images.layout.index import (
    INDEX,
    LAYOUT_VERSION,
    MARKER,
    Entries,
    is_image,
    is_named,
    read_entries,
    saved_by_cosign,
    tag_of_entry,
)
from imagesig.images.layout.loadable import is_loadable
from imagesig.images.local_home import LocalHome
from imagesig.logs import Logger
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import digest_like, is_address, is_digest, is_tag_of_digest, sha256
from imagesig.oci.kind import kind_of
from imagesig.oci.listing import Listing, parse_contents
from imagesig.oci.manifest import (
    MANIFEST_TYPES,
    detect_media_type,
    parse_layout_index,
)
from imagesig.oci.shapes import LAYOUT
from imagesig.text import quote

logger = Logger("imagesig")


class LayoutReader(LocalHome):
    """The reading half of an `ImageHome` over the files of a layout. `LayoutHome` adds the writing half."""

    def __init__(self, form: str, path: Path) -> None:
        super().__init__(form, path)
        self._parsed: dict[str, tuple[bytes, tuple[dict[str, object], ...]]] = {}
        """The bytes of each index as they were last read, and its entries, which nobody changes."""

    @abstractmethod
    def _file(self, name: str, most: int) -> bytes:
        """The content of `oci-layout`, `index.json` or `blobs/sha256/<hex>`.

        Raises:
            InvalidArgument: a file that every layout needs is missing.
            NotFound: the blob is missing.
            LimitExceeded: it has more than `most` bytes.
        """

    @abstractmethod
    def _small_blobs(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """The digest of every blob that is small enough for a manifest, and a function that reads it."""

    def _check_version(self) -> None:
        document = parse_object(self._file(MARKER, limits.LAYOUT_MARKER_BYTES), f"{self.name}: {MARKER}", LAYOUT)
        version = document.get("imageLayoutVersion")
        if version != LAYOUT_VERSION:
            raise InvalidArgument(f"{self.name}: another layout version, {LAYOUT_VERSION} is needed")

    def resolve(self, tag_or_digest: str) -> Descriptor:
        entries = self._entries()
        digest = tag_or_digest if is_digest(tag_or_digest) else self._tagged(entries, tag_or_digest)
        if digest is None:
            raise NotFound(f"{self.name}: no manifest is tagged {quote(tag_or_digest)}")
        return self._described(entries, digest, tag_or_digest)

    def find(self, tag: str) -> Descriptor | None:
        entries = self._entries()
        digest = self._tagged(entries, tag)
        try:
            return None if digest is None else self._described(entries, digest, tag)
        except NotFound:
            return None

    def _described(self, entries: Entries, digest: str, tag_or_digest: str) -> Descriptor:
        content = self._manifest(digest)
        listed = [entry for entry in entries.read if entry.digest == digest]
        for entry in entries.unread:
            if entry.digest == digest:
                raise entry.error
        claimed = {entry.media_type for entry in listed}
        is_list = is_tag_of_digest(tag_or_digest)
        media_type = kind_of(content, claimed, f"{self.name}: {digest}", is_list=is_list)
        if any(entry.size != len(content) for entry in listed):
            raise MalformedError(f"{self.name}: index.json lists {digest} with a wrong size")
        return replace(listed[0], media_type=media_type) if listed else Descriptor.of(content, media_type)

    def _tagged(self, entries: Entries, tag: str) -> str | None:
        """The digest that a tag names; None if no manifest has the tag."""
        for unread in entries.unread:
            if is_named(unread.names, tag):
                raise unread.error
        found = {entry.digest for entry in entries.read if is_named(entry, tag)}
        if len(found) > 1:
            raise MalformedError(f"{self.name}: the tag {quote(tag)} names {len(found)} different manifests")
        if found:
            return next(iter(found))
        saved = saved_by_cosign(entries.read, tag)
        return None if saved is None else saved.digest

    def _manifest(self, digest: str) -> bytes:
        return self._read_blob(digest, limits.MANIFEST_BYTES)

    def _content(self, descriptor: Descriptor, limit: int) -> bytes:
        return self._read_blob(descriptor.digest, limit)

    def referrers(self, digest: str, artifact_type: str = "") -> Listing:
        """The referrers, found by reading the blobs: some tools, such as cosign, do not list them in `index.json`."""
        found: dict[str, Descriptor] = {}
        limited: LimitExceeded | None = None
        for name, read in self._small_blobs():
            remaining(self.name)
            try:
                content = read()
            except (MalformedError, NotFound):
                continue  # a dangling link, or removed meanwhile
            if digest.encode() not in content or b'"subject"' not in content or sha256(content) != name:
                continue
            try:
                media_type = detect_media_type(content, name)
                document = parse_contents(content, media_type, name)
            except BudgetExceeded as error:
                limited = error.without_frames()
                break
            except MalformedError:
                continue  # a config or layer that contains the digest
            if document.subject and document.subject.digest == digest:
                found[name] = replace(Descriptor.of(content, media_type), artifact_type=document.artifact_type)
            if len(found) > limits.REFERRERS_LISTED:
                limited = LimitExceeded(f"{self.name}: more than {limits.REFERRERS_LISTED} referrers of {digest}")
                break
        return Listing(tuple(found[name] for name in sorted(found)), limited=limited)

    def only_image(self) -> str:
        """The digest of the only image.

        Raises:
            InvalidArgument: several images.
            ImageNotFound: no image.
            MalformedError: other tools may load another image.
        """
        found = self._entries()
        for unread in found.unread:  # it may be the image that is meant
            if not found.read:
                raise unread.error
            raise MalformedError(str(unread.error), hint=f"name the image: {self.name}:TAG or @DIGEST")
        entries = found.read
        images = {entry.digest: entry for entry in entries if is_image(entry)}
        images = {digest: entry for digest, entry in images.items() if not self._has_subject(entry)}
        if not images:
            raise ImageNotFound(f"{self.name}: has no image")
        if len(images) > 1:
            tags = ", ".join(quote(tag_of_entry(entry) or entry.digest) for entry in list(images.values())[:10])
            raise InvalidArgument(
                f"{self.name}: has {len(images)} images ({tags})", hint=f"name one: {self.name}:TAG or @DIGEST"
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
        """A tag of the image with this digest; empty if it has none."""
        tags = [tag_of_entry(entry) for entry in self._entries().read if entry.digest == digest]
        return next((tag for tag in tags if tag), "")

    def _has_subject(self, entry: Descriptor) -> bool:
        if entry.media_type not in MANIFEST_TYPES:
            return False
        try:
            content = self._read_manifest(entry)
        except NotFound:
            return False  # an error is raised when the entry is resolved
        return parse_contents(content, entry.media_type, entry.digest).has_subject

    def _read_manifest(self, entry: Descriptor) -> bytes:
        return self.read(entry, limit=limits.MANIFEST_BYTES)

    def _entries(self) -> Entries:
        found = read_entries(self._index(), f"{self.name}: index.json entry")
        for unread in found.unread:
            logger.debug("an entry is passed over: %s", unread.error)
        return found

    def _index(self) -> list[dict[str, object]]:
        return self._listed(INDEX)

    def _listed(self, name: str) -> list[dict[str, object]]:
        """The entries of `index.json`, or of another index of its form."""
        content = self._file(name, limits.MANIFEST_BYTES)
        # speed: read every time, but parsed only if it changed: a verification reads it 3 times (benchmarks/rows.py)
        parsed = self._parsed.get(name)
        if parsed is None or parsed[0] != content:
            entries = parse_layout_index(content, f"{self.name}: {name}")
            parsed = self._parsed[name] = (content, tuple(entries))
        return list(parsed[1])

    def _blob(self, digest: str) -> str:
        """The path of a blob. The digest is checked, because it becomes a path (CVE-2024-3727)."""
        if not is_address(digest):
            raise MalformedError(
                f"{self.name}: digest {quote(digest)}, sha256: and 64 lower-case hex digits are needed"
            )
        return f"blobs/{digest.replace(':', '/')}"

    def _read_blob(self, digest: str, most: int) -> bytes:
        content = self._file(self._blob(digest), most)
        if (seen := digest_like(digest, content)) != digest:
            raise DigestMismatch(f"{self.name}: the blob {digest} has other bytes, {seen}")
        return content
