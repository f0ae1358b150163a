"""`remove_many`: signatures of any number of images, each with its own outcome."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterable
from datetime import datetime

from imagesig.api.outcome import Outcome, attempt
from imagesig.api.removing import RemovalJob, RemovedImage, removal_job, remove_from
from imagesig.api.stored_signatures import ImageLike, check_workers, images_of
from imagesig.arguments import checks_arguments
from imagesig.concurrency import WORKERS, in_threads
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.policy import KeyLike


@checks_arguments
def remove_many(
    images: Iterable[ImageLike],
    *,
    key: KeyLike | None = None,
    all: bool = False,
    recursive: bool = True,
    dry_run: bool = False,
    now: datetime | None = None,
    workers: int = WORKERS,
    deadline: float | None = None,
    transport: TransportLike | None = None,
    timeout: float | None = None,
) -> Generator[Outcome[RemovedImage], None, None]:
    """Removes signatures of images, each as `remove` does, and gives an outcome for every one of them as it finishes.

    `images` is read step by step. One image that fails does not stop the rest. Closing the iterator cancels what has
    not started and waits for what runs.

    Args:
        images: references, local images or `Image` objects.
        key, all, recursive, dry_run, now: as of `remove`; the key is opened once.
        workers: images at once.
        deadline: seconds for all images; those that are not done by then have the error `DeadlineExceeded`.
        transport, timeout: as of `remove`, for each image.

    Raises:
        InvalidArgument, KeyProviderError: immediately, if an option is invalid or the key cannot be opened.
    """
    check_workers(workers, "remove_many")
    images = images_of(images, "remove_many")
    job = removal_job(key, all=all, recursive=recursive, dry_run=dry_run, now=now)
    ends = None if deadline is None else time.monotonic() + deadline
    return _outcomes(images, job, ImageOpener(transport, timeout), workers, ends)


def _outcomes(
    images: Iterable[ImageLike], job: RemovalJob, opener: ImageOpener, workers: int, ends: float | None
) -> Generator[Outcome[RemovedImage], None, None]:
    def remove_one(item: tuple[int, ImageLike]) -> Outcome[RemovedImage]:
        index, given = item
        seconds = None if ends is None else ends - time.monotonic()
        return attempt(index, given, seconds, lambda: remove_from(opener.open(given), job))

    try:
        # No image waits in the pool: it would start while a cancelled asynchronous run waits for one that runs.
        finished = in_threads(enumerate(images), remove_one, workers=workers, window=workers)
        with contextlib.closing(finished):
            for _, outcome in finished:
                yield outcome
    finally:
        opener.close()
