"""Everything that belongs to an image: its platforms, its tagged signatures, its referrers, and theirs."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.concurrency import for_each
from imagesig.errors import (
    BudgetExceeded,
    DigestMismatch,
    LimitExceeded,
    MalformedError,
    NotFound,
    SignaturesUnsupported,
)
from imagesig.images.image import Image
from imagesig.images.piece import Piece, is_document
from imagesig.images.source import ImageSource
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import is_digest, tag_of
from imagesig.oci.listing import UNKNOWN_SIZE, Contents
from imagesig.text import quote

ATTACHED_SUFFIXES = (".sig", ".att", ".sbom")
"""Suffixes of cosign's tags for a digest: signatures, attestations, SBOMs."""
_INDEX_DEPTH = 3
_SHOWN = 10
"""Entries of one list that a warning names."""


class LeftOut(Struct, frozen=True):
    """A manifest that cannot be copied, and why."""

    piece: Piece
    reason: str

    def __str__(self) -> str:
        piece = self.piece
        return f"left out: {quote(piece.label) if piece.label else piece.kind} {piece.descriptor.digest}: {self.reason}"


class Closure(Struct, frozen=True):
    """Every piece, each after its parts. `warnings` names the entries of lists that could not be read."""

    pieces: tuple[Piece, ...]
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()


