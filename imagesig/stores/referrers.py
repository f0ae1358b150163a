"""OCI 1.1 referrers: one manifest per signature, with the image as its `subject`.

Spec: OCI distribution-spec 1.1, "Listing Referrers", with the fallback tag where the API is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imagesig import limits
from imagesig.errors import (
    DeletionRefused,
    LimitExceeded,
    MalformedError,
    NotFound,
    Rejection,
    RemovalIncomplete,
    TransportError,
)
from imagesig.images.source import ImageHome, ImageSource
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import EMPTY_CONFIG, INDEX_TYPES, OCI_EMPTY, OCI_MANIFEST, Manifest, parse_manifest
from imagesig.signature import Part, StoredSignature
from imagesig.stores.store import Budget, Reading, Settle, Unread, Wanted


class ReferrerStore:
    """See `SignatureStore`."""

    def find(self, home: ImageSource, digest: str, wanted: Wanted) -> Iterator[StoredSignature | Rejection | Unread]:
        try:
            referrers = home.referrers(digest)
        except MalformedError as error:
            yield Rejection(f"{home.name}: referrers of {digest}", error)
            return
        manifests, budget, reading = Budget(), Budget(), Reading(home)
        for referrer in referrers:
            # Neither artifactType nor annotations of the listing are believed: registries and older clients get them
            # wrong. The manifest itself says what it holds.
            if referrer.media_type in INDEX_TYPES:
                continue
            origin = f"{home.name}@{referrer.digest}"
            try:
                manifests.take(referrer, limits.MANIFEST_BYTES)
                found = self._read(reading, digest, referrer, wanted, budget, origin)
            except (MalformedError, NotFound) as error:
                yield Rejection(origin, error)
                continue
            except TransportError as error:
                yield reading.unread(origin, error)
                continue
            if found is not None:
                yield found

    def _read(
        self, reading: Reading, digest: str, referrer: Descriptor, wanted: Wanted, budget: Budget, origin: str
    ) -> StoredSignature | None:
        content = reading.read(referrer, limits.MANIFEST_BYTES)
        manifest = parse_manifest(content, referrer.media_type, origin)
        kinds = (*(layer.media_type for layer in manifest.layers), manifest.artifact_type, manifest.config.media_type)
        if not any(wanted(kind) for kind in kinds):
            return None
        if len(manifest.layers) != 1:
            raise LimitExceeded(f"{len(manifest.layers)} layers, a signature has exactly one")
        if manifest.subject is None or manifest.subject.digest != digest:
            # What was signed decides, as in cosign; but somebody moved it here, and people should see that.
            origin += f" (listed here, attached to {manifest.subject.digest if manifest.subject else 'nothing'})"
        (layer,) = manifest.layers
        budget.take(layer, limits.BUNDLE_BYTES)
        part = Part(layer.media_type, reading.read(layer, limits.BUNDLE_BYTES), layer.annotations)
        return StoredSignature(
            origin, (part,), manifest.artifact_type, manifest.annotations, manifest.config.media_type, referrer
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
        settles: list[Settle] = []
        removed: list[str] = []
        refused: DeletionRefused | None = None
        left: list[str] = []
        for signature in signatures:
            assert signature.manifest is not None
            try:
                settles.append(home.remove_referrer(signature.manifest, digest))
            except NotFound:
                pass  # somebody else took it away
            except DeletionRefused as error:
                refused = error
                left.append(signature.origin)
                continue
            removed.append(signature.origin)
        if refused is not None:
            for settle in settles:
                settle()
            raise RemovalIncomplete(str(refused), removed=removed, left=left, hint=refused.hint) from refused

        def settle_all() -> None:
            for settle in settles:
                settle()

        return settle_all
