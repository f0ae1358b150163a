"""The writes of a copy: blobs, then manifests, then signatures and referrers, and the tag last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from imagesig.concurrency import for_each
from imagesig.errors import (
    BudgetExceeded,
    DigestMismatch,
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    NotFound,
    SignaturesUnsupported,
    TransportError,
    Unauthorized,
    UnexpectedResponse,
)
from imagesig.external import given
from imagesig.images.closure import LeftOut
from imagesig.images.image import Image
from imagesig.images.merge import Merge, Tagged
from imagesig.images.piece import Piece, distinct_blobs
from imagesig.images.source import ImageHome
from imagesig.images.transfer import BlobCount, Transfer
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.listing import UNKNOWN_SIZE
from imagesig.stores.store import Settle
from imagesig.stores.tag import merged, readable

_MERGED_SUFFIXES = (".sig", ".att")
"""Tags whose manifest is a list of layers, to which others can be added. An SBOM (`.sbom`) is one document."""


class CopiedManifest(Struct, frozen=True):
    """One manifest of a copy.

    `kind` is `image`, `platform`, `tagged` (`.sig`, `.att`, `.sbom`), `referrer` or `part` of one; `label` is the
    platform, the suffix or the artifact type. `state` is `copied`, `merged` (into the manifest of the destination),
    `present` (it was there), `kept` (the destination already has a different one, which is kept), or `left out` (it is
    missing, cannot be read, or the destination cannot store it; a warning says why).
    """

    digest: str
    kind: str
    label: str
    subject: str
    state: str


def copied_manifest(piece: Piece, state: str) -> CopiedManifest:
    """What the result of a copy says of one piece."""
    return CopiedManifest(piece.descriptor.digest, piece.kind, piece.label, piece.subject, state)


class CopyWriter:
    """Writes one copy. `progress` is called with the count of blobs after each one; `left_out` is not copied."""

    def __init__(
        self,
        source: Image,
        target: Image,
        progress: Callable[[BlobCount], None] | None = None,
        left_out: Sequence[LeftOut] = (),
    ) -> None:
        self._source = source
        self._left_out = {item.piece.descriptor.digest: item for item in left_out}
        self._missing: dict[tuple[str, int], str] = {}
        """Why a blob of this digest and size is left out."""
        self._target = target

        def report(_count: BlobCount) -> None:
            if progress is not None:
                with given("progress", InvalidArgument):
                    progress(self.blobs)

        self._images = Transfer(target.home, report)
        same = target.signatures is target.home
        self._signatures = self._images if same else Transfer(target.signatures, report)
        self._settles: list[Settle] = []
        self.warnings: list[str] = []

    @property
    def blobs(self) -> BlobCount:
        """The count of the blobs so far."""
        if self._signatures is self._images:
            return self._images.count
        return self._images.count + self._signatures.count

    def run(self, pieces: Sequence[Piece], tag: str) -> tuple[CopiedManifest, ...]:
        """Writes everything, in an order that never leaves the destination with less than it had."""
        image = [piece for piece in pieces if piece.kind in ("image", "platform")]
        attached = [piece for piece in pieces if piece.kind not in ("image", "platform")]
        needed = {blob.digest for piece in image if not piece.is_index for blob in piece.blobs}
        self._send(image, self._images, self._source.home, needed)
        self._send(attached, self._signatures, self._source.signatures, set())
        states = [self._store(piece, self._target.home) for piece in image]
        listed = self._listed_referrers(attached)
        states += [self._attach(piece, listed) for piece in attached]
        for_each(self._settles, lambda settle: settle())
        if tag:
            states[len(image) - 1] = self._move_tag(image[-1], tag)
        return tuple(copied_manifest(piece, state) for piece, state in zip([*image, *attached], states, strict=True))

    def _send(self, pieces: Sequence[Piece], transfer: Transfer, source: ImageHome, needed: set[str]) -> None:
        """Sends the blobs of these pieces. One that is not needed, and is missing or has another size, is left out."""

        def send(blob: Descriptor) -> None:
            try:
                transfer.blob(blob, source)
            except (NotFound, DigestMismatch, LimitExceeded) as error:
                why = "" if blob.digest in needed else _fault(source, blob, error)
                if not why:
                    raise
                self._missing[blob.digest, blob.size] = why

        for_each(distinct_blobs(pieces), send, stop=transfer.stop)
        for piece in pieces:
            for blob in piece.blobs if self._missing else ():
                if why := self._missing.get((blob.digest, blob.size)):
                    self.warnings.append(f"left out: blob {blob.digest} of {piece.descriptor.digest}: {why}")

    def _store(self, piece: Piece, home: ImageHome) -> str:
        if home.has(piece.descriptor.digest):
            return "present"
        try:
            home.put_manifest(piece.content, piece.descriptor.media_type)
        except TransportError as error:
            lost = self._lost(piece)
            if not lost or isinstance(error, Unauthorized):
                raise
            raise NotFound(
                f"{error}; the manifest is incomplete: {lost[0]}",
                hint="copy one platform that exists: --platform OS/ARCH" if piece.is_index else "",
            ) from error
        return "copied"

    def _lost(self, piece: Piece) -> list[str]:
        """What is left out of a manifest, which may be why a registry refuses it."""
        children = [str(self._left_out[child]) for child in sorted(piece.manifests) if child in self._left_out]
        blobs = [
            f"blob {blob.digest} {why}" for blob in piece.blobs if (why := self._missing.get((blob.digest, blob.size)))
        ]
        return [*children, *blobs, *piece.contents.unread]

    def _move_tag(self, root: Piece, tag: str) -> str:
        home = self._target.home
        try:
            if home.resolve(tag).digest == root.descriptor.digest:
                return "present"
        except (NotFound, MalformedError):
            pass  # the tag names nothing, or something that is not an image: it gets this one
        home.put_manifest(root.content, root.descriptor.media_type, tag)
        return "copied"

    def _listed_referrers(self, attached: Sequence[Piece]) -> set[str]:
        subjects = list(dict.fromkeys(piece.subject for piece in attached if piece.kind == "referrer"))
        found = for_each(subjects, self._target.signatures.referrers)
        return {referrer.digest for listing in found for referrer in listing.entries}

    def _attach(self, piece: Piece, listed: set[str]) -> str:
        home = self._target.signatures
        if piece.kind == "part":
            return self._store(piece, home)
        if piece.kind == "tagged":
            return self._attach_tagged(piece)
        if piece.descriptor.digest in listed:
            return "present"
        if any((blob.digest, blob.size) in self._missing for blob in piece.blobs):
            return "left out"
        subject = piece.subject_descriptor
        try:
            self._settles.append(home.add_referrer(piece.content, subject, piece.descriptor.media_type))
        except (SignaturesUnsupported, NotFound, UnexpectedResponse) as error:
            if not isinstance(error, SignaturesUnsupported) and not piece.contents.unread:
                raise
            self.warnings.append(f"left out: {piece.label or 'referrer'} {piece.descriptor.digest}: {error}")
            return "left out"
        return "copied"

    def _attach_tagged(self, piece: Piece) -> str:
        copied = Tagged(piece.content, piece.descriptor.media_type)
        try:
            return self._add_tagged(piece, copied)
        except (NotFound, UnexpectedResponse):
            if piece.label not in _MERGED_SUFFIXES or not piece.contents.unread:
                raise
            # The destination refuses the entries that cannot be read; the others are worth more than the same bytes.
            return self._add_tagged(piece, readable(self._target.signatures, piece.tag, copied))

    def _add_tagged(self, piece: Piece, copied: Tagged) -> str:
        home = self._target.signatures
        merge = _merge_of(home, piece, copied)
        state = "present"

        def changed(now: Tagged | None) -> Tagged | None:
            nonlocal state
            try:
                wanted = copied if merge is None or now is None else merge(now)
            except LimitExceeded:
                raise
            except MalformedError:
                wanted = copied  # the destination has something else under this tag
            if now is not None and wanted is copied:
                if now.content != copied.content:
                    state = "kept"
                return None
            if wanted is not None:
                state = "merged" if now else "copied"
            return wanted

        self._settles.append(home.change_tag(piece.tag, changed, uploads=merge is not None))
        if state == "kept":
            self.warnings.append(f"{piece.tag}: the destination already has a different one; it is kept")
        return state


def _merge_of(home: ImageHome, piece: Piece, copied: Tagged) -> Merge | None:
    """How the piece is added to what the tag names; None if that is one document, or the piece is no list."""
    if piece.label not in _MERGED_SUFFIXES:
        return None
    try:
        return merged(home, piece.tag, copied)
    except MalformedError:
        return None


def _fault(source: ImageHome, blob: Descriptor, error: Exception) -> str:
    """Why the source cannot give a blob that anyone who may push can describe; empty if the fault is elsewhere.

    Raises:
        DigestMismatch: the source has other bytes under this digest.
    """
    if isinstance(error, BudgetExceeded):
        return ""
    try:
        with source.open_blob(replace(blob, size=UNKNOWN_SIZE)) as chunks:
            if isinstance(error, NotFound):  # the destination answers "not found" too
                next(chunks, b"")
                return ""
            size = sum(len(chunk) for chunk in chunks)
    except NotFound:
        return "is missing"
    except LimitExceeded as limit:
        return str(limit)
    return f"has {size} bytes, and is listed with {blob.size}" if size != blob.size else ""
