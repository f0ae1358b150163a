"""The verdict of a requirement for attestations: subject, type, conditions, enforcement and threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache

from msgspec import Struct, field
from msgspec.structs import replace

from imagesig.errors import (
    ConditionFailed,
    LimitExceeded,
    MalformedError,
    NoSignatureAccepted,
    PredicateMismatch,
    Rejection,
)
from imagesig.in_toto.predicates import short_name
from imagesig.in_toto.statement import parse_predicate
from imagesig.policy.attested import Attested
from imagesig.policy.judged import Judged, Words, as_verified, claimed_subject, enforced_checks, first_reason
from imagesig.policy.verdict import Verdict
from imagesig.signature import Check, Examined, StatementClaim, Subject, VerifiedSignature
from imagesig.text import quote


class StatementJudge(Struct):
    """Judges the attestations of an image one after the other, and keeps only those that it accepts.

    `now` is the time of the verification, for `younger_than`. A predicate is parsed only if a condition needs it.
    """

    requirement: Attested
    subject: Subject
    now: datetime
    judged: Judged = field(default_factory=Judged)

    def add(self, attestation: Examined) -> None:
        """Judges one attestation, once for each authority that certified its signer."""

        @cache
        def document() -> object:
            claim = attestation.claim
            assert isinstance(claim, StatementClaim)
            return parse_predicate(claim.predicate)

        self.judged.add(attestation, lambda variant: self._accept(variant, document))

    def reject(self, rejection: Rejection) -> None:
        """Adds an attestation that could not be examined."""
        self.judged.reject(rejection)

    @property
    def too_large(self) -> list[LimitExceeded]:
        """The errors of attestations that were not read to their end, and may not fit."""
        return [item.error for item in self.judged.refused if isinstance(item.error, LimitExceeded)]

    def verdict(self, image: object = "image") -> Verdict:
        """The verdict on all attestations that were added. `image` names the image in errors."""
        requirement, what = self.requirement, f"{image}: {self.subject.digest}"
        words = Words("attester", "attestation", _HINT, f" of {short_name(requirement.predicate_type)}")
        verdict = self.judged.verdict(requirement, what, words)
        unfit = [item for item in self.judged.refused if isinstance(item.error, ConditionFailed)]
        if not requirement.every or not unfit or verdict.failure is not None:
            return verdict
        failure = NoSignatureAccepted(
            f"{what}: every attestation of {short_name(requirement.predicate_type)} must fit, and {len(unfit)} "
            f"{'does' if len(unfit) == 1 else 'do'} not{first_reason(unfit)}",
            rejections=self.judged.refused,
            findings=verdict.findings,
            hint="remove the attestations that do not fit, or accept one that fits: every = false",
        )
        return replace(verdict, accepted=(), verified=False, failure=failure)

    def _accept(self, attestation: Examined, document: Callable[[], object]) -> VerifiedSignature:
        kept = enforced_checks(attestation, self.requirement)
        claimed = claimed_subject(attestation, self.subject, is_statement=True)
        of_subject = Check("subject", True, f"attested {self.subject.digest}")
        checks = predicate_checks(attestation, self.requirement, self.subject, self.now, document)
        return as_verified(attestation, claimed, (*kept, of_subject, *checks))


_HINT = "attest the image as the policy requires, or change the policy"


def predicate_checks(
    signature: Examined,
    requirement: Attested,
    subject: Subject,
    now: datetime,
    document: Callable[[], object],
) -> Iterator[Check]:
    """The checks that the predicate passes. `document` parses it, and is called only if a condition needs it.

    Raises:
        PredicateMismatch: it is of another type.
        ConditionFailed: it is not strict JSON, or a condition does not hold.
    """
    claim = signature.claim
    assert isinstance(claim, StatementClaim)
    if claim.predicate_type != requirement.predicate_type:
        raise PredicateMismatch(
            f"attested as {quote(claim.predicate_type)}, {quote(requirement.predicate_type)} is needed"
        )
    yield Check("predicateType", True, claim.predicate_type)
    if not requirement.asks_for_predicate:
        return
    try:
        parsed = document()
    except MalformedError as error:
        raise ConditionFailed(f"its content cannot be judged: {error}") from error
    for condition in requirement.conditions:
        if reason := condition.failure(parsed, now):
            raise ConditionFailed(reason)
        yield Check("condition", True, str(condition))
    if requirement.cel:
        from imagesig.policy.cel import failure

        values = {"predicate": parsed, "subject": _subject(subject), "signer": _signer(signature)}
        for text in requirement.cel:
            if reason := failure(text, values):
                raise ConditionFailed(reason)
            yield Check("cel", True, text)


def _subject(subject: Subject) -> dict[str, object]:
    return {"digest": subject.digest, "sha256": subject.digest.removeprefix("sha256:")}


def _signer(signature: Examined) -> dict[str, object]:
    return {
        "name": signature.authority,
        "fingerprint": signature.public_key.fingerprint,
        "format": signature.format,
        "certificates": [certificate.subject for certificate in signature.chain],
    }
