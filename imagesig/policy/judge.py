"""The verdict of a rule, and of a requirement for signatures: subject, name, annotations, enforcement, threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol, assert_never

from imagesig.errors import AnnotationMismatch, RefusedByPolicy, Rejection, VerificationError
from imagesig.oci.reference import Reference
from imagesig.policy.attested import Attested
from imagesig.policy.judged import Judged, Words, as_verified, claimed_subject, enforced_checks
from imagesig.policy.requirement import AcceptAnything, Reject, Rule, Unsupported
from imagesig.policy.signed import Signed
from imagesig.policy.verdict import RuleVerdict, Verdict
from imagesig.signature import Check, Examined, Subject, VerifiedSignature
from imagesig.text import quote


class Evidence(Protocol):
    """The evidence for one image, read when a requirement first asks for it."""

    def signatures(self, requirement: Signed) -> Verdict:
        """The verdict of a requirement that holds. Raises why the image is refused if it does not hold."""
        ...

    def attestations(self, requirement: Attested) -> Verdict:
        """The same for a requirement for attestations."""
        ...


def judge_rule(rule: Rule, evidence: Evidence, image: str = "image") -> RuleVerdict:
    """The verdict of a rule. `image` names the image in errors.

    A rule that rejects every image asks for no evidence. The verdict of a rule that only warns has the `failure`
    instead of raising it.

    Raises:
        VerificationError: the image does not pass.
        ImagesigError: as `evidence` does.
    """
    try:
        return _judge_strictly(rule, evidence, image)
    except VerificationError as error:
        if not rule.warn:
            raise
        return RuleVerdict(failure=error)


def _judge_strictly(rule: Rule, evidence: Evidence, image: str) -> RuleVerdict:
    asked: list[Callable[[], Verdict]] = []
    for requirement in rule.requirements:
        match requirement:
            case Unsupported():
                raise RefusedByPolicy(f"{image}: rule {rule.name}: {requirement.reason}", hint=_UNSUPPORTED_HINT)
            case Reject():
                raise RefusedByPolicy(f"{image}: rule {rule.name}: {requirement.reason}", hint=_NO_RULE_HINT)
            case AcceptAnything():
                pass
            case Signed():
                asked.append(partial(evidence.signatures, requirement))
            case Attested():
                asked.append(partial(evidence.attestations, requirement))
            case _:
                assert_never(requirement)
    return RuleVerdict(tuple(ask() for ask in asked))


_UNSUPPORTED_HINT = "verify such images with the tool whose policy it is"
_NO_RULE_HINT = "give the policy a rule for this name, or use an image that it allows"


def judge(
    subject: Subject,
    name: Reference | None,
    requirement: Signed,
    examined: Iterable[Examined],
    rejections: Sequence[Rejection] = (),
    image: object = "image",
) -> Verdict:
    """The verdict: which signatures the requirement accepts for an image with this name, and whether that is enough.

    `subject` has the image's media type and size if a signature states them. `image` names the image in errors.
    """

    def accept(signature: Examined) -> VerifiedSignature:
        kept = enforced_checks(signature, requirement)
        claimed = claimed_subject(signature, subject, is_statement=False)
        identity = requirement.identity.match(signature.claim.reference, name, subject.digest)
        of_subject = Check("subject", True, f"signed {subject.digest}"), Check("identity", True, identity)
        return as_verified(signature, claimed, (*kept, *of_subject, *_annotation_checks(claimed, requirement)))

    judged = Judged()
    for rejection in rejections:
        judged.reject(rejection)
    for signature in examined:
        judged.add(signature, accept)
    return judged.verdict(requirement, f"{image}: {subject.digest}", _WORDS)


_WORDS = Words("signer", "signature", "sign it as the policy requires, or change the policy")


def _annotation_checks(claimed: Subject, requirement: Signed) -> Iterator[Check]:
    for name, wanted in requirement.annotations.items():
        if name not in claimed.annotations:
            raise AnnotationMismatch(f"annotation {quote(name)} is not signed, {quote(wanted)} is needed")
        if claimed.annotations[name] != wanted:
            seen = quote(claimed.annotations[name])
            raise AnnotationMismatch(f"annotation {quote(name)} is signed as {seen}, {quote(wanted)} is needed")
        yield Check("annotation", True, f"{name}={wanted}")
