"""Progress on stderr, on a terminal and for more than one image."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Counter(logging.Handler):
    def __init__(self, total: int, verb: str) -> None:
        super().__init__(logging.INFO)
        self._total, self._verb, self._done = total, verb, 0

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "image_done", False):
            self._done += 1
            sys.stderr.write(f"\r{self._verb} {self._done} of {self._total} images")
            sys.stderr.flush()


class _Blobs(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from imagesig.images.transfer import BlobCount

        count = getattr(record, "blobs", None)
        if isinstance(count, BlobCount):
            done = count.sent + count.mounted + count.present
            sys.stderr.write(f"\rcopied {done} blobs, {count.sent_bytes / 1e6:.1f} MB sent")
            sys.stderr.flush()


@contextmanager
def blob_progress() -> Iterator[None]:
    """Counts the blobs that the library reports as copied while the body runs, on a terminal."""
    if not sys.stderr.isatty():
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
        sys.stderr.write("\n")


@contextmanager
def progress(total: int, verb: str) -> Iterator[None]:
    """Counts the images that the library reports as done while the body runs."""
    if total < 2 or not sys.stderr.isatty():
        yield
        return
    logger = logging.getLogger("imagesig")
    counter, level = _Counter(total, verb), logger.level
    logger.addHandler(counter)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(counter)
        logger.setLevel(level)
        sys.stderr.write("\n")
