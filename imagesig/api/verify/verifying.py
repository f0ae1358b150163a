"""`verify`: select the rule, decide which manifest is verified, judge its evidence, build the result.

`subjects` and `platforms` decide on the manifest, `evidence` finds and examines its signatures, and `imagesig.policy`
judges them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NewType

from msgspec import Struct
from msgspec.structs import replace

from imagesig.api.stored_signatures import ImageLike, pinned_name
from imagesig.api.verify.evidence import Evaluation
from imagesig.api.verify.subjects import Judged, judge_image
from imagesig.arguments import checks_arguments
from imagesig.crypto.public_key import PublicKey
from imagesig.deadlines import deadline
from imagesig.errors import AllowedUnverified, Finding, Rejection
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.keys.uri import open_public_keys
from imagesig.logs import Logger
from imagesig.policy import AuthorityLike, Policy, Rule
from imagesig.signature import VerifiedSignature

if TYPE_CHECKING:
    from imagesig.api.verify.verified_statement import VerifiedStatement
    from imagesig.content_trust.servers import TrustServers
    from imagesig.policy.verdict import RuleVerdict
    from imagesig.witnesses import Witnesses
else:
    VerifiedStatement = NewType("VerifiedStatement", object)  # speed: for inspect.signature (benchmarks/test_cli.py)

logger = Logger("imagesig")

OpenPublicKeys = Callable[[str], tuple[PublicKey, ...]]


class VerificationResult(Struct, frozen=True):
    """Proof that an image satisfies a policy. If `verified` is False, the policy only allows it without proof.

    `digest` is what was verified and `pinned` the name to deploy: `repository@digest`. `platform` is the one asked for.
    `through_index` says that the index was signed and not the manifest for the platform. `signatures` were accepted and
    `rejections` were not; `findings` has the same by authority. `statements` are the accepted attestations. `rule` is
    the rule that applied, with its line in the policy, and `warnings` has what it logs instead of enforcing.
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
    statements: tuple[VerifiedStatement, ...] = ()

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the image. It has JSON types only."""
        return {
            "image": self.image,
            "verified": self.verified,
            "rule": self.rule,
            "warnings": list(self.warnings),
            "findings": [item.document() for item in self.findings],
            "digest": self.digest,
            "pinned": self.pinned,
            "platform": self.platform,
            "through_index": self.through_index,
            "signatures": [item.document() for item in self.signatures],
            "statements": [item.document() for item in self.statements],
            "rejections": [item.document() for item in self.rejections],
        }


@checks_arguments
def verify(
    image: ImageLike,
    policy: Policy | AuthorityLike,
    *,
    platform: str = "",
    allow_unverified: bool = False,
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
    open_keys: OpenPublicKeys = open_public_keys,
    transport: TransportLike | None = None,
    trust_servers: TrustServers | None = None,
    timeout: float | None = None,
) -> VerificationResult:
    """Proof that an image's signatures satisfy a policy; raises if they do not.

    `policy` may be one public key (PEM text, file, key URI, `PublicKey`): the image must be signed by this key.
    `platform`, as `os/architecture[/variant]` or `windows(VERSION)/architecture`, verifies that child of an index: by
    its own signatures if its config says that it is for that platform, otherwise by the index's. `allow_unverified`
    returns a result without proof if the policy allows that. `now` is the time to judge at; the clock's by default.
    `witnesses` check whether certificates were revoked; `online()` by default. `open_keys` opens files and key URIs of
    the policy. `transport` is how an image given by name is reached: settings, or a client with open connections.
    `trust_servers` reads the trust servers of a policy with content trust. `timeout` are seconds for this call, in
    place of those of the transport or image.

    Raises:
        NoSignatures: the image has no signature in the accepted formats.
        NoSignatureAccepted: its signatures do not satisfy the policy; every reason is in `rejections`.
        RefusedByPolicy: the policy rejects images with this name.
        AllowedUnverified: the policy allows it without proof, and `allow_unverified` was not given.
        ImageNotFound: there is no such image, or no such platform in it.
        DigestMismatch: the bytes stored under its digest are others.
        TransportError, DeadlineExceeded: the registry did not give all that is needed; this never means "unsigned".
        LimitExceeded: the image has more than is read for one image, and what was read does not satisfy the policy.
        InvalidArgument, KeyProviderError: the policy's keys cannot be used.
    """
    opened = ImageOpener(transport, timeout).open(image)
    if not isinstance(policy, Policy):
        policy = Policy.any_of(policy)
    with deadline(opened.timeout):
        rule = policy.select(opened.location).opened(open_keys)
    return verify_by_rule(
        opened,
        rule,
        platform=platform,
        allow_unverified=allow_unverified,
        now=now,
        witnesses=witnesses,
        trust_servers=trust_servers,
    )


def verify_by_rule(
    image: Image,
    rule: Rule,
    *,
    platform: str = "",
    allow_unverified: bool = False,
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
    trust_servers: TrustServers | None = None,
) -> VerificationResult:
    """`verify` with a rule whose keys are open. Other arguments and errors as for `verify`."""
    evaluation = Evaluation(image, rule, now or datetime.now(UTC), witnesses)
    warnings: tuple[str, ...] = ()
    with deadline(image.timeout):
        if any(item.anchors.content_trust for item in rule.signed):
            evaluation, warnings = _named(evaluation, trust_servers)
            image = evaluation.image
        judged = _judge_platform(image, platform, evaluation) if platform else judge_image(image, evaluation.judge)
    verdict = judged.verdict
    # speed: most rules need no attestation (benchmarks/test_start.py)
    statements = _statements(verdict) if verdict.statements else ()
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
        warnings=(*warnings, *verdict.warnings),
        findings=verdict.findings,
        statements=statements,
    )
    if not result.verified and not allow_unverified:
        raise _unverified(result)
    logger.info("verified %s", image)
    return result


def _unverified(result: VerificationResult) -> AllowedUnverified:
    return AllowedUnverified(
        f"{result.image}: rule {result.rule} allows {result.digest} without proof",
        reasons=result.warnings or ("the rule accepts anything",),
        hint="allow it (--allow-unverified, allow_unverified=True), or require a signature in the policy",
    )


def _statements(verdict: RuleVerdict) -> tuple[VerifiedStatement, ...]:
    from imagesig.api.verify.verified_statement import VerifiedStatement

    return tuple(map(VerifiedStatement, verdict.statements))


def _named(evaluation: Evaluation, servers: TrustServers | None) -> tuple[Evaluation, tuple[str, ...]]:
    """The evaluation of the digest that the rule's trust servers name, and warnings."""
    # speed: most rules have no trust server (benchmarks/test_start.py)
    from imagesig.api.verify.naming import named_by_servers

    authorities = [item for requirement in evaluation.rule.signed for item in requirement.anchors.content_trust]
    named = named_by_servers(evaluation.image, authorities, evaluation.now, servers)
    failure = named.failure(evaluation.image)
    if failure is not None and not evaluation.rule.warn:
        raise failure  # before the registry is asked: its answer would not matter
    image, warnings = named.image(evaluation.image)
    return replace(evaluation, image=image, named=named), (*named.warnings, *warnings)


def _judge_platform(image: Image, platform: str, evaluation: Evaluation) -> Judged:
    # speed: most verifications are of the whole image (benchmarks/test_start.py)
    from imagesig.api.verify.platforms import judge_platform

    return judge_platform(image, platform, evaluation.judge)
