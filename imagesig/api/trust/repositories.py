"""`init_trust` and `rotate_trust_key`: the keys of the top-level roles of a repository."""

from __future__ import annotations

from datetime import datetime

from imagesig import limits
from imagesig.api.trust.changing import ChangedTrust, TrustChange
from imagesig.arguments import checks_arguments
from imagesig.content_trust.editing import Edition
from imagesig.content_trust.keyring import TrustKeys
from imagesig.content_trust.role import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Role
from imagesig.content_trust.servers import TrustServers
from imagesig.content_trust.update import TrustData
from imagesig.deadlines import deadline
from imagesig.errors import InvalidArgument, KeyMismatch
from imagesig.keys.provider import SigningKey
from imagesig.text import quote
from imagesig.trust import ContentTrust

ROTATED = (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)
"""The roles whose keys can be rotated. The server makes the keys of the last two."""


@checks_arguments
def init_trust(
    repository: str,
    keys: TrustKeys,
    *,
    trust: ContentTrust | None = None,
    server: str = "",
    now: datetime | None = None,
    trust_servers: TrustServers | None = None,
    timeout: float = limits.OPERATION_SECONDS,
) -> ChangedTrust:
    """Makes the trust data of a new repository: without tags, its snapshot and timestamp signed by the server.

    Keys are those of `TrustKeys`. Pin the root key in the result. Options are those of `sign_trust`.

    Raises:
        InvalidArgument: the repository has trust data already.
        KeyProviderError: a key cannot be used or made.
        TransportError: the server did not answer, or refused.
    """
    with deadline(timeout):
        change = TrustChange.of(repository, keys, trust or _own(server), server, now, trust_servers, whole=True)

        def edit(view: TrustData | None) -> Edition:
            if view is not None:
                raise InvalidArgument(f"{change.image.repository}: it has trust data already")
            return change.present_or_new(None)

        return change.result(change.publish(edit))


def _own(server: str) -> ContentTrust:
    """Accepts any root, because only its absence matters; the new root is our own."""
    return ContentTrust(server, first_use=True)


@checks_arguments
def rotate_trust_key(
    repository: str,
    role: str,
    keys: TrustKeys,
    *,
    new_key: SigningKey | None = None,
    trust: ContentTrust | None = None,
    server: str = "",
    now: datetime | None = None,
    trust_servers: TrustServers | None = None,
    timeout: float = limits.OPERATION_SECONDS,
) -> ChangedTrust:
    """Replaces the key of `root`, `targets`, `snapshot` or `timestamp`; the root file is signed again.

    A new root is signed by the old root key too, so that clients with the old one follow. The present root key can be
    given as the new one: it gets a new certificate, as before the old one ends. The new key of `root` and
    `targets` is `new_key`, or one that is made in the folder of `keys`. The new key of `snapshot` is `new_key`, or the
    server's, which makes those of `timestamp`. Options are those of `sign_trust`.

    Raises:
        InvalidArgument: another role, one with a threshold above 1, or a `new_key` for the timestamp.
        KeyMismatch: the new key is the present one.
        KeyNotFound: the root key is not here, or no new key can be made.
        Others: as `sign_trust`.
    """
    if role not in ROTATED:
        raise InvalidArgument(f"role {quote(role)}: one of {', '.join(ROTATED)} is needed")
    if role == TIMESTAMP and new_key is not None:
        raise InvalidArgument("timestamp: its key is always the server's, so none can be given")
    with deadline(timeout):
        change = TrustChange.of(repository, keys, trust, server, now, trust_servers, whole=True)
        present = change.present(change.servers.present(change.trust, change.image, change.now))
        name = change.image.repository
        _check_threshold(name, present.role(role))
        if not change.keys.able(present.role(ROOT)):
            change.keys.sign(present.role(ROOT), b"")  # raises the error that names the missing key
        if role in (SNAPSHOT, TIMESTAMP) and new_key is None:
            made = change.servers.server(change.trust, change.image).public_key(name, role, new=True)
        else:
            made = change.keys.made(role, name, change.now, new_key)
        if made.id in {key.id for key in present.role(role).keys}:
            raise KeyMismatch(f"{name}: {made.canonical_id} is the present key of {role}, another one is needed")

        def edit(view: TrustData | None) -> Edition:
            edition = change.present(view)
            _check_threshold(name, edition.role(role))  # another writer may have raised it
            edition.entrust(role, made)
            return edition

        return change.result(change.publish(edit))


def _check_threshold(repository: str, role: Role) -> None:
    if role.threshold > 1:
        raise InvalidArgument(
            f"{repository}: {role.name} needs {role.threshold} signatures, which rotating to one key would lower to 1: "
            "only roles with a threshold of 1 are rotated"
        )
