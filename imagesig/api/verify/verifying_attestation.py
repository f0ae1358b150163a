"""`verify_attestation`: what trusted signers attest of an image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from imagesig.api.stored_signatures import ImageLike
from imagesig.api.verify.verifying import OpenPublicKeys, VerificationResult, verify_by_rule
from imagesig.arguments import checks_arguments
from imagesig.deadlines import deadline
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.keys.uri import open_public_keys
from imagesig.policy import AuthorityLike, Condition, Policy
from imagesig.policy.attesters import AttestationQuery

if TYPE_CHECKING:
    from imagesig.witnesses import Witnesses


@checks_arguments
def verify_attestation(
    image: ImageLike,
    policy: Policy | AuthorityLike,
    *,
    predicate_type: str = "",
    conditions: Iterable[Condition | Mapping[str, object]] = (),
    cel: str | Iterable[str] = (),
    every: bool = False,
    platform: str = "",
    allow_unverified: bool = False,
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
    open_keys: OpenPublicKeys = open_public_keys,
    transport: TransportLike | None = None,
    timeout: float | None = None,
) -> VerificationResult:
    """Proof of what trusted signers attest of an image, in `statements` of the result; raises if there is none.

    `policy` may be one public key: the key must attest the type. If it is a policy, its requirements with this
    `predicate_type` must hold; without a type, all its requirements for attestations. If it has none, the authorities
    of its requirements for signatures must attest the type. Signatures of the image are not read.

    `predicate_type` is a URI or a short name such as `slsaprovenance1`. `conditions` are of the predicate:
    `{"pointer": "/builder/id", "equals": "…"}`, see `Condition`. `cel` are expressions over `predicate`, `subject` and
    `signer`; they need the extra `cel`. One attestation for which all of them hold is enough; with `every` they must
    hold for all attestations of the type by the trusted signers. Other options are as of `verify`.

    Raises:
        NoSignatures: the image has no attestation of this type.
        NoSignatureAccepted: it has some, and they do not satisfy the policy; every reason is in `rejections`.
        RefusedByPolicy: the policy rejects images with this name, or has no authority that may attest this type.
        MissingExtra: an expression is given, and the package for CEL is not installed.
        ImagesigError: as `verify` does.
    """
    query = AttestationQuery.of(predicate_type, conditions, cel, every)
    opened = ImageOpener(transport, timeout).open(image)
    trusted = policy if isinstance(policy, Policy) else Policy.any_of(policy)
    with deadline(opened.timeout):
        rule = query.rule(trusted.select(opened.location)).opened(open_keys)
    return verify_by_rule(
        opened, rule, platform=platform, allow_unverified=allow_unverified, now=now, witnesses=witnesses
    )
