"""The verdict of a requirement for attestations: subject, type, conditions, enforcement and threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache

from msgspec import Struct, field
from msgspec.structs import replace

from imagesig.errors import (
    ConditionFailed,
    Finding,
    LimitExceeded,
    MalformedError,
    NoSignatureAccepted,
    PredicateMismatch,
    Rejection,
    SubjectMismatch,
)
from imagesig.in_toto.predicates import short_name
from imagesig.in_toto.statement import parse_predicate
from imagesig.oci.annotations import NO_ANNOTATIONS
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

    def reject_signed(self, rejection: Rejection) -> None:
        """Adds an attestation that a trusted signer made and that cannot be read: with `every`, it does not fit."""
        # One over a limit is an error anyway. One about something else does not matter.
        if self.requirement.every and not isinstance(rejection.error, LimitExceeded | SubjectMismatch):
            error = ConditionFailed(f"it cannot be read: {rejection.error}")
            rejection = Rejection(rejection.origin, error, rejection.authority)
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
        if not requirement.every or verdict.failure is not None:
            return verdict
        failure = self.every_failure(image, verdict.findings)
        return replace(verdict, accepted=(), verified=False, failure=failure) if failure else verdict

    def every_failure(self, image: object, findings: Sequence[Finding] = ()) -> NoSignatureAccepted | None:
        """The error if an attestation by an authority does not fit, for a requirement that needs every one to fit."""
        unfit = [item for item in self.judged.refused if isinstance(item.error, ConditionFailed)]
        if not unfit:
            return None
        return NoSignatureAccepted(
            f"{image}: {self.subject.digest}: every attestation of {short_name(self.requirement.predicate_type)} must "
            f"fit, and {len(unfit)} {'does' if len(unfit) == 1 else 'do'} not{first_reason(unfit)}",
            rejections=self.judged.refused,
            findings=findings,
            hint="remove the attestations that do not fit, or accept one that fits: every = false",
        )

    def _accept(self, attestation: Examined, document: Callable[[], object]) -> VerifiedSignature:
        kept = enforced_checks(attestation, self.requirement)
        claimed = claimed_subject(attestation, self.subject, is_statement=True)
        of_subject = Check("subject", True, f"attested {self.subject.digest}")
        assert isinstance(attestation.claim, StatementClaim)
        checks = predicate_checks(attestation.claim, attestation, self.requirement, self.subject, self.now, document)
        return as_verified(attestation, claimed, (*kept, of_subject, *checks))


_HINT = "attest it as the policy requires, or change the policy"


class SignedIndex(Struct, frozen=True):
    """An index that authorities signed, and its `images` that need a statement.

    Each entry of `signatures` is one accepted signature of the index, once for every authority that certified its
    signer.
    """

    digest: str
    images: tuple[str, ...]
    signatures: tuple[tuple[VerifiedSignature, ...], ...]


class IndexJudge(Struct):
    """Judges the statements in a signed index, one after the other. A signature of the index proves all of them.

    It proves something of the index only if a statement fits for each of its images.
    """

    requirement: Attested
    index: SignedIndex
    now: datetime
    judged: Judged = field(default_factory=Judged)
    _fitting: dict[tuple[int, str], list[list[VerifiedSignature]]] = field(default_factory=dict)
    """The statements that fit, by signature and image."""

    def add(self, claim: StatementClaim, image: str, origin: str) -> None:
        """Judges a statement in the index about one of its images. `origin` is its place."""

        @cache
        def document() -> object:
            return parse_predicate(claim.predicate)

        for number, variants in enumerate(self.index.signatures):
            fits = self.judged.sort(variants, lambda item: self._accept(item, claim, image, origin, document), origin)
            if fits:
                self._fitting.setdefault((number, image), []).append(fits)

    def conclude(self, judge: StatementJudge) -> None:
        """Adds what the signatures prove to the judge of the requirement."""
        for number, variants in enumerate(self.index.signatures):
            missing = [image for image in self.index.images if (number, image) not in self._fitting]
            if not missing:
                judge.judged.fitting += [fits for image in self.index.images for fits in self._fitting[number, image]]
            elif len(missing) < len(self.index.images):
                error = SubjectMismatch(
                    f"the index has statements that fit, and none about its image {missing[0]}: each image needs one",
                    hint="verify one platform",
                )
                self.judged.reject(Rejection(variants[0].origin, error, variants[0].authority))
        judge.judged.refused += self.judged.refused
        judge.judged.reasons += self.judged.reasons

    def _accept(
        self,
        signature: VerifiedSignature,
        claim: StatementClaim,
        image: str,
        origin: str,
        document: Callable[[], object],
    ) -> VerifiedSignature:
        named = [item.digest for item in claim.subjects]
        if image not in named:
            seen = named[0] if named else "nothing with a sha256"
            raise SubjectMismatch(f"the index says that this statement is about {image}, but it is about {seen}")
        listed = Check("index", True, f"the signed index {self.index.digest} contains this statement about {image}")
        checks = predicate_checks(claim, signature, self.requirement, Subject(image), self.now, document)
        return replace(
            signature,
            origin=origin,
            claim=claim,
            checks=(*signature.checks, listed, *checks),
            annotations=NO_ANNOTATIONS,
            index=self.index.digest,
        )


def predicate_checks(
    claim: StatementClaim,
    signer: Examined | VerifiedSignature,
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

        values = {"predicate": parsed, "subject": _subject(subject), "signer": _signer(signer)}
        for text in requirement.cel:
            if reason := failure(text, values):
                raise ConditionFailed(reason)
            yield Check("cel", True, text)


def _subject(subject: Subject) -> dict[str, object]:
    return {"digest": subject.digest, "sha256": subject.digest.removeprefix("sha256:")}


def _signer(signature: Examined | VerifiedSignature) -> dict[str, object]:
    return {
        "name": signature.authority,
        "fingerprint": signature.public_key.fingerprint,
        "format": signature.format,
        "certificates": [certificate.subject for certificate in signature.chain],
    }
