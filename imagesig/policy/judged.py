"""The steps that judging signatures and judging attestations share: subject, enforcement, threshold and the error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar, assert_never

from msgspec import Struct, field

from imagesig.errors import (
    ConditionFailed,
    Finding,
    FormatViolation,
    NoSignatureAccepted,
    Rejection,
    SignatureRejected,
    SubjectMismatch,
)
from imagesig.policy.credit import credit
from imagesig.policy.enforcement import Action
from imagesig.policy.signers import Signers
from imagesig.policy.verdict import Verdict
from imagesig.signature import Check, Claim, Examined, StatementClaim, Subject, VerifiedSignature
from imagesig.text import quote

_Signature = TypeVar("_Signature", Examined, VerifiedSignature)


class Words(Struct, frozen=True):
    """The words of an error: who signs, what, and `of` which type."""

    signer: str
    signature: str
    hint: str
    of: str = ""


class Judged(Struct):
    """The signatures judged so far: those that fit, once for each authority, and the reasons of the others.

    `refused` has one reason for each signature, and `reasons` one for each authority.
    """

    refused: list[Rejection] = field(default_factory=list)
    reasons: list[Rejection] = field(default_factory=list)
    fitting: list[list[VerifiedSignature]] = field(default_factory=list)

    def reject(self, rejection: Rejection) -> None:
        """Adds a signature that could not be examined."""
        self.refused.append(rejection)
        self.reasons.append(rejection)

    def add(self, signature: Examined, accept: Callable[[Examined], VerifiedSignature]) -> None:
        """Judges a signature, once for each authority that certified its signer."""
        if fits := self.sort(signature.by_all, accept, signature.origin):
            self.fitting.append(fits)

    def sort(
        self, variants: Iterable[_Signature], accept: Callable[[_Signature], VerifiedSignature], origin: str
    ) -> list[VerifiedSignature]:
        """What is accepted of one signature, given once for each of its authorities; other reasons are added."""
        fits: list[VerifiedSignature] = []
        failures: list[Rejection] = []
        for variant in variants:
            try:
                fits.append(accept(variant))
            except SignatureRejected as error:
                failures.append(Rejection(origin, error, variant.authority))
        if not fits:
            # A condition fails only for a trusted signer: with `every` that decides, so no other reason hides it.
            self.refused.append(
                next((item for item in failures if isinstance(item.error, ConditionFailed)), failures[0])
            )
        self.reasons += failures
        return fits

    def verdict(self, requirement: Signers, what: str, words: Words) -> Verdict:
        """The verdict for a requirement. In the error, `what` names the image, and `words` name what was judged."""
        signers = _credited(self.fitting)
        accepted = tuple(_as_credited(fits, signers) for fits in self.fitting)
        verified = len(signers) >= requirement.needed
        findings = tuple(_finding(authority, accepted, self.fitting, self.reasons) for authority in _names(requirement))
        passes = verified or (requirement.may_pass_unverified and len(accepted) >= requirement.needed)
        failure = None if passes else _too_few(what, tuple(signers), requirement, self.refused, findings, words)
        return Verdict(accepted, tuple(self.refused), findings, verified, tuple(_warnings(accepted)), failure)


def as_verified(signature: Examined, claimed: Subject, checks: tuple[Check, ...]) -> VerifiedSignature:
    """The signature as accepted. Only the two judges call this."""
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


def enforced_checks(signature: Examined, requirement: Signers) -> list[Check]:
    """The checks of a signature that the requirement keeps. Raises the failure of one that it enforces."""
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
    return kept


def claimed_subject(signature: Examined, subject: Subject, *, is_statement: bool) -> Subject:
    """The subject of the claim that is the image. The claim must be of the kind that is judged, and of no other."""
    if type(signature.claim) is not (StatementClaim if is_statement else Claim):
        kind = "a signature of an image" if is_statement else "an attestation"
        raise FormatViolation(f"this is {kind}, {'an attestation' if is_statement else 'a signature'} is needed")
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


def _names(requirement: Signers) -> tuple[str, ...]:
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
    what: str,
    signers: Sequence[str],
    requirement: Signers,
    refused: Sequence[Rejection],
    findings: Sequence[Finding],
    words: Words,
) -> NoSignatureAccepted:
    needed, count = requirement.needed, len(refused)
    who = f" ({', '.join(signers)})" if signers else ""
    return NoSignatureAccepted(
        f"{what} needs {needed} trusted {words.signer}{'' if needed == 1 else 's'}{words.of}, found "
        f"{len(signers)}{who}; {count} {words.signature}{'' if count == 1 else 's'} rejected{first_reason(refused)}",
        rejections=refused,
        findings=findings,
        hint=words.hint,
    )


def first_reason(refused: Sequence[Rejection]) -> str:
    """The first reason, that of a trusted signer if there is one, and how many others there are."""
    trusted_first = sorted(refused, key=lambda item: not item.authority)
    reasons = list(dict.fromkeys(str(item.error) for item in trusted_first))
    if not reasons:
        return ""
    others = len(reasons) - 1
    more = f" (and {others} more reason{'' if others == 1 else 's'})" if others else ""
    return f": {reasons[0]}{more}"
