"""OCI 1.1 referrers: one manifest per signature, with the image as its `subject`.

Spec: OCI distribution-spec 1.1, "Listing Referrers", with the fallback tag where the API is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from imagesig import limits
from imagesig.effort import Cost
from imagesig.errors import (
    DeletionRefused,
    ImagesigError,
    LimitExceeded,
    MalformedError,
    NotFound,
    Rejection,
)
from imagesig.format_names import ARTIFACT_TYPES
from imagesig.images.source import ImageHome, ImageSource
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.listing import Listing
from imagesig.oci.manifest import (
    EMPTY_CONFIG,
    INDEX_TYPES,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_MANIFEST,
    Manifest,
    parse_manifest,
)
from imagesig.signature import Part, StoredSignature
from imagesig.stores.store import (
    SIGNATURES,
    Entries,
    Found,
    Limited,
    Reading,
    Removal,
    Settle,
    Sizes,
    Wanted,
    pay,
)

_PREDICATE_TYPE = "dev.sigstore.bundle.predicateType"
_SAYS_NOTHING = ("", OCI_EMPTY, OCI_CONFIG)
"""Artifact types of listings by registries and clients that do not know the type, or list that of the config."""


class _Candidate(Struct, frozen=True):
    """A manifest that may be a signature's, with its place in the list."""

    place: int
    origin: str
    referrer: Descriptor
    manifest: Manifest

    @property
    def layer(self) -> Descriptor:
        return self.manifest.layers[0]


class ReferrerStore(Struct, frozen=True):
    """See `SignatureStore`. The first `most` of the referrers with a wanted type are read."""

    sizes: Sizes = SIGNATURES
    most: int = limits.REFERRERS

    def find(self, home: ImageSource, digest: str, wanted: Wanted) -> Iterator[Found]:
        where = f"{home.name}: referrers of {digest}"
        try:
            listing = _listed(home, digest, wanted)
        except LimitExceeded as error:
            yield Limited(where, error)
            return
        except MalformedError as error:
            yield Rejection(where, error)
            return
        for place, problem in listing.malformed:
            yield Rejection(f"{where}: entry {place}", problem)
        if listing.limited:
            yield Limited(where, listing.limited)
        chosen, left_out = _to_fetch(listing.entries, wanted)
        if left_out:
            most = LimitExceeded(f"{left_out} of {len(chosen) + left_out} are not read, at most {len(chosen)} are")
            yield Limited(where, most)
        entries = Entries(reading := Reading(home))
        candidates = list(self._candidates(entries, reading, f"{home.name}@", digest, chosen, wanted))
        # Small ones come first: adding large ones does not keep them from being read.
        ordered = sorted(candidates, key=lambda item: (self._is_other(item), item.layer.size, item.place))
        for candidate in ordered[: self.most]:
            if entries.is_over:
                break
            with entries.reading_entry(candidate.place, candidate.origin):
                entries.put(candidate.place, self._signature(reading, candidate))
            if self.sizes.one_by_one:
                yield from entries.taken()
        if len(ordered) > self.most:
            yield Limited(where, LimitExceeded(f"{len(ordered)} bundles, at most {self.most} are read"))
        yield from entries.all()

    def _candidates(
        self,
        entries: Entries,
        reading: Reading,
        name: str,
        digest: str,
        chosen: Sequence[tuple[int, Descriptor]],
        wanted: Wanted,
    ) -> Iterator[_Candidate]:
        read: set[str] = set()
        for place, referrer in chosen:
            if entries.is_over:
                return
            if referrer.digest in read:
                continue
            origin = f"{name}{referrer.digest}"
            with entries.reading_entry(place, origin):
                manifest = _manifest(reading, referrer, wanted, origin)
                read.add(referrer.digest)
                if manifest is None:
                    continue
                if manifest.subject is None or manifest.subject.digest != digest:
                    # What was signed decides, as in cosign; but the origin shows that somebody moved it here.
                    attached = manifest.subject.digest if manifest.subject else "nothing"
                    origin += f" (listed here, attached to {attached})"
                yield _Candidate(place, origin, referrer, manifest)

    def _is_other(self, candidate: _Candidate) -> bool:
        """Whether an artefact says that it is an image signature, and attestations are read: then it comes last."""
        if not self.sizes.one_by_one:
            return False
        from imagesig.in_toto.statement import SIGN_PREDICATE

        return candidate.manifest.annotations.get(_PREDICATE_TYPE) == SIGN_PREDICATE

    def _signature(self, reading: Reading, candidate: _Candidate) -> StoredSignature:
        layer, manifest = candidate.layer, candidate.manifest
        pay(self.sizes.cost, layer, self.sizes.bundle, candidate.origin)
        part = Part(layer.media_type, reading.read(layer, self.sizes.bundle), layer.annotations, layer.digest)
        return StoredSignature(
            candidate.origin,
            (part,),
            manifest.artifact_type,
            manifest.annotations,
            manifest.config.media_type,
            candidate.referrer,
        )

    def check(self, home: ImageHome) -> None:
        home.check_holds(referrers=True)

    def attach(self, home: ImageHome, subject: Descriptor, signature: StoredSignature) -> Settle:
        config = home.put_blob(EMPTY_CONFIG, signature.config_type or OCI_EMPTY)
        layers = []
        for part in signature.parts:
            stored = home.put_blob(part.content, part.media_type)
            layers.append(Descriptor(part.media_type, stored.digest, stored.size, part.annotations))
        manifest = Manifest(
            config,
            tuple(layers),
            OCI_MANIFEST,
            signature.annotations,
            Descriptor(subject.media_type, subject.digest, subject.size),
            signature.artifact_type,
        )
        return home.add_referrer(manifest.to_bytes(), subject)

    def detach(self, home: ImageHome, digest: str, signatures: Sequence[StoredSignature]) -> Settle:
        removal = Removal()
        for place, signature in enumerate(signatures):
            assert signature.manifest is not None
            try:
                removal.settles.append(([signature.origin], home.remove_referrer(signature.manifest, digest)))
            except NotFound:
                removal.removed.append(signature.origin)  # somebody else removed it
            except ImagesigError as error:
                removal.failed([signature.origin], error)
                if not isinstance(error, DeletionRefused):
                    removal.left += [item.origin for item in signatures[place + 1 :]]
                    break
        if removal.cause is not None:
            removal.settle()
        return removal.settle


