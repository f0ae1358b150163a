"""`add_signer` and `remove_signer`: who may sign tags of a repository."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from imagesig import limits
from imagesig.api.trust.changing import ChangedTrust, TrustChange
from imagesig.arguments import checks_arguments
from imagesig.content_trust.editing import Edition
from imagesig.content_trust.key import TrustKey
from imagesig.content_trust.keyring import TrustKeys
from imagesig.content_trust.role import RELEASES, TARGETS, check_signatures
from imagesig.content_trust.servers import TrustServers
from imagesig.content_trust.update import TrustData
from imagesig.crypto.public_key import PublicKey
from imagesig.deadlines import deadline
from imagesig.errors import InvalidArgument, KeyNotFound, NoSignatures, SignatureInvalid
from imagesig.text import quote
from imagesig.trust import ContentTrust

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,246}", re.ASCII)


@checks_arguments
def add_signer(
    repository: str,
    name: str,
    public_keys: Sequence[PublicKey],
    keys: TrustKeys,
    *,
    trust: ContentTrust | None = None,
    server: str = "",
    now: datetime | None = None,
    trust_servers: TrustServers | None = None,
    timeout: float = limits.OPERATION_SECONDS,
) -> ChangedTrust:
    """Adds keys to the roles `targets/NAME` and `targets/releases`, as `docker trust signer add` does.

    `keys` has the private `targets` key. A repository without trust data gets them. Options are those of `sign_trust`.

    Raises:
        InvalidArgument: not a name for a signer, or no key.
        KeyNotFound: the `targets` key is not here.
        Others: as `sign_trust`.
    """
    role = _role_of(name)
    if not public_keys:
        raise InvalidArgument(f"signer {name}: no public key, at least one is needed", hint="give --key FILE")
    added = [TrustKey.of(public_key) for public_key in public_keys]
    with deadline(timeout):
        change = TrustChange.of(repository, keys, trust, server, now, trust_servers, creates=True, whole=True)

        def edit(view: TrustData | None) -> Edition:
            edition = change.present_or_new(view)
            edition.delegate(role, added)
            edition.delegate(RELEASES, added)
            return edition

        return change.result(change.publish(edit))


@checks_arguments
def remove_signer(
    repository: str,
    name: str,
    keys: TrustKeys,
    *,
    force: bool = False,
    trust: ContentTrust | None = None,
    server: str = "",
    now: datetime | None = None,
    trust_servers: TrustServers | None = None,
    timeout: float = limits.OPERATION_SECONDS,
) -> ChangedTrust:
    """Removes the role `targets/NAME`, and its keys from `targets/releases`, as `docker trust signer remove` does.

    What the signer released stays released if another key of `targets/releases` is here to sign it again, or has signed
    it too. Otherwise nothing is changed, unless `force` is given. Other options are those of `sign_trust`.

    Raises:
        NoSignatures: there is no such signer.
        KeyNotFound: the `targets` key is not here, or released tags would no longer be signed.
        Others: as `sign_trust`.
    """
    role = _role_of(name)
    with deadline(timeout):
        change = TrustChange.of(repository, keys, trust, server, now, trust_servers, whole=True)

        def edit(view: TrustData | None) -> Edition:
            edition = change.present(view)
            _remove(change, edition, role, force=force)
            return edition

        return change.result(change.publish(edit))


def _role_of(name: str) -> str:
    role = f"{TARGETS}/{name}"
    if not _NAME.fullmatch(name) or role == RELEASES:
        raise InvalidArgument(
            f"signer {quote(name)}: letters a to z, digits, - and _ are needed, and another name than releases"
        )
    return role


def _remove(change: TrustChange, edition: Edition, role: str, *, force: bool) -> None:
    delegations = edition.delegations()
    if role not in delegations:
        raise NoSignatures(f"{change.image.repository}: there is no signer {role.removeprefix(f'{TARGETS}/')}")
    # With the keys that only others use: those of a curve that imagesig does not support, for one.
    listed = {name: edition.key_ids(name) for name in delegations}
    others = {key for name, keys in listed.items() if name not in (role, RELEASES) for key in keys.values()}
    gone = set(listed[role].values()) - others  # a key that another signer has too may still release
    edition.undelegate(role)
    if RELEASES not in delegations:
        return
    edition.withdraw(RELEASES, [key for key, canonical in listed[RELEASES].items() if canonical in gone])
    present, left = edition.present(RELEASES), edition.role(RELEASES)
    if present is None:
        return
    if change.keys.able(left):
        edition.sign_again(RELEASES)
        return
    try:
        check_signatures(left, present)
    except SignatureInvalid as error:
        if not force:
            raise KeyNotFound(
                f"{change.image.repository}: {role} alone has signed {RELEASES}, and no other key of it is here: no "
                "tag in it would be released",
                hint="give another signer's key with --key, or remove the signer with --force",
            ) from error
        change.notes = [f"{RELEASES} is no longer signed: no tag in it is released until another signer signs"]
