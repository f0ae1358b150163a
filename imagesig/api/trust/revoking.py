"""`revoke_trust`: tags are no longer released."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from imagesig import limits
from imagesig.api.trust.changing import ChangedTrust, TrustChange
from imagesig.arguments import checks_arguments
from imagesig.content_trust.editing import Edition
from imagesig.content_trust.keyring import TrustKeys
from imagesig.content_trust.role import RELEASES, TARGETS
from imagesig.content_trust.servers import TrustServers
from imagesig.content_trust.update import TrustData
from imagesig.deadlines import deadline
from imagesig.errors import InvalidArgument, KeyNotFound, NoSignatures
from imagesig.text import quote
from imagesig.trust import ContentTrust


@checks_arguments
def revoke_trust(
    image: str,
    keys: TrustKeys,
    *,
    trust: ContentTrust | None = None,
    server: str = "",
    now: datetime | None = None,
    trust_servers: TrustServers | None = None,
    timeout: float = limits.OPERATION_SECONDS,
) -> ChangedTrust:
    """Removes a tag (REPO:TAG), or every tag (REPO), from all roles whose keys are here, as `docker trust revoke` does.

    Options are those of `sign_trust`.

    Raises:
        InvalidArgument: a reference with a digest.
        NoSignatures: there are no trust data, or the tag is in none of them.
        KeyNotFound: a role that releases the tag cannot be signed, so it would still be released.
        Others: as `sign_trust`.
    """
    with deadline(timeout):
        change = TrustChange.of(image, keys, trust, server, now, trust_servers)
        if change.image.digest:
            # Without its digest, REPO@DIGEST would be REPO: every tag.
            raise InvalidArgument(f"{quote(image)}: a tag is revoked, not a digest", hint="give REPO:TAG")

        def edit(view: TrustData | None) -> Edition:
            edition = change.present(view)
            _revoke(change, edition)
            return edition

        return change.result(change.publish(edit), tag=change.image.tag)


def _revoke(change: TrustChange, edition: Edition) -> None:
    listed = list(_listed(change, edition))
    if not listed:
        raise NoSignatures(f"{change.image}: nothing to revoke: no role has {change.image.tag or 'a tag'}")
    able = {role: change.keys.able(edition.role(role)) for role in dict.fromkeys(role for role, _ in listed)}
    for role, tag in listed:
        if able[role]:
            edition.drop(role, tag)
        elif role in (TARGETS, RELEASES):
            needed = ", ".join(key.canonical_id for key in edition.role(role).keys)
            raise KeyNotFound(
                f"{change.image}: {role} releases the tag {tag}, and none of its keys is here: {needed}",
                hint="give the key's URI, or let its owner revoke",
            )
    others = [role for role, is_able in able.items() if not is_able]
    if others:
        reason = "its keys are not here, or it is below a signer's role"
        change.notes = [f"{', '.join(others)} still has the tag: {reason}; that does not release it"]


def _listed(change: TrustChange, edition: Edition) -> Iterator[tuple[str, str]]:
    """Each role and tag to remove."""
    view, wanted = edition.view, change.image.tag
    assert view is not None
    for signed in (view.targets, *view.delegated.values()):
        for tag in signed.targets.tags:
            if wanted in ("", tag):
                yield signed.role.name, tag
