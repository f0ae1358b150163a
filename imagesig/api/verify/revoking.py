"""The revocation checks of `verify`: only trusted chains are checked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from imagesig.crypto.certificate import Certificate
from imagesig.policy.enforcement import Action
from imagesig.policy.signers import Signers
from imagesig.signature import REVOCATION, TIMESTAMP_REVOCATION, Check, Examined
from imagesig.trust.revocation import CertificateStatus, revocation_failure

if TYPE_CHECKING:
    from imagesig.witnesses import RevocationChecker


Answers = dict[object, tuple[CertificateStatus, ...]]
"""The answers about chains, by question."""


def with_revocation(
    examined: Sequence[Examined], requirement: Signers, checker: RevocationChecker, now: datetime, known: Answers
) -> list[Examined]:
    """The signatures, each with a revocation check for the signer's chain and one for its timestamp service's chain.

    A certificate names the URLs to ask, so a signer that no authority of the requirement certified is not checked. The
    chain of the timestamp service is always checked, even if the requirement skips revocation of signers. A signature
    with several authorities is checked for each of them. Answers are added to `known`, and nothing is asked twice.

    Raises:
        DeadlineExceeded: the deadline passed. Servers that do not answer are in the checks instead.
    """
    revocation = _Revocation(requirement, checker, now, known)
    return list(map(revocation.checked, examined))


class _Revocation(Struct, frozen=True):
    """The revocation checks for one requirement."""

    requirement: Signers
    checker: RevocationChecker
    now: datetime
    known: Answers

    def checked(self, signature: Examined) -> Examined:
        checks = (*signature.checks, *self._checks(signature))
        return replace(signature, checks=checks, by_others=tuple(map(self.checked, signature.by_others)))

    def _checks(self, signature: Examined) -> list[Check]:
        trusted = _trusted_for(signature, self.requirement)
        if not trusted:
            return []
        checks = []
        if signature.chain and self.requirement.enforcement.revocation is not Action.SKIP:
            # A timestamp may be much later than the signature, so it cannot excuse a revocation.
            signed_at = None if signature.timestamp_chain else signature.authentic_time
            checks.append(_check(REVOCATION, self._ask(signature.chain, trusted, signed_at)))
        if signature.timestamp_chain:
            timestamps = self.requirement.timestamps
            roots = timestamps.certificates if timestamps else ()
            checks.append(_check(TIMESTAMP_REVOCATION, self._ask(signature.timestamp_chain, roots)))
        return checks

    def _ask(
        self, chain: tuple[Certificate, ...], trusted: tuple[Certificate, ...], signed_at: datetime | None = None
    ) -> tuple[CertificateStatus, ...]:
        question = (chain, trusted, signed_at)
        if question not in self.known:
            self.known[question] = self.checker.check(chain, self.now, trusted=trusted, signed_at=signed_at)
        return self.known[question]


def _trusted_for(signature: Examined, requirement: Signers) -> tuple[Certificate, ...]:
    """The certificates of the authority that certified the signer; empty for a bare key or an untrusted signer."""
    if not signature.authority:
        return ()
    authorities = requirement.anchors.authorities
    return next((item.certificates for item in authorities if item.name == signature.authority), ())


def _check(name: str, statuses: Sequence[CertificateStatus]) -> Check:
    if failure := revocation_failure(statuses):
        return Check.failed(name, failure)
    return Check(name, True, "; ".join(map(str, statuses)) or "a self-signed certificate cannot be revoked")
