"""Does a signature's name for the image fit the image that was asked for?

The default is containers/image's `matchRepoDigestOrExact`, widened by cosign's payload that names the repository alone.
containers/image's own comparisons are there too, to the letter. Names are compared after Docker's normalisation.
"""

from __future__ import annotations

from enum import Enum
from typing import Self

from msgspec import Struct

from imagesig.errors import IdentityMismatch, InvalidArgument
from imagesig.oci.reference import Reference, is_name_prefix, parse_reference
from imagesig.text import quote


class IdentityKind(Enum):
    """What is compared; the value is its name in policy files, containers/image's where it is theirs."""

    OF_IMAGE = "matchImage"
    EXACTLY = "exactName"
    ANY = "any"
    MATCH_EXACT = "matchExact"
    MATCH_REPO_DIGEST_OR_EXACT = "matchRepoDigestOrExact"
    MATCH_REPOSITORY = "matchRepository"
    EXACT_REFERENCE = "exactReference"
    EXACT_REPOSITORY = "exactRepository"
    REMAP_IDENTITY = "remapIdentity"


class Identity(Struct, frozen=True):
    """Which names a signature may give the image. Make it with the class methods.

    Those from `match_exact` on are containers/image's `signedIdentity`, and refuse signatures in a format that names no
    repository. Spec: containers-policy.json(5), "signedIdentity".
    """

    kind: IdentityKind = IdentityKind.OF_IMAGE
    reference: Reference | None = None
    prefix: str = ""
    signed_prefix: str = ""

    @classmethod
    def of_image(cls) -> Self:
        """The repository it was asked for in; and its tag, if it was asked for by tag and the signature names one."""
        return cls(IdentityKind.OF_IMAGE)

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
        return cls(IdentityKind.EXACTLY, reference)

    @classmethod
    def any(cls) -> Self:
        """Any name: a signature for the same digest in another repository counts too."""
        return cls(IdentityKind.ANY)

    @classmethod
    def match_exact(cls) -> Self:
        """The very name it was asked for with, tag or digest included."""
        return cls(IdentityKind.MATCH_EXACT)

    @classmethod
    def match_repo_digest_or_exact(cls) -> Self:
        """The very name with its tag; if it was asked for by digest, any tag or digest of the repository."""
        return cls(IdentityKind.MATCH_REPO_DIGEST_OR_EXACT)

    @classmethod
    def match_repository(cls) -> Self:
        """The repository it was asked for in, under whatever tag: an older signed image can take this one's place."""
        return cls(IdentityKind.MATCH_REPOSITORY)

    @classmethod
    def exact_reference(cls, text: str) -> Self:
        """This name with its tag or digest, whatever the image is called.

        Raises:
            InvalidArgument: no reference, or one without tag and digest.
        """
        reference = parse_reference(text)
        if _is_name_only(reference):
            raise InvalidArgument(f"identity {quote(text)}: a tag or a digest is needed")
        return cls(IdentityKind.EXACT_REFERENCE, reference)

    @classmethod
    def exact_repository(cls, text: str) -> Self:
        """This repository, whatever the image is called; a tag or digest in `text` does not matter.

        Raises:
            InvalidArgument: no reference.
        """
        reference = parse_reference(text)
        return cls(IdentityKind.EXACT_REPOSITORY, Reference(reference.domain, reference.path))

    @classmethod
    def remap_identity(cls, prefix: str, signed_prefix: str) -> Self:
        """`match_repo_digest_or_exact` of the name in which `signed_prefix` replaced `prefix`: for mirrors.

        A prefix is a host, or a host and whole components of a path; a name that does not start with it stays as it is.

        Raises:
            InvalidArgument: one of them is no such prefix.
        """
        for text in (prefix, signed_prefix):
            if not is_name_prefix(text):
                raise InvalidArgument(f"identity prefix {quote(text)}: a host, or a host and a path, is needed")
        return cls(IdentityKind.REMAP_IDENTITY, None, prefix, signed_prefix)

    def match(self, signed: str | None, image: Reference | None, digest: str) -> str:
        """What was compared, for people. `signed` is the claim's reference, `image` the name that was asked for.

        Raises:
            IdentityMismatch: the name does not fit.
        """
        if self.kind is IdentityKind.ANY:
            return "names are not compared"
        if self.kind is IdentityKind.OF_IMAGE:
            if signed is None:
                return "this format names no repository"
            if image is None:
                return f"the image has no name to compare with {quote(signed)}"
            return _match_image(signed, image, digest)
        if signed is None:
            raise IdentityMismatch(f"this format names no repository, but the policy wants {self}")
        if self.kind is IdentityKind.EXACTLY:
            return self._match_exactly(signed, digest)
        return self._match_as_containers(signed, image)

    def _match_exactly(self, signed: str, digest: str) -> str:
        assert self.reference is not None
        reference = _parse_signed(signed)
        _refuse_other_digest(reference, signed, digest)
        wanted = self.reference
        if reference.repository != wanted.repository or (wanted.tag and reference.tag != wanted.tag):
            raise IdentityMismatch(f"signed as {quote(signed)}, but the policy wants {wanted}")
        return f"signed as {reference}, as the policy wants"

    def _match_as_containers(self, signed: str, image: Reference | None) -> str:
        # A digest in a name is part of the name here and nothing more: that the image has the signed digest is checked
        # by whoever judges.
        reference = _parse_signed(signed)
        intended = self._intended(image)
        if self.kind in (IdentityKind.MATCH_REPOSITORY, IdentityKind.EXACT_REPOSITORY):
            matches = reference.repository == intended.repository
        elif _is_name_only(intended) or _is_name_only(reference):
            matches = False
        elif self._compares_whole_names or intended.tag:
            matches = reference == intended
        else:
            matches = reference.repository == intended.repository
        if not matches:
            raise IdentityMismatch(
                f"signed as {quote(signed)}, but {self.kind.value} wants {intended}", hint=_hint(signed)
            )
        return f"signed as {reference}, as {self.kind.value} wants"

    @property
    def _compares_whole_names(self) -> bool:
        return self.kind in (IdentityKind.MATCH_EXACT, IdentityKind.EXACT_REFERENCE)

    def _intended(self, image: Reference | None) -> Reference:
        """The name that the signature must give."""
        if self.reference is not None:
            return self.reference
        if image is None:
            raise IdentityMismatch(
                f"{self.kind.value} compares the image's name, and this image has none",
                hint="for layouts and archives use exactReference or exactRepository",
            )
        if self.kind is not IdentityKind.REMAP_IDENTITY or not starts_with(image, self.prefix):
            return image
        text = str(image).replace(self.prefix, self.signed_prefix, 1)
        try:
            remapped = parse_reference(text)
        except InvalidArgument:
            remapped = None
        if remapped is None or str(remapped) != text:
            raise IdentityMismatch(f"remapIdentity makes {quote(text)} of {image}, which is no full image name")
        return remapped

    def __str__(self) -> str:
        """For people: the kind, and what it compares with."""
        if self.kind is IdentityKind.REMAP_IDENTITY:
            return f"{self.kind.value} {self.prefix} -> {self.signed_prefix}"
        return f"{self.kind.value} {self.reference}" if self.reference else self.kind.value


