"""Does a signature's name for the image fit the image that was asked for?

The default is containers/image's `matchRepoDigestOrExact`, widened by cosign's payload that names the repository alone.
containers/image's own comparisons are there too, to the letter. Names are compared after Docker's normalisation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Self, assert_never

from msgspec import Struct

from imagesig.errors import IdentityMismatch, InvalidArgument
from imagesig.oci.reference import Reference, is_name_prefix, parse_reference
from imagesig.policy.exact import check_kind
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


IDENTITY_FIELDS: Mapping[IdentityKind, tuple[str, ...]] = {
    IdentityKind.OF_IMAGE: (),
    IdentityKind.EXACTLY: ("name",),
    IdentityKind.ANY: (),
    IdentityKind.MATCH_EXACT: (),
    IdentityKind.MATCH_REPO_DIGEST_OR_EXACT: (),
    IdentityKind.MATCH_REPOSITORY: (),
    IdentityKind.EXACT_REFERENCE: ("reference",),
    IdentityKind.EXACT_REPOSITORY: ("repository",),
    IdentityKind.REMAP_IDENTITY: ("prefix", "signed_prefix"),
}
"""What a policy file says beside the kind, in the order of the arguments of `Identity`'s class methods."""


class Identity(Struct, frozen=True):
    """Which names a signature may give the image. Make it with the class methods.

    Those from `match_exact` on are containers/image's `signedIdentity`, and refuse signatures in a format that names no
    repository. Spec: containers-policy.json(5), "signedIdentity".

    Raises:
        InvalidArgument: an unknown kind, a field that the kind has not, or not those that it needs.
    """

    kind: IdentityKind = IdentityKind.OF_IMAGE
    reference: Reference | None = None
    prefix: str = ""
    signed_prefix: str = ""

    def __post_init__(self) -> None:
        check_kind(self.kind, (IdentityKind,), "identity")
        match self.kind:
            case (
                IdentityKind.OF_IMAGE
                | IdentityKind.ANY
                | IdentityKind.MATCH_EXACT
                | IdentityKind.MATCH_REPO_DIGEST_OR_EXACT
                | IdentityKind.MATCH_REPOSITORY
            ):
                self._check_has()
            case IdentityKind.EXACTLY:
                self._check_has("reference")
                if self.reference and self.reference.digest:
                    raise self._refused("a repository or repository:tag is needed, without a digest")
            case IdentityKind.EXACT_REFERENCE:
                self._check_has("reference")
                if self.reference and _is_name_only(self.reference):
                    raise self._refused("a tag or a digest is needed")
            case IdentityKind.EXACT_REPOSITORY:
                self._check_has("reference")
                if self.reference and not _is_name_only(self.reference):
                    raise self._refused("a repository is needed, without tag and digest")
            case IdentityKind.REMAP_IDENTITY:
                self._check_has("prefix", "signed_prefix")
                for text in (self.prefix, self.signed_prefix):
                    if not is_name_prefix(text):
                        raise InvalidArgument(f"identity prefix {quote(text)}: a host, or a host and a path, is needed")
            case _:
                assert_never(self.kind)

    def _check_has(self, *needed: str) -> None:
        kinds: Mapping[str, tuple[type, object]] = {
            "reference": (Reference, None),
            "prefix": (str, ""),
            "signed_prefix": (str, ""),
        }
        for name, (kind, missing) in kinds.items():
            value = getattr(self, name)
            if name in needed:
                check_kind(value, (kind,), f"identity {self.kind.value}: {name}")
            elif value != missing:
                raise InvalidArgument(f"identity {self.kind.value}: {quote(name)} is not a field of this kind")

    def _refused(self, why: str) -> InvalidArgument:
        return InvalidArgument(f"identity {quote(str(self.reference))}: {why}")

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
        return cls(IdentityKind.EXACTLY, parse_reference(text))

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
        return cls(IdentityKind.EXACT_REFERENCE, parse_reference(text))

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
        return cls(IdentityKind.REMAP_IDENTITY, None, prefix, signed_prefix)

    def match(self, signed: str | None, image: Reference | None, digest: str) -> str:
        """What was compared, for people. `signed` is the claim's reference, `image` the name that was asked for.

        Raises:
            IdentityMismatch: the name does not fit.
        """
        match self.kind:
            case IdentityKind.ANY:
                return "names are not compared"
            case IdentityKind.OF_IMAGE:
                return _match_image(signed, image, digest)
            case IdentityKind.EXACTLY:
                return self._match_exactly(self._named(signed), digest)
            case IdentityKind.MATCH_REPOSITORY | IdentityKind.EXACT_REPOSITORY:
                return self._match_as_containers(self._named(signed), image, _same_repository)
            case IdentityKind.MATCH_EXACT | IdentityKind.EXACT_REFERENCE:
                return self._match_as_containers(self._named(signed), image, _same_name)
            case IdentityKind.MATCH_REPO_DIGEST_OR_EXACT | IdentityKind.REMAP_IDENTITY:
                return self._match_as_containers(self._named(signed), image, _same_name_or_digest)
            case _:
                assert_never(self.kind)

    def _named(self, signed: str | None) -> str:
        if signed is None:
            raise IdentityMismatch(f"this format names no repository, but the policy wants {self}")
        return signed

    def _match_exactly(self, signed: str, digest: str) -> str:
        assert self.reference is not None
        reference = _parse_signed(signed)
        _refuse_other_digest(reference, signed, digest)
        wanted = self.reference
        if reference.repository != wanted.repository or (wanted.tag and reference.tag != wanted.tag):
            raise IdentityMismatch(f"signed as {quote(signed)}, but the policy wants {wanted}")
        return f"signed as {reference}, as the policy wants"

    def _match_as_containers(
        self, signed: str, image: Reference | None, fits: Callable[[Reference, Reference], bool]
    ) -> str:
        # A digest in a name is part of the name here and nothing more: that the image has the signed digest is checked
        # by whoever judges.
        reference = _parse_signed(signed)
        intended = self._intended(image)
        if not fits(reference, intended):
            raise IdentityMismatch(
                f"signed as {quote(signed)}, but {self.kind.value} wants {intended}", hint=_hint(signed)
            )
        return f"signed as {reference}, as {self.kind.value} wants"

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


def _same_repository(reference: Reference, intended: Reference) -> bool:
    return reference.repository == intended.repository


def _same_name(reference: Reference, intended: Reference) -> bool:
    return not _is_name_only(intended) and reference == intended


def _same_name_or_digest(reference: Reference, intended: Reference) -> bool:
    """The same name with its tag; where the image was asked for by digest, any tag or digest of the repository."""
    if _is_name_only(intended) or _is_name_only(reference):
        return False
    return reference == intended if intended.tag else reference.repository == intended.repository


def _match_image(signed: str | None, image: Reference | None, digest: str) -> str:
    if signed is None:
        return "this format names no repository"
    if image is None:
        return f"the image has no name to compare with {quote(signed)}"
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
