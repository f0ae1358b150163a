"""The options of functions that change and migrate trust data."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypedDict

from imagesig.api.sign.signing_many import OnKeyError
from imagesig.content_trust.servers import TrustServers
from imagesig.formats import Format
from imagesig.images.open import TransportLike
from imagesig.keys import SigningKey
from imagesig.trust import ContentTrust
from imagesig.witnesses import Witnesses


class SessionMigrateTrustOptions(TypedDict, total=False):
    """Of `Session.migrate_trust`."""

    formats: Iterable[str | Format]
    recursive: bool
    dry_run: bool
    accept_expired: bool
    now: datetime | None
    workers: int
    deadline: float | None
    timeout: float | None
    on_key_error: OnKeyError


class MigrateTrustOptions(SessionMigrateTrustOptions, total=False):
    """Of `migrate_trust`."""

    witnesses: Witnesses | None
    trust_servers: TrustServers | None
    transport: TransportLike | None


class SessionInspectTrustOptions(TypedDict, total=False):
    """Of `Session.inspect_trust`."""

    server: str
    now: datetime | None
    timeout: float


class InspectTrustOptions(SessionInspectTrustOptions, total=False):
    """Of `inspect_trust`."""

    trust_servers: TrustServers | None


class SessionTrustChangeOptions(SessionInspectTrustOptions, total=False):
    """Of `Session.sign_trust`, `Session.revoke_trust`, `Session.add_signer` and `Session.init_trust`."""

    trust: ContentTrust | None


class TrustChangeOptions(SessionTrustChangeOptions, total=False):
    """Of `revoke_trust`, `add_signer` and `init_trust`."""

    trust_servers: TrustServers | None


class SignTrustOptions(TrustChangeOptions, total=False):
    """Of `sign_trust`."""

    transport: TransportLike | None


class SessionRemoveSignerOptions(SessionTrustChangeOptions, total=False):
    """Of `Session.remove_signer`."""

    force: bool


class RemoveSignerOptions(SessionRemoveSignerOptions, total=False):
    """Of `remove_signer`."""

    trust_servers: TrustServers | None


class SessionRotateTrustKeyOptions(SessionTrustChangeOptions, total=False):
    """Of `Session.rotate_trust_key`."""

    new_key: SigningKey | None


class RotateTrustKeyOptions(SessionRotateTrustKeyOptions, total=False):
    """Of `rotate_trust_key`."""

    trust_servers: TrustServers | None
