"""`explain`: which rule a policy has for an image, and what each of its authorities signed. Proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, assert_never

from msgspec import Struct
from msgspec.structs import replace

from imagesig.api.stored_signatures import ImageLike
from imagesig.api.verify.verifying import OpenPublicKeys, VerificationResult, verify_by_rule
from imagesig.arguments import checks_arguments
from imagesig.errors import (
    Finding,
    ImagesigError,
    InvalidArgument,
    Rejection,
    VerificationError,
)
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.keys.uri import open_public_keys
from imagesig.policy import AuthorityLike, KeyReference, Policy, Requirement, Rule
from imagesig.policy.authority import Authority
from imagesig.policy.describe import describe_authority
from imagesig.policy.scope import scopes_of
from imagesig.trust import CertificateAuthority, ContentTrust, TrustedKey

if TYPE_CHECKING:
    from imagesig.content_trust.servers import TrustServers
    from imagesig.witnesses import Witnesses

_UNVERIFIED = "the image passes without proof"


class ExplainedAuthority(Struct, frozen=True):
    """One authority of a requirement. `problem` says why its keys cannot be opened; empty if they can."""

    authority: Authority
    problem: str = ""
    finding: Finding | None = None

    def document(self) -> dict[str, object]:
        """What `--output json` prints for it."""
        return {
            "authority": self.authority.name,
            "is": describe_authority(self.authority),
            "problem": self.problem,
            **({} if self.finding is None else self.finding.document()),
        }


class ExplainedRequirement(Struct, frozen=True):
    """One requirement, and whether the stored signatures satisfy it.

    `is_met` is None if it could not be judged. `problem` says why it is not met or could not be judged.
    """

    requirement: Requirement
    is_met: bool | None
    authorities: tuple[ExplainedAuthority, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    warnings: tuple[str, ...] = ()
    problem: str = ""

    def document(self) -> dict[str, object]:
        """What `--output json` prints for it."""
        return {
            "text": self.requirement.describe(),
            "met": self.is_met,
            "problem": self.problem,
            "warnings": list(self.warnings),
            "authorities": [item.document() for item in self.authorities],
            "rejections": [item.document() for item in self.rejections],
        }


class Explanation(Struct, frozen=True):
    """Which rule applies to an image and why.

    `scopes` are the scopes that the image is in, the most specific first, each with the name of its rule. The first
    rule applies; if there is none, the default.
    """

    image: str
    scopes: tuple[tuple[str, str], ...]
    rule: Rule
    requirements: tuple[ExplainedRequirement, ...]

    @property
    def is_met(self) -> bool | None:
        """Whether all requirements are met; None if one could not be judged and the others are met.

        This ignores whether there is proof, and whether the rule only warns.
        """
        found = [item.is_met for item in self.requirements]
        return False if False in found else None if None in found else True

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the image. It has JSON types only."""
        return {
            "image": self.image,
            "trusted": False,
            "rule": self.rule.name,
            "warn": self.rule.warn,
            "scopes": [{"scope": scope, "rule": rule} for scope, rule in self.scopes],
            "requirements": [item.document() for item in self.requirements],
        }


@checks_arguments
def explain(
    image: ImageLike,
    policy: Policy | AuthorityLike,
    *,
    open_keys: OpenPublicKeys = open_public_keys,
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
    trust_servers: TrustServers | None = None,
    transport: TransportLike | None = None,
    timeout: float | None = None,
) -> Explanation:
    """The rule that a policy has for an image, and what the rule finds. For people; only `verify` gives proof.

    Unreachable keys and registries are reported in the result, not raised. Options are as of `verify`.

    Raises:
        InvalidArgument: the policy does not judge names like this one.
        ImageNotFound: a layout does not have this image.
    """
    opened = ImageOpener(transport, timeout).open(image)
    if not isinstance(policy, Policy):
        policy = Policy.any_of(policy)
    rule = policy.select(opened.location)
    scopes = tuple(
        (str(scope), policy.rules[scope].name if scope in policy.rules else "") for scope in scopes_of(opened.location)
    )
    judge = partial(_judged, opened, now=now, witnesses=witnesses, trust_servers=trust_servers)
    requirements = tuple(_explained(item, open_keys, judge) for item in rule.requirements)
    return Explanation(str(opened), scopes, rule, requirements)


def _explained(
    requirement: Requirement,
    open_keys: OpenPublicKeys,
    judge: Callable[[Requirement], VerificationResult | ImagesigError],
) -> ExplainedRequirement:
    if not requirement.needs_evidence:
        return ExplainedRequirement(requirement, not requirement.refusal, problem=requirement.refusal or _UNVERIFIED)
    open_once = cache(open_keys)
    authorities = tuple(_opened(item, open_once) for item in requirement.authorities)
    if any(item.problem for item in authorities):
        return ExplainedRequirement(requirement, None, authorities, problem="not every key can be opened")
    try:
        opened = requirement.opened(open_once)
    except InvalidArgument as error:
        return ExplainedRequirement(requirement, None, authorities, problem=str(error))
    result = judge(opened)
    findings = {item.authority: item for item in getattr(result, "findings", ())}
    return ExplainedRequirement(
        requirement,
        _is_met(result),
        tuple(replace(item, finding=findings.get(item.authority.name)) for item in authorities),
        tuple(getattr(result, "rejections", ())),
        result.warnings if isinstance(result, VerificationResult) else (),
        _problem(result),
    )


def _opened(authority: Authority, open_keys: OpenPublicKeys) -> ExplainedAuthority:
    match authority:
        case TrustedKey() | CertificateAuthority() | ContentTrust():
            return ExplainedAuthority(authority)
        case KeyReference():
            try:
                return ExplainedAuthority(authority.opened(open_keys))
            except ImagesigError as error:
                return ExplainedAuthority(authority, str(error))
        case _:
            assert_never(authority)


def _judged(
    image: Image,
    requirement: Requirement,
    *,
    now: datetime | None,
    witnesses: Witnesses | None,
    trust_servers: TrustServers | None,
) -> VerificationResult | ImagesigError:
    """The result of `verify` with this requirement alone."""
    try:
        return verify_by_rule(
            image,
            Rule((requirement,)),
            allow_unverified=True,
            now=now,
            witnesses=witnesses,
            trust_servers=trust_servers,
        )
    except ImagesigError as error:
        return error


def _problem(result: VerificationResult | ImagesigError) -> str:
    if isinstance(result, ImagesigError):
        return str(result)
    return "" if result.verified else _UNVERIFIED


def _is_met(result: VerificationResult | ImagesigError) -> bool | None:
    if isinstance(result, VerificationResult):
        return True
    return False if isinstance(result, VerificationError) else None
