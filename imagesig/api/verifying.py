"""`verify`: resolve, select, find, examine, revoke, judge; it returns proof or raises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from imagesig.api.revoking import Answers, with_revocation
from imagesig.api.stored_signatures import ImageLike, Stored, open_or_pass, pin, pinned_name, resolve, stored_signatures
from imagesig.crypto.public_key import PublicKey
from imagesig.deadlines import deadline
from imagesig.effort import one_image
from imagesig.errors import (
    AllowedUnverified,
    BudgetExceeded,
    DigestMismatch,
    Finding,
    ImageNotFound,
    ImagesigError,
    KeyProviderError,
    LimitExceeded,
    NoSignatureAccepted,
    NoSignatures,
    Rejection,
    TransportError,
    VerificationError,
)
from imagesig.format_names import families
from imagesig.formats import ALL_FORMATS, Format, reader_of, select_formats
from imagesig.images.image import Image
from imagesig.images.target import Choice, check_platform, child_for_platform
from imagesig.keys.uri import open_public_keys
from imagesig.logs import logger_named
from imagesig.oci.descriptor import Descriptor
from imagesig.policy import AuthorityLike, Policy, Rule, Signed
from imagesig.policy.judge import Verdict, judge, judge_rule
from imagesig.policy.requirement import formats_of
from imagesig.signature import Examined, Subject, VerifiedSignature

if TYPE_CHECKING:
    from imagesig.witnesses import RevocationChecker, Witnesses

logger = logger_named("imagesig")

OpenPublicKeys = Callable[[str], tuple[PublicKey, ...]]


class VerificationResult(Struct, frozen=True):
    """Proof that an image satisfies a policy; without `verified`, only that the policy lets it pass.

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
    verified: bool = True
    rule: str = "default"
    warnings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def verify(
    image: ImageLike,
    policy: Policy | AuthorityLike,
    *,
    platform: str = "",
    allow_unverified: bool = False,
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
) -> VerificationResult:
    """Proves that an image's signatures satisfy a policy, or raises.

    `policy` may be one public key (PEM text, file, key URI, `PublicKey`) for "signed by this key". `platform`, as
    `os/architecture[/variant]` or `windows(VERSION)/architecture`, verifies that child of an index: by its own
    signatures, if its config says that it is for that platform, or else by the index's. `allow_unverified` returns a
    result without proof where the policy lets the image pass so. `now` is the time to judge at; the clock's by default.
    `witnesses` are asked whether certificates were revoked: `online()` by default.

    Raises:
        NoSignatures: the image is there and has no signature in the formats that count.
        NoSignatureAccepted: it has some, and they do not satisfy the policy: every reason is in `rejections`.
        RefusedByPolicy: the policy rejects images of that name.
        AllowedUnverified: the policy lets it pass without proof, and `allow_unverified` was not given.
        ImageNotFound: there is no such image, or no such platform in it.
        DigestMismatch: other bytes lie under its digest.
        TransportError, DeadlineExceeded: the registry was not reached for all that is needed; this is never "unsigned".
        LimitExceeded: more lies beside the image than is read for one, and what was read does not satisfy the policy.
        InvalidArgument, KeyProviderError: the policy's keys cannot be used.
    """
    opened = open_or_pass(image)
    if not isinstance(policy, Policy):
        policy = Policy.any_of(policy)
    with deadline(opened.timeout):
        rule = policy.select(opened.location).opened(open_public_keys)
    return verify_by_rule(
        opened, rule, platform=platform, allow_unverified=allow_unverified, now=now, witnesses=witnesses
    )


class _Evaluation(Struct, frozen=True, dict=True):
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
    allow_unverified: bool = False,
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
) -> VerificationResult:
    """`verify` under a rule whose keys are open. Arguments and errors as there."""
    court = _Evaluation(rule, now or datetime.now(UTC), witnesses)
    with deadline(image.timeout):
        result = _verify_platform(image, court, platform) if platform else _verify_image(image, court)
    if not result.verified and not allow_unverified:
        reasons = result.warnings or ("the rule accepts anything",)
        raise AllowedUnverified(
            f"{image}: rule {rule.name} lets {result.digest} pass without proof",
            reasons=reasons,
            hint="allow it (--allow-unverified, allow_unverified=True), or have the policy require a signature",
        )
    logger.info("verified %s", image)
    return result


def _verify_image(image: Image, court: _Evaluation) -> VerificationResult:
    return _verify_digest(image, pin(image), court)


def _verify_platform(image: Image, court: _Evaluation, platform: str) -> VerificationResult:
    root = resolve(image)
    choice = child_for_platform(image, root, platform)
    child = choice.descriptor.digest
    image.check_platform(child)
    result, through_index = _verify_child(image, choice, root.digest, court)
    pinned = pinned_name(image, child)
    return replace(result, digest=child, pinned=pinned, platform=platform, through_index=through_index)