def _listed(home: ImageSource, digest: str, wanted: Wanted) -> Listing:
    """The image's referrers. If the list is too long, those with a signature's artifact type come first."""
    listing = home.referrers(digest)
    if listing.limited is None:
        return listing
    by_type = Listing()
    for kind in filter(wanted, ARTIFACT_TYPES):
        found = home.referrers(digest, kind)
        if not found.filtered:
            break
        by_type = by_type.followed_by(found)
    return by_type.followed_by(listing)


def _to_fetch(entries: Sequence[Descriptor], wanted: Wanted) -> tuple[list[tuple[int, Descriptor]], int]:
    """The manifests to fetch, in this order, each with its place in the list; and how many are left out.

    The listing's artifactType and annotations are not trusted: registries and older clients get them wrong. Only the
    manifest says what it has, so entries with another artifactType are read too, but last.
    """

    def order(item: tuple[int, Descriptor]) -> tuple[int, int, int]:
        place, entry = item
        kind = entry.artifact_type
        rank = 0 if kind and wanted(kind) else 1 if kind in _SAYS_NOTHING else 2
        return rank, entry.size, place

    # An entry with a wrong size or type does not keep another one with the same digest from being read.
    distinct: dict[tuple[str, int, str], tuple[int, Descriptor]] = {}
    for place, entry in enumerate(entries):
        if entry.media_type not in INDEX_TYPES:
            distinct.setdefault((entry.digest, entry.size, entry.media_type), (place, entry))
    ordered = sorted(distinct.values(), key=order)
    return ordered[: limits.REFERRERS], len(ordered[limits.REFERRERS :])


def _manifest(reading: Reading, referrer: Descriptor, wanted: Wanted, origin: str) -> Manifest | None:
    """The manifest of a signature; None if it is another artifact."""
    pay(Cost.MANIFEST_BYTES, referrer, limits.SIGNATURE_MANIFEST_BYTES, origin)
    content = reading.read(referrer, limits.SIGNATURE_MANIFEST_BYTES)
    manifest = parse_manifest(
        content, referrer.media_type, origin, nodes=limits.SIGNATURE_MANIFEST_NODES, needs_config=False
    )
    kinds = (*(layer.media_type for layer in manifest.layers), manifest.artifact_type, manifest.config.media_type)
    if not any(wanted(kind) for kind in kinds):
        return None
    if len(manifest.layers) != 1:
        raise LimitExceeded(f"{len(manifest.layers)} layers, a signature has exactly one")
    return manifest
