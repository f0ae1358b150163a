"""Identities: whether the image name in a signature fits the image that was asked for.

The default is containers/image's `matchRepoDigestOrExact`, which also accepts cosign's payloads with the repository
alone. The other kinds compare exactly as containers/image does. Names are compared after Docker's normalisation.

A kind is one class and a line in `KINDS`. Policy files, `describe` and `imagesig policy check` read its members.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

from msgspec import Struct

from imagesig.arguments import checks_arguments
from imagesig.errors import IdentityMismatch, InvalidArgument
from imagesig.oci.reference import Reference, is_name_prefix, parse_reference
from imagesig.policy.exact import check_kind
from imagesig.policy.signed_name import is_name_only, parse_signed, remapped, required_name, signed_for
from imagesig.text import quote


class Identity(Struct, frozen=True):
    """Which names a signature may give the image. Make one with the class methods, or construct one of the `KINDS`.

    `kind` is the name in policy files, and the fields of the class are the fields there. `compares_tags` is False if an
    older signed image of the repository fits as well as a newer one.
    """

    kind: ClassVar[str]
    compares_tags: ClassVar[bool] = True

    @abstractmethod
    def match(self, signed: str | None, image: Reference | None, digest: str) -> str:
        """A text for people that says what was compared. `signed` is the claim's reference, `image` the name asked for.

        Raises:
            IdentityMismatch: the name does not fit.
        """

    @classmethod
    def of_texts(cls, *texts: str) -> Self:
        """The identity with these fields, as a policy file writes them.

        Raises:
            InvalidArgument: a text is not what its field needs.
        """
        return cls(*map(parse_reference, texts))

    @property
    def texts(self) -> dict[str, str]:
        """Its fields, as a policy file writes them."""
        return {name: str(getattr(self, name)) for name in self.__struct_fields__}

    def __str__(self) -> str:
        """The kind and the names that it compares with, for people."""
        return f"{self.kind} {' -> '.join(self.texts.values())}".rstrip()

    @staticmethod
    def of_image() -> OfImage:
        """The default: the repository that was asked for, and the tag if both names have one."""
        return OF_IMAGE

    @staticmethod
    @checks_arguments
    def exactly(text: str) -> ExactName:
        """This name, of another repository too. Raises `InvalidArgument`: no reference, or one with a digest."""
        return ExactName.of_texts(text)

    @staticmethod
    def any() -> AnyName:
        """Every name, also of another repository."""
        return AnyName()

    @staticmethod
    def match_exact() -> MatchExact:
        """The name that was asked for, with its tag or digest. Podman's `matchExact`."""
        return MatchExact()

    @staticmethod
    def match_repo_digest_or_exact() -> MatchRepoDigestOrExact:
        """The name with its tag; for an image by digest, its repository. Podman's `matchRepoDigestOrExact`."""
        return MatchRepoDigestOrExact()

    @staticmethod
    def match_repository() -> MatchRepository:
        """The repository that was asked for, with any tag. Podman's `matchRepository`."""
        return MatchRepository()

    @staticmethod
    @checks_arguments
    def exact_reference(text: str) -> ExactReference:
        """This name with its tag or digest. Raises `InvalidArgument`: no reference, or one without tag and digest."""
        return ExactReference.of_texts(text)

    @staticmethod
    @checks_arguments
    def exact_repository(text: str) -> ExactRepository:
        """This repository; a tag or digest in `text` is ignored. Raises `InvalidArgument`: no reference."""
        return ExactRepository.of_texts(text)

    @staticmethod
    @checks_arguments
    def remap_identity(prefix: str, signed_prefix: str) -> RemapIdentity:
        """Podman's `remapIdentity`. Raises `InvalidArgument`: a text is no host, and no host with a path."""
        return RemapIdentity(prefix, signed_prefix)


class OfImage(Identity, frozen=True):
    """The repository that was asked for; and its tag, if the image was asked for by tag and the signature has one.

    Accepts signatures in a format that names no repository, and images that have no name.
    """

    kind = "matchImage"

    def match(self, signed: str | None, image: Reference | None, digest: str) -> str:
        if signed is None:
            return "this format names no repository"
        if image is None:
            return f"the image has no name to compare with {quote(signed)}"
        reference = signed_for(digest, signed)
        if reference.repository != image.repository:
            raise IdentityMismatch(
                f"signed as {quote(signed)}, but the image is in {image.repository}",
                hint=f"if it was moved on purpose, verify with the identity {reference.repository}",
            )
        if reference.tag and image.tag and not image.digest and reference.tag != image.tag:
            raise IdentityMismatch(
                f"signed as tag {quote(reference.tag)}, but the image was asked for as {image.tag!r}"
            )
        return f"signed as {reference}"


class ExactName(Identity, frozen=True):
    """This repository, or this repository and tag, regardless of the image's own name: for mirrors and layouts.

    Refuses signatures in a format that names no repository.
    """

    kind = "exactName"

    name: Reference

    def __post_init__(self) -> None:
        check_kind(self.name, (Reference,), "identity exactName: name")
        if self.name.digest:
            raise _invalid(self.name, "a repository or repository:tag is needed, without a digest")

    def match(self, signed: str | None, image: Reference | None, digest: str) -> str:
        text = required_name(signed, self)
        reference = signed_for(digest, text)
        if reference.repository != self.name.repository or (self.name.tag and reference.tag != self.name.tag):
            raise IdentityMismatch(f"signed as {quote(text)}, the policy needs {self.name}")
        return f"signed as {reference}, as the policy needs"


