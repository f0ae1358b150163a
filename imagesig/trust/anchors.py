"""Trust anchors: keys, certificate authorities by role, and authorities whose timestamps count."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import Self

from msgspec import Struct

from imagesig.crypto.certificate import Certificate, parse_certificates
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import InvalidArgument, MalformedError
from imagesig.trust.holder import Holder


class Window(Struct, frozen=True):
    """When a trusted key counts. Both ends belong to it; None is open. Times have an offset from UTC."""

    not_before: datetime | None = None
    not_after: datetime | None = None

    def contains(self, at: datetime) -> bool:
        return (self.not_before is None or self.not_before <= at) and (self.not_after is None or at <= self.not_after)

    def __str__(self) -> str:
        first = self.not_before.isoformat() if self.not_before else "ever"
        return f"{first} to {self.not_after.isoformat() if self.not_after else 'ever'}"


ALWAYS = Window()


class TrustedKey(Struct, frozen=True):
    """One signer as the policy knows it: a name, and every public key that stands for it (rotation leaves several)."""

    name: str
    public_keys: tuple[PublicKey, ...]
    window: Window = ALWAYS


class Role(Enum):
    """What an authority vouches for; the value is the Notary Project's name of its trust store type."""

    CA = "ca"
    SIGNING_AUTHORITY = "signingAuthority"


class CertificateAuthority(Struct, frozen=True):
    """Signers as certificates name them: those that one of these certificates vouches for.

    `certificates` are usually self-signed roots; an intermediate or a self-signed signer may be pinned as well.
    `holders` says whose certificates count; none means everybody that the authority certified.
    """

    name: str
    certificates: tuple[Certificate, ...]
    holders: tuple[Holder, ...] = ()
    role: Role = Role.CA

    @classmethod
    def from_pem(cls, name: str, pem: bytes, holders: Iterable[str] = (), role: Role = Role.CA) -> Self:
        """The authority of these certificates, PEM or one in DER, and the holders as text (`Holder.of`).

        Raises:
            InvalidArgument: no certificates, or text that names no holder.
        """
        try:
            certificates = parse_certificates(pem, name)
        except MalformedError as error:
            raise InvalidArgument(str(error), hint="give certificates in PEM") from error
        return cls(name, certificates, tuple(Holder.of(text) for text in holders), role)


class TimestampAuthorities(Struct, frozen=True):
    """Root certificates of RFC 3161 timestamp services; naming them makes a timestamp mandatory for certificates.

    With `after_expiry_only` a timestamp is looked at only where a certificate of the signer has expired.
    """

    certificates: tuple[Certificate, ...]
    after_expiry_only: bool = False


class Strangers(Enum):
    """What happens to a signer's certificate that no authority vouches for. Whatever it is, it proves nothing.

    `REFUSED`: nothing of the signature is looked at that could cost more than to see so. `OF_KEYS`: it is judged if its
    key is one of the trusted keys. `JUDGED`: it is judged, for a rule that only logs what it finds.
    """

    REFUSED = "refused"
    OF_KEYS = "of trusted keys"
    JUDGED = "judged"


class TrustAnchors(Struct, frozen=True):
    """Whose signatures count: by key, or by a certificate that one of the authorities vouches for."""

    keys: tuple[TrustedKey, ...] = ()
    authorities: tuple[CertificateAuthority, ...] = ()
    timestamps: TimestampAuthorities | None = None
    strangers: Strangers = Strangers.REFUSED
