"""Which trusted authority vouches for a signer's certificate: the Notary Project's way, and by building a path.

A Notary Project signature brings its whole chain in order; an authority vouches for it if one of its own certificates
is in there, byte for byte. cosign's signatures bring the signer's certificate and maybe some more in any order; a path
from it to a trusted certificate is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec import Struct

from imagesig import limits
from imagesig.crypto.certificate import Certificate
from imagesig.errors import Expired, FormatViolation, NotTrusted
from imagesig.trust.anchors import CertificateAuthority, Role
from imagesig.trust.holder import describe_holder
from imagesig.trust.profile import (
    ANY_PURPOSE,
    CODE_SIGNING,
    check_authority,
    check_hash,
    extensions_of,
    is_issued_by,
    naming,
    purposes_of,
)


def vouching(
    chain: Sequence[Certificate], authorities: Sequence[CertificateAuthority], role: Role
) -> tuple[CertificateAuthority, ...]:
    """Every authority of this role that pins a certificate of the chain, and counts its holder; at least one.

    The chain must have passed `check_code_signing_chain` before: whether it hangs together is not looked at here.

    Raises:
        NotTrusted: there is none.
    Spec: Notary Project trust-store-trust-policy, "Signature Verification", authenticity.
    """
    fitting = [item for item in authorities if item.role is role and not set(chain).isdisjoint(item.certificates)]
    if not fitting:
        named = ", ".join(f"{item.name} ({item.role.value})" for item in authorities) or "no certificate authority"
        raise NotTrusted(
            f"none of the chain's {len(chain)} certificates is one of a trusted {role.value} authority "
            f"(signer: {describe_holder(chain[0])}; trusted: {named})"
        )
    return _counting(chain[0], fitting)


def paths_to_authorities(
    signer: Certificate, others: Sequence[Certificate], authorities: Sequence[CertificateAuthority], at: datetime
) -> tuple[tuple[CertificateAuthority, tuple[Certificate, ...]], ...]:
    """Every authority that vouches for a signer's certificate, with the path to its certificate, signer first.

    `others` came with the signature and are only steps on the way. A path that is valid at `at` as a whole is taken if
    the authority has one, else any: whether its validity matters is for the caller (CVE-2026-24122). The signer's
    certificate must be for code signing. There is at least one.

    Raises:
        NotTrusted: there is none, or only for holders that do not count.
        FormatViolation: the signer's certificate is not for code signing, or cannot be read.
    """
    _check_cosign_signer(signer)
    roots = [authority for authority in authorities if authority.role is Role.CA]
    paths = [(authority, _path(signer, others, authority.certificates, at)) for authority in roots]
    fitting = [(authority, path) for authority, path in paths if path]
    if not fitting:
        named = ", ".join(authority.name for authority in roots) or "no certificate authority"
        raise NotTrusted(f"no path leads from the certificate of {describe_holder(signer)} to a trusted one ({named})")
    counting = _counting(signer, [authority for authority, _ in fitting])
    return tuple((authority, path) for authority, path in fitting if any(authority is item for item in counting))


def check_validity(chain: Sequence[Certificate], earliest: datetime, latest: datetime) -> None:
    """Raises `Expired` unless all of the time from `earliest` to `latest` is in every certificate's validity."""
    for certificate in chain:
        if earliest < certificate.not_before or certificate.not_after < latest:
            moment = earliest if earliest < certificate.not_before else latest
            raise Expired(
                f"certificate {naming(certificate)} is valid from {certificate.not_before.isoformat()} to "
                f"{certificate.not_after.isoformat()}, not at {moment.isoformat()}"
            )


def is_valid(chain: Sequence[Certificate], at: datetime) -> bool:
    return all(certificate.not_before <= at <= certificate.not_after for certificate in chain)


def _counting(signer: Certificate, authorities: Sequence[CertificateAuthority]) -> tuple[CertificateAuthority, ...]:
    counting: list[CertificateAuthority] = []
    unreadable: NotTrusted | None = None
    for authority in authorities:
        try:
            if not authority.holders or any(holder.matches(signer) for holder in authority.holders):
                counting.append(authority)
        except NotTrusted as error:
            unreadable = unreadable or error  # an authority that looks at no names may count it all the same
    if counting:
        return tuple(counting)
    if unreadable is not None:
        raise unreadable
    wanted = "; ".join(str(holder) for authority in authorities for holder in authority.holders)
    raise NotTrusted(f"certified for {describe_holder(signer)}, but the policy counts {wanted}")


# --- paths -----------------------------------------------------------------------------------------------------------

_UNDERSTOOD = frozenset(
    {
        "2.5.29.14",  # subject key identifier
        "2.5.29.15",  # key usage
        "2.5.29.17",  # subject alternative name
        "2.5.29.19",  # basic constraints
        "2.5.29.32",  # certificate policies: none is asked for
        "2.5.29.35",  # authority key identifier
        "2.5.29.37",  # extended key usage
    }
)
_NAME_CONSTRAINTS = "2.5.29.30"


def _check_cosign_signer(signer: Certificate) -> None:
    if CODE_SIGNING not in (purposes_of(signer) or ()):
        raise FormatViolation(f"signer's certificate {naming(signer)}: its extendedKeyUsage has no codeSigning")
    check_hash(signer)
    _check_extensions(signer)


def _check_extensions(certificate: Certificate) -> None:
    """A critical extension that nobody here understands forbids; name constraints forbid even if they are not."""
    for extension in extensions_of(certificate):
        oid = extension.oid.dotted_string
        if oid == _NAME_CONSTRAINTS or (extension.critical and oid not in _UNDERSTOOD):
            raise FormatViolation(f"certificate {naming(certificate)}: its extension {oid} is not understood")


def _path(
    signer: Certificate, others: Sequence[Certificate], trusted: Sequence[Certificate], at: datetime
) -> tuple[Certificate, ...]:
    """The first path that is valid at `at`, else the first of all; empty if there is none."""
    first: tuple[Certificate, ...] = ()
    search = _Search(frozenset(trusted), tuple(dict.fromkeys((*trusted, *others))))
    for path in search.paths((signer,)):
        if is_valid(path, at):
            return path
        first = first or path
    return first


class _Search(Struct):
    """Depth first, and bounded: what came with a signature may be built to be walked through for ever."""

    trusted: frozenset[Certificate]
    issuers: tuple[Certificate, ...]
    checks_left: int = limits.PATH_CHECKS

    def paths(self, path: tuple[Certificate, ...]) -> Iterator[tuple[Certificate, ...]]:
        if path[-1] in self.trusted:
            yield path
            return
        if len(path) >= limits.CHAIN_CERTIFICATES:
            return
        for issuer in self.issuers:
            if issuer not in path and self._issued(path, issuer):
                yield from self.paths((*path, issuer))

    def _issued(self, path: tuple[Certificate, ...], issuer: Certificate) -> bool:
        try:
            if path[-1].x509.issuer != issuer.x509.subject or self.checks_left <= 0:
                return False
            self.checks_left -= 1
            check_authority(issuer, len(path) - 1, lenient=True)
            check_hash(issuer)
            _check_extensions(issuer)
            purposes = purposes_of(issuer)
        except FormatViolation:
            return False
        if purposes is not None and purposes.isdisjoint({CODE_SIGNING, ANY_PURPOSE}):
            return False
        return is_issued_by(path[-1], issuer)
