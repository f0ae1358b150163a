"""Finds the trusted authorities for a signer's certificate: by a pinned chain, or by building a path.

A Notary Project signature has its whole chain in order: an authority is trusted for it if the chain contains one of the
authority's certificates, byte for byte. A cosign signature has the signer's certificate and others in any order: a path
from it to a trusted certificate is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from imagesig.crypto.certificate import Certificate
from imagesig.errors import Expired, FormatViolation, NotTrusted
from imagesig.trust.anchors import CertificateAuthority, Role
from imagesig.trust.holder import describe_holder
from imagesig.trust.path import find_paths
from imagesig.trust.profile import (
    ANY_PURPOSE,
    CODE_SIGNING,
    check_authority,
    check_hash,
    check_may_sign,
    extensions_of,
    not_issued,
    purposes_of,
)


def check_pinned(chain: Sequence[bytes], authorities: Sequence[CertificateAuthority]) -> tuple[Certificate, ...]:
    """The chain's certificates from the signer's up to the first that an authority pins, each issued by the next.

    It compares bytes first. Then, from the pinned one down, it verifies each certificate with the next one. So a chain
    without a pinned certificate costs only the comparison. Roles, holders and the profile are not checked.

    Raises:
        NotTrusted: no certificate of the chain is pinned.
        FormatViolation: one below it was not issued by the next.
        MalformedError: one below it is not a certificate.
    """
    pinned = {item.der: item for authority in authorities for item in authority.certificates}
    place = next((number for number, der in enumerate(chain) if der in pinned), None)
    if place is None:
        named = ", ".join(f"{item.name} ({item.role.value})" for item in authorities) or "no certificate authority"
        signer = describe_holder(Certificate.from_der(chain[0], "signer's certificate"))
        raise NotTrusted(
            f"none of the chain's {len(chain)} certificates is one of a trusted authority "
            f"(signer: {signer}; trusted: {named})"
        )
    verified = [pinned[chain[place]]]
    for number in range(place - 1, -1, -1):
        certificate = Certificate.from_der(chain[number], f"certificate {number}")
        if not certificate.is_issued_by(verified[0]):
            raise not_issued(certificate, verified[0])
        verified.insert(0, certificate)
    return tuple(verified)


def vouching(
    chain: Sequence[Certificate], authorities: Sequence[CertificateAuthority], role: Role
) -> tuple[CertificateAuthority, ...]:
    """Every authority of this role that pins a certificate of the chain and accepts its holder; at least one.

    The chain must have passed `check_code_signing_chain`: links between certificates are not checked here.

    Raises:
        NotTrusted: there is no such authority.
    Spec: Notary Project trust-store-trust-policy, "Signature Verification", authenticity.
    """
    fitting = [item for item in authorities if item.role is role and not set(chain).isdisjoint(item.certificates)]
    if not fitting:
        named = ", ".join(f"{item.name} ({item.role.value})" for item in authorities) or "no certificate authority"
        raise NotTrusted(
            f"none of the chain's {len(chain)} certificates is one of a trusted {role.value} authority "
            f"(signer: {describe_holder(chain[0])}; trusted: {named})"
        )
    return _accepting(chain[0], fitting)


def paths_to_authorities(
    signer: Certificate, others: Sequence[Certificate], authorities: Sequence[CertificateAuthority], at: datetime
) -> tuple[tuple[CertificateAuthority, tuple[Certificate, ...]], ...]:
    """Every authority with a path from the signer's certificate to its own, with that path, signer first; at least one.

    `others` came with the signature and are only intermediate steps. A path that is valid at `at` as a whole is
    preferred; the caller must check validity (CVE-2026-24122). The signer's certificate must be for code signing.

    Raises:
        NotTrusted: there is no such authority, or it does not accept the holder.
        FormatViolation: the signer's certificate is not for code signing, or cannot be read.
        LimitExceeded: too many of the others claim an issuer that did not sign them.
    """
    found = all_paths_to_authorities(signer, others, authorities)
    return tuple((authority, _best(paths, at)) for authority, paths in found)


def all_paths_to_authorities(
    signer: Certificate, others: Sequence[Certificate], authorities: Sequence[CertificateAuthority]
) -> tuple[tuple[CertificateAuthority, tuple[tuple[Certificate, ...], ...]], ...]:
    """The same with all paths of each authority, shorter ones first."""
    _check_cosign_signer(signer)
    roots = [authority for authority in authorities if authority.role is Role.CA]
    verified = find_paths(signer, others, [item for authority in roots for item in authority.certificates], _check_step)
    paths = [(authority, tuple(verified.to(signer, authority.certificates))) for authority in roots]
    fitting = [(authority, found) for authority, found in paths if found]
    if not fitting:
        named = ", ".join(authority.name for authority in roots) or "no certificate authority"
        why = f": {verified.problem}" if verified.problem else ""
        raise NotTrusted(
            f"no path leads from the certificate of {describe_holder(signer)} to a trusted one ({named}){why}"
        )
    accepting = _accepting(signer, [authority for authority, _ in fitting])
    return tuple((authority, found) for authority, found in fitting if any(authority is item for item in accepting))


def check_validity(chain: Sequence[Certificate], earliest: datetime, latest: datetime) -> None:
    """Raises `Expired` unless every certificate is valid from `earliest` to `latest`."""
    for certificate in chain:
        if earliest < certificate.not_before or certificate.not_after < latest:
            moment = earliest if earliest < certificate.not_before else latest
            raise Expired(
                f"certificate {certificate.label} is valid from {certificate.not_before.isoformat()} to "
                f"{certificate.not_after.isoformat()}, not at {moment.isoformat()}"
            )


def is_valid(chain: Sequence[Certificate], at: datetime) -> bool:
    return all(certificate.not_before <= at <= certificate.not_after for certificate in chain)


def _accepting(signer: Certificate, authorities: Sequence[CertificateAuthority]) -> tuple[CertificateAuthority, ...]:
    accepting: list[CertificateAuthority] = []
    unreadable: NotTrusted | None = None
    for authority in authorities:
        try:
            if not authority.holders or any(holder.matches(signer) for holder in authority.holders):
                accepting.append(authority)
        except NotTrusted as error:
            unreadable = unreadable or error  # an authority without holders may still accept it
    if accepting:
        return tuple(accepting)
    if unreadable is not None:
        raise unreadable
    wanted = "; ".join(str(holder) for authority in authorities for holder in authority.holders)
    raise NotTrusted(f"certified for {describe_holder(signer)}, but the policy accepts {wanted}")


# --- paths -----------------------------------------------------------------------------------------------------------

# A critical key identifier is not in it: RFC 5280 section 4.2.1.1 forbids it, and Go refuses it.
_UNDERSTOOD = frozenset(
    {
        "2.5.29.15",  # key usage
        "2.5.29.17",  # subject alternative name
        "2.5.29.19",  # basic constraints
        "2.5.29.32",  # certificate policies: none is required
        "2.5.29.37",  # extended key usage
    }
)
_NAME_CONSTRAINTS = "2.5.29.30"
_POLICY_CONSTRAINTS = "2.5.29.36"


def _check_cosign_signer(signer: Certificate) -> None:
    purposes = purposes_of(signer)
    if purposes is None:
        # RFC 5280 section 4.2.1.12: the purpose is not restricted then. Only keyUsage can still exclude signatures.
        check_may_sign(signer)
    elif CODE_SIGNING not in purposes:
        raise FormatViolation(f"signer's certificate {signer.label}: its extendedKeyUsage has no codeSigning")
    check_hash(signer)
    _check_extensions(signer)


def _check_extensions(certificate: Certificate) -> None:
    """Refuses unknown critical extensions, and those that restrict a path even if they are not critical.

    These are name constraints, and policy constraints that require an explicit policy.
    """
    for extension in extensions_of(certificate):
        oid = extension.oid.dotted_string
        restricts = oid == _NAME_CONSTRAINTS or (
            oid == _POLICY_CONSTRAINTS and getattr(extension.value, "require_explicit_policy", 0) is not None
        )
        if restricts or (extension.critical and oid not in _UNDERSTOOD):
            raise FormatViolation(f"certificate {certificate.label}: its extension {oid} is not understood")


def _check_step(issuer: Certificate, below: int) -> None:
    """The rule for certificates above a signer's certificate. Raises `FormatViolation`."""
    check_authority(issuer, below, lenient=True)
    check_hash(issuer)
    _check_extensions(issuer)
    purposes = purposes_of(issuer)
    if purposes is not None and purposes.isdisjoint({CODE_SIGNING, ANY_PURPOSE}):
        raise FormatViolation(f"issuer's certificate {issuer.label}: its extendedKeyUsage has no codeSigning")


def _best(paths: Sequence[tuple[Certificate, ...]], at: datetime) -> tuple[Certificate, ...]:
    """The first path that is valid at `at`, else the first of all."""
    return next((path for path in paths if is_valid(path, at)), paths[0])
