"""`verify`'s step "revoke": proven chains, and no others, are asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from imagesig.crypto.certificate import Certificate
from imagesig.policy import Signed
from imagesig.policy.enforcement import Action
from imagesig.signature import REVOCATION, TIMESTAMP_REVOCATION, Check, Examined
from imagesig.trust.revocation import CertificateStatus, revocation_failure

if TYPE_CHECKING:
    from imagesig.witnesses import RevocationChecker


def with_revocation(
    examined: Sequence[Examined], requirement: Signed, checker: RevocationChecker, now: datetime
) -> list[Examined]:
    """The signatures, each with a check for the signer's chain and one for that of its timestamp service.

    The URLs asked are the certificates' own, so a signer that no authority of the requirement vouches for is left as it
    is. The service's chain is asked about whatever the requirement does about revoked signers.

    Raises:
        DeadlineExceeded: the deadline passed; servers that do not answer are in the checks instead.
    """
    return [replace(item, checks=(*item.checks, *_checks(item, requirement, checker, now))) for item in examined]


def _checks(signature: Examined, requirement: Signed, checker: RevocationChecker, now: datetime) -> list[Check]:
    trusted = _vouching(signature, requirement)
    if not trusted:
        return []
    checks = []
    if signature.chain and requirement.enforcement.revocation is not Action.SKIP:
        # A timestamp is later than the signing, nobody knows how much: it pardons no revocation.
        signed_at = None if signature.timestamp_chain else signature.authentic_time
        statuses = checker.check(signature.chain, now, trusted=trusted, signed_at=signed_at)
        checks.append(_check(REVOCATION, statuses))
    if signature.timestamp_chain:
        roots = requirement.timestamps.certificates if requirement.timestamps else ()
        checks.append(_check(TIMESTAMP_REVOCATION, checker.check(signature.timestamp_chain, now, trusted=roots)))
    return checks


def _vouching(signature: Examined, requirement: Signed) -> tuple[Certificate, ...]:
    """The certificates of the authority that vouches for the signer; none for a bare key or a stranger."""
    if not signature.authority:
        return ()
    authorities = requirement.anchors.authorities
    return next((item.certificates for item in authorities if item.name == signature.authority), ())


def _check(name: str, statuses: Sequence[CertificateStatus]) -> Check:
    if failure := revocation_failure(statuses):
        return Check.failed(name, failure)
    return Check(name, True, "; ".join(map(str, statuses)) or "a self-signed certificate cannot be revoked")
