"""`remove`: find, prove whose they are, take away; everybody else's signatures stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct, field
from msgspec.structs import replace

from imagesig.api.stored_signatures import ImageLike, open_or_pass, pinned_name, stored_signatures
from imagesig.deadlines import deadline
from imagesig.effort import one_image
from imagesig.errors import (
    BudgetExceeded,
    ImagesigError,
    InvalidArgument,
    MalformedError,
    RemovalIncomplete,
    SignatureRejected,
)
from imagesig.formats import ALL_FORMATS, Format, Storage, select_formats
from imagesig.images.image import Image
from imagesig.images.target import Target, targets_of
from imagesig.keys.uri import open_public_keys
from imagesig.logs import logger_named
from imagesig.policy import KeyLike, Policy
from imagesig.signature import Examined, StoredSignature
from imagesig.stores import STORES
from imagesig.stores.store import Settle
from imagesig.trust import Strangers, TrustAnchors

logger = logger_named("imagesig")


class RemovedSignature(Struct, frozen=True):
    """One signature that was taken away, or would be (`state` is `removed` or `planned`); `origin` is where it was."""

    digest: str
    platform: str
    format: str
    origin: str
    state: str = "removed"


class RemovedImage(Struct, frozen=True):
    """What `remove` did. `kept` counts the signatures that stay; `warnings` name what is no signature that we read."""

    image: str
    digest: str
    pinned: str
    removed: tuple[RemovedSignature, ...]
    kept: int
    warnings: tuple[str, ...] = ()


class Found(Struct, frozen=True):
    """One stored signature, with the image's manifest that it was found for."""

    target: Target
    stored: StoredSignature
    format: Format

    def as_removed(self, state: str) -> RemovedSignature:
        return RemovedSignature(
            self.target.descriptor.digest, self.target.platform, self.format.name, self.stored.origin, state
        )


def remove(
    image: ImageLike,
    *,
    key: KeyLike | None = None,
    all: bool = False,
    recursive: bool = True,
    dry_run: bool = False,
    now: datetime | None = None,
) -> RemovedImage:
    """Takes away the signatures that a key made, or all of them, in every format that imagesig reads.

    A signature counts as the key's if the key verifies it, whatever it says of itself. Attestations and other things
    that belong to the image stay. What is attached to another image is never deleted: it is taken out of this image's
    list, where there is one. What says another digest stays, with a warning. Removing again removes nothing.

    Args:
        image: whose signatures.
        key: PEM text, public key file, key URI, `PublicKey` or open key.
        all: all signatures, by whomever. Give either `key` or this.
        recursive: of an index, the signatures of every child too.
        dry_run: say what would be removed.
        now: the time to judge signatures at; the clock's by default.

    Raises:
        InvalidArgument: neither a key nor `all`, or both.
        ImageNotFound, TransportError: the image or its signatures could not be read; nothing was removed.
        RemovalIncomplete: the registry deletes nothing; it says what is left.
    """
    if (key is None) == (not all):
        raise InvalidArgument("remove: either a key or all signatures must be asked for", hint="--key PUB or --all")
    opened = open_or_pass(image)
    anchors = None if key is None else anchors_of([key])
    at = now or datetime.now(UTC)
    work = _Removal()
    with deadline(opened.timeout):
        targets = targets_of(opened, recursive=recursive).found
        for target in targets:
            with one_image():
                work.find(opened, target, anchors, at)
        if not dry_run:
            detach(opened, work.chosen)
    logger.info("removed from %s", opened)
    digest = targets[0].descriptor.digest
    removed = tuple(found.as_removed("planned" if dry_run else "removed") for found in work.chosen)
    return RemovedImage(str(opened), digest, pinned_name(opened, digest), removed, work.kept, tuple(work.warnings))


def anchors_of(keys: Sequence[KeyLike]) -> TrustAnchors:
    """The public keys behind what names them, opened; what they signed with a certificate is theirs too."""
    (signed,) = Policy.any_of(*keys).default.opened(open_public_keys).signed
    return replace(signed.anchors, strangers=Strangers.OF_KEYS)


def made_by(item: StoredSignature, item_format: Format, anchors: TrustAnchors, now: datetime) -> Examined | None:
    """What one of these keys signed there; None if it was another key, or is no signature of an image."""
    try:
        examined = item_format.authenticate(item_format.parse(item), anchors, now)
    except BudgetExceeded:
        raise
    except (SignatureRejected, MalformedError):
        return None
    # With a certificate it is whole whoever made it: whose key it was decides.
    ours = any(examined.public_key in trusted.public_keys for trusted in anchors.keys)
    return examined if ours else None


def detach(image: Image, chosen: Sequence[Found]) -> None:
    """Takes these signatures away, at once where the home can.

    Raises:
        RemovalIncomplete: some could not be taken away.
    """
    groups: dict[tuple[str, Storage], list[Found]] = {}
    for found in chosen:
        groups.setdefault((found.target.descriptor.digest, found.format.storage), []).append(found)
    removed: list[str] = []
    left: list[str] = []
    failed: ImagesigError | None = None
    settles: list[Settle] = []
    with image.signatures.transaction():
        for (digest, storage), group in groups.items():
            names = [found.stored.origin for found in group]
            try:
                settles.append(STORES[storage].detach(image.signatures, digest, [found.stored for found in group]))
                removed += names
            except RemovalIncomplete as error:
                removed += error.removed
                left += error.left
                failed = error
        for settle in settles:
            settle()
    if failed is not None:
        raise RemovalIncomplete(
            f"{image}: {len(left)} of {len(chosen)} signatures are still there: {failed}",
            removed=removed,
            left=left,
            hint=failed.hint,
        ) from failed


class _Removal(Struct):
    """What is to be removed, and what stays."""

    chosen: list[Found] = field(default_factory=list)
    kept: int = 0
    warnings: list[str] = field(default_factory=list)

    def find(self, image: Image, target: Target, anchors: TrustAnchors | None, now: datetime) -> None:
        stored = stored_signatures(image, target.descriptor.digest, select_formats(ALL_FORMATS))
        if stored.failed:
            raise stored.failed
        self.warnings += [f"stays: {rejection}" for rejection in stored.rejections]
        for item, item_format in stored.found:
            try:
                if _is_attestation(item, item_format):
                    if anchors is None:
                        self.warnings.append(f"stays: {item.origin}: it is an attestation, not a signature")
                elif anchors is not None and made_by(item, item_format, anchors, now) is None:
                    self.kept += 1
                elif item_format.storage is Storage.REFERRER and (other := _says_another(item, item_format, target)):
                    # Deleting it would take it from that image, if it is the only one that says so.
                    self.warnings.append(f"stays: {item.origin}: it says {other}")
                else:
                    self.chosen.append(Found(target, item, item_format))
            except ImagesigError as error:
                self.warnings.append(f"stays: {item.origin}: {error}")


def _says_another(item: StoredSignature, item_format: Format, target: Target) -> str:
    """The digests that a signature is about, if not this target's."""
    digests = [subject.digest for subject in item_format.claim(item_format.parse(item)).subjects]
    return "" if target.descriptor.digest in digests else ", ".join(digests[:3]) or "nothing"


def _is_attestation(item: StoredSignature, item_format: Format) -> bool:
    try:
        return not item_format.recognizes(item_format.parse(item))
    except BudgetExceeded:
        raise
    except (SignatureRejected, MalformedError):
        return False
