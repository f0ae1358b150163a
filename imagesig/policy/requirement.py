"""Requirements: what must hold of an image's signatures. A rule is several of them, and all must hold.

The kinds are closed: a rule refuses every other kind, and each place that treats kinds differently matches on all of
them and ends with `assert_never`, so that mypy finds the place that forgets one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Self, assert_never

from msgspec import Struct, field
from msgspec.structs import force_setattr, replace

from imagesig.errors import InvalidArgument
from imagesig.format_names import format_names
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.policy.authority import (
    Authority,
    KeyReference,
    OpenPublicKeys,
    anchors_of,
    check_authority,
    check_distinct,
    opened,
)
from imagesig.policy.enforcement import STRICT, Action, Enforcement
from imagesig.policy.exact import check_kind, checked_tuple
from imagesig.policy.identity import Identity
from imagesig.text import quote
from imagesig.trust import CertificateAuthority, Strangers, TimestampAuthorities, TrustAnchors


class Signed(Struct, frozen=True, dict=True):
    """Signatures by enough distinct authorities, for this very image, under an acceptable name.

    `threshold` counts distinct authorities; None is a threshold of all of them. Where more than one is needed, no two
    may have a key in common. `formats` names the formats that count; empty means every format that imagesig reads.
    Names that differ only in what they write, such as `cosign-x509`, become the one that reads it.

    Raises:
        InvalidArgument: a value of an unknown kind or name, a threshold that cannot be met, or two names of one key.
    """

    authorities: tuple[Authority, ...]
    threshold: int | None = 1
    annotations: Annotations = NO_ANNOTATIONS
    identity: Identity = field(default_factory=Identity.of_image)
    formats: tuple[str, ...] = ()
    timestamps: TimestampAuthorities | None = None
    enforcement: Enforcement = STRICT

    def __post_init__(self) -> None:
        force_setattr(self, "authorities", tuple(map(check_authority, checked_tuple(self.authorities, "policy: keys"))))
        force_setattr(self, "annotations", _annotations(self.annotations))
        formats = tuple(item.reader for item in format_names(checked_tuple(self.formats, "policy: formats")))
        force_setattr(self, "formats", tuple(dict.fromkeys(formats)))
        check_kind(self.identity, (Identity,), "policy: identity")
        check_kind(self.enforcement, (Enforcement,), "policy: enforcement")
        if self.timestamps is not None:
            _check_timestamps(self.timestamps)
        if not self.authorities:
            raise InvalidArgument("policy: no key is trusted, so nothing can be verified", hint="give a public key")
        if self.threshold is not None:
            check_kind(self.threshold, (int,), "policy: threshold")
            if not 1 <= self.threshold <= len(self.authorities):
                raise InvalidArgument(f"policy: {self.threshold} of {len(self.authorities)} keys cannot be asked for")
        check_distinct(self.authorities, self.needed)

    def opened(self, open_public_keys: OpenPublicKeys) -> Self:
        """The same with every `KeyReference` opened.

        Raises:
            InvalidArgument: several keys are needed, and two names have one in common.
            ImagesigError: as `open_public_keys` does.
        """
        return replace(self, authorities=tuple(opened(item, open_public_keys) for item in self.authorities))

    @cached_property
    def anchors(self) -> TrustAnchors:
        """Raises `InvalidArgument` for a key that was not opened."""
        strangers = Strangers.JUDGED if self.may_pass_unverified else Strangers.REFUSED
        return replace(anchors_of(self.authorities, self.timestamps), strangers=strangers)

    @property
    def needed(self) -> int:
        """How many distinct authorities must have signed."""
        return len(self.authorities) if self.threshold is None else self.threshold

    @property
    def references(self) -> tuple[KeyReference, ...]:
        """Its keys that are not opened yet."""
        return tuple(item for item in self.authorities if type(item) is KeyReference)

    @property
    def certificate_authorities(self) -> tuple[CertificateAuthority, ...]:
        return tuple(item for item in self.authorities if type(item) is CertificateAuthority)

    @property
    def may_pass_unverified(self) -> bool:
        return self.enforcement.authenticity is not Action.ENFORCE


def _annotations(given: object) -> Annotations:
    if not isinstance(given, Mapping):
        raise InvalidArgument(f"policy: annotations {quote(given)}, names with values are needed")
    for name, value in given.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise InvalidArgument(f"policy: annotation {quote(name)}: {quote(value)}, text is needed")
    return given if type(given) is Annotations else Annotations(given)


def _check_timestamps(timestamps: TimestampAuthorities) -> None:
    check_kind(timestamps, (TimestampAuthorities,), "policy: timestamps")
    check_kind(timestamps.after_expiry_only, (bool,), "policy: timestamps after expiry only")
    if not checked_tuple(timestamps.certificates, "policy: timestamp authorities"):
        raise InvalidArgument("policy: timestamps are needed, but no timestamp authority is trusted")


class AcceptAnything(Struct, frozen=True):
    """Holds of every image and proves nothing."""


class Reject(Struct, frozen=True):
    """Holds of no image."""

    reason: str = "the policy rejects it"

    def __post_init__(self) -> None:
        check_kind(self.reason, (str,), "policy: reason")


class Unsupported(Reject, frozen=True):
    """What another tool's policy asks for and imagesig cannot judge. It holds of no image."""


