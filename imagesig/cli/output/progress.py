"""Progress on stderr, on a terminal and for more than one image."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from imagesig.cli.output.terminal import end_status, has_status, status

_CELLS = 24
_SECONDS_BETWEEN = 0.1


class Bar:
    """One line that says how far the work is; `total` is None where nobody knows. Drawn on terminals only."""

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
        """Takes the line away, so that something else can be written; the next `advance` draws it again."""
        if self._visible and self._drawn:
            self._drawn = 0.0
            status("")

    def _text(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        if self._total is None:
            return f"{self._verb} {self._done} images{failed}"
        filled = min(_CELLS, _CELLS * self._done // max(self._total, 1))
        return f"[{'#' * filled}{'.' * (_CELLS - filled)}] {self._verb} {self._done} of {self._total} images{failed}"


class _Counter(logging.Handler):
    def __init__(self, bar: Bar) -> None:
        super().__init__(logging.INFO)
        self._bar = bar

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "image_done", False):
            self._bar.advance()


class _Blobs(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from imagesig.images.transfer import BlobCount

        count = getattr(record, "blobs", None)
        if isinstance(count, BlobCount):
            done = count.sent + count.mounted + count.present
            status(f"copied {done} blobs, {count.sent_bytes / 1e6:.1f} MB sent")


@contextmanager
def blob_progress() -> Iterator[None]:
    """Counts the blobs that the library reports as copied while the body runs, on a terminal."""
    if not has_status():
        yield
        return
    logger = logging.getLogger("imagesig")
    handler, level = _Blobs(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        end_status()


@contextmanager
def progress(total: int, verb: str) -> Iterator[None]:
    """Counts the images that the library reports as done while the body runs."""
    if total < 2 or not has_status():
        yield
        return
    bar = Bar(total, verb)
    logger = logging.getLogger("imagesig")
    counter, level = _Counter(bar), logger.level
    logger.addHandler(counter)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(counter)
        logger.setLevel(level)
        bar.clear()
