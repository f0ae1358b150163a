"""Changing what a tag of a registry names without losing what other writers put there.

Registries have no compare-and-swap: a PUT of a tag replaces whatever it named. So a change is merged into what is
there now and written at once, and a write that failed is merged anew before it is repeated. A writer that read the tag
before our write and writes after it drops ours, so `settle` looks again after a pause that is several times as long as
our own look and write took, repeats the change if it was lost, and goes on looking for as long as others write.

What is guaranteed: between imagesig writers, nothing is lost as long as no single look and write takes longer than
that pause. Writers that hold a manifest for longer before they write (cosign signs between reading and writing) can
drop an entry; signing again puts it back.
"""

from __future__ import annotations

import random
import time
from typing import Protocol

from msgspec import Struct

from imagesig import limits
from imagesig.deadlines import growing_pause, wait
from imagesig.errors import Stale, TransportError
from imagesig.images.merge import Merge, Readable, Tagged, look

_SETTLE_FACTOR = 3.0
_SETTLE_SECONDS_LEAST = 0.02
_SETTLE_SECONDS_MOST = 2.0


class _Writable(Readable, Protocol):
    @property
    def name(self) -> str: ...
    def move_tag(self, tag: str, content: bytes, media_type: str) -> None: ...


class TagChange(Struct):
    """One change of one tag, written by `apply` and made sure of by `settle`. Not for use by two threads at once.

    `uploads` says that `merge` stores blobs: the tag is looked at once more after it, so that the time between the
    look and the write is short.
    """

    home: _Writable
    tag: str
    merge: Merge
    uploads: bool = False
    _seen: Tagged | None = None
    _looked: float = 0.0
    _pause: float = 0.0
    _due: float | None = None

    def apply(self) -> bool:
        """Writes the change, unless it is there already, and says whether it did; `settle` makes sure of it."""
        for attempt in range(1, limits.UPLOAD_ATTEMPTS + 1):
            merged = self._merged()
            if merged is None:
                return False
            try:
                self.home.move_tag(self.tag, merged.content, merged.media_type)
                break
            except TransportError as error:
                if attempt == limits.UPLOAD_ATTEMPTS or not error.retryable:
                    raise
                wait(error.retry_after or growing_pause(attempt), self._what)
        self._seen, ended = merged, time.monotonic()
        least = max(_SETTLE_FACTOR * (ended - self._looked), _SETTLE_SECONDS_LEAST)
        self._pause = max(self._pause, min(least, _SETTLE_SECONDS_MOST))
        self._due = ended + self._pause
        return True

    def settle(self) -> None:
        """Waits until no other writer can still be holding what we replaced, looks again, and repeats the change if
        lost.

        Raises:
            Stale: other writers won `limits.MERGE_ATTEMPTS` times in a row.
        """
        lost = False
        for attempt in range(limits.MERGE_ATTEMPTS):
            if self._due is None:
                return
            # Two writers that collide once would collide again in step.
            jitter = random.uniform(0, _SETTLE_SECONDS_LEAST * min(attempt, 8))  # noqa: S311 - not a secret
            wait(max(0.0, self._due - time.monotonic()) + jitter, self._what)
            before, self._due = self._seen, None
            lost = self.apply()
            if not lost and self._seen != before:
                self._due = time.monotonic() + self._pause  # ours is there, but others are still writing
        if lost:
            raise Stale(
                f"{self._what} was changed by others {limits.MERGE_ATTEMPTS} times while we wrote it",
                hint="sign again when fewer signers work on this image at once; nothing is added twice",
            )

    @property
    def _what(self) -> str:
        return f"{self.home.name}: tag {self.tag}"

    def _merged(self) -> Tagged | None:
        """What the tag should name, from a look at it that is as fresh as can be; None if it names that already."""
        self._looked = time.monotonic()
        self._seen = look(self.home, self.tag)
        for _ in range(limits.MERGE_ATTEMPTS):
            merged = self.merge(self._seen)
            if merged is None or not self.uploads:
                break
            before, self._looked = self._seen, time.monotonic()
            self._seen = look(self.home, self.tag)
            if self._seen == before:
                break
        return merged
