"""`sign_trust`: a tag names the digest of an image in the trust data of its repository."""

from __future__ import annotations

from datetime import datetime

from imagesig import limits
from imagesig.api.stored_signatures import resolve
from imagesig.api.trust.changing import ChangedTrust, TrustChange
from imagesig.arguments import checks_arguments
from imagesig.content_trust.editing import Edition
from imagesig.content_trust.keyring import TrustKeys
from imagesig.content_trust.metadata import FileHash
from imagesig.content_trust.role import RELEASES, TARGETS
from imagesig.content_trust.servers import TrustServers
from imagesig.content_trust.update import TrustData
from imagesig.deadlines import deadline
from imagesig.errors import InvalidArgument, KeyNotFound
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.reference import parse_reference
from imagesig.text import quote
from imagesig.trust import ContentTrust


@checks_arguments
def sign_trust(
    image: str,
    keys: TrustKeys,
    *,
    trust: ContentTrust | None = None,
    server: str = "",
    now: datetime | None = None,
    trust_servers: TrustServers | None = None,
    transport: TransportLike | None = None,
    timeout: float = limits.OPERATION_SECONDS,
) -> ChangedTrust:
    """Signs a tag, as `docker trust sign` does: in every delegated role whose keys are here, else in `targets`.

    `image` is REPO:TAG, or REPO:TAG@DIGEST; the digest and size are those of the manifest in the registry. A repository
    without trust data gets them, with keys as `TrustKeys` says. Without `trust`, the root of present trust data must be
    remembered, or signed by a root key in `keys`.

    Raises:
        InvalidArgument: not a tag of a registry, or nothing says whose trust data are accepted.
        ImageNotFound, TransportError: the registry does not have it, or a server did not answer.
        KeyNotFound, KeyProviderError: no role can be signed with these keys.
        SignatureRejected, MalformedError: the present trust data cannot be verified.
        Stale: other writers were faster each time.
    """
    with deadline(timeout):
        change = TrustChange.of(image, keys, trust, server, now, trust_servers, creates=True)
        if not change.image.tag:
            raise InvalidArgument(
                f"{quote(image)}: a tag is needed to sign it", hint="give REPO:TAG or REPO:TAG@DIGEST"
            )
        found = _found(image, transport)
        manifest = FileHash(found.size, bytes.fromhex(found.digest.removeprefix("sha256:")))

        def edit(view: TrustData | None) -> Edition:
            edition = change.present_or_new(view)
            for role in _roles(change, edition):
                edition.put(role, change.image.tag, manifest)
            return edition

        done = change.publish(edit)
    return change.result(done, tag=change.image.tag, digest=found.digest, size=found.size)


def _found(image: str, transport: TransportLike | None) -> Descriptor:
    reference = parse_reference(image)
    opener = ImageOpener(transport)
    try:
        # The digest that the caller names is signed, even if the tag has moved.
        return resolve(opener.open(reference.pinned(reference.digest) if reference.digest else image))
    finally:
        opener.close()


def _roles(change: TrustChange, edition: Edition) -> list[str]:
    """The roles that sign a tag: docker's rule."""
    delegations, tag = edition.delegations(), change.image.tag
    if not delegations:
        return [TARGETS]
    found = [name for name, role in delegations.items() if role.may_name(tag) and change.keys.able(role)]
    if not found:
        needed = ", ".join(f"{name} ({key.canonical_id})" for name, role in delegations.items() for key in role.keys)
        raise KeyNotFound(
            f"{change.image}: no key of its delegated roles is here: {needed or 'they have none'}",
            hint="give the key's URI: --key, or put its file into docker's folder trust/private"
            if needed
            else "add a signer: imagesig trust signer add",
        )
    if RELEASES not in found:
        note = f"{change.image}: signed in {', '.join(found)} only: it is not released until {RELEASES} has it"
        change.notes = [*(item for item in change.notes if item != note), note]
    lost = [name for name in found if edition.present(name) is None and edition.view and _is_listed(edition.view, name)]
    for name in lost:
        change.notes.append(f"{name}: its present file is not verified, so the tags in it are not kept")
    return found


def _is_listed(view: TrustData, role: str) -> bool:
    return role in view.snapshot.files
