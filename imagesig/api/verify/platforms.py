"""The manifest of an image for a platform, verified by its own signatures or by those of the index that lists it."""

from __future__ import annotations

from msgspec.structs import replace

from imagesig.api.stored_signatures import resolve
from imagesig.api.verify.subjects import Judge, Judged, Manifest
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
from imagesig.policy.verdict import RuleVerdict


def judge_platform(image: Image, platform: str, judge: Judge) -> Judged:
    """The verdict for the image's manifest for a platform, by its own signatures or by those of the index.

    Raises:
        ImageNotFound: there is no such image, or no manifest for the platform.
        ImagesigError: as `judge` does.
    """
    root = resolve(image)
    choice = child_for_platform(image, root, platform)
    image.check_platform(choice.descriptor.digest)
    own = Manifest(choice.descriptor.digest, choice.descriptor)
    if own.digest == root.digest:
        return Judged(own.digest, judge(own))
    index = Manifest(root.digest, root, own.digest)
    return _judge_child(image, choice, replace(own, beside=index), replace(index, beside=own), judge)


def _judge_child(image: Image, choice: Choice, manifest: Manifest, root: Manifest, judge: Judge) -> Judged:
    """The verdict for the child.

    A signed index is trusted to say which platform each child is for. An unsigned index is not: then the child's own
    config must agree.
    """
    child = manifest.digest
    try:
        own = judge(manifest)
    except (NoSignatures, NoSignatureAccepted, LimitExceeded) as error:
        # After a limit, the unread signatures may be sufficient: then that limit is the reason, not the index.
        of_index = _judge_index(root, judge, instead=error if isinstance(error, LimitExceeded) else None)
        if not of_index.verified:
            check_platform(image, choice)
        return Judged(child, of_index, through_index=True)
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
    """The verdict for the index. If its signatures do not satisfy the rule, raises `instead` if that is given."""
    try:
        return judge(root)
    except (NoSignatures, NoSignatureAccepted):
        if instead is not None:
            raise instead from None
        raise
