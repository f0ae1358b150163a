"""cosign's classic signatures and attestations: layers of the manifest with the tag `sha256-<hex>.sig` or `.att`.

Spec: sigstore/cosign specs/SIGNATURE_SPEC.md, "Storage"; the bytes are those that cosign writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from msgspec import Struct

from imagesig import limits
from imagesig.encoding.json import go_json, parse_object
from imagesig.errors import (
    DeletionRefused,
    FormatViolation,
    ImagesigError,
    LimitExceeded,
    MalformedError,
    NotFound,
    Rejection,
    RemovalIncomplete,
)
from imagesig.images.merge import Merge, Tagged, read_tag
from imagesig.images.signature_manifest import config_bytes
from imagesig.images.source import ImageHome, ImageSource
from imagesig.oci.descriptor import Descriptor, parse_descriptor
from imagesig.oci.digest import sha256, tag_of
from imagesig.oci.listing import Listing, parse_layers
from imagesig.oci.manifest import MANIFEST_TYPES, OCI_CONFIG, OCI_MANIFEST, Manifest
from imagesig.oci.shapes import LISTING
from imagesig.signature import Part, StoredSignature
from imagesig.stores.store import SIGNATURES, Entries, Found, Limited, Reading, Settle, Sizes, Wanted, pay
from imagesig.text import quote


class TagStore(Struct, frozen=True):
    """See `SignatureStore`. The tag ends in `suffix`; `most` layers are read."""

    suffix: str = ".sig"
    sizes: Sizes = SIGNATURES
    most: int = limits.SIGNATURE_LAYERS

    def find(self, home: ImageSource, digest: str, wanted: Wanted) -> Iterator[Found]:
        tag = tag_of(digest, self.suffix)
        origin = f"{home.name}:{tag}"
        try:
            if (now := read_tag(home, tag)) is None:
                return
            layers = parse_layers(now.content, now.media_type, tag)
        except NotFound:
            return
        except LimitExceeded as error:
            yield Limited(origin, error)
            return
        except MalformedError as error:
            yield Rejection(origin, error)
            return
        if layers.limited:
            yield Limited(origin, layers.limited)
        entries = Entries(reading := Reading(home))
        for place, malformed in layers.malformed:
            entries.put(place, Rejection(f"{origin} layer {place}", malformed))
        ordered = _in_reading_order(layers, wanted)
        if len(ordered) > self.most:
            most = f"{len(ordered)} layers, at most {self.most} are read"
            yield Limited(origin, LimitExceeded(most))
        yield from self._read(entries, reading, origin, ordered[: self.most], wanted)

    def _read(
        self,
        entries: Entries,
        reading: Reading,
        origin: str,
        ordered: Sequence[tuple[int, Descriptor]],
        wanted: Wanted,
    ) -> Iterator[Found]:
        payloads: dict[str, bytes] = {}
        for place, layer in ordered:
            if entries.is_over:
                break
            where = f"{origin} layer {place}"
            if not wanted(layer.media_type):
                problem = FormatViolation(f"layer of type {quote(layer.media_type)} is not a signature")
                entries.put(place, Rejection(where, problem))
                continue
            with entries.reading_entry(place, where):
                content = payloads.get(layer.digest)
                if content is None:
                    pay(self.sizes.cost, layer, self.sizes.payload, where)
                    content = reading.read(layer, self.sizes.payload)
                    if not self.sizes.one_by_one:
                        payloads[layer.digest] = content
                part = Part(layer.media_type, content, layer.annotations, layer.digest)
                entries.put(place, StoredSignature(where, (part,)))
                del content, part
            if self.sizes.one_by_one:
                yield from entries.taken()
        yield from entries.all()

    def check(self, home: ImageHome) -> None:
        home.check_holds(referrers=False)

    def attach(self, home: ImageHome, subject: Descriptor, signature: StoredSignature) -> Settle:
        (part,) = signature.parts
        stored = home.put_blob(part.content, part.media_type)
        layer = Descriptor(part.media_type, stored.digest, stored.size, part.annotations)
        tag = tag_of(subject.digest, self.suffix)

        def merge(now: Tagged | None) -> Tagged | None:
            layers = _layers(now, tag)
            if _identity(layer) in _identities(layers, tag):
                return None
            if len(layers) >= self.most:
                raise LimitExceeded(
                    f"{tag}: has {len(layers)} signatures; verifiers read at most {self.most}",
                    hint="remove signatures that are no longer needed",
                )
            return _written(home, now, [*layers, layer.to_json()])

        return home.change_tag(tag, merge, uploads=True)

    def detach(self, home: ImageHome, digest: str, signatures: Sequence[StoredSignature]) -> Settle:
        tag = tag_of(digest, self.suffix)
        gone = {(part.digest or sha256(part.content), part.annotations) for item in signatures for part in item.parts}
        dropping = without(home, tag, lambda layer: (layer.digest, layer.annotations) in gone)
        emptied: set[str] = set()

        def merge(now: Tagged | None) -> Tagged | None:
            written = dropping(now)
            if written is not None and not _layers(written, tag):
                emptied.add(sha256(written.content))
            return written

        settle_change = home.change_tag(tag, merge, uploads=True)

        def settle() -> None:
            settle_change()
            try:
                _delete_emptied(home, tag, emptied)
            except ImagesigError as error:
                removed = [item.origin for item in signatures]
                raise RemovalIncomplete(
                    f"the empty list {tag} is still there: {error}", removed=removed, left=(), cause=error
                ) from error

        return settle


def _in_reading_order(layers: Listing, wanted: Wanted) -> list[tuple[int, Descriptor]]:
    """The readable layers with their places: signatures first, and small ones before large ones.

    So adding large layers does not keep small ones from being read.
    """
    malformed = dict(layers.malformed)
    places = (number for number in range(layers.count) if number not in malformed)
    return sorted(
        zip(places, layers.entries, strict=True),
        key=lambda item: (not wanted(item[1].media_type), item[1].size, item[0]),
    )


def _delete_emptied(home: ImageHome, tag: str, emptied: set[str]) -> None:
    """Deletes the manifest that a removal left without signatures, if the home allows deletion.

    It is deleted by digest: if somebody signs meanwhile, the tag has another manifest, which stays.
    """
    with suppress(NotFound, DeletionRefused):
        descriptor = home.resolve(tag)
        if descriptor.digest in emptied:
            home.delete_manifest(descriptor.digest)


def merged(home: ImageHome, tag: str, theirs: Tagged) -> Merge:
    """The change that adds to a tag all layers of another signature manifest.

    If the tag does not exist, the other manifest is copied byte by byte.
    """
    carried = [read for layer in _layers(theirs, tag) if (read := _read(layer, tag)) is not None]

    def merge(now: Tagged | None) -> Tagged | None:
        if now is None:
            return theirs
        layers = _layers(now, tag)
        present = _identities(layers, tag)
        missing = [layer for layer in carried if _identity(layer) not in present]
        if not missing:
            return None
        most = limits.ATTESTATIONS if tag.endswith(".att") else limits.SIGNATURE_LAYERS
        if len(layers) + len(missing) > most:
            raise LimitExceeded(
                f"{tag}: would have {len(layers) + len(missing)} layers; verifiers read at most {most}",
                hint="remove signatures that are no longer needed",
            )
        return _written(home, now, [*layers, *(layer.to_json() for layer in missing)])

    return merge


def readable(home: ImageHome, tag: str, theirs: Tagged) -> Tagged:
    """Another signature manifest without the layers that cannot be read, for a home that refuses those."""
    return _written(home, theirs, [layer for layer in _layers(theirs, tag) if _read(layer, tag) is not None])


def without(home: ImageHome, tag: str, dropped: Callable[[Descriptor], bool]) -> Merge:
    """The change that removes the dropped layers from a tag. Nothing changes if there are none."""

    def merge(now: Tagged | None) -> Tagged | None:
        if now is None:
            return None
        layers = _layers(now, tag)
        kept = [layer for layer in layers if (read := _read(layer, tag)) is None or not dropped(read)]
        return None if len(kept) == len(layers) else _written(home, now, kept)

    return merge


def _layers(now: Tagged | None, tag: str) -> list[object]:
    """The layers as stored, with every member that others wrote."""
    if now is None:
        return []
    if now.media_type not in MANIFEST_TYPES:
        raise MalformedError(f"{tag}: is a {now.media_type}; it is not replaced by a signature manifest")
    parse_layers(now.content, now.media_type, tag)
    layers = parse_object(now.content, tag, LISTING)["layers"] or []
    assert isinstance(layers, list)
    return layers


def _read(layer: object, tag: str) -> Descriptor | None:
    """A layer that others wrote; None if it cannot be read."""
    try:
        return parse_descriptor(layer, tag)
    except MalformedError:
        return None


def _identity(layer: Descriptor) -> tuple[object, ...]:
    """What two entries for the same signature have in common."""
    return layer.digest, layer.size, layer.media_type, layer.annotations


def _identities(layers: list[object], tag: str) -> set[tuple[object, ...]]:
    """The identities of the layers that can be read. Anyone may push many layers, so they are not compared one by one.

    A layer that verifiers cannot read is not the same one, and does not keep a good one from being added.
    """
    return {_identity(read) for layer in layers if (read := _read(layer, tag)) is not None}


def _written(home: ImageHome, now: Tagged | None, layers: list[object]) -> Tagged:
    digests = [str(layer.get("digest")) if isinstance(layer, dict) else "" for layer in layers]
    config = home.put_blob(config_bytes(digests), OCI_CONFIG)
    if now is None:
        document: dict[str, object] = parse_object(Manifest(config, ()).to_bytes(), "new manifest", LISTING)
    else:
        document = parse_object(now.content, "manifest", LISTING)
        document |= {"mediaType": OCI_MANIFEST, "config": config.to_json()}
    return Tagged(go_json(document | {"layers": layers}), OCI_MANIFEST)
