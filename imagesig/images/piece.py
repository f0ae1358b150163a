"""One manifest or index of a copy, and the blobs that it names. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from imagesig.errors import MalformedError
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.listing import UNKNOWN_SIZE, Contents, parse_contents
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES
from imagesig.redacted import RedactedStruct


class Piece(RedactedStruct, frozen=True):
    """One manifest or index. `tag` is the tag that names it, if any; `subject` is the digest that it belongs to.

    `kind` is `image`, `platform`, `tagged`, `referrer` or `part` (of an index that refers to the image). `manifests`
    are the digests of an index's children that are pieces too.
    """

    hidden = ("content",)

    kind: str
    descriptor: Descriptor
    content: bytes
    label: str = ""
    subject: str = ""
    tag: str = ""
    manifests: frozenset[str] = frozenset()

    @property
    def contents(self) -> Contents:
        """What its own bytes name."""
        return parse_contents(self.content, self.descriptor.media_type, self.descriptor.digest)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The blobs that it names: everything but manifests and indexes."""
        contents = self.contents
        config = () if contents.config is None else (contents.config,)
        return (*config, *(entry for entry in contents.entries if entry.digest not in self.manifests))

    @property
    def is_index(self) -> bool:
        return self.descriptor.media_type in INDEX_TYPES

    @property
    def subject_descriptor(self) -> Descriptor:
        """The subject in a referrer's own bytes.

        Raises:
            MalformedError: it has none, or another one than the list of referrers says.
        """
        subject = self.contents.subject
        if subject is None or subject.digest != self.subject:
            raise MalformedError(
                f"{self.descriptor.digest}: is listed as a referrer of {self.subject}, but does not refer to it"
            )
        return subject


def is_document(descriptor: Descriptor) -> bool:
    """Whether it is a manifest or an index, by its media type."""
    return descriptor.media_type in (*MANIFEST_TYPES, *INDEX_TYPES)


def distinct_blobs(pieces: Iterable[Piece]) -> tuple[Descriptor, ...]:
    """Every distinct blob of these pieces, with its size if one of them names it, and once for each size they name."""
    found: dict[str, dict[int, Descriptor]] = {}
    for piece in pieces:
        for blob in piece.blobs:
            found.setdefault(blob.digest, {}).setdefault(blob.size, blob)
    return tuple(
        blob for sizes in found.values() for size, blob in sizes.items() if size != UNKNOWN_SIZE or len(sizes) == 1
    )
