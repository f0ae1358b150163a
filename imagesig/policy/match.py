"""Does a signature's name for the image fit the image that was asked for?

The default is containers/image's `matchRepoDigestOrExact`, widened by cosign's payload that names the repository alone.
Names are compared after Docker's normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Self

from imagesig.errors import IdentityMismatch, InvalidArgument, quote
from imagesig.oci.reference import Reference, parse_reference


class _Kind(Enum):
    OF_IMAGE = "the image's own name"
    EXACTLY = "one given name"
    ANY = "any name"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which names a signature may give the image."""

    kind: _Kind = _Kind.OF_IMAGE
    reference: Reference | None = None

    @classmethod
    def of_image(cls) -> Self:
        """The repository it was asked for in; and its tag, if it was asked for by tag and the signature names one."""
        return cls(_Kind.OF_IMAGE)

    @classmethod
    def exactly(cls, text: str) -> Self:
        """This repository, or this repository and tag, whatever the image is called: for mirrors and layouts.

        Signatures in a format that names no repository do not count then.

        Raises:
            InvalidArgument: no reference, or one with a digest.
        """
        reference = parse_reference(text)
        if reference.digest:
            raise InvalidArgument(f"identity {quote(text)}: a repository or repository:tag is needed, without a digest")
        return cls(_Kind.EXACTLY, reference)

    @classmethod
    def any(cls) -> Self:
        """Any name: a signature for the same digest in another repository counts too."""
        return cls(_Kind.ANY)

    def match(self, signed: str | None, image: Reference | None, digest: str) -> str:
        """What was compared, for people. `signed` is the claim's reference, `image` the name that was asked for.

        Raises:
            IdentityMismatch: the name does not fit.
        """
        if self.kind is _Kind.ANY:
            return "names are not compared"
        if self.kind is _Kind.EXACTLY:
            assert self.reference is not None
            return self._match_exactly(signed, self.reference, digest)
        if signed is None:
            return "this format names no repository"
        if image is None:
            return f"the image has no name to compare with {quote(signed)}"
        return _match_image(signed, image, digest)

    def _match_exactly(self, signed: str | None, wanted: Reference, digest: str) -> str:
        if signed is None:
            raise IdentityMismatch(f"this format names no repository, but the policy wants {wanted}")
        reference = _parse_signed(signed, digest)
        if reference.repository != wanted.repository or (wanted.tag and reference.tag != wanted.tag):
            raise IdentityMismatch(f"signed as {quote(signed)}, but the policy wants {wanted}")
        return f"signed as {reference}, as the policy wants"


def _match_image(signed: str, image: Reference, digest: str) -> str:
    reference = _parse_signed(signed, digest)
    if reference.repository != image.repository:
        raise IdentityMismatch(
            f"signed as {quote(signed)}, but the image is in {image.repository}",
            hint=f"if it was moved on purpose, verify with the identity {reference.repository}",
        )
    if reference.tag and image.tag and not image.digest and reference.tag != image.tag:
        raise IdentityMismatch(f"signed as tag {quote(reference.tag)}, but the image was asked for as {image.tag!r}")
    return f"signed as {reference}"


def _parse_signed(signed: str, digest: str) -> Reference:
    try:
        reference = parse_reference(signed)
    except InvalidArgument:
        raise IdentityMismatch(f"signed as {quote(signed)}, which is no image reference") from None
    if reference.digest and reference.digest != digest:
        raise IdentityMismatch(f"signed as {quote(signed)}, but the image is {digest}")
    return reference
