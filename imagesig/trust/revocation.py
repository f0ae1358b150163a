"""The revocation status of a certificate, and the servers that it names.

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
    """`NON_REVOKABLE`: the certificate names no server."""

    OK = "ok"
    NON_REVOKABLE = "non-revokable"
    UNKNOWN = "unknown"
    REVOKED = "revoked"


class Answer(Struct, frozen=True):
    """The status of one certificate by one response or list. With `final` no other server of that kind is asked."""

    status: RevocationStatus
    reason: str
    final: bool = True

    @classmethod
    def useless(cls, reason: str) -> Answer:
        """An answer that proves nothing: malformed, outdated, or by an unauthorized signer."""
        return cls(RevocationStatus.UNKNOWN, reason, final=False)


class CertificateStatus(Struct, frozen=True):
    """The status of one certificate of a chain, with its reason."""

    certificate: Certificate
    status: RevocationStatus
    reason: str

    def __str__(self) -> str:
        return f"{self.certificate.label}: {self.status.value}, {self.reason}"


def revocation_failure(statuses: Sequence[CertificateStatus]) -> Revoked | None:
    """The error for a chain of these certificates, or None. A revoked certificate has priority over an unknown one."""
    for bad in (RevocationStatus.REVOKED, RevocationStatus.UNKNOWN):
        if found := [item for item in statuses if item.status is bad]:
            return Revoked("; ".join(map(str, found)), hint=_HINTS[bad])
    return None


_HINTS = {
    RevocationStatus.REVOKED: "get another certificate for the signer, and sign the image again",
    RevocationStatus.UNKNOWN: "let this machine reach the servers, or have the policy log or skip revocation",
}


class Servers(Struct, frozen=True):
    """The URLs of the servers for one certificate, in order. `problem` is the reason why its lists cannot be used."""

    ocsp: tuple[str, ...] = ()
    crl: tuple[str, ...] = ()
    problem: str = ""

    @property
    def none(self) -> bool:
        return not (self.ocsp or self.crl or self.problem)


def servers_of(certificate: Certificate) -> Servers:
    """The servers that the certificate names. Verify the certificate before you ask any of them.

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
            # A list for some reasons, of another issuer or without an address: the other lists are incomplete.
            problem = "it names a CRL for some reasons only, of another issuer, or without an address"
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

    A self-signed certificate at the end cannot be revoked, nor can a trusted one. The issuer of another last
    certificate is the trusted one that issued it, or None.
    """
    pairs: list[tuple[Certificate, Certificate | None]] = [*pairwise(chain)]
    if chain and chain[-1] not in trusted and not chain[-1].is_self_signed:
        pairs.append((chain[-1], next((item for item in trusted if chain[-1].is_issued_by(item)), None)))
    return pairs


def forgiven(invalid_since: datetime | None, signed_at: datetime | None) -> bool:
    """Whether a revoked certificate was still valid at signing, by its issuer's invalidity date.

    `signed_at` is a trusted time of signing, or None. A timestamp is not one: it is later than the signing by an
    unknown time. Spec: RFC 5280 section 5.3.2.
    """
    return invalid_since is not None and signed_at is not None and signed_at < invalid_since
