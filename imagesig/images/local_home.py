"""The base of homes in files and folders. A further home implements the abstract methods and inherits the rest.

Every home reads and hashes what it names by digest, and lets one writer work at a time.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from imagesig.errors import (
    DigestMismatch,
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    NotFound,
    SignaturesUnsupported,
)
from imagesig.images.image import Image
from imagesig.images.merge import Merge, Tagged, nothing_to_settle, read_tag
from imagesig.images.source import ImageSource
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.listing import Listing
from imagesig.oci.location import Location
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES, OCI_MANIFEST, check_document
from imagesig.text import quote

if TYPE_CHECKING:
    from imagesig.images.abilities import Probe


class LocalHome(ABC):
    """An `ImageHome` that people name `form:path`. It holds no referrers, unless a subclass overrides their methods."""

    stores_signature_files = False
    described: frozenset[str] = frozenset()

    def __init__(self, form: str, path: Path) -> None:
        self._form, self._path = form, path

    @property
    def name(self) -> str:
        return f"{self._form}:{self._path}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._path)!r})"

    # --- a home implements these ---------------------------------------------------------------------------------

    @abstractmethod
    def only_image(self) -> str:
        """The digest or name of the only image. Raises `InvalidArgument` for several, `ImageNotFound` for none."""

    @abstractmethod
    def resolve(self, tag_or_digest: str) -> Descriptor:
        """See `ImageSource`."""

    def find(self, tag: str) -> Descriptor | None:
        """See `ImageSource`."""
        try:
            return self.resolve(tag)
        except NotFound:
            return None

    @abstractmethod
    def _manifest(self, digest: str) -> bytes:
        """The manifest or index with this digest, hashed.

        Raises:
            NotFound, DigestMismatch, MalformedError: it is missing, or cannot be read.
        """

    @abstractmethod
    def open_blob(self, descriptor: Descriptor) -> AbstractContextManager[Iterator[bytes]]:
        """See `ImageSource`."""

    @abstractmethod
    def has_blob(self, descriptor: Descriptor) -> bool:
        """See `ImageTarget`."""

    @abstractmethod
    def put_blob_stream(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> None:
        """See `ImageTarget`."""

    @abstractmethod
    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        """See `ImageTarget`."""

    @abstractmethod
    def delete_manifest(self, digest: str) -> None:
        """See `ImageTarget`."""

    @abstractmethod
    def _turn(self) -> AbstractContextManager[object]:
        """A block in which no other thread or process writes here."""

    # --- reading -------------------------------------------------------------------------------------------------

    @property
    def location(self) -> Location:
        """Where the home is, as policies name places."""
        return Location(self._form, path=os.path.realpath(self._path))

    @property
    def identity(self) -> str:
        return str(self.location)

    def image(self, target: str = "") -> Image:
        """The image here that a tag or digest names; without one, the only image.

        Raises `InvalidArgument` for `@0`: skopeo takes it for a number, and an entry may have it as its tag.
        """
        if target.startswith("@"):
            wanted = "a tag or digest is needed; numbers are read in oci:DIRECTORY only"
            raise InvalidArgument(f"{self.name}: {quote(target)}, {wanted}")
        return Image(self, target or self.only_image(), self, place=self.location, described=self.described)

    def tag_for(self, digest: str) -> str:
        return ""

    def pin(self, tag_or_digest: str) -> str:
        return self.resolve(tag_or_digest).digest

    def has(self, digest: str) -> bool:
        try:
            self._manifest(digest)
        except (NotFound, MalformedError):
            return False
        return True

    def read(self, descriptor: Descriptor, *, limit: int) -> bytes:
        if descriptor.size > limit:
            raise LimitExceeded(
                f"{self.name}: {descriptor.digest} has {descriptor.size} bytes, at most {limit} are read"
            )
        content = self._content(descriptor, limit)
        if len(content) != descriptor.size:
            raise DigestMismatch(f"{self.name}: {descriptor.digest} is not {descriptor.size} bytes long")
        if _is_document(descriptor):
            check_document(content, descriptor.media_type, f"{self.name}: {descriptor.digest}", is_list=True)
        return content

    def _content(self, descriptor: Descriptor, limit: int) -> bytes:
        """The bytes with the descriptor's digest, at most `limit` of them."""
        if _is_document(descriptor):
            return self._manifest(descriptor.digest)
        with self.open_blob(descriptor) as chunks:
            return b"".join(chunks)

    def referrers(self, digest: str, artifact_type: str = "") -> Listing:
        return Listing()

    def probe(self) -> Probe | None:
        return None

    # --- writing -------------------------------------------------------------------------------------------------

    def check_holds(self, *, referrers: bool) -> None:
        if referrers:
            self._no_place("bundles and other referrers")

    def transaction(self, *, resume: bool = False) -> AbstractContextManager[bool]:
        return nullcontext(False)

    def put_blob(self, content: bytes, media_type: str) -> Descriptor:
        descriptor = Descriptor.of(content, media_type)
        if not self.has_blob(descriptor):
            self.put_blob_stream(descriptor, (content,))
        return descriptor

    def mount_blob(self, descriptor: Descriptor, source: ImageSource) -> bool:
        return False

    def change_tag(self, tag: str, merge: Merge, *, uploads: bool = False) -> Callable[[], None]:
        with self._turn():
            merged = merge(self._tagged_now(tag))
            if merged is not None:
                self.put_manifest(merged.content, merged.media_type, tag)
        return nothing_to_settle

    def add_referrer(self, content: bytes, subject: Descriptor, media_type: str = OCI_MANIFEST) -> Callable[[], None]:
        self._no_place("bundles and other referrers")

    def remove_referrer(self, referrer: Descriptor, subject: str) -> Callable[[], None]:
        raise NotFound(f"{self.name}: no referrer {referrer.digest}")

    def _tagged_now(self, tag: str) -> Tagged | None:
        """What a tag names now; None also for a manifest with wrong bytes, which is lost."""
        try:
            return read_tag(self, tag)
        except DigestMismatch:
            return None

    def _no_place(self, what: str) -> NoReturn:
        raise SignaturesUnsupported(
            f"{self.name}: only classic signatures can be stored there, not {what}",
            hint="sign with --format cosign, or use oci:DIRECTORY or oci-archive:FILE, which can store everything",
        )


def _is_document(descriptor: Descriptor) -> bool:
    return descriptor.media_type in (*MANIFEST_TYPES, *INDEX_TYPES)
