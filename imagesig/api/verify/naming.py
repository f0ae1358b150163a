"""Docker Content Trust: the digest that trust servers name for an image, before the registry is asked."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from imagesig.content_trust.lookup import Release, released, releases, signers_of
from imagesig.content_trust.role import RELEASES, TARGETS
from imagesig.content_trust.server import notice
from imagesig.content_trust.servers import TrustServers
from imagesig.content_trust.update import TrustData
from imagesig.errors import (
    ImagesigError,
    InvalidArgument,
    MalformedError,
    NoSignatureAccepted,
    NotFound,
    NotTrusted,
    Rejection,
    SignatureRejected,
)
from imagesig.oci.digest import is_digest
from imagesig.oci.location import REGISTRY
from imagesig.oci.reference import Reference
from imagesig.signature import Check, Claim, Examined, Subject
from imagesig.text import quote
from imagesig.trust import ContentTrust

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imagesig.images.image import Image

FORMAT = "content-trust"


class Statement(Struct, frozen=True):
    """What one trust server says about an image.

    `examined` is its signed statement. `rejection` says why it is not accepted. With `is_broken` its trust data cannot
    be verified: the digest is then unknown, and no other authority may replace the server.
    """

    authority: ContentTrust
    examined: Examined | None = None
    rejection: Rejection | None = None
    is_broken: bool = False
    warnings: tuple[str, ...] = ()

    def failure(self, image: object) -> NoSignatureAccepted | None:
        """The error that refuses the image, also under `any`; None if the trust data can be verified."""
        if not self.is_broken or self.rejection is None:
            return None
        error = self.rejection.error
        return NoSignatureAccepted(
            f"{image}: its trust data cannot be verified, so its digest is not known: {error}",
            rejections=[self.rejection],
            hint=error.hint,
        )


class Named(Struct, frozen=True):
    """The statements of all trust servers of a rule. `digest` is empty if none of them names one."""

    statements: tuple[Statement, ...] = ()
    digest: str = ""

    def of(self, authorities: Iterable[ContentTrust]) -> tuple[Statement, ...]:
        wanted = tuple(authorities)
        return tuple(item for item in self.statements if item.authority in wanted)

    def failure(self, image: object) -> NoSignatureAccepted | None:
        """The first failure of a statement."""
        return next(filter(None, (item.failure(image) for item in self.statements)), None)

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(text for item in self.statements for text in item.warnings))

    def image(self, image: Image) -> tuple[Image, tuple[str, ...]]:
        """The image by the digest that was named, and a warning if the registry's tag is another one.

        An image that the caller has pinned stays the same: the caller will use that digest and no other.
        """
        if not self.digest or is_digest(image.target):
            return image, ()
        return replace(image, target=self.digest), _other_tag(image, self.digest)


def named_by_servers(
    image: Image, authorities: Iterable[ContentTrust], now: datetime, servers: TrustServers | None
) -> Named:
    """The statements of the trust servers of a rule about an image.

    Raises:
        InvalidArgument: the image is not in a registry, so it has no name there.
        TransportError: a server did not answer, so it is not known whether it names a digest.
    """
    if image.name is None or image.place.transport != REGISTRY:
        raise InvalidArgument(
            f"{image}: content trust is about tags of registries, and this image is in none",
            hint="verify it by its name in the registry",
        )
    used = servers or TrustServers()
    statements = tuple(_statement(image.name, item, now, used) for item in dict.fromkeys(authorities))
    found = (item.examined.claim.subjects[0].digest for item in statements if item.examined)
    return Named(statements, next(found, ""))


def _statement(image: Reference, trust: ContentTrust, now: datetime, servers: TrustServers) -> Statement:
    url = servers.url(trust, image)
    origin = f"{url} {image.repository}"
    warnings = tuple(filter(None, (notice(url),)))
    roles = (RELEASES, *(f"{TARGETS}/{name}" for name in trust.signer_names))
    try:
        view = servers.view(trust, image, now, wanted=lambda name: name in roles, roles=roles)
    except (SignatureRejected, MalformedError) as error:
        return Statement(trust, None, Rejection(origin, error, trust.name), True, warnings)
    if view is None:
        return _not_accepted(trust, origin, f"{image.repository} has no trust data", warnings)
    warnings += tuple(f"{origin}: {text}" for text in view.skipped)
    if trust.first_use:
        keys = ", ".join(key.id for key in view.root.roles["root"].keys)
        warnings += (f"{origin}: its root key {keys} was trusted at first contact, and is not pinned",)
    release = _release(view, image, trust)
    if release is None:
        return _not_accepted(trust, origin, _not_released(image), warnings)
    examined = _examined(release, image, trust, origin)
    signed_by = signers_of(view, release.tag, release.manifest)
    if missing := [name for name in trust.signer_names if name not in signed_by]:
        unsigned = NotTrusted(f"tag {quote(release.tag)} is released, but not signed by {' and '.join(missing)}")
        examined = replace(examined, checks=(*examined.checks, Check.failed("signer", unsigned)))
    return Statement(trust, examined, None, False, warnings)


def _not_released(image: Reference) -> str:
    tag = f"tag {quote(image.tag)}"
    if image.tag and image.digest:
        return f"{image.digest} is not released as {tag}"
    return f"{image.digest or tag} is not released"


def _not_accepted(trust: ContentTrust, origin: str, why: str, warnings: tuple[str, ...]) -> Statement:
    return Statement(trust, None, Rejection(origin, NotTrusted(why), trust.name), False, warnings)


def _release(view: TrustData, image: Reference, trust: ContentTrust) -> Release | None:
    """The release that the image's name means. A name with a digest needs a release of that digest."""
    if image.tag and not image.digest:
        return released(view, image.tag)
    if image.tag:
        found = released(view, image.tag)
        return found if found and found.digest == image.digest else None
    fitting = [item for item in releases(view).values() if item.digest == image.digest]
    wanted = set(trust.signer_names)
    by_all = (item for item in fitting if wanted <= set(signers_of(view, item.tag, item.manifest)))
    return next(by_all, fitting[0] if fitting else None)


def _examined(release: Release, image: Reference, trust: ContentTrust, origin: str) -> Examined:
    signer = release.by.signers[0]
    document = release.by.targets.document
    where = f"{release.by.role.name} version {document.version}, valid until {document.expires:%Y-%m-%d}"
    return Examined(
        format=FORMAT,
        origin=f"{origin}:{release.tag}",
        authority=trust.name,
        public_key=signer.key.public_key,
        algorithm=signer.algorithm,
        claim=Claim((Subject(release.digest, size=release.manifest.length),), f"{image.repository}:{release.tag}"),
        checks=(Check("release", True, where),),
    )


def _other_tag(image: Image, digest: str) -> tuple[str, ...]:
    """A warning if the registry's tag is another image. The tag does not decide, so its failures are ignored."""
    try:
        seen = image.home.resolve(image.target).digest
    except NotFound:
        return (f"{image}: the registry does not have this tag; content trust names {digest}",)
    except ImagesigError:
        return ()
    return () if seen == digest else (f"{image}: the registry's tag is {seen}, content trust names {digest}",)
