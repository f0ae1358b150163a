"""Everything that belongs to an image: its platforms, its tagged signatures, its referrers, and theirs."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from imagesig import limits
from imagesig.concurrency import for_each
from imagesig.errors import LimitExceeded, MalformedError, NotFound, SignaturesUnsupported
from imagesig.images.image import Image
from imagesig.images.source import ImageSource
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import tag_of
from imagesig.oci.listing import Listing
from imagesig.oci.manifest import INDEX_TYPES, MANIFEST_TYPES, Index, Manifest, parse_index, parse_manifest
from imagesig.redacted import RedactedStruct

ATTACHED_SUFFIXES = (".sig", ".att", ".sbom")
"""Suffixes of cosign's tags for a digest: signatures, attestations, SBOMs."""
_INDEX_DEPTH = 3
_SHOWN = 10
"""Entries of one list that a warning names."""


class Piece(RedactedStruct, frozen=True):
    """One manifest or index. `tag` is the tag that names it, if any; `subject` is the digest that it belongs to.

    `kind` is `image`, `platform`, `tagged`, `referrer` or `part` (of an index that refers to the image).
    """

    hidden = ("content",)

    kind: str
    descriptor: Descriptor
    content: bytes
    label: str = ""
    subject: str = ""
    tag: str = ""

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The blobs that it names: everything but manifests and indexes."""
        document = _parse(self.content, self.descriptor)
        if isinstance(document, Manifest):
            return (document.config, *document.layers)
        return tuple(child for child in document.manifests if not _is_document(child))

    @property
    def subject_descriptor(self) -> Descriptor:
        """The subject in a referrer's own bytes."""
        subject = _parse(self.content, self.descriptor).subject
        if subject is None or subject.digest != self.subject:
            raise MalformedError(
                f"{self.descriptor.digest}: is listed as a referrer of {self.subject}, but does not refer to it"
            )
        return subject


class Closure(Struct, frozen=True):
    """Every piece, each after its parts. `left_out` names the entries of lists that could not be read."""

    pieces: tuple[Piece, ...]
    left_out: tuple[str, ...] = ()


def closure_of(image: Image, root: Descriptor, *, attached: bool) -> Closure:
    """The image with all its platforms and, if `attached`, everything that belongs to it.

    An entry of a list of referrers that cannot be read is left out: anyone who may push can add one.

    Raises:
        NotFound: a platform that the index lists is missing.
        LimitExceeded: more content than `imagesig.limits` allows.
        SignaturesUnsupported: a referrer has a media type that is not supported.
    """
    collector = _Collector(image)
    collector.add(Piece("image", root, b""), image.home, _INDEX_DEPTH)
    level = [piece.descriptor.digest for piece in collector.pieces] if attached else []
    for depth in range(limits.REFERRER_DEPTH + 1):
        found = [piece for pieces in for_each(level, collector.attached_to) for piece in pieces]
        if found and depth == limits.REFERRER_DEPTH:
            raise LimitExceeded(f"{image}: referrers of referrers more than {limits.REFERRER_DEPTH} deep")
        known = len(collector.pieces)
        for piece in found:
            collector.add(piece, image.signatures, _INDEX_DEPTH)
        level = [piece.descriptor.digest for piece in collector.pieces[known:]]
    return Closure(tuple(collector.pieces), tuple(collector.left_out))


class _Collector:
    def __init__(self, image: Image) -> None:
        self.pieces: list[Piece] = []
        self.left_out: list[str] = []
        self._image = image
        self._seen: set[tuple[str, str]] = set()
        self._left = limits.COPIED_MANIFEST_BYTES

    def add(self, piece: Piece, home: ImageSource, depth: int) -> None:
        """Reads a piece and adds it after its parts, unless it was added before."""
        at = (piece.descriptor.digest, piece.tag)
        if at in self._seen:
            return
        self._seen.add(at)
        content = self._read(piece, home)
        document = _parse(content, piece.descriptor)
        if isinstance(document, Index):
            if depth == 0:
                raise LimitExceeded(f"{self._image}: indexes nested more than {_INDEX_DEPTH} deep")
            kind = "platform" if piece.kind in ("image", "platform") else "part"
            for child in document.manifests:
                if _is_document(child):
                    self.add(Piece(kind, child, b"", str(child.platform or "")), home, depth - 1)
        label = piece.label or document.artifact_type
        self.pieces.append(Piece(piece.kind, piece.descriptor, content, label, piece.subject, piece.tag))
        if len(self.pieces) > limits.COPIED_MANIFESTS:
            raise LimitExceeded(f"{self._image}: more than {limits.COPIED_MANIFESTS} manifests belong to it")

    def attached_to(self, digest: str) -> list[Piece]:
        """The manifests that are tagged for this digest or refer to it, not read yet."""
        home = self._image.signatures
        found = []
        try:
            for suffix in ATTACHED_SUFFIXES:
                tag = tag_of(digest, suffix)
                try:
                    descriptor = home.resolve(tag)
                except NotFound:
                    continue
                found.append(Piece("tagged", descriptor, b"", suffix, digest, tag))
            listing = home.referrers(digest)
        except SignaturesUnsupported:
            return []  # this form of image cannot hold any
        if listing.limited is not None:
            raise listing.limited
        self._note_malformed(listing, digest)
        return found + [Piece("referrer", item, b"", item.artifact_type, digest) for item in listing.entries]

    def _note_malformed(self, listing: Listing, digest: str) -> None:
        malformed = listing.malformed
        self.left_out += [f"left out: {error}" for _, error in malformed[:_SHOWN]]
        if more := len(malformed[_SHOWN:]):
            self.left_out.append(f"left out: {more} further entries of the referrers of {digest}")

    def _read(self, piece: Piece, home: ImageSource) -> bytes:
        descriptor = piece.descriptor
        if not _is_document(descriptor):
            raise SignaturesUnsupported(
                f"{home.name}: {descriptor.digest} refers to the image as {descriptor.media_type}, which is not read",
                hint="copy without signatures: --no-signatures, or signatures=False",
            )
        self._left -= descriptor.size
        if self._left < 0:
            raise LimitExceeded(f"{self._image}: more than {limits.COPIED_MANIFEST_BYTES} bytes of manifests")
        try:
            return home.read(descriptor, limit=limits.MANIFEST_BYTES)
        except NotFound as error:
            if piece.kind != "platform":
                raise
            raise NotFound(
                f"{self._image}: lists {piece.label or 'the manifest'} {descriptor.digest}, which is missing",
                hint="copy one platform that exists: --platform OS/ARCH",
            ) from error


def distinct_blobs(pieces: Iterable[Piece]) -> tuple[Descriptor, ...]:
    """Every distinct blob of these pieces.

    Raises:
        MalformedError: two pieces give different sizes for a blob.
    """
    found: dict[str, Descriptor] = {}
    for piece in pieces:
        for blob in piece.blobs:
            if found.setdefault(blob.digest, blob).size != blob.size:
                raise MalformedError(
                    f"blob {blob.digest}: has {blob.size} bytes in one manifest, and another size in others"
                )
    return tuple(found.values())


def _is_document(descriptor: Descriptor) -> bool:
    return descriptor.media_type in (*MANIFEST_TYPES, *INDEX_TYPES)


def _parse(content: bytes, descriptor: Descriptor) -> Manifest | Index:
    parse = parse_index if descriptor.media_type in INDEX_TYPES else parse_manifest
    return parse(content, descriptor.media_type, descriptor.digest)
