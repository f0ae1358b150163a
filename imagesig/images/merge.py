"""Changing what a tag names without losing what other writers put there.

Registries have no compare-and-swap: a PUT of a tag replaces whatever it named. So a change is merged into what is
there now and written. A writer that read the tag before our write and writes after it drops ours, so `settle` looks
again after a pause that is several times as long as our own write took, and repeats the change if it was lost.

Where writers can take turns (in a layout, in an archive, the threads of one process) they do, and nothing is lost at
all. For registries this is guaranteed: between imagesig writers, nothing is lost as long as no single read-merge-write
takes longer than that pause. Writers that hold a manifest for longer before they write (cosign signs between reading
and writing) can drop an entry; signing again puts it back.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from imagesig import limits
from imagesig.errors import NotFound, Stale
from imagesig.oci.descriptor import Descriptor

_SETTLE_FACTOR = 3.0
_SETTLE_SECONDS_LEAST = 0.02
_SETTLE_SECONDS_MOST = 2.0


class _TaggedHome(Protocol):
    @property
    def name(self) -> str: ...
    def resolve(self, tag_or_digest: str) -> Descriptor: ...
    def read(self, descriptor: Descriptor, *, limit: int) -> bytes: ...
    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor: ...
    def exclusive(self, tag: str) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class Tagged:
    """What a tag names at one moment."""

    content: bytes
    media_type: str


Merge = Callable[[Tagged | None], Tagged | None]
"""Given what the tag names now (None: it does not exist), what it should name (None: just that)."""


@dataclass(slots=True)
class TagChange:
    """One change of one tag, written by `apply` and made sure of by `settle`. Not for use by two threads at once."""

    home: _TaggedHome
    tag: str
    merge: Merge
    _settled_at: float = 0.0

    def apply(self) -> None:
        """Writes the change once, unless it is there already; `settle` makes sure of it."""
        with self.home.exclusive(self.tag):
            started = time.monotonic()
            merged = self.merge(self._now())
            if merged is None:
                return
            self.home.put_manifest(merged.content, merged.media_type, self.tag)
        ended = time.monotonic()
        pause = max(_SETTLE_FACTOR * (ended - started), _SETTLE_SECONDS_LEAST)
        self._settled_at = ended + min(pause, _SETTLE_SECONDS_MOST)

    def settle(self) -> None:
        """Waits until no other writer can still be holding what we replaced, looks again, and repeats the change if
        lost.

        Raises:
            Stale: other writers won `limits.MERGE_ATTEMPTS` times in a row.
        """
        for attempt in range(limits.MERGE_ATTEMPTS):
            if not self._settled_at:
                return
            pause = max(0.0, self._settled_at - time.monotonic())
            # Two writers that collide once would collide again in step.
            jitter = random.uniform(0, _SETTLE_SECONDS_LEAST * min(attempt, 8))  # noqa: S311 - not a secret
            time.sleep(pause + jitter)
            self._settled_at = 0.0
            self.apply()
        raise Stale(
            f"{self.home.name}: tag {self.tag} was changed by others {limits.MERGE_ATTEMPTS} times while we wrote it",
            hint="sign again when fewer signers work on this image at once; nothing is added twice",
        )

    def _now(self) -> Tagged | None:
        try:
            descriptor = self.home.resolve(self.tag)
        except NotFound:
            return None
        return Tagged(self.home.read(descriptor, limit=limits.MANIFEST_BYTES), descriptor.media_type)
