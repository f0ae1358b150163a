"""`Signers`: the authorities of a requirement, and how many must have signed. Its kinds are `Signed` and `Attested`."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, Self

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from imagesig.errors import InvalidArgument
from imagesig.format_names import Purpose, format_names
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
from imagesig.trust import CertificateAuthority, Strangers, TimestampAuthorities, TrustAnchors


class Signers(Struct, frozen=True, dict=True):
    """Enough distinct authorities. Not a requirement itself.

    `threshold` is the number of distinct authorities; None means all of them. If more than one is needed, no two may
    have a key in common. `formats` names the formats to accept; empty means every format that imagesig reads. A name
    that differs only in what it writes, such as `cosign-x509`, becomes the name of its reader.

    Raises:
        InvalidArgument: a value is of an unknown kind or name, the threshold cannot be met, or two names are one key.
    """

    needs_evidence: ClassVar[bool] = True
    purpose: ClassVar[Purpose] = Purpose.SIGNATURE

    authorities: tuple[Authority, ...]
    threshold: int | None = 1
    formats: tuple[str, ...] = ()
    timestamps: TimestampAuthorities | None = None
    enforcement: Enforcement = STRICT

    def __post_init__(self) -> None:
        force_setattr(self, "authorities", tuple(map(check_authority, checked_tuple(self.authorities, "policy: keys"))))
        named = format_names(checked_tuple(self.formats, "policy: formats"), self.purpose)
        force_setattr(self, "formats", tuple(dict.fromkeys(item.reader for item in named)))
        check_kind(self.enforcement, (Enforcement,), "policy: enforcement")
        if self.timestamps is not None:
            _check_timestamps(self.timestamps)
        if not self.authorities:
            raise InvalidArgument("policy: no trusted key, at least one is needed", hint="give a public key")
        if self.threshold is not None:
            check_kind(self.threshold, (int,), "policy: threshold")
            if not 1 <= self.threshold <= len(self.authorities):
                raise InvalidArgument(f"policy: threshold {self.threshold}, 1 to {len(self.authorities)} is needed")
        check_distinct(self.authorities, self.needed)

    def opened(self, open_public_keys: OpenPublicKeys) -> Self:
        """The same with every `KeyReference` opened.

        Raises:
            InvalidArgument: several keys are needed, and two names have a key in common.
            ImagesigError: as `open_public_keys` does.
        """
        found = tuple(opened(item, open_public_keys) for item in self.authorities)
        return self if found == self.authorities else replace(self, authorities=found)

    @cached_property
    def anchors(self) -> TrustAnchors:
        """The trust anchors that formats verify with. Raises `InvalidArgument` for a key that is not opened."""
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

    @property
    def refusal(self) -> str:
        return ""

    def who(self) -> str:
        """The authorities and how many of them: `2 of release, qa, hsm`."""
        from imagesig.policy.describe import describe_place

        names = ", ".join(item.name or describe_place(item) for item in self.authorities)
        if len(self.authorities) == 1:
            return names
        count = "all" if self.threshold is None else "any" if self.threshold == 1 else self.threshold
        return f"{count} of {names}"

    def how(self) -> list[str]:
        """What else it asks of each signature, in words."""
        parts = [f"formats {', '.join(self.formats)}"] if self.formats else []
        if self.timestamps:
            parts.append("timestamps")
        if self.enforcement != STRICT:
            parts.append(str(self.enforcement))
        return parts


def _check_timestamps(timestamps: TimestampAuthorities) -> None:
    check_kind(timestamps, (TimestampAuthorities,), "policy: timestamps")
    check_kind(timestamps.after_expiry_only, (bool,), "policy: timestamps after expiry only")
    if not checked_tuple(timestamps.certificates, "policy: timestamp authorities"):
        raise InvalidArgument("policy: timestamps are needed, but no timestamp authority is given")
