"""The verdict: the one place where digest, name, annotations and threshold are checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from imagesig.errors import (
    AnnotationMismatch,
    NoSignatureAccepted,
    Rejection,
    SignatureRejected,
    SubjectMismatch,
    quote,
)
from imagesig.oci.reference import Reference
from imagesig.policy.requirement import Rule
from imagesig.signature import Check, Examined, Subject, VerifiedSignature


def judge(
    digest: str,
    name: Reference | None,
    rule: Rule,
    examined: Iterable[Examined],
    rejections: Sequence[Rejection] = (),
) -> tuple[tuple[VerifiedSignature, ...], tuple[Rejection, ...]]:
    """The signatures that the rule accepts for the image with this digest, asked for under this name; and the others.

    Raises:
        NoSignatureAccepted: by fewer distinct keys than the rule asks for, with the reason for every other signature.
    """
    accepted: list[VerifiedSignature] = []
    refused = list(rejections)
    for signature in examined:
        try:
            accepted.append(_accept(signature, digest, name, rule))
        except SignatureRejected as error:
            refused.append(Rejection(signature.origin, error))
    signers = dict.fromkeys(signature.authority for signature in accepted)
    if len(signers) < rule.threshold:
        who = f" ({', '.join(signers)})" if signers else ""
        raise NoSignatureAccepted(
            f"{len(signers)} of the {rule.threshold} needed keys signed {digest}{who}; "
            f"{len(refused)} signature{'' if len(refused) == 1 else 's'} did not count",
            rejections=refused,
        )
    return tuple(accepted), tuple(refused)


def _accept(signature: Examined, digest: str, name: Reference | None, rule: Rule) -> VerifiedSignature:
    subject = _subject(signature, digest)
    checks = (
        *signature.checks,
        Check("subject", True, f"signed {digest}"),
        Check("identity", True, rule.identity.match(signature.claim.reference, name, digest)),
        *_annotation_checks(subject, rule),
    )
    return VerifiedSignature(
        signature.format,
        signature.origin,
        signature.authority,
        signature.public_key,
        signature.algorithm,
        signature.claim,
        checks,
    )


def _subject(signature: Examined, digest: str) -> Subject:
    for subject in signature.claim.subjects:
        if subject.digest == digest:
            return subject
    signed = signature.claim.subjects[0].digest if signature.claim.subjects else "nothing"
    raise SubjectMismatch(f"signed {signed}, but the image is {digest}")


def _annotation_checks(subject: Subject, rule: Rule) -> Iterable[Check]:
    for name, wanted in rule.annotations.items():
        if name not in subject.annotations:
            raise AnnotationMismatch(f"annotation {quote(name)} was not signed, {quote(wanted)} is needed")
        if subject.annotations[name] != wanted:
            seen = quote(subject.annotations[name])
            raise AnnotationMismatch(f"annotation {quote(name)} was signed as {seen}, {quote(wanted)} is needed")
        yield Check("annotation", True, f"{name}={wanted}")
