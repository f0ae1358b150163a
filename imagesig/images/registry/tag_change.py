"""Changing what a tag of a registry names without losing the changes of other writers.

Registries have no compare-and-swap: a PUT of a tag replaces what it named. So a change is merged into the current
manifest and written at once, and after a failed write it is merged again before it is repeated. If another writer read
the tag before our write and writes after it, our change is lost. So `settle` reads the tag again after a pause several
times as long as our own read and write took, repeats the change if it was lost, and continues while others write.

The guarantee: between imagesig writers nothing is lost, if no single read and write takes longer than that pause.
Writers that wait longer between reading and writing (cosign signs in between) can drop an entry; signing again restores
it.
"""

from __future__ import annotations

import time
from typing import Protocol

from msgspec import Struct

from imagesig import limits
from imagesig.deadlines import growing_pause, jitter, seconds_left, wait
from imagesig.errors import Stale, TransportError, Unauthorized, UnexpectedResponse
from imagesig.images.merge import Merge, Readable, Tagged, read_tag

_SETTLE_FACTOR = 3.0
_SETTLE_SECONDS_LEAST = 0.02
_SETTLE_SECONDS_MOST = 2.0


class _Writable(Readable, Protocol):
    @property
    def name(self) -> str: ...
    def move_tag(self, tag: str, content: bytes, media_type: str) -> None: ...


class TagChange(Struct):
    """One change of one tag: `apply` writes it, `settle` makes sure that it stays. Not thread-safe.

    `uploads` says that `merge` stores blobs: the tag is then read again after it, so that little time passes between
    reading and writing.
    """

    home: _Writable
    tag: str
    merge: Merge
    uploads: bool = False
    _seen: Tagged | None = None
    _read_at: float = 0.0
    _pause: float = 0.0
    _due: float | None = None

    def apply(self) -> bool:
        """Writes the change, unless it is there already. Returns whether it was written."""
        for attempt in range(1, limits.UPLOAD_ATTEMPTS + 1):
            merged = self._merged()
            if merged is None:
                return False
            try:
                self.home.move_tag(self.tag, merged.content, merged.media_type)
                break
            except TransportError as error:
                if attempt == limits.UPLOAD_ATTEMPTS or not error.retryable or error.retry_after >= seconds_left():
                    self._explain(error)
                    raise
                wait(error.retry_after or growing_pause(attempt), str(error))
        self._seen, ended = merged, time.monotonic()
        least = max(_SETTLE_FACTOR * (ended - self._read_at), _SETTLE_SECONDS_LEAST)
        self._pause = max(self._pause, min(least, _SETTLE_SECONDS_MOST))
        self._due = ended + self._pause
        return True

    def settle(self) -> None:
        """Waits until no other writer can still have the old manifest, reads the tag, and repeats the change if it was
        lost.

        Raises:
            Stale: other writers replaced the change `limits.MERGE_ATTEMPTS` times in a row.
        """
        lost = False
        for attempt in range(limits.MERGE_ATTEMPTS):
            if self._due is None:
                return
            # Without jitter, two writers that collide once would collide again.
            more = jitter(_SETTLE_SECONDS_LEAST * min(attempt, 8))
            wait(max(0.0, self._due - time.monotonic()) + more, self._what)
            before, self._due = self._seen, None
            lost = self.apply()
            if not lost and self._seen != before:
                self._due = time.monotonic() + self._pause  # our change is there, but others are still writing
        if lost:
            raise Stale(
                f"{self._what} was changed by others {limits.MERGE_ATTEMPTS} times while imagesig wrote it",
                hint="sign again when fewer signers work on this image; nothing is added twice",
            )

    def _explain(self, error: TransportError) -> None:
        """Adds a hint to a refused write of a tag that exists: many registries can keep tags as they are."""
        if self._seen is not None and isinstance(error, Unauthorized | UnexpectedResponse):
            other = "sign with --format bundle" if self.tag.endswith(".sig") else "use --signature-repository"
            error.hint = f"if this registry does not let a tag be changed, {other}"

    @property
    def _what(self) -> str:
        return f"{self.home.name}: tag {self.tag}"

    def _merged(self) -> Tagged | None:
        """What the tag should name, merged with its newest manifest; None if it names that already."""
        self._read_at = time.monotonic()
        self._seen = read_tag(self.home, self.tag)
        for _ in range(limits.MERGE_ATTEMPTS):
            merged = self.merge(self._seen)
            if merged is None or not self.uploads:
                break
            before, self._read_at = self._seen, time.monotonic()
            self._seen = read_tag(self.home, self.tag)
            if self._seen == before:
                break
        return merged
