"""Trust anchors: keys, certificate authorities by role, and timestamp authorities."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, NewType, Self

from msgspec import Struct

from imagesig.arguments import checks_arguments
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import InvalidArgument, MalformedError

if TYPE_CHECKING:
    from imagesig.crypto.certificate import Certificate
    from imagesig.trust.holder import Holder
else:
    # speed: for inspect.signature (benchmarks/test_cli.py)
    Certificate, Holder = NewType("Certificate", object), NewType("Holder", object)


class Window(Struct, frozen=True):
    """The time during which a key is trusted, including both ends; None is unlimited. Times have an offset from UTC."""

    not_before: datetime | None = None
    not_after: datetime | None = None

    def contains(self, at: datetime) -> bool:
        return (self.not_before is None or self.not_before <= at) and (self.not_after is None or at <= self.not_after)

    def __str__(self) -> str:
        first = self.not_before.isoformat() if self.not_before else "ever"
        return f"{first} to {self.not_after.isoformat() if self.not_after else 'ever'}"


ALWAYS = Window()


class TrustedKey(Struct, frozen=True):
    """One signer of a policy: its name and all its public keys, which are several after a rotation."""

    name: str
    public_keys: tuple[PublicKey, ...]
    window: Window = ALWAYS


class Role(Enum):
    """The role of an authority. The value is the Notary Project's name of its trust store type."""

    CA = "ca"
    SIGNING_AUTHORITY = "signingAuthority"


class CertificateAuthority(Struct, frozen=True):
    """A certificate authority: trusts signers with a certificate issued below one of these certificates.

    `certificates` are usually self-signed roots; an intermediate or a self-signed signer may be pinned too. `holders`
    are the accepted holders; without any, every holder certified by the authority is accepted.
    """

    name: str
    certificates: tuple[Certificate, ...]
    holders: tuple[Holder, ...] = ()
    role: Role = Role.CA

    @classmethod
    @checks_arguments
    def from_pem(cls, name: str, pem: bytes, holders: Iterable[str] = (), role: Role = Role.CA) -> Self:
        """The authority with these certificates (PEM, or one in DER) and holders (parsed by `Holder.of`).

        Raises:
            InvalidArgument: no certificates, or text that is not a holder.
        """
        # speed: a policy of keys names no certificate (benchmarks/test_start.py)
        from imagesig.crypto.certificate import parse_certificates
        from imagesig.trust.holder import Holder

        try:
            certificates = parse_certificates(pem, name)
        except MalformedError as error:
            raise InvalidArgument(str(error), hint="give certificates in PEM") from error
        texts = (holders,) if isinstance(holders, str) else holders
        return cls(name, certificates, tuple(Holder.of(text) for text in texts), role)


class TimestampAuthorities(Struct, frozen=True):
    """Root certificates of RFC 3161 timestamp services. With them, signatures with certificates need a timestamp.

    With `after_expiry_only` a timestamp is needed only if a certificate of the signer has expired.
    """

    certificates: tuple[Certificate, ...]
    after_expiry_only: bool = False


class Strangers(Enum):
    """What to do with a signer's certificate that no trusted authority issued. It proves nothing in any case.

    `REFUSED`: refuse it before any costly check. `OF_KEYS`: check it only if its key is a trusted key. `JUDGED`: check
    it, for a rule that only logs failures.
    """

    REFUSED = "refused"
    OF_KEYS = "of trusted keys"
    JUDGED = "judged"


class TrustAnchors(Struct, frozen=True):
    """The keys and certificate authorities whose signatures a requirement accepts."""

    keys: tuple[TrustedKey, ...] = ()
    authorities: tuple[CertificateAuthority, ...] = ()
    timestamps: TimestampAuthorities | None = None
    strangers: Strangers = Strangers.REFUSED