def starts_with(image: Reference, prefix: str) -> bool:
    """Is `prefix` the image's repository, or a host or namespace that it is in?"""
    return image.repository == prefix or image.repository.startswith(prefix + "/")


def _match_image(signed: str, image: Reference, digest: str) -> str:
    reference = _parse_signed(signed)
    _refuse_other_digest(reference, signed, digest)
    if reference.repository != image.repository:
        raise IdentityMismatch(
            f"signed as {quote(signed)}, but the image is in {image.repository}",
            hint=f"if it was moved on purpose, verify with the identity {reference.repository}",
        )
    if reference.tag and image.tag and not image.digest and reference.tag != image.tag:
        raise IdentityMismatch(f"signed as tag {quote(reference.tag)}, but the image was asked for as {image.tag!r}")
    return f"signed as {reference}"


def _parse_signed(signed: str) -> Reference:
    try:
        return parse_reference(signed)
    except InvalidArgument:
        raise IdentityMismatch(f"signed as {quote(signed)}, which is no image reference") from None


def _refuse_other_digest(reference: Reference, signed: str, digest: str) -> None:
    if reference.digest and reference.digest != digest:
        raise IdentityMismatch(f"signed as {quote(signed)}, but the image is {digest}")


def _is_name_only(reference: Reference) -> bool:
    return not reference.tag and not reference.digest


def _hint(signed: str) -> str:
    if _is_name_only(_parse_signed(signed)):
        return "it names the repository alone, as cosign does; matchRepository and matchImage accept that"
    return ""