class AnyName(Identity, frozen=True):
    """Any name: a signature for the same digest in another repository fits too."""

    kind = "any"
    compares_tags = False

    def match(self, signed: str | None, image: Reference | None, digest: str) -> str:
        return "names are not compared"


class SignedIdentity(Identity, frozen=True):
    """A kind of containers/image's `signedIdentity`. Refuses signatures in a format that names no repository.

    Spec: containers-policy.json(5), "signedIdentity".
    """

    @abstractmethod
    def fits(self, reference: Reference, intended: Reference) -> bool:
        """Whether the signed name is what the intended name asks for."""

    def intended(self, image: Reference | None) -> Reference:
        """The name that the signature must have. Raises `IdentityMismatch` if there is none."""
        if image is None:
            raise IdentityMismatch(
                f"{self.kind} compares the image's name, and the image has no name",
                hint="for layouts and archives use exactReference or exactRepository",
            )
        return image

    def match(self, signed: str | None, image: Reference | None, digest: str) -> str:
        # A digest in a name is part of the name here and nothing more: `judge` compares the digest that was signed.
        text = required_name(signed, self)
        reference, intended = parse_signed(text), self.intended(image)
        if not self.fits(reference, intended):
            name_only = "it names only the repository, as cosign does; use matchRepository or matchImage to accept that"
            raise IdentityMismatch(
                f"signed as {quote(text)}, {self.kind} needs {intended}",
                hint=name_only if is_name_only(reference) else "",
            )
        return f"signed as {reference}, as {self.kind} needs"


class MatchExact(SignedIdentity, frozen=True):
    """The very name that was asked for, with its tag or digest."""

    kind = "matchExact"

    def fits(self, reference: Reference, intended: Reference) -> bool:
        return not is_name_only(intended) and reference == intended


class MatchRepoDigestOrExact(SignedIdentity, frozen=True):
    """The very name with its tag; if the image was asked for by digest, any tag or digest of the repository."""

    kind = "matchRepoDigestOrExact"

    def fits(self, reference: Reference, intended: Reference) -> bool:
        if is_name_only(intended) or is_name_only(reference):
            return False
        return reference == intended if intended.tag else reference.repository == intended.repository


class MatchRepository(SignedIdentity, frozen=True):
    """The repository that was asked for, with any tag: an older signed image can take the place of this one."""

    kind = "matchRepository"
    compares_tags = False

    def fits(self, reference: Reference, intended: Reference) -> bool:
        return reference.repository == intended.repository


class ExactReference(MatchExact, frozen=True):
    """This name with its tag or digest, regardless of the image's own name."""

    kind = "exactReference"

    reference: Reference

    def __post_init__(self) -> None:
        check_kind(self.reference, (Reference,), "identity exactReference: reference")
        if is_name_only(self.reference):
            raise _invalid(self.reference, "a tag or a digest is needed")

    def intended(self, image: Reference | None) -> Reference:
        return self.reference


class ExactRepository(MatchRepository, frozen=True):
    """This repository, regardless of the image's own name."""

    kind = "exactRepository"

    repository: Reference

    def __post_init__(self) -> None:
        check_kind(self.repository, (Reference,), "identity exactRepository: repository")
        if not is_name_only(self.repository):
            raise _invalid(self.repository, "a repository is needed, without tag and digest")

    @classmethod
    def of_texts(cls, *texts: str) -> Self:
        return cls(*(Reference(item.domain, item.path) for item in map(parse_reference, texts)))

    def intended(self, image: Reference | None) -> Reference:
        return self.repository


class RemapIdentity(MatchRepoDigestOrExact, frozen=True):
    """`MatchRepoDigestOrExact` for the name with `signed_prefix` in the place of `prefix`: for mirrors.

    A prefix is a host, or a host and whole components of a path; a name that does not start with it stays as it is.
    """

    kind = "remapIdentity"

    prefix: str
    signed_prefix: str

    def __post_init__(self) -> None:
        for name, text in self.texts.items():
            check_kind(getattr(self, name), (str,), f"identity remapIdentity: {name}")
            if not is_name_prefix(text):
                raise InvalidArgument(f"identity prefix {quote(text)}: a host, or a host and a path, is needed")

    @classmethod
    def of_texts(cls, *texts: str) -> Self:
        return cls(*texts)

    def intended(self, image: Reference | None) -> Reference:
        return remapped(super().intended(image), self.prefix, self.signed_prefix)


OF_IMAGE = OfImage()


def _by_name(*kinds: type[Identity]) -> Mapping[str, type[Identity]]:
    return {item.kind: item for item in kinds}


KINDS = _by_name(
    OfImage,
    ExactName,
    AnyName,
    MatchExact,
    MatchRepoDigestOrExact,
    MatchRepository,
    ExactReference,
    ExactRepository,
    RemapIdentity,
)
"""Every kind by its name. `Signed` refuses objects of all other classes, subclasses of these included."""


def _invalid(reference: Reference, needed: str) -> InvalidArgument:
    return InvalidArgument(f"identity {quote(str(reference))}: {needed}")
