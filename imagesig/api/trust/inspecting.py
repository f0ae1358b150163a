"""`inspect_trust`: the trust data of a repository (Docker Content Trust), as docker shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.content_trust.lookup import ADMINISTRATOR, Release, releases, signers_of, tag_in
from imagesig.content_trust.role import RELEASES, ROOT, TARGETS, Role
from imagesig.content_trust.server import notice
from imagesig.content_trust.servers import TrustServers
from imagesig.content_trust.update import TrustData
from imagesig.deadlines import deadline
from imagesig.errors import InvalidArgument, NoSignatures
from imagesig.images.open import is_local
from imagesig.oci.reference import Reference, parse_reference
from imagesig.patterns import regex
from imagesig.text import quote
from imagesig.trust import ContentTrust


class SignedTag(Struct, frozen=True):
    """A released tag: its digest (hex, without `sha256:`) and the names of its signers."""

    tag: str
    digest: str
    signers: tuple[str, ...]


class InspectedTrust(Struct, frozen=True):
    """The trust data of a repository.

    `is_verified` says that the root was pinned; otherwise this only shows what the server says. `signers` have their
    canonical key ids, `root` and `repository` are the ids of the administrators' keys. `notes` has warnings, and what
    is not used.
    """

    name: str
    tags: tuple[SignedTag, ...]
    signers: tuple[tuple[str, tuple[str, ...]], ...]
    root: tuple[str, ...]
    repository: tuple[str, ...]
    is_verified: bool
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        """The document that `docker trust inspect` prints for the repository."""
        return {
            "Name": self.name,
            "SignedTags": [
                {"SignedTag": item.tag, "Digest": item.digest, "Signers": list(item.signers) or [ADMINISTRATOR]}
                for item in self.tags
            ],
            "Signers": [_signer(name, keys) for name, keys in sorted(self.signers, reverse=True)],
            "AdministrativeKeys": [_signer("Root", self.root), _signer("Repository", self.repository)],
        }


@checks_arguments
def inspect_trust(
    image: str,
    trust: ContentTrust | None = None,
    *,
    server: str = "",
    now: datetime | None = None,
    trust_servers: TrustServers | None = None,
    timeout: float = limits.OPERATION_SECONDS,
) -> InspectedTrust:
    """The trust data of a repository, or of one tag of it.

    With `trust` (a pinned root) they are verified as `verify` does. Without it they are read from `server`, by default
    from the server of docker's rule: their signatures are consistent, but the root key is not verified, and nothing is
    remembered.

    Raises:
        NoSignatures: the server has no trust data for the repository.
        SignatureRejected, MalformedError: they cannot be verified.
        TransportError, DeadlineExceeded: the server did not answer.
        InvalidArgument: not a reference to a registry, or an address or file that cannot be used.
    """
    if is_local(image):
        raise InvalidArgument(f"{quote(image)}: content trust is about tags of registries", hint="give REPO[:TAG]")
    reference = parse_reference(image)
    servers = trust_servers or TrustServers()
    is_verified = trust is not None and bool(trust.pins)
    if trust is None:
        trust, servers = ContentTrust(server, first_use=True), _unpinned(servers)
    with deadline(timeout):
        view = servers.view(trust, reference, now or datetime.now(UTC))
    url = servers.url(trust, reference)
    if view is None:
        raise NoSignatures(
            f"{reference.repository}: {url} has no trust data for it", hint="check the name, and the trust server"
        )
    notes = tuple(filter(None, (notice(url), *view.skipped)))
    return _inspected(image, reference, view, notes, is_verified=is_verified)


def _unpinned(servers: TrustServers) -> TrustServers:
    if servers.is_offline:
        raise InvalidArgument(
            "trust inspect: offline and without a pin; only trust data that were verified with a pin are remembered",
            hint="give the pin too: --pin",
        )
    return servers.without_memory()


def _inspected(
    image: str, reference: Reference, view: TrustData, notes: tuple[str, ...], *, is_verified: bool
) -> InspectedTrust:
    roles = (role for item in (view.targets, *view.delegated.values()) for role in item.targets.delegations)
    return InspectedTrust(
        image,
        tuple(sorted(_tags(view, reference), key=lambda item: natural(item.tag))),
        tuple(_named_keys(role) for role in roles if role.name != RELEASES),
        tuple(key.id for key in view.root.roles[ROOT].keys),
        tuple(key.id for key in view.root.roles[TARGETS].keys),
        is_verified,
        notes,
    )


def _tags(view: TrustData, reference: Reference) -> Iterator[SignedTag]:
    for tag, release in releases(view).items():
        if reference.tag in ("", tag):
            yield _signed_tag(view, release)
            other = tag_in(view.targets, tag)  # docker shows both, and pulls the first
            if other is not None and other.sha256 != release.manifest.sha256:
                yield _signed_tag(view, Release(tag, other, view.targets))


def _signed_tag(view: TrustData, release: Release) -> SignedTag:
    return SignedTag(release.tag, release.manifest.sha256.hex(), signers_of(view, release.tag, release.manifest))


def _named_keys(role: Role) -> tuple[str, tuple[str, ...]]:
    return role.name.removeprefix(f"{TARGETS}/"), tuple(key.canonical_id for key in role.keys)


def _signer(name: str, keys: tuple[str, ...]) -> dict[str, object]:
    listed = {"Keys": [{"ID": key} for key in keys]} if keys else {}
    return {"Name": name, **listed}


_NUMBERS = regex(r"([0-9]+)|([^0-9])", re.DOTALL)


def natural(text: str) -> tuple[tuple[int, ...], ...]:
    """The key of docker's order: `v2` before `v10`, and of equal numbers the one with fewer zeros first."""
    # Numbers come before all other characters.
    return tuple(
        (-1, int(number), len(number)) if number else (ord(other),) for number, other in _NUMBERS.findall(text)
    )
