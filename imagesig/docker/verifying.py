"""Verifies an image of an engine: by its signatures in the registries that the engine names for it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypedDict

from msgspec import Struct

from imagesig.api.verify.verifying import VerificationResult
from imagesig.api.verify.verifying import verify as verify_in_registry
from imagesig.arguments import checks_arguments
from imagesig.docker.candidates import candidates
from imagesig.errors import (
    AllowedUnverified,
    DeadlineExceeded,
    ImageNotFound,
    ImagesigError,
    InvalidArgument,
    KeyProviderError,
    NoSignatureAccepted,
    NoSignatures,
    NotFound,
    NotInRegistry,
    VerificationError,
)
from imagesig.external import given
from imagesig.images.open import ImageOpener
from imagesig.oci.reference import Reference
from imagesig.policy import Policy

if TYPE_CHECKING:
    from typing import Unpack

    from imagesig.content_trust.servers import TrustServers
    from imagesig.images.open import TransportLike
    from imagesig.policy import AuthorityLike
    from imagesig.witnesses import Witnesses


class EngineImage(Protocol):
    """What is read of docker-py's image."""

    attrs: dict[str, object]


class EngineVerifyOptions(TypedDict, total=False):
    """The options of `verify`."""

    name: str
    platform: str
    now: datetime | None
    witnesses: Witnesses | None
    trust_servers: TrustServers | None
    transport: TransportLike | None
    timeout: float | None


class ImageVerdict(Struct, frozen=True):
    """Whether an image is verified. It is true only with proof, which is `result`; without it, `error` says why."""

    result: VerificationResult | None = None
    error: VerificationError | ImageNotFound | None = None

    def __bool__(self) -> bool:
        return self.result is not None and self.result.verified

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the image is not verified, the main reason first. Empty if it is."""
        if self.error is None:
            return ()
        details: tuple[object, ...] = ()
        if isinstance(self.error, NoSignatureAccepted):
            details = (*self.error.rejections, *self.error.findings)
        if isinstance(self.error, AllowedUnverified):
            details = self.error.reasons
        return (str(self.error), *map(str, details))

    def __str__(self) -> str:
        return f"verified: {self.result.pinned}" if self.result else "; ".join(self.reasons)


@checks_arguments
def verify(
    image: EngineImage,
    policy: Policy | AuthorityLike,
    *,
    name: str = "",
    platform: str = "",
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
    trust_servers: TrustServers | None = None,
    transport: TransportLike | None = None,
    timeout: float | None = None,
) -> VerificationResult:
    """Proof that a registry has signatures of an engine's image that satisfy the policy; raises if none has.

    `image` is docker-py's image. Its digests (`RepoDigests`) are verified one after the other, each by the rule of the
    policy for its repository, until one is proven: `result.pinned` names it. With a `name` that has a registry's host,
    digests of that repository alone can prove the image; a local name, such as `my-image`, allows all of them. Other
    options as for `imagesig.verify`.

    Raises:
        NeverPushed: the engine knows no digest of the image in a registry.
        NotInRegistry: none of the registries has the image. In the containerd image store, an image that was built
            has a digest before it is pushed.
        ImageNotFound: a registry has the image, but not for the platform.
        VerificationError: its signatures do not satisfy the policy, or it has none.
        TransportError, DeadlineExceeded: a registry did not answer completely, and no other one has proof.
        InvalidArgument, KeyProviderError: the policy or its keys cannot be used.
    """
    if not isinstance(policy, Policy):
        policy = Policy.any_of(policy)
    with given("image", InvalidArgument):
        attributes = getattr(image, "attrs", image)
    found = candidates(attributes, policy, name)
    opener = ImageOpener(transport, timeout)
    failures: list[ImagesigError] = []
    try:
        for candidate in found:
            opened = opener.open(str(candidate))
            try:
                return verify_in_registry(
                    opened, policy, platform=platform, now=now, witnesses=witnesses, trust_servers=trust_servers
                )
            except (InvalidArgument, KeyProviderError, DeadlineExceeded):
                raise
            except ImagesigError as error:
                failures.append(error)
    finally:
        opener.close()
    raise _main_reason(found, failures, platform)


def _main_reason(found: list[Reference], failures: list[ImagesigError], platform: str) -> ImagesigError:
    """The error for an image that no candidate proves. If a registry did not answer, it is never `NoSignatures`."""
    for error in failures:
        if not isinstance(error, VerificationError | ImageNotFound):
            return error
    verdicts = [error for error in failures if isinstance(error, VerificationError)]
    if verdicts:
        return next((error for error in verdicts if not isinstance(error, NoSignatures)), verdicts[0])
    if others := [error for error in failures if platform and not isinstance(error.__cause__, NotFound)]:
        return others[0]  # the registry has the image, but not for the platform
    return NotInRegistry(
        f"{', '.join(map(str, found[:3]))}: the engine names this digest, and no registry has it",
        hint="push the image; the containerd image store names a digest before the image is pushed",
    )


def image_verdict(
    image: EngineImage, policy: Policy | AuthorityLike | None, **options: Unpack[EngineVerifyOptions]
) -> ImageVerdict:
    """`verify` as a value that is true or false. Without a policy, the default one applies.

    Raises: as `verify` does, except for `VerificationError` and `ImageNotFound`, which make it false.
    """
    if policy is None:
        policy = Policy.load_default()
    try:
        return ImageVerdict(verify(image, policy, **options))
    except (VerificationError, ImageNotFound) as error:
        return ImageVerdict(error=error.without_frames())
