"""What a registry supports, and what a login is allowed to do there."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from msgspec import Struct


class Permission(Enum):
    ALLOWED = "allowed"
    DENIED = "denied to this login"
    UNSUPPORTED = "not supported by this registry"
    UNKNOWN = "unknown"


class Abilities(Struct, frozen=True):
    """The result of probing a registry. `referrers_api` is None if there was no image to ask about."""

    login: str
    server_time: datetime | None
    referrers_api: bool | None
    push: Permission
    delete: Permission
