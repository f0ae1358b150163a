"""What a tag names, and what it should name instead: the merge that a writer makes of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from imagesig import limits
from imagesig.errors import NotFound
from imagesig.oci.descriptor import Descriptor


class Readable(Protocol):
    def resolve(self, tag_or_digest: str) -> Descriptor: ...
    def read(self, descriptor: Descriptor, *, limit: int) -> bytes: ...


class Tagged(Struct, frozen=True):
    """What a tag names at one moment."""

    content: bytes
    media_type: str


Merge = Callable[[Tagged | None], Tagged | None]
"""Given what the tag names now (None: it does not exist), what it should name (None: leave it as it is)."""


def look(home: Readable, tag: str) -> Tagged | None:
    """What the tag names now, None if it does not exist."""
    try:
        descriptor = home.resolve(tag)
    except NotFound:
        return None
    return Tagged(home.read(descriptor, limit=limits.MANIFEST_BYTES), descriptor.media_type)


def nothing_to_settle() -> None:
    """For a change that cannot be lost: writers take turns, or the registry keeps referrers by itself."""
