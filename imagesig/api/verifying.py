"""`verify`: resolve, select, find, examine, judge; it returns proof or raises."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from imagesig.api.gathering import ImageLike, open_or_pass, pinned_name, resolve, stored_signatures
from imagesig.errors import (
    ImageNotFound,
    ImagesigError,
    KeyProviderError,
    NoSignatureAccepted,
    NoSignatures,
    Rejection,
    TransportError,
)
from imagesig.formats import FORMATS, Format, select_formats
from imagesig.http import deadline
from imagesig.images.image import Image
from imagesig.images.target import child_for_platform
from imagesig.keys.uri import open_public_keys
from imagesig.oci.digest import is_digest
from imagesig.policy import KeyLike, Policy, Rule, judge
from imagesig.signature import Examined, VerifiedSignature

logger = logging.getLogger("imagesig")


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """Proof that an image satisfies a policy.

    `digest` is what was verified and `pinned` the name to deploy: `repository@digest`. `platform` is the one asked for;
    `through_index` says that not the platform's own manifest was signed but the index that lists it. `signatures` were
    accepted, `rejections` were not and did not matter.
    """

    image: str
    digest: str
    pinned: str
    signatures: tuple[VerifiedSignature, ...]
    rejections: tuple[Rejection, ...] = ()
    platform: str = ""
    through_index: bool = False


def verify(
    image: ImageLike, policy: Policy | KeyLike, *, platform: str = "", now: datetime | None = None
) -> VerificationResult:
    """Proves that an image's signatures satisfy a policy, or raises.

    `policy` may be one public key (PEM text, file, key URI, `PublicKey`) for "signed by this key". `platform`, as
    `os/architecture[/variant]`, verifies that child of an index: by its own signatures or, failing them, by the
    index's. `now` is the time to judge at; the clock's by default.

    Raises:
        NoSignatures: the image is there and has no signature in the formats that count.
        NoSignatureAccepted: it has some, and they do not satisfy the policy: every reason is in `rejections`.
        ImageNotFound: there is no such image, or no such platform in it.
        TransportError, DeadlineExceeded: the registry could not be asked; this is never "unsigned".
        InvalidArgument, KeyProviderError: the policy's keys cannot be used.
    """
    opened = open_or_pass(image)
    at = now or datetime.now(UTC)
    if not isinstance(policy, Policy):
        policy = Policy.any_of(policy)
    rule = policy.resolve(open_public_keys).select(opened.name)
    with deadline(opened.timeout):
        result = _verify_platform(opened, rule, platform, at) if platform else _verify_image(opened, rule, at)
    logger.info("verified %s", opened, extra={"image_done": True})
    return result


def _verify_image(image: Image, rule: Rule, now: datetime) -> VerificationResult:
    digest = image.target if is_digest(image.target) else resolve(image).digest
    accepted, rejections = _verify_digest(image, digest, rule, now)
    return VerificationResult(str(image), digest, pinned_name(image, digest), accepted, rejections)


def _verify_platform(image: Image, rule: Rule, platform: str, now: datetime) -> VerificationResult:
    root = resolve(image)
    child = child_for_platform(image, root, platform)
    through_index = False
    try:
        accepted, rejections = _verify_digest(image, child.digest, rule, now)
    except (NoSignatures, NoSignatureAccepted):
        if child.digest == root.digest:
            raise
        # A signed index vouches for its children: it lists them by digest.
        accepted, rejections = _verify_digest(image, root.digest, rule, now)
        through_index = True
    pinned = pinned_name(image, child.digest)
    return VerificationResult(str(image), child.digest, pinned, accepted, rejections, platform, through_index)


def _verify_digest(
    image: Image, digest: str, rule: Rule, now: datetime
) -> tuple[tuple[VerifiedSignature, ...], tuple[Rejection, ...]]:
    formats = select_formats(rule.formats or FORMATS)
    stored = stored_signatures(image, digest, formats)
    examined: list[Examined] = []
    rejections = list(stored.rejections)
    for item, item_format in stored.found:
        try:
            examined.append(item_format.authenticate(item_format.parse(item), rule.anchors, now))
        except (TransportError, KeyProviderError):
            raise
        except ImagesigError as error:
            rejections.append(Rejection(item.origin, error))
    try:
        return judge(digest, image.name, rule, examined, rejections)
    except NoSignatureAccepted as error:
        if stored.failed:
            # One place did not answer, and what the others hold is not enough: unreachable, not unsigned.
            raise stored.failed from error
        if not examined and not rejections:
            raise _unsigned(image, digest, formats) from None
        raise


def _unsigned(image: Image, digest: str, formats: Sequence[Format]) -> ImagesigError:
    """One more request tells "no image" from "no signature"."""
    if not image.home.has(digest):
        return ImageNotFound(f"{image}: there is no image {digest}", hint="check the reference")
    names = ", ".join(item.name for item in formats)
    return NoSignatures(
        f"{image}: {digest} carries no signature (looked for: {names} in {image.signatures.name})",
        hint="sign it, or name the repository that holds its signatures",
    )