def _verify_child(image: Image, choice: Choice, root: str, court: _Evaluation) -> tuple[VerificationResult, bool]:
    """The result for the child and whether it came through the index.

    A signed index lists its children by digest and says what each is for. An index that nobody signed says nothing:
    then the child's own config must agree.
    """
    child = choice.descriptor.digest
    try:
        own = _verify_digest(image, child, court)
    except (NoSignatures, NoSignatureAccepted, LimitExceeded) as error:
        if child == root:
            raise
        try:
            of_index = _verify_digest(image, root, court)
        except (NoSignatures, NoSignatureAccepted):
            if isinstance(error, LimitExceeded):
                raise error from None  # what was not read may be enough
            raise
        if not of_index.verified:
            check_platform(image, choice)
        return of_index, True
    if child == root:
        return own, False
    try:
        if own.verified:
            check_platform(image, choice)
            return own, False
    except (ImageNotFound, DigestMismatch) as other_platform:
        try:
            of_index = _verify_digest(image, root, court)
        except (NoSignatures, NoSignatureAccepted):
            raise other_platform from None
        if not of_index.verified:
            raise
        return of_index, True
    of_index = _verify_digest(image, root, court)
    if of_index.verified:
        return of_index, True
    check_platform(image, choice)
    return own, False


def _verify_digest(image: Image, digest: str, court: _Evaluation) -> VerificationResult:
    """The result for one manifest; where the rule only warns, what failed becomes a warning."""
    try:
        with one_image():
            return _strictly(image, digest, court)
    except VerificationError as error:
        if not court.rule.warn:
            raise
        name = court.rule.name
        result = VerificationResult(
            str(image), digest, pinned_name(image, digest), (), verified=False, rule=name, warnings=(str(error),)
        )
        if not isinstance(error, NoSignatureAccepted):
            return result
        return replace(result, rejections=error.rejections, findings=error.findings)


def _strictly(image: Image, digest: str, court: _Evaluation) -> VerificationResult:
    made = judge_rule(court.rule, _Evidence(image, digest, court).verdict, str(image))
    return VerificationResult(
        str(image),
        digest,
        pinned_name(image, digest),
        signatures=tuple(dict.fromkeys(item for verdict in made.verdicts for item in verdict.accepted)),
        rejections=made.verdicts[0].rejections if made.verdicts else (),
        verified=made.verified,
        rule=court.rule.name,
        warnings=tuple(dict.fromkeys(text for verdict in made.verdicts for text in verdict.warnings)),
        findings=tuple(item for verdict in made.verdicts for item in verdict.findings),
    )


class _Evidence(Struct, dict=True):
    """What is stored for one manifest, asked for once and only if a requirement needs signatures."""

    image: Image
    digest: str
    court: _Evaluation

    @cached_property
    def formats(self) -> tuple[Format, ...]:
        counted = families(formats_of(self.court.rule.signed)) or ALL_FORMATS
        return select_formats(name for name in ALL_FORMATS if name in counted)

    @cached_property
    def stored(self) -> Stored:
        return stored_signatures(self.image, self.digest, self.formats)

    @cached_property
    def whole(self) -> _Whole:
        return _Whole(self.image, self.digest)

    def verdict(self, requirement: Signed) -> Verdict:
        """The verdict of a requirement that holds.

        Raises:
            NoSignatures, NoSignatureAccepted: it does not.
            TransportError: it does not, and a place where its signature may lie did not answer, or not with all of it.
        """
        image, stored = self.image, self.stored
        verdict = _verdict(self.whole, stored, requirement, self.court)
        if verdict.failure:
            if stored.failed:
                # Something could not be read, and what could be is not enough: unreachable, not unsigned.
                raise stored.failed from verdict.failure
            if stored.limited:
                raise stored.limited from verdict.failure
            if not stored.found and not stored.rejections:
                raise _unsigned(image, self.digest, self.formats)
            raise verdict.failure
        return verdict


def _verdict(whole: _Whole, stored: Stored, requirement: Signed, court: _Evaluation) -> Verdict:
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
    return judged(examined) if several and not verdict.verified else verdict


def _examine(stored: Stored, requirement: Signed, now: datetime) -> tuple[list[Examined], list[Rejection]]:
    """The signatures in the formats that count for the requirement, and why the others do not count."""
    anchors = requirement.anchors
    counted = select_formats(requirement.formats) if requirement.formats else ()
    examined: list[Examined] = []
    rejections = list(stored.rejections)
    for item, found_as in stored.found:
        # Each requirement reads with its own formats: one for JWS alone refuses what another one reads as COSE.
        item_format = reader_of(item, counted) if counted else found_as
        if item_format is None:
            continue
        try:
            examined.append(item_format.authenticate(item_format.parse(item), anchors, now))
        except (TransportError, KeyProviderError):
            raise
        except ImagesigError as error:
            if isinstance(error, BudgetExceeded):
                stored.limited = stored.limited or error
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


def _unsigned(image: Image, digest: str, formats: Sequence[Format]) -> ImagesigError:
    """One more request tells "no image" from "no signature"."""
    if not image.home.has(digest):
        return ImageNotFound(f"{image}: there is no image {digest}", hint="check the reference")
    names = ", ".join(item.name for item in formats)
    return NoSignatures(
        f"{image}: {digest} carries no signature (looked for: {names} in {image.signatures.name})",
        hint="sign it, or name the repository that holds its signatures",
    )
