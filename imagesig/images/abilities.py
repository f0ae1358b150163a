"""What a registry supports, and what a login is allowed to do there."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from imagesig.images.registry.session import Contact


class Permission(Enum):
    ALLOWED = "allowed"
    DENIED = "denied to this login"
    UNSUPPORTED = "not supported by this registry"
    UNKNOWN = "unknown"


class Allowance(Struct, frozen=True):
    """Whether something is allowed, and the registry's answer if it is not."""

    permission: Permission
    answer: str = ""


class Greeting(Struct, frozen=True):
    """The answer of a registry to a request without a login: the status, its own time, and how to log in."""

    status: int
    server_time: datetime | None
    logins: tuple[str, ...] = ()


class ReferrersSupport(Struct, frozen=True):
    """Whether there is a referrers API, with the status of its answer; without one, the fallback tag.

    `problem` says why the tag cannot list referrers; it is empty if it can.
    """

    api: bool
    status: int = 200
    tag: str = ""
    is_stored: bool = False
    problem: str = ""


class Probe(Protocol):
    """Finds out what a registry supports and what this login may do there, by requests that change nothing.

    Each method raises `TransportError` and the other errors of `imagesig.errors` for a registry that does not answer.
    """

    @property
    def contact(self) -> Contact:
        """How the repository is reached."""
        ...

    def greet(self) -> Greeting: ...

    def referrers(self, digest: str) -> ReferrersSupport:
        """`digest` is of an image in this repository."""
        ...

    def push(self) -> Allowance:
        """Whether an upload can be started. It is cancelled."""
        ...

    def delete(self) -> Allowance:
        """Whether content can be deleted, as far as the answer for content that does not exist tells."""
        ...
