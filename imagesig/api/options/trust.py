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


class TrustChangeOptions(TypedDict, total=False):
    """Of `revoke_trust`, `add_signer` and `init_trust`."""

    trust: ContentTrust | None
    server: str
    now: datetime | None
    trust_servers: TrustServers | None
    timeout: float


class SignTrustOptions(TrustChangeOptions, total=False):
    """Of `sign_trust`."""

    transport: TransportLike | None


class RemoveSignerOptions(TrustChangeOptions, total=False):
    """Of `remove_signer`."""

    force: bool


class RotateTrustKeyOptions(TrustChangeOptions, total=False):
    """Of `rotate_trust_key`."""

    new_key: SigningKey | None
