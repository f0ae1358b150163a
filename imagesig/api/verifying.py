"""`verify`: resolve, select, find, examine, revoke, judge; it returns proof or raises."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from imagesig.api.gathering import ImageLike, Stored, open_or_pass, pinned_name, resolve, stored_signatures
from imagesig.api.revoking import Answers, with_revocation
from imagesig.crypto.public_key import PublicKey
from imagesig.deadlines import deadline
from imagesig.errors import (
    Finding,
    ImageNotFound,
    ImagesigError,
    KeyProviderError,
    NoSignatureAccepted,
    NoSignatures,
    RefusedByPolicy,
    Rejection,
    TransportError,
    Unproved,
    VerificationError,
)
from imagesig.formats import ALL_FORMATS, Format, select_formats
from imagesig.images.image import Image
from imagesig.images.target import child_for_platform
from imagesig.keys.uri import open_public_keys
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import is_digest
from imagesig.policy import AuthorityLike, Policy, Reject, Rule, Signed, Unsupported, Verdict, judge
from imagesig.policy.requirement import formats_of
from imagesig.signature import Examined, Subject, VerifiedSignature

if TYPE_CHECKING:
    from imagesig.witnesses import RevocationChecker, Witnesses

logger = logging.getLogger("imagesig")

OpenPublicKeys = Callable[[str], tuple[PublicKey, ...]]


class VerificationResult(Struct, frozen=True):
    """Proof that an image satisfies a policy; without `proved`, only that the policy lets it pass.

    `digest` is what was verified and `pinned` the name to deploy: `repository@digest`. `platform` is the one asked for;
    `through_index` says that not the platform's own manifest was signed but the index that lists it. `signatures` were
    accepted, `rejections` were not and did not matter; `findings` says the same by authority. `rule` names the line of
    the policy that applied, and `warnings` what it logs instead of enforcing.
    """

    image: str
    digest: str
    pinned: str
    signatures: tuple[VerifiedSignature, ...]
    rejections: tuple[Rejection, ...] = ()
    platform: str = ""
    through_index: bool = False
    proved: bool = True
    rule: str = "default"
    warnings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def verify(
    image: ImageLike,
    policy: Policy | AuthorityLike,
    *,
    platform: str = "",
    allow_unproved: bool = False,
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
) -> VerificationResult:
    """Proves that an image's signatures satisfy a policy, or raises.

    `policy` may be one public key (PEM text, file, key URI, `PublicKey`) for "signed by this key". `platform`, as
    `os/architecture[/variant]`, verifies that child of an index: by its own signatures or, failing them, by the
    index's. `allow_unproved` returns a result without proof where the policy lets the image pass so. `now` is the time
    to judge at; the clock's by default. `witnesses` are asked whether certificates were revoked: `online()` by default.

    Raises:
        NoSignatures: the image is there and has no signature in the formats that count.
        NoSignatureAccepted: it has some, and they do not satisfy the policy: every reason is in `rejections`.
        RefusedByPolicy: the policy rejects images of that name.
        Unproved: the policy lets it pass without proof, and `allow_unproved` was not given.
        ImageNotFound: there is no such image, or no such platform in it.
        TransportError, DeadlineExceeded: the registry was not reached for all that is needed; this is never "unsigned".
        InvalidArgument, KeyProviderError: the policy's keys cannot be used.
    """
    opened = open_or_pass(image)
    if not isinstance(policy, Policy):
        policy = Policy.any_of(policy)
    with deadline(opened.timeout):
        rule = policy.select(opened.location).opened(open_public_keys)
    return verify_by_rule(opened, rule, platform=platform, allow_unproved=allow_unproved, now=now, witnesses=witnesses)


class _Court(Struct, frozen=True, dict=True):
    """What every signature is judged by: the rule, the time, and who testifies."""

    rule: Rule
    now: datetime
    witnesses: Witnesses | None

    @cached_property
    def revocation(self) -> RevocationChecker:
        if self.witnesses is not None:
            return self.witnesses.revocation
        from imagesig.witnesses import online

        return online().revocation


def verify_by_rule(
    image: Image,
    rule: Rule,
    *,
    platform: str = "",
    allow_unproved: bool = False,
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
) -> VerificationResult:
    """`verify` under a rule whose keys are open. Arguments and errors as there."""
    court = _Court(rule, now or datetime.now(UTC), witnesses)
    with deadline(image.timeout):
        result = _verify_platform(image, court, platform) if platform else _verify_image(image, court)
    if not result.proved and not allow_unproved:
        reasons = result.warnings or ("the rule accepts anything",)
        raise Unproved(
            f"{image}: rule {rule.name} lets {result.digest} pass without proof",
            reasons=reasons,
            hint="allow it (--allow-unproved, allow_unproved=True), or have the policy require a signature",
        )
    logger.info("verified %s", image, extra={"image_done": True})
    return result


def _verify_image(image: Image, court: _Court) -> VerificationResult:
    digest = image.target if is_digest(image.target) else resolve(image).digest
    return _verify_digest(image, digest, court)


def _verify_platform(image: Image, court: _Court, platform: str) -> VerificationResult:
    root = resolve(image)
    child = child_for_platform(image, root, platform)
    result, through_index = _verify_child(image, child.digest, root.digest, court)
    pinned = pinned_name(image, child.digest)
    return replace(result, digest=child.digest, pinned=pinned, platform=platform, through_index=through_index)


def _verify_child(image: Image, child: str, root: str, court: _Court) -> tuple[VerificationResult, bool]:
    """The result for the child and whether it came through the index: a signed index lists its children by digest."""
    try:
        own = _verify_digest(image, child, court)
    except (NoSignatures, NoSignatureAccepted):
        if child == root:
            raise
        return _verify_digest(image, root, court), True
    if own.proved or child == root:
        return own, False
    of_index = _verify_digest(image, root, court)
    return (of_index, True) if of_index.proved else (own, False)


def _verify_digest(image: Image, digest: str, court: _Court) -> VerificationResult:
    """The result for one manifest; where the rule only warns, what failed becomes a warning."""
    try:
        return _strictly(image, digest, court)
    except VerificationError as error:
        if not court.rule.warn:
            raise
        name = court.rule.name
        result = VerificationResult(
            str(image), digest, pinned_name(image, digest), (), proved=False, rule=name, warnings=(str(error),)
        )
        if not isinstance(error, NoSignatureAccepted):
            return result
        return replace(result, rejections=error.rejections, findings=error.findings)


def _strictly(image: Image, digest: str, court: _Court) -> VerificationResult:
    rule = court.rule
    for requirement in rule.requirements:
        if isinstance(requirement, Reject):
            hint = _UNSUPPORTED_HINT if isinstance(requirement, Unsupported) else _NO_RULE_HINT
            raise RefusedByPolicy(f"{image}: rule {rule.name}: {requirement.reason}", hint=hint)
    result = VerificationResult(str(image), digest, pinned_name(image, digest), (), rule=rule.name)
    if not rule.signed:
        return replace(result, proved=False)
    verdicts = _verdicts(image, digest, rule.signed, court)
    return replace(
        result,
        signatures=tuple(dict.fromkeys(item for verdict in verdicts for item in verdict.accepted)),
        rejections=verdicts[0].rejections,
        proved=all(verdict.proved for verdict in verdicts),
        warnings=tuple(dict.fromkeys(text for verdict in verdicts for text in verdict.warnings)),
        findings=tuple(item for verdict in verdicts for item in verdict.findings),
    )


def _verdicts(image: Image, digest: str, signed: Sequence[Signed], court: _Court) -> list[Verdict]:
    """One verdict for each requirement, all of which hold.

    Raises:
        NoSignatures, NoSignatureAccepted: one does not.
        TransportError: one does not, and a place where its signature may lie did not answer, or not with all of it.
    """
    formats = select_formats(formats_of(signed) or ALL_FORMATS)
    stored = stored_signatures(image, digest, formats)
    whole = _Whole(image, digest)
    verdicts = []
    for requirement in signed:
        verdict = _verdict(whole, stored, requirement, court)
        if verdict.failure:
            if stored.failed:
                # Something could not be read, and what could be is not enough: unreachable, not unsigned.
                raise stored.failed from verdict.failure
            if not stored.found and not stored.rejections:
                raise _unsigned(image, digest, formats)
            raise verdict.failure
        verdicts.append(verdict)
    return verdicts


def _verdict(whole: _Whole, stored: Stored, requirement: Signed, court: _Court) -> Verdict:
    examined, rejections = _examine(stored, requirement, court.now)
    subject = whole.subject_for(examined)
    known: Answers = {}

    def judged(signatures: Sequence[Examined]) -> Verdict:
        if any(item.chain for signature in signatures for item in signature.by_all):
            signatures = with_revocation(signatures, requirement, court.revocation, court.now, known)
        return judge(subject, whole.image.name, requirement, signatures, rejections)

    several = any(item.by_others for item in examined)
    verdict = judged([replace(item, by_others=()) for item in examined] if several else examined)
    # Who else vouches for a signer matters where that is not enough, and may have servers of its own to be asked.
    return judged(examined) if several and not verdict.proved else verdict


def _examine(stored: Stored, requirement: Signed, now: datetime) -> tuple[list[Examined], list[Rejection]]:
    """The signatures in the formats that count for the requirement, and why the others do not count."""
    anchors = requirement.anchors
    examined: list[Examined] = []
    rejections = list(stored.rejections)
    for item, item_format in stored.found:
        if requirement.formats and item_format.name not in requirement.formats:
            continue
        try:
            examined.append(item_format.authenticate(item_format.parse(item), anchors, now))
        except (TransportError, KeyProviderError):
            raise
        except ImagesigError as error:
            rejections.append(Rejection(item.origin, error))
    return examined, rejections


class _Whole(Struct):
    """The image's digest, and its media type and size as soon as a signature states them: one more request."""

    image: Image
    digest: str
    _found: Descriptor | None = None

    def subject_for(self, examined: Sequence[Examined]) -> Subject:
        stated = (subject for signature in examined for subject in signature.claim.subjects)
        if self._found is None and any(subject.media_type for subject in stated):
            self._found = resolve(self.image, self.digest)
        if self._found is None:
            return Subject(self.digest)
        return Subject(self.digest, self._found.media_type, self._found.size)


_UNSUPPORTED_HINT = "verify such images with the tool whose policy it is"
_NO_RULE_HINT = "give the policy a rule for this name, or use an image that it allows"


def _unsigned(image: Image, digest: str, formats: Sequence[Format]) -> ImagesigError:
    """One more request tells "no image" from "no signature"."""
    if not image.home.has(digest):
        return ImageNotFound(f"{image}: there is no image {digest}", hint="check the reference")
    names = ", ".join(item.name for item in formats)
    return NoSignatures(
        f"{image}: {digest} carries no signature (looked for: {names} in {image.signatures.name})",
        hint="sign it, or name the repository that holds its signatures",
    )
