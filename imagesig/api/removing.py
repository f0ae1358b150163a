"""`remove`: find the signatures, check whose they are, remove them; all others stay."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from msgspec import Struct, field
from msgspec.structs import replace

from imagesig.api.outcome import document_of
from imagesig.api.stored_signatures import ImageLike, pinned_name, stored_signatures
from imagesig.arguments import checks_arguments
from imagesig.deadlines import deadline, remaining
from imagesig.effort import one_image
from imagesig.errors import (
    BudgetExceeded,
    DeletionRefused,
    ImagesigError,
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    RemovalIncomplete,
    SignatureRejected,
)
from imagesig.formats import ALL_FORMATS, Format, Storage, select_formats
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.images.target import Target, targets_of
from imagesig.keys.uri import open_public_keys
from imagesig.logs import Logger
from imagesig.policy import KeyLike, Policy
from imagesig.signature import Examined, StoredSignature
from imagesig.stores import STORES
from imagesig.stores.store import Removal
from imagesig.trust import Strangers, TrustAnchors

logger = Logger("imagesig")


class RemovedSignature(Struct, frozen=True):
    """One signature that was removed, or would be (`state` is `removed` or `planned`); `origin` is where it was."""

    digest: str
    platform: str
    format: str
    origin: str
    state: str = "removed"


class RemovedImage(Struct, frozen=True):
    """What `remove` did. `kept` is how many signatures stay; `warnings` name what is not a readable signature of it."""

    image: str
    digest: str
    pinned: str
    removed: tuple[RemovedSignature, ...]
    kept: int
    warnings: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the image. It has JSON types only."""
        return document_of(self)


class Found(Struct, frozen=True):
    """One stored signature, and the manifest of the image that it belongs to."""

    target: Target
    stored: StoredSignature
    format: Format

    def as_removed(self, state: str) -> RemovedSignature:
        return RemovedSignature(
            self.target.descriptor.digest, self.target.platform, self.format.name, self.stored.origin, state
        )


@checks_arguments
def remove(
    image: ImageLike,
    *,
    key: KeyLike | None = None,
    all: bool = False,
    recursive: bool = True,
    dry_run: bool = False,
    now: datetime | None = None,
    transport: TransportLike | None = None,
    timeout: float | None = None,
) -> RemovedImage:
    """Removes the signatures made by one key, or all of them, in every format that imagesig reads.

    A signature belongs to the key that verifies it. Its claims are not used. Attestations and other referrers
    stay. A signature that is attached to another image is never deleted, only taken out of this image's list. One that
    names another digest stays, with a warning. Removing again removes nothing.

    Args:
        image: the image that is signed.
        key: PEM text, public key file, key URI, `PublicKey` or open key.
        all: remove the signatures of every signer. Give either `key` or this.
        recursive: remove the signatures of every image that an index lists too.
        dry_run: return what would be removed; remove nothing.
        now: the time at which signatures are judged; the clock's by default.
        transport, timeout: as of `verify`.

    Raises:
        InvalidArgument: neither a key nor `all` is given, or both are.
        ImageNotFound, TransportError: the image or its signatures could not be read; nothing was removed.
        RemovalIncomplete: some are removed before something failed, the registry does not allow deletion, or there
        are more signatures than are read; the error lists what is removed and what is left.
    """
    opened = ImageOpener(transport, timeout).open(image)
    job = removal_job(key, all=all, recursive=recursive, dry_run=dry_run, now=now)
    return remove_from(opened, job)


class RemovalJob(Struct, frozen=True):
    """What is the same for all images of a run. Without `anchors` all signatures are removed."""

    anchors: TrustAnchors | None
    recursive: bool
    dry_run: bool
    now: datetime


def removal_job(key: KeyLike | None, *, all: bool, recursive: bool, dry_run: bool, now: datetime | None) -> RemovalJob:
    """The options of `remove`, checked. Raises `InvalidArgument`, `KeyProviderError`."""
    if (key is None) == (not all):
        given = "both a key and all" if all else "neither a key nor all"
        raise InvalidArgument(f"remove: {given} given, exactly one of them is needed", hint="give --key PUB or --all")
    return RemovalJob(None if key is None else anchors_of([key]), recursive, dry_run, now or datetime.now(UTC))


def remove_from(image: Image, job: RemovalJob) -> RemovedImage:
    """Removes signatures of one image. Raises as `remove` does."""
    removal = _Removal()
    with deadline(image.timeout):
        targets = targets_of(image, recursive=job.recursive).found
        for target in targets:
            with one_image():
                removal.find(image, target, job.anchors, job.now)
        remaining(image)  # what was late may have been taken for a signature of another key
        if not job.dry_run:
            detach(image, removal.chosen)
            check_all_read(image, removal.limited, [found.stored.origin for found in removal.chosen])
    logger.info("removed from %s", image)
    digest = targets[0].descriptor.digest
    removed = tuple(found.as_removed("planned" if job.dry_run else "removed") for found in removal.chosen)
    return RemovedImage(str(image), digest, pinned_name(image, digest), removed, removal.kept, tuple(removal.warnings))


