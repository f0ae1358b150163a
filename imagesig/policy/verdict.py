"""Verdicts: what a requirement, and a rule of several, makes of the signatures of an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from msgspec import Struct

from imagesig.errors import (
    DeadlineExceeded,
    Finding,
    KeyProviderError,
    NoSignatureAccepted,
    Rejection,
    TransportError,
    VerificationError,
)
from imagesig.signature import VerifiedSignature, is_attestation

_Item = TypeVar("_Item")

NOT_JUDGED = (DeadlineExceeded, KeyProviderError, TransportError)
"""Errors that say nothing about a signature. They end a verification, and are never the reason of a rejection."""


class Verdict(Struct, frozen=True):
    """What one requirement makes of an image's signatures. `failure` is None if it holds.

    It holds with proof if `verified`. Otherwise it only logs that no trusted authority certified the signers.
    `warnings` are the failed checks of accepted signatures that the requirement logs instead of enforcing.
    """

    accepted: tuple[VerifiedSignature, ...]
    rejections: tuple[Rejection, ...]
    findings: tuple[Finding, ...]
    verified: bool
    warnings: tuple[str, ...] = ()
    failure: NoSignatureAccepted | None = None


class RuleVerdict(Struct, frozen=True):
    """What a rule makes of an image that it lets pass: a verdict for each of its requirements for signatures.

    `failure` is why the image fails a rule that only warns.
    """

    verdicts: tuple[Verdict, ...] = ()
    failure: VerificationError | None = None

    @property
    def verified(self) -> bool:
        """Whether there is proof; a rule that accepts anything gives none."""
        return bool(self.verdicts) and all(verdict.verified for verdict in self.verdicts)

    @property
    def accepted(self) -> tuple[VerifiedSignature, ...]:
        """The accepted signatures of the image; attestations are in `statements`."""
        return _distinct(item for item in self._every if not is_attestation(item.claim))

    @property
    def statements(self) -> tuple[VerifiedSignature, ...]:
        """The accepted attestations. Two are the same if they are in one place and credited to one authority."""
        found = {(item.origin, item.authority): item for item in self._every if is_attestation(item.claim)}
        return tuple(found.values())

    @property
    def _every(self) -> Iterator[VerifiedSignature]:
        return (item for verdict in self.verdicts for item in verdict.accepted)

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        if isinstance(self.failure, NoSignatureAccepted):
            return self.failure.rejections
        return self.verdicts[0].rejections if self.verdicts else ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        if isinstance(self.failure, NoSignatureAccepted):
            return self.failure.findings
        return tuple(item for verdict in self.verdicts for item in verdict.findings)

    @property
    def warnings(self) -> tuple[str, ...]:
        if self.failure is not None:
            return (str(self.failure),)
        return _distinct(text for verdict in self.verdicts for text in verdict.warnings)


def _distinct(items: Iterable[_Item]) -> tuple[_Item, ...]:
    return tuple(dict.fromkeys(items))
