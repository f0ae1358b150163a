"""The writes of a copy: blobs, then manifests, then signatures and referrers, and the tag last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from imagesig.concurrency import for_each
from imagesig.errors import MalformedError, NotFound, SignaturesUnsupported
from imagesig.images.closure import Piece, distinct_blobs
from imagesig.images.image import Image
from imagesig.images.merge import Tagged
from imagesig.images.source import ImageHome
from imagesig.images.transfer import BlobCount, Transfer
from imagesig.stores.store import Settle
from imagesig.stores.tag import merged

_MERGED_SUFFIXES = (".sig", ".att")
"""Tags whose manifest is a list of layers, to which others can be added. An SBOM (`.sbom`) is one document."""


class CopiedManifest(Struct, frozen=True):
    """One manifest of a copy.

    `kind` is `image`, `platform`, `tagged` (`.sig`, `.att`, `.sbom`), `referrer` or `part` of one; `label` is the
    platform, the suffix or the artifact type. `state` is `copied`, `merged` (into the manifest of the destination),
    `present` (it was there), `kept` (the destination already has a different one, which is kept), or `left out` (the
    destination cannot store it; a warning says why).
    """

    digest: str
    kind: str
    label: str
    subject: str
    state: str


class CopyWriter:
    """Writes one copy. `progress` is called with the count of blobs after each one."""

    def __init__(self, source: Image, target: Image, progress: Callable[[BlobCount], None] | None = None) -> None:
        self._source = source
        self._target = target

        def report(_count: BlobCount) -> None:
            if progress is not None:
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
        self._send(image, self._images, self._source.home)
        self._send(attached, self._signatures, self._source.signatures)
        states = [self._store(piece, self._target.home) for piece in image]
        listed = self._listed_referrers(attached)
        states += [self._attach(piece, listed) for piece in attached]
        for_each(self._settles, lambda settle: settle())
        if tag:
            states[len(image) - 1] = self._move_tag(image[-1], tag)
        return tuple(
            CopiedManifest(piece.descriptor.digest, piece.kind, piece.label, piece.subject, state)
            for piece, state in zip([*image, *attached], states, strict=True)
        )

    def _send(self, pieces: Sequence[Piece], transfer: Transfer, source: ImageHome) -> None:
        for_each(distinct_blobs(pieces), lambda blob: transfer.blob(blob, source), stop=transfer.stop)

    def _store(self, piece: Piece, home: ImageHome) -> str:
        if home.has(piece.descriptor.digest):
            return "present"
        home.put_manifest(piece.content, piece.descriptor.media_type)
        return "copied"

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
        subject = piece.subject_descriptor
        try:
            self._settles.append(home.add_referrer(piece.content, subject, piece.descriptor.media_type))
        except SignaturesUnsupported as error:
            self.warnings.append(f"left out: {piece.label or 'referrer'} {piece.descriptor.digest}: {error}")
            return "left out"
        return "copied"

    def _attach_tagged(self, piece: Piece) -> str:
        home = self._target.signatures
        copied = Tagged(piece.content, piece.descriptor.media_type)
        merge = merged(home, piece.tag, copied) if piece.label in _MERGED_SUFFIXES else None
        state = "present"

        def changed(now: Tagged | None) -> Tagged | None:
            nonlocal state
            if now is not None and merge is None:
                if now.content != copied.content:
                    state = "kept"
                return None
            wanted = copied if merge is None else merge(now)
            if wanted is not None:
                state = "merged" if now else "copied"
            return wanted

        self._settles.append(home.change_tag(piece.tag, changed, uploads=merge is not None))
        if state == "kept":
            self.warnings.append(f"{piece.tag}: the destination already has a different one; it is kept")
        return state
