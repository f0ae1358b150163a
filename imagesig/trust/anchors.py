"""Trust anchors: keys, certificate authorities by role, and timestamp authorities."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, NewType, Self

from msgspec import Struct
from msgspec.structs import force_setattr

from imagesig.arguments import check_fields, checks_arguments
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import InvalidArgument, MalformedError
from imagesig.naming import PathLike, path_text, refuse_key
from imagesig.patterns import regex
from imagesig.text import quote

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
        """Whether the time is in the window."""
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


class RootKeyId(Struct, frozen=True):
    """A pin by id: that of the root key, or of its certificate, as `trust inspect` shows it. 64 hex digits."""

    id: str


class PinFile(Struct, frozen=True):
    """A pin in a file that is not read yet: a public key, or certificate authorities, in PEM."""

    path: str


RootPin = RootKeyId | PublicKey | CertificateAuthority | PinFile
PinLike = str | bytes | PathLike | RootPin
"""One pin: a key id, PEM text, the path of a PEM file, or a value."""

KEY_ID = regex(r"[0-9a-f]{64}")
"""A key id of trust data: the SHA-256 of the key, in hex."""
_PIN_HINT = "give the id of the root key, its public key, or the certificate authority of root certificates"


class ContentTrust(Struct, frozen=True):
    """A trust server (notary) whose released tags name the digest of an image: Docker Content Trust.

    `server` is its URL, by default the one of docker's own rules. `pin` says which root keys to trust, one pin or
    several: of the keys that signed the root, enough for its threshold must fit them. `signers` must all have signed
    the released digest too. Without a pin, `first_use` trusts the root that the server has at first contact and
    remembers it. `ca_file` has the authorities for HTTPS.

    Raises:
        InvalidArgument: there is no pin and no `first_use`, both, or a value that is no pin.
    """

    server: str = ""
    pin: tuple[PinLike, ...] | PinLike = ()
    signers: tuple[str, ...] | str = ()
    name: str = "content trust"
    first_use: bool = False
    ca_file: str = ""

    def __post_init__(self) -> None:
        given = self.pin if isinstance(self.pin, tuple | list) else (self.pin,)
        force_setattr(self, "pin", tuple(map(root_pin, given)))
        check_fields(self)
        signers = (self.signers,) if isinstance(self.signers, str) else tuple(self.signers)
        force_setattr(self, "signers", signers)
        if self.server:
            _check_server(self.server)
        if not self.pin and not self.first_use:
            raise InvalidArgument(
                "content trust: no pin, one is needed to know whose trust data these are",
                hint=f"{_PIN_HINT}; or trust the server at first contact: first_use",
            )
        if self.pin and self.first_use:
            raise InvalidArgument("content trust: first_use cannot be combined with a pin", hint="remove one of them")

    @property
    def pins(self) -> tuple[RootPin, ...]:
        return self.pin  # type: ignore[return-value]  # set above

    @property
    def signer_names(self) -> tuple[str, ...]:
        return self.signers  # type: ignore[return-value]  # set above


def _check_server(given: object) -> None:
    # speed: most policies have no trust server (benchmarks/test_start.py)
    from imagesig.url import parse_url, redact

    if not isinstance(given, str):
        raise InvalidArgument(f"content trust: server {quote(given)}, a URL is needed")
    url = parse_url(given, "trust server")
    if url.has_login or "?" in url.target:
        raise InvalidArgument(f"trust server {quote(redact(given))}: a URL without login and query is needed")


def root_pin(given: object) -> RootPin:
    """The pin for a value that a caller gave. Raises `InvalidArgument` for another value."""
    if isinstance(given, RootKeyId | PublicKey | CertificateAuthority | PinFile):
        return given
    if isinstance(given, PathLike):
        return PinFile(path_text(given))
    text = given.decode("utf-8", "replace") if isinstance(given, bytes) else given
    if not isinstance(text, str) or not text:
        raise InvalidArgument(f"content trust: pin {quote(given)}", hint=_PIN_HINT)
    if "-----BEGIN CERTIFICATE-----" in text:
        return CertificateAuthority.from_pem("pinned root authority", text.encode("utf-8", "replace"))
    if "-----BEGIN " in text:
        return PublicKey.from_pem(text)
    if KEY_ID.fullmatch(text):
        return RootKeyId(text)
    refuse_key(text, "content trust: pin", _PIN_HINT, raw=True)
    return PinFile(text)


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
    content_trust: tuple[ContentTrust, ...] = ()