def anchors_of(keys: Sequence[KeyLike]) -> TrustAnchors:
    """Trust in these keys, opened; a signature with any certificate belongs to the key that made it."""
    (signed,) = Policy.any_of(*keys).default.opened(open_public_keys).signed
    return replace(signed.anchors, strangers=Strangers.OF_KEYS)


def made_by(item: StoredSignature, item_format: Format, anchors: TrustAnchors, now: datetime) -> Examined | None:
    """The signature, if one of these keys made it; None if another key did, or if it is not an image signature."""
    try:
        examined = item_format.authenticate(item_format.parse(item), anchors, now)
    except BudgetExceeded:
        raise
    except (SignatureRejected, MalformedError):
        return None
    # A signature with a certificate is intact with any signer: ownership is decided by the key.
    ours = any(examined.public_key in trusted.public_keys for trusted in anchors.keys)
    return examined if ours else None


def detach(image: Image, chosen: Sequence[Found]) -> None:
    """Removes these signatures, in one transaction where the home supports that.

    Raises:
        RemovalIncomplete: some could not be removed, or deletion is refused.
        ImagesigError: nothing was removed.
    """
    groups: dict[tuple[str, Storage], list[Found]] = {}
    for found in chosen:
        groups.setdefault((found.target.descriptor.digest, found.format.storage), []).append(found)
    removal = Removal()
    with image.signatures.transaction() as at_once:
        for (digest, storage), group in groups.items():
            places = [found.stored.origin for found in group]
            if removal.cause is not None and not isinstance(removal.cause, DeletionRefused):
                removal.left += places  # what failed for one would fail for all
                continue
            try:
                settle = STORES[storage].detach(image.signatures, digest, [found.stored for found in group])
                removal.settles.append((places, settle))
            except ImagesigError as error:
                removal.failed(places, error)
        with suppress(RemovalIncomplete):
            removal.settle()
        if at_once and removal.cause is not None:
            raise removal.cause  # nothing is written
    _check_complete(image, chosen, removal)


def _check_complete(image: Image, chosen: Sequence[Found], removal: Removal) -> None:
    """Raises the failure of a removal: as it is if nothing is removed, unless deletion itself is refused."""
    cause = removal.cause
    if cause is None:
        return
    if not removal.removed and not isinstance(cause, DeletionRefused):
        raise cause
    raise RemovalIncomplete(
        f"{image}: {len(removal.left)} of {len(chosen)} signatures are still there: {cause}",
        removed=removal.removed,
        left=removal.left,
        cause=cause,
        hint=cause.hint or "remove them again: what is removed stays removed",
    )


def check_all_read(image: Image, limited: LimitExceeded | None, removed: Sequence[str]) -> None:
    """Raises `RemovalIncomplete` if the image has more signatures than are read: one to remove may be among them."""
    if limited is not None:
        raise RemovalIncomplete(
            f"{image}: what is read is removed, and signatures to remove may be among those that are not: {limited}",
            removed=removed,
            left=[str(limited)],
            cause=limited,
            hint="remove the signatures of strangers first: imagesig inspect lists them",
        )


class _Removal(Struct):
    """What is to be removed, and what stays. `limited` says that not all was read."""

    chosen: list[Found] = field(default_factory=list)
    limited: LimitExceeded | None = None
    kept: int = 0
    warnings: list[str] = field(default_factory=list)

    def find(self, image: Image, target: Target, anchors: TrustAnchors | None, now: datetime) -> None:
        stored = stored_signatures(image, target.descriptor.digest, select_formats(ALL_FORMATS))
        if stored.failed:
            raise stored.failed
        self.limited = self.limited or stored.limited
        self.warnings += [f"stays: {rejection}" for rejection in stored.rejections]
        for item, item_format in stored.found:
            try:
                if _is_attestation(item, item_format):
                    if anchors is None:
                        self.warnings.append(f"stays: {item.origin}: it is an attestation, not a signature")
                elif anchors is not None and made_by(item, item_format, anchors, now) is None:
                    self.kept += 1
                elif item_format.storage is Storage.REFERRER and (other := _other_subjects(item, item_format, target)):
                    # Deleting it would remove it from that image, which may have no other one.
                    self.warnings.append(f"stays: {item.origin}: it signs {other}")
                else:
                    self.chosen.append(Found(target, item, item_format))
            except ImagesigError as error:
                if isinstance(error, BudgetExceeded):
                    self.limited = self.limited or error
                self.warnings.append(f"stays: {item.origin}: {error}")


def _other_subjects(item: StoredSignature, item_format: Format, target: Target) -> str:
    """The digests that a signature names, if this target's is not among them; otherwise empty."""
    digests = [subject.digest for subject in item_format.claim(item_format.parse(item)).subjects]
    return "" if target.descriptor.digest in digests else ", ".join(digests[:3]) or "nothing"


def _is_attestation(item: StoredSignature, item_format: Format) -> bool:
    try:
        return not item_format.recognizes(item_format.parse(item))
    except BudgetExceeded:
        raise
    except (SignatureRejected, MalformedError):
        return False
