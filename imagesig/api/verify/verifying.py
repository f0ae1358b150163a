"""`verify`: select the rule, decide which manifest is verified, judge its evidence; returns proof or raises.

`subjects` decides on the manifest, `evidence` finds and examines its signatures, and `imagesig.policy` judges them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from imagesig.api.stored_signatures import ImageLike, open_or_pass, pinned_name
from imagesig.api.verify.evidence import Evaluation
from imagesig.api.verify.subjects import judge_image, judge_platform
from imagesig.crypto.public_key import PublicKey
from imagesig.deadlines import deadline
from imagesig.errors import AllowedUnverified, Finding, Rejection
from imagesig.images.image import Image
from imagesig.keys.uri import open_public_keys
from imagesig.logs import logger_named
from imagesig.policy import AuthorityLike, Policy, Rule
from imagesig.signature import VerifiedSignature

if TYPE_CHECKING:
    from imagesig.witnesses import Witnesses

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
    evaluation = Evaluation(image, rule, now or datetime.now(UTC), witnesses)
    with deadline(image.timeout):
        judged = judge_platform(image, platform, evaluation.judge) if platform else judge_image(image, evaluation.judge)
    verdict = judged.verdict
    result = VerificationResult(
        image=str(image),
        digest=judged.digest,
        pinned=pinned_name(image, judged.digest),
        signatures=verdict.accepted,
        rejections=verdict.rejections,
        platform=platform,
        through_index=judged.through_index,
        verified=verdict.verified,
        rule=rule.name,
        warnings=verdict.warnings,
        findings=verdict.findings,
    )
    if not result.verified and not allow_unverified:
        raise AllowedUnverified(
            f"{image}: rule {rule.name} lets {result.digest} pass without proof",
            reasons=result.warnings or ("the rule accepts anything",),
            hint="allow it (--allow-unverified, allow_unverified=True), or have the policy require a signature",
        )
    logger.info("verified %s", image)
    return result
