"""Requirements: what must hold of an image's signatures. A rule is several of them, and all must hold."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Self

from msgspec import Struct, field
from msgspec.structs import replace

from imagesig.errors import InvalidArgument
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.policy.authority import Authority, KeyReference, OpenPublicKeys, distinct_keys
from imagesig.policy.enforcement import STRICT, Action, Enforcement
from imagesig.policy.match import Identity
from imagesig.trust import CertificateAuthority, Strangers, TimestampAuthorities, TrustAnchors, TrustedKey


class Signed(Struct, frozen=True, dict=True):
    """Signatures by enough distinct authorities, for this very image, under an acceptable name.

    `threshold` counts distinct authorities, and None means every one. `formats` names the formats that count; none
    named means every format that imagesig reads.
    """

    authorities: tuple[Authority, ...]
    threshold: int | None = 1
    annotations: Annotations = NO_ANNOTATIONS
    identity: Identity = field(default_factory=Identity.of_image)
    formats: tuple[str, ...] = ()
    timestamps: TimestampAuthorities | None = None
    enforcement: Enforcement = STRICT

    def __post_init__(self) -> None:
        if not self.authorities:
            raise InvalidArgument("policy: no key is trusted, so nothing can be verified", hint="give a public key")
        if self.threshold is not None and not 1 <= self.threshold <= len(self.authorities):
            raise InvalidArgument(f"policy: {self.threshold} of {len(self.authorities)} keys cannot be asked for")

    def opened(self, open_public_keys: OpenPublicKeys) -> Self:
        """The same with every `KeyReference` opened. Raises as `open_public_keys` does."""
        return replace(
            self,
            authorities=tuple(
                item.opened(open_public_keys) if isinstance(item, KeyReference) else item for item in self.authorities
            ),
        )

    @cached_property
    def anchors(self) -> TrustAnchors:
        """Raises `InvalidArgument` for a key that was not opened, or where fewer keys differ than are asked for."""
        for item in self.authorities:
            if isinstance(item, KeyReference):
                raise InvalidArgument(f"policy: key {item.text} was not opened", hint="call Rule.opened first")
        keys = distinct_keys(item for item in self.authorities if isinstance(item, TrustedKey))
        certified = tuple(item for item in self.authorities if isinstance(item, CertificateAuthority))
        if self.threshold is not None and self.threshold > len(keys) + len(certified):
            raise InvalidArgument(
                f"policy: {self.threshold} distinct keys are asked for, "
                f"but only {len(keys) + len(certified)} of the keys given differ"
            )
        strangers = Strangers.JUDGED if self.may_pass_unproved else Strangers.REFUSED
        return TrustAnchors(keys, certified, self.timestamps, strangers)

    @property
    def needed(self) -> int:
        """How many distinct authorities must have signed."""
        anchors = self.anchors
        return len(anchors.keys) + len(anchors.authorities) if self.threshold is None else self.threshold

    @property
    def may_pass_unproved(self) -> bool:
        return self.enforcement.authenticity is not Action.ENFORCE


class AcceptAnything(Struct, frozen=True):
    """Holds of every image and proves nothing."""


class Reject(Struct, frozen=True):
    """Holds of no image."""

    reason: str = "the policy rejects it"


class Unsupported(Reject, frozen=True):
    """What another tool's policy asks for and imagesig cannot judge. It holds of no image: nothing is passed over."""


Requirement = Signed | AcceptAnything | Reject


class Rule(Struct, frozen=True):
    """What must hold of the images that it is for. `name` says in which line of the policy it stands, for people.

    With `warn` an image that fails passes unproved, with the reasons.
    """

    requirements: tuple[Requirement, ...]
    name: str = "default"
    warn: bool = False

    def __post_init__(self) -> None:
        if not self.requirements:
            raise InvalidArgument(f"policy: rule {self.name} has no requirement; an empty rule would accept everything")

    def opened(self, open_public_keys: OpenPublicKeys) -> Self:
        """The same with every key opened. Raises as `open_public_keys` does."""
        return replace(
            self,
            requirements=tuple(
                item.opened(open_public_keys) if isinstance(item, Signed) else item for item in self.requirements
            ),
        )

    @property
    def signed(self) -> tuple[Signed, ...]:
        return tuple(item for item in self.requirements if isinstance(item, Signed))


def formats_of(requirements: Iterable[Signed]) -> tuple[str, ...]:
    """The names of all formats that one of the requirements counts; empty means every format."""
    named: dict[str, None] = {}
    for item in requirements:
        if not item.formats:
            return ()
        named |= dict.fromkeys(item.formats)
    return tuple(named)
