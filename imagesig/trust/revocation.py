"""What can be known of a certificate's revocation, and where its issuer says to ask.

Spec: Notary Project trust-store-trust-policy, "Certificate Revocation Evaluation"; RFC 5280, RFC 6960.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import Enum
from itertools import pairwise
from typing import Any

from msgspec import Struct

from imagesig import limits
from imagesig.crypto.certificate import Certificate
from imagesig.errors import MalformedError, Revoked


class RevocationStatus(Enum):
    """`NON_REVOKABLE`: the certificate names nobody who could be asked."""

    OK = "ok"
    NON_REVOKABLE = "non-revokable"
    UNKNOWN = "unknown"
    REVOKED = "revoked"


class Answer(Struct, frozen=True):
    """What one piece of evidence says of one certificate. With `final` no other server of its kind is asked."""

    status: RevocationStatus
    reason: str
    final: bool = True

    @classmethod
    def useless(cls, reason: str) -> Answer:
        """The evidence is none: malformed, out of date, or from somebody who may not speak."""
        return cls(RevocationStatus.UNKNOWN, reason, final=False)


class CertificateStatus(Struct, frozen=True):
    """What was found out about one certificate of a chain, and how."""

    certificate: Certificate
    status: RevocationStatus
    reason: str

    def __str__(self) -> str:
        return f"{self.certificate.label}: {self.status.value}, {self.reason}"


def revocation_failure(statuses: Sequence[CertificateStatus]) -> Revoked | None:
    """The reason to refuse a chain of these certificates, if there is one: a revoked one before an unknown one."""
    for bad in (RevocationStatus.REVOKED, RevocationStatus.UNKNOWN):
        if found := [item for item in statuses if item.status is bad]:
            return Revoked("; ".join(map(str, found)), hint=_HINTS[bad])
    return None


_HINTS = {
    RevocationStatus.REVOKED: "the signer needs another certificate, and the image another signature",
    RevocationStatus.UNKNOWN: "let this machine reach the servers, or have the policy log or skip revocation",
}


class Servers(Struct, frozen=True):
    """URLs, in their order, of who can be asked about one certificate. `problem` says why its lists are of no use."""

    ocsp: tuple[str, ...] = ()
    crl: tuple[str, ...] = ()
    problem: str = ""

    @property
    def none(self) -> bool:
        return not (self.ocsp or self.crl or self.problem)


def servers_of(certificate: Certificate) -> Servers:
    """Those that the certificate names; the certificate must be verified before any of them is asked.

    Raises:
        MalformedError: its extensions cannot be read, or name more than `limits.REVOCATION_URLS` of one kind.
    """
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID

    access = certificate.extension(x509.AuthorityInformationAccess)
    locations = (
        [item for item in access.value if item.access_method == AuthorityInformationAccessOID.OCSP] if access else []
    )
    ocsp = tuple(dict.fromkeys(uris(item.access_location for item in locations)))
    points = certificate.extension(x509.CRLDistributionPoints)
    crl: dict[str, None] = {}
    problem = ""
    for point in points.value if points else ():
        found = list(uris(point.full_name or ()))
        if point.reasons or point.crl_issuer or not found:
            # Part of the reasons, or a list by somebody else, or no address: the rest would not tell everything.
            problem = "it names a CRL of some reasons only, of another issuer, or without an address"
        crl |= dict.fromkeys(found)
    for kind, count in (("OCSP responders", len(ocsp)), ("CRLs", len(crl))):
        if count > limits.REVOCATION_URLS:
            raise MalformedError(f"{count} {kind} are named, at most {limits.REVOCATION_URLS} are asked")
    return Servers(ocsp, tuple(crl), problem)


def uris(names: Any) -> Iterator[str]:
    """The URIs among general names."""
    from cryptography import x509

    return (name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))


def with_issuers(
    chain: Sequence[Certificate], trusted: Sequence[Certificate] = ()
) -> list[tuple[Certificate, Certificate | None]]:
    """Each certificate of a verified chain that can be revoked, with its issuer.

    A self-signed certificate at the end is not revoked by anybody, nor is one there that is trusted by configuration.
    The issuer of another at the end is looked for among the trusted ones; None if it is not there.
    """
    pairs: list[tuple[Certificate, Certificate | None]] = [*pairwise(chain)]
    if chain and chain[-1] not in trusted and not chain[-1].is_self_signed:
        pairs.append((chain[-1], next((item for item in trusted if chain[-1].is_issued_by(item)), None)))
    return pairs


def forgiven(invalid_since: datetime | None, signed_at: datetime | None) -> bool:
    """Whether a revoked certificate was still good when it signed, by the date from which its issuer calls it bad.

    `signed_at` is a trusted time of signing, None if there is none. A timestamp is not: it is later than the signing,
    but how much later nobody knows. Spec: RFC 5280 section 5.3.2.
    """
    return invalid_since is not None and signed_at is not None and signed_at < invalid_since
