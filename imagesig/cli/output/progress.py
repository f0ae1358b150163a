"""Progress on stderr: shown on a terminal, for more than one image."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imagesig.cli.output.terminal import end_status, has_status, status

if TYPE_CHECKING:
    from imagesig.images.image import Image
    from imagesig.images.transfer import BlobCount

_CELLS = 24
_SECONDS_BETWEEN = 0.1


class Bar:
    """One line with a count of images, drawn only on a terminal. `total` is None if the number is not known."""

    def __init__(self, total: int | None, verb: str) -> None:
        self._total, self._verb = total, verb
        self._done = self._failed = 0
        self._drawn = 0.0
        self._visible = (total is None or total > 1) and has_status()

    def advance(self, *, failed: bool = False) -> None:
        """Counts one more image."""
        self._done += 1
        self._failed += failed
        now = time.monotonic()
        if self._visible and (now - self._drawn >= _SECONDS_BETWEEN or self._done == self._total):
            self._drawn = now
            status(self._text())

    def clear(self) -> None:
        """Removes the line, so that something else can be written; the next `advance` draws it again."""
        if self._visible and self._drawn:
            self._drawn = 0.0
            status("")

    def _text(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        if self._total is None:
            return f"{self._verb} {self._done} images{failed}"
        filled = min(_CELLS, _CELLS * self._done // max(self._total, 1))
        return f"[{'#' * filled}{'.' * (_CELLS - filled)}] {self._verb} {self._done} of {self._total} images{failed}"


@contextmanager
def blob_progress() -> Iterator[Callable[[BlobCount], None] | None]:
    """The `progress` of a copy: a line with the count of blobs. None unless stderr is a terminal."""
    if not has_status():
        yield None
        return

    def show(count: BlobCount) -> None:
        done = count.sent + count.mounted + count.present
        status(f"copied {done} blobs, {count.sent_bytes / 1e6:.1f} MB sent")

    try:
        yield show
    finally:
        end_status()


@contextmanager
def image_progress(total: int, verb: str) -> Iterator[Callable[[Image], None]]:
    """The `progress` of a function that works on several images: a bar that counts them."""
    bar = Bar(total, verb)
    try:
        yield lambda _image: bar.advance()
    finally:
        bar.clear()
