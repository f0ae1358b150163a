"""Changing a tag: what it names now, and the merge that gives what it should name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from imagesig import limits
from imagesig.oci.descriptor import Descriptor


class Readable(Protocol):
    def find(self, tag: str) -> Descriptor | None: ...
    def read(self, descriptor: Descriptor, *, limit: int) -> bytes: ...


class Tagged(Struct, frozen=True):
    """What a tag names at one moment."""

    content: bytes
    media_type: str


Merge = Callable[[Tagged | None], Tagged | None]
"""From what the tag names now (None: there is no such tag) to what it should name (None: no change)."""


def read_tag(home: Readable, tag: str) -> Tagged | None:
    """What the tag names now; None if there is no such tag."""
    descriptor = home.find(tag)
    if descriptor is None:
        return None
    return Tagged(home.read(descriptor, limit=limits.MANIFEST_BYTES), descriptor.media_type)


def nothing_to_settle() -> None:
    """Settles a change that cannot be lost, because writers take turns or the registry lists referrers itself."""
