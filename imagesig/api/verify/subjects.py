"""Which manifest of an image is verified, and whether its own signatures decide or those of the index that lists it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from imagesig.api.stored_signatures import pin, resolve
from imagesig.errors import (
    DigestMismatch,
    ImageNotFound,
    ImagesigError,
    LimitExceeded,
    NoSignatureAccepted,
    NoSignatures,
)
from imagesig.images.image import Image
from imagesig.images.target import Choice, check_platform, child_for_platform
from imagesig.oci.descriptor import Descriptor
from imagesig.policy.judge import RuleVerdict


class Manifest(Struct, frozen=True):
    """One manifest of the image. `descriptor` is None until somebody has to know its media type and size."""

    digest: str
    descriptor: Descriptor | None = None


Judge = Callable[[Manifest], RuleVerdict]
"""What the rule makes of one manifest. Raises what the image is refused for."""


class Judged(Struct, frozen=True):
    """The digest that was verified, and the verdict: with `through_index` that of the index that lists the digest."""

    digest: str
    verdict: RuleVerdict
    through_index: bool = False


def judge_image(image: Image, judge: Judge) -> Judged:
    """The image as it will be deployed (`ImageSource.pin`), by its own signatures. Raises as `pin` and `judge` do."""
    manifest = Manifest(pin(image))
    return Judged(manifest.digest, judge(manifest))


def judge_platform(image: Image, platform: str, judge: Judge) -> Judged:
    """The image's manifest for a platform, by its own signatures or by those of the index.

    Raises:
        ImageNotFound: there is no such image, or none for the platform.
        ImagesigError: as `judge` does.
    """
    root = resolve(image)
    choice = child_for_platform(image, root, platform)
    image.check_platform(choice.descriptor.digest)
    return _judge_child(image, choice, Manifest(root.digest, root), judge)


def _judge_child(image: Image, choice: Choice, root: Manifest, judge: Judge) -> Judged:
    """The verdict for the child.

    A signed index lists its children by digest and says what each is for. An index that nobody signed says nothing:
    then the child's own config must agree.
    """
    child = choice.descriptor.digest
    try:
        own = judge(Manifest(child, choice.descriptor))
    except (NoSignatures, NoSignatureAccepted, LimitExceeded) as error:
        if child == root.digest:
            raise
        # After a limit, what was not read may be enough: that the index is unsigned is then not the reason.
        of_index = _judge_index(root, judge, instead=error if isinstance(error, LimitExceeded) else None)
        if not of_index.verified:
            check_platform(image, choice)
        return Judged(child, of_index, through_index=True)
    if child == root.digest:
        return Judged(child, own)
    if own.verified:
        try:
            check_platform(image, choice)
        except (ImageNotFound, DigestMismatch) as other_platform:
            of_index = _judge_index(root, judge, instead=other_platform)
            if not of_index.verified:
                raise
            return Judged(child, of_index, through_index=True)
        return Judged(child, own)
    of_index = judge(root)
    if of_index.verified:
        return Judged(child, of_index, through_index=True)
    check_platform(image, choice)
    return Judged(child, own)


def _judge_index(root: Manifest, judge: Judge, instead: ImagesigError | None) -> RuleVerdict:
    """The verdict for the index. Where its signatures do not satisfy the rule, raises `instead` if that is given."""
    try:
        return judge(root)
    except (NoSignatures, NoSignatureAccepted):
        if instead is not None:
            raise instead from None
        raise
