"""Copies blobs from one home to another: skips existing ones, mounts them where possible, and retries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.deadlines import growing_pause, wait
from imagesig.errors import NotFound, TransportError
from imagesig.images.source import ImageHome, ImageSource
from imagesig.logs import Logger
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import is_digest

logger = Logger("imagesig")

_T = TypeVar("_T")

_WHOLE_BYTES = 1024 * 1024
"""Largest blob that is sent with one request."""
_ELSEWHERE = ("nondistributable", "foreign")
"""Words in media types of layers that a registry need not hold: their descriptor says where they are."""


class BlobCount(Struct, frozen=True):
    """Numbers of blobs that were sent (`sent_bytes` in total), mounted from another repository, or present before."""

    sent: int = 0
    sent_bytes: int = 0
    mounted: int = 0
    present: int = 0

    def __add__(self, other: BlobCount) -> BlobCount:
        return BlobCount(
            self.sent + other.sent,
            self.sent_bytes + other.sent_bytes,
            self.mounted + other.mounted,
            self.present + other.present,
        )


class Transfer:
    """Copies blobs and counts them. Thread-safe. `progress` is called with each new count, one call at a time."""

    def __init__(self, target: ImageHome, progress: Callable[[BlobCount], None] | None = None) -> None:
        self._target = target
        self._progress = progress
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.count = BlobCount()

    def stop(self) -> None:
        """Makes running transfers fail soon, after an error elsewhere or Ctrl-C."""
        self._stopped.set()

    def blob(self, descriptor: Descriptor, source: ImageSource) -> None:
        """Makes sure that the target has the blob. Its digest is checked while it is sent.

        Raises:
            DigestMismatch: the source has other bytes.
            TransportError: reading or writing failed after all retries.
        """
        try:
            descriptor = self._sized(descriptor, source)
        except NotFound:
            if _is_elsewhere(descriptor):
                return
            raise
        if self._target.has_blob(descriptor):
            self._add(BlobCount(present=1))
        # distribution says that it mounted a blob with another digest, and does not find it later.
        elif is_digest(descriptor.digest) and self._target.mount_blob(descriptor, source):
            self._add(BlobCount(mounted=1))
        else:
            try:
                _with_retries(lambda: self._send(descriptor, source), descriptor)
            except NotFound:
                if _is_elsewhere(descriptor):
                    return
                raise
            self._add(BlobCount(sent=1, sent_bytes=descriptor.size))

    def _sized(self, descriptor: Descriptor, source: ImageSource) -> Descriptor:
        """The descriptor with the number of its bytes, which are read and hashed if it names none."""
        if descriptor.size >= 0:
            return descriptor

        def measure() -> int:
            with source.open_blob(descriptor) as chunks:
                return sum(len(chunk) for chunk in self._until_stopped(chunks))

        return replace(descriptor, size=_with_retries(measure, descriptor))

    def _send(self, descriptor: Descriptor, source: ImageSource) -> None:
        # A registry's upload in one request is of a SHA-256 digest: the others are sent as streams.
        if descriptor.size <= _WHOLE_BYTES and is_digest(descriptor.digest):
            content = source.read(descriptor, limit=_WHOLE_BYTES)
            self._target.put_blob(content, descriptor.media_type)
            return
        with source.open_blob(descriptor) as chunks:
            self._target.put_blob_stream(descriptor, self._until_stopped(chunks))

    def _until_stopped(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            if self._stopped.is_set():
                raise TransportError("copy: stopped, because another transfer failed")
            yield chunk

    def _add(self, one: BlobCount) -> None:
        with self._lock:
            self.count += one
            logger.debug("%s: %s", self._target.name, self.count)
            if self._progress is not None:
                self._progress(self.count)


def _is_elsewhere(descriptor: Descriptor) -> bool:
    """Whether a layer need not be in the registry: it may be fetched from elsewhere."""
    return any(word in descriptor.media_type for word in _ELSEWHERE)


def _with_retries(attempted: Callable[[], _T], descriptor: Descriptor) -> _T:
    """What the function gives. A broken stream starts again from the beginning: nothing of it was kept."""
    attempt = 1
    while True:
        try:
            return attempted()
        except TransportError as error:
            if attempt == limits.HTTP_ATTEMPTS or not error.retryable:
                raise
            said, pause = str(error), error.retry_after or growing_pause(attempt)
        wait(pause, said)
        attempt += 1
