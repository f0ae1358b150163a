"""The verdict: the one place where subject, name, annotations, enforcement and threshold are checked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, assert_never

from imagesig.errors import (
    AnnotationMismatch,
    Finding,
    NoSignatureAccepted,
    RefusedByPolicy,
    Rejection,
    SignatureRejected,
    SubjectMismatch,
    VerificationError,
)
from imagesig.oci.reference import Reference
from imagesig.policy.credit import credit
from imagesig.policy.enforcement import Action
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
    signed: list[Signed] = []
    for requirement in rule.requirements:
        match requirement:
            case Unsupported():
                raise RefusedByPolicy(f"{image}: rule {rule.name}: {requirement.reason}", hint=_UNSUPPORTED_HINT)
            case Reject():
                raise RefusedByPolicy(f"{image}: rule {rule.name}: {requirement.reason}", hint=_NO_RULE_HINT)
            case AcceptAnything():
                pass
            case Signed():
                signed.append(requirement)
            case _:
                assert_never(requirement)
    return RuleVerdict(tuple(map(evidence.signatures, signed)))


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
    fitting: list[list[VerifiedSignature]] = []
    refused, reasons = list(rejections), list(rejections)
    for signature in examined:
        fits: list[VerifiedSignature] = []
        failures: list[Rejection] = []
        for variant in signature.by_all:
            try:
                fits.append(_accept(variant, subject, name, requirement))
            except SignatureRejected as error:
                failures.append(Rejection(variant.origin, error, variant.authority))
        if fits:
            fitting.append(fits)
        else:
            refused.append(failures[0])
        reasons += failures
    signers = _credited(fitting)
    accepted = tuple(_as_credited(fits, signers) for fits in fitting)
    verified = len(signers) >= requirement.needed
    findings = tuple(_finding(authority, accepted, fitting, reasons) for authority in _names(requirement))
    passes = verified or (requirement.may_pass_unverified and len(accepted) >= requirement.needed)
    failure = (
        None
        if passes
        else _too_few(f"{image}: {subject.digest}", tuple(signers), requirement.needed, refused, findings)
    )
    warnings = tuple(_warnings(accepted))
    return Verdict(accepted, tuple(refused), findings, verified, warnings, failure)


def _accept(signature: Examined, subject: Subject, name: Reference | None, requirement: Signed) -> VerifiedSignature:
    kept: list[Check] = []
    for check in signature.checks:
        action = requirement.enforcement.action(check.name)
        match action:
            case Action.ENFORCE:
                if check.failure:
                    raise check.failure
                kept.append(check)
            case Action.LOG:
                kept.append(check)
            case Action.SKIP:
                pass
            case _:
                assert_never(action)
    claimed = _claimed(signature, subject)
    identity = requirement.identity.match(signature.claim.reference, name, subject.digest)
    checks = (
        *kept,
        Check("subject", True, f"signed {subject.digest}"),
        Check("identity", True, identity),
        *_annotation_checks(claimed, requirement),
    )
    return VerifiedSignature(
        format=signature.format,
        origin=signature.origin,
        authority=signature.authority,
        public_key=signature.public_key,
        algorithm=signature.algorithm,
        claim=signature.claim,
        checks=checks,
        chain=signature.chain,
        annotations=claimed.annotations,
    )


def _claimed(signature: Examined, subject: Subject) -> Subject:
    for claimed in signature.claim.subjects:
        if claimed.digest == subject.digest:
            break
    else:
        signed = signature.claim.subjects[0].digest if signature.claim.subjects else "nothing"
        raise SubjectMismatch(f"signed {signed}, but the image is {subject.digest}")
    if claimed.media_type and claimed.media_type != subject.media_type:
        raise SubjectMismatch(f"signed as {quote(claimed.media_type)}, but the image is a {subject.media_type}")
    if claimed.size >= 0 and claimed.size != subject.size:
        raise SubjectMismatch(f"signed with {claimed.size} bytes, but the image's manifest has {subject.size}")
    return claimed


def _annotation_checks(claimed: Subject, requirement: Signed) -> Iterator[Check]:
    for name, wanted in requirement.annotations.items():
        if name not in claimed.annotations:
            raise AnnotationMismatch(f"annotation {quote(name)} is not signed, {quote(wanted)} is needed")
        if claimed.annotations[name] != wanted:
            seen = quote(claimed.annotations[name])
            raise AnnotationMismatch(f"annotation {quote(name)} is signed as {seen}, {quote(wanted)} is needed")
        yield Check("annotation", True, f"{name}={wanted}")


def _credited(fitting: Sequence[Sequence[VerifiedSignature]]) -> dict[str, bytes]:
    """As many authorities as possible with one public key each, and no key for two of them.

    A key and a certificate for the same key are one signer. The order of the signatures does not matter.
    """
    keys: dict[str, list[bytes]] = {}
    for fits in fitting:
        key = fits[0].public_key.spki  # one signature has one signer, even if several authorities certified it
        for signature in fits:
            if signature.authority:
                keys.setdefault(signature.authority, []).append(key)
    return credit(keys)


def _as_credited(fits: Sequence[VerifiedSignature], signers: Mapping[str, bytes]) -> VerifiedSignature:
    """The signature in the name of the authority that its key is credited to."""
    key = fits[0].public_key.spki
    return next((item for item in fits if signers.get(item.authority) == key), fits[0])


def _names(requirement: Signed) -> tuple[str, ...]:
    anchors = requirement.anchors
    named = (item.name for item in anchors.content_trust)
    return (*(key.name for key in anchors.keys), *(item.name for item in anchors.authorities), *named)


def _finding(
    authority: str,
    accepted: Sequence[VerifiedSignature],
    fitting: Sequence[Sequence[VerifiedSignature]],
    reasons: Sequence[Rejection],
) -> Finding:
    found = tuple(item.origin for item in accepted if item.authority == authority)
    failed = tuple(str(item.error) for item in reasons if item.authority == authority)
    if found:
        return Finding(authority, found, failed)
    elsewhere = (
        f"{credited.origin} fits, but is credited to {credited.authority}: one signer is credited once"
        for credited, fits in zip(accepted, fitting, strict=True)
        if any(item.authority == authority for item in fits)
    )
    return Finding(authority, (), (*failed, *elsewhere))


def _warnings(accepted: Sequence[VerifiedSignature]) -> Iterator[str]:
    for signature in accepted:
        yield from (f"{signature.origin}: {check.detail}" for check in signature.checks if not check.passed)


def _too_few(
    what: str, signers: Sequence[str], needed: int, refused: Sequence[Rejection], findings: Sequence[Finding]
) -> NoSignatureAccepted:
    who = f" ({', '.join(signers)})" if signers else ""
    return NoSignatureAccepted(
        f"{what} needs {needed} trusted signer{'' if needed == 1 else 's'}, found {len(signers)}{who}; "
        f"{len(refused)} signature{'' if len(refused) == 1 else 's'} rejected{_first_reason(refused)}",
        rejections=refused,
        findings=findings,
        hint=_TOO_FEW_HINT,
    )


_TOO_FEW_HINT = "sign the image as the policy requires, or change the policy"


def _first_reason(refused: Sequence[Rejection]) -> str:
    """The first reason, that of a trusted signer if there is one, and how many others there are."""
    trusted_first = sorted(refused, key=lambda item: not item.authority)
    reasons = list(dict.fromkeys(str(item.error) for item in trusted_first))
    if not reasons:
        return ""
    others = len(reasons) - 1
    more = f" (and {others} more reason{'' if others == 1 else 's'})" if others else ""
    return f": {reasons[0]}{more}"