def closure_of(image: Image, root: Descriptor, *, attached: bool) -> Closure:
    """The image with all its platforms and, if `attached`, everything that belongs to it.

    What cannot be read is left out: a child that is missing, an entry without a digest, and what anyone who may push
    can add to a list of referrers. Bytes with another digest are an error.

    Raises:
        LimitExceeded: more content than `imagesig.limits` allows.
        DigestMismatch: the bytes of a manifest do not match its descriptor.
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
    return Closure(tuple(collector.pieces), tuple(collector.left_out), tuple(collector.warnings))


class _Collector:
    def __init__(self, image: Image) -> None:
        self.pieces: list[Piece] = []
        self.left_out: list[LeftOut] = []
        self.warnings: list[str] = []
        self._image = image
        self._tried: set[tuple[str, str, str, int]] = set()
        self._added: set[tuple[str, str]] = set()
        self._left = limits.COPIED_MANIFEST_BYTES

    def add(self, piece: Piece, home: ImageSource, depth: int) -> None:
        """Reads a piece and adds it after its parts, unless it was added before."""
        at = (piece.descriptor.digest, piece.tag)
        described = (*at, piece.descriptor.media_type, piece.descriptor.size)
        if at in self._added or described in self._tried:
            return
        # Another entry with the same digest may describe it correctly.
        self._tried.add(described)
        try:
            piece, contents = self._read(piece, home)
        except (NotFound, MalformedError) as error:
            self._leave_out(piece, error)
            return
        self._added.add(at)
        children: frozenset[str] = frozenset()
        if piece.is_index:
            if depth == 0:
                raise LimitExceeded(f"{self._image}: indexes nested more than {_INDEX_DEPTH} deep")
            children = self._add_children(piece, contents, home, depth - 1)
        self._note(contents.unread, f"entries of {piece.descriptor.digest}")
        self.pieces.append(replace(piece, label=piece.label or contents.artifact_type, manifests=children))
        if len(self.pieces) > limits.COPIED_MANIFESTS:
            raise LimitExceeded(f"{self._image}: more than {limits.COPIED_MANIFESTS} manifests belong to it")

    def _add_children(self, index: Piece, contents: Contents, home: ImageSource, depth: int) -> frozenset[str]:
        """Adds the children that are manifests, and gives their digests and those of what is left out."""
        kind = "platform" if index.kind in ("image", "platform") else "part"
        found = set()
        for child in contents.entries:
            piece = Piece(kind, child, b"", str(child.platform or ""))
            try:
                piece = replace(piece, descriptor=_by_its_bytes(child, home))
            except (NotFound, MalformedError) as error:
                self._leave_out(piece, error)
            else:
                if not is_document(piece.descriptor):
                    continue  # a blob
                self.add(piece, home, depth)
            found.add(child.digest)
        return frozenset(found)

    def _leave_out(self, piece: Piece, error: NotFound | MalformedError) -> None:
        """Notes why a piece cannot be copied. Raises the error if it concerns the copy as a whole."""
        if piece.kind == "image" or isinstance(error, DigestMismatch | BudgetExceeded):
            raise error
        self.left_out.append(LeftOut(piece, "is missing" if isinstance(error, NotFound) else str(error)))

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
                except MalformedError as error:
                    # Signature files are part of the image's folder; a tag of a registry anyone who may push can make.
                    if home.stores_signature_files or isinstance(error, DigestMismatch | BudgetExceeded):
                        raise
                    self.warnings.append(f"left out: {tag}: {error}")
                    continue
                found.append(Piece("tagged", descriptor, b"", suffix, digest, tag))
            listing = home.referrers(digest)
        except SignaturesUnsupported:
            return []  # this form of image cannot hold any
        if listing.limited is not None:
            raise listing.limited
        self._note([str(error) for _, error in listing.malformed], f"entries of the referrers of {digest}")
        return found + [Piece("referrer", item, b"", item.artifact_type, digest) for item in listing.entries]

    def _note(self, reasons: Sequence[str], what: str) -> None:
        self.warnings += [f"left out: {reason}" for reason in reasons[:_SHOWN]]
        if more := len(reasons[_SHOWN:]):
            self.warnings.append(f"left out: {more} further {what}")

    def _read(self, piece: Piece, home: ImageSource) -> tuple[Piece, Contents]:
        descriptor = piece.descriptor
        if not is_document(descriptor):
            raise MalformedError(f"refers to the image as {quote(descriptor.media_type)}, which is not read")
        if not is_digest(descriptor.digest):
            raise MalformedError("only manifests with a SHA-256 digest are copied")
        if descriptor.size > limits.MANIFEST_BYTES:
            raise LimitExceeded(f"{descriptor.size} bytes, at most {limits.MANIFEST_BYTES} are read")
        self._left -= descriptor.size
        if self._left < 0:
            raise BudgetExceeded(f"{self._image}: more than {limits.COPIED_MANIFEST_BYTES} bytes of manifests")
        piece = replace(piece, content=_content(piece, home))
        contents = piece.contents
        if piece.kind == "referrer":
            piece.subject_descriptor  # noqa: B018 - raises if it refers to something else
        return piece, contents


def _content(piece: Piece, home: ImageSource) -> bytes:
    """The bytes of a manifest.

    Raises:
        MalformedError: anyone who may push could write the descriptor, and its size is wrong.
        DigestMismatch: other bytes arrived.
    """
    descriptor = piece.descriptor
    try:
        return home.read(descriptor, limit=limits.MANIFEST_BYTES)
    except DigestMismatch as error:
        if piece.kind in ("image", "platform") or (own := home.resolve(descriptor.digest)).size == descriptor.size:
            raise
        raise MalformedError(f"has {own.size} bytes, and is listed with {descriptor.size}") from error


def _by_its_bytes(child: Descriptor, home: ImageSource) -> Descriptor:
    """A child of an index, with size and media type of its own bytes if the index does not name them.

    A child of another media type is a blob, as for crane.

    Raises:
        NotFound, MalformedError: it is listed as a manifest of unknown size, and cannot be read.
    """
    is_named = child.size != UNKNOWN_SIZE if is_document(child) else child.media_type != ""
    if is_named or not is_digest(child.digest):
        return child
    try:
        own = home.resolve(child.digest)
    except (NotFound, MalformedError) as error:
        if is_document(child) or isinstance(error, DigestMismatch | BudgetExceeded):
            raise
        return child  # a blob, or missing
    return replace(child, media_type=own.media_type, size=own.size)