Requirement = Signed | AcceptAnything | Reject | Unsupported
KINDS = (Signed, AcceptAnything, Reject, Unsupported)
"""Every kind of requirement. An object of a subclass of one of them is of none of these kinds."""


class Rule(Struct, frozen=True):
    """What must hold of the images that it is for. `name` says in which line of the policy it stands, for people.

    With `warn` an image that fails passes unverified, with the reasons.

    Raises:
        InvalidArgument: no requirement, or a value of an unknown kind.
    """

    requirements: tuple[Requirement, ...]
    name: str = "default"
    warn: bool = False

    def __post_init__(self) -> None:
        check_kind(self.name, (str,), "policy: name of a rule")
        what = f"policy: rule {self.name}"
        check_kind(self.warn, (bool,), what)
        requirements = checked_tuple(self.requirements, what)
        for item in requirements:
            check_kind(item, KINDS, what)
        force_setattr(self, "requirements", requirements)
        if not self.requirements:
            raise InvalidArgument(f"policy: rule {self.name} has no requirement; an empty rule would accept everything")

    def opened(self, open_public_keys: OpenPublicKeys) -> Self:
        """The same with every key opened. Raises as `Signed.opened` does."""
        return replace(self, requirements=tuple(_opened(item, open_public_keys) for item in self.requirements))

    @property
    def signed(self) -> tuple[Signed, ...]:
        """Its requirements that need signatures."""
        found = []
        for item in self.requirements:
            match item:
                case Signed():
                    found.append(item)
                case AcceptAnything() | Unsupported() | Reject():
                    pass
                case _:
                    assert_never(item)
        return tuple(found)


def _opened(requirement: Requirement, open_public_keys: OpenPublicKeys) -> Requirement:
    match requirement:
        case Signed():
            return requirement.opened(open_public_keys)
        case AcceptAnything() | Unsupported() | Reject():
            return requirement
        case _:
            assert_never(requirement)


def formats_of(requirements: Iterable[Signed]) -> tuple[str, ...]:
    """The names of all formats that one of the requirements counts; empty means every format."""
    named: dict[str, None] = {}
    for item in requirements:
        if not item.formats:
            return ()
        named |= dict.fromkeys(item.formats)
    return tuple(named)


def refuses_all(rule: Rule) -> bool:
    """Whether no image passes under the rule, whatever is signed."""
    return any(_refuses(requirement) for requirement in rule.requirements)


def _refuses(requirement: Requirement) -> bool:
    match requirement:
        case Reject() | Unsupported():
            return True
        case AcceptAnything() | Signed():
            return False
        case _:
            assert_never(requirement)
