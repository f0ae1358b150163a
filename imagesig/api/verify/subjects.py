"""The manifest of an image to verify."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from imagesig.api.stored_signatures import pin
from imagesig.images.image import Image
from imagesig.oci.descriptor import Descriptor
from imagesig.policy.verdict import RuleVerdict


class Manifest(Struct, frozen=True):
    """One manifest of the image. `descriptor` has its media type and size if they are already known.

    If it is an index that is to prove something about one of its images alone, `child` is the digest of that image.
    `beside` is the other manifest whose attestations are about the same image: of the image and the index that lists
    it, the one that is not verified.
    """

    digest: str
    descriptor: Descriptor | None = None
    child: str = ""
    beside: Manifest | None = None


Judge = Callable[[Manifest], RuleVerdict]
"""Returns the rule's verdict for one manifest. Raises if the image is refused."""


class Judged(Struct, frozen=True):
    """The digest that was verified, and the verdict. With `through_index` it is the verdict for the index."""

    digest: str
    verdict: RuleVerdict
    through_index: bool = False


def judge_image(image: Image, judge: Judge) -> Judged:
    """The verdict for the image as it will be deployed (`ImageSource.pin`). Raises as `pin` and `judge` do."""
    manifest = Manifest(pin(image))
    return Judged(manifest.digest, judge(manifest))
