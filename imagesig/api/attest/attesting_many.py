"""`attest_many`: attests any number of images with one key, in batches, as `sign_many` signs them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

from imagesig.api.attest.attesting_job import attesting_job, replacing_own
from imagesig.api.outcome import Outcome
from imagesig.api.sign.signed_image import AttestedImage, attested_image
from imagesig.api.sign.signing_many import BATCH, OnKeyError, SigningRun, check_run, opened_key, outcomes_of
from imagesig.api.stored_signatures import ImageLike, images_of
from imagesig.arguments import checks_arguments
from imagesig.concurrency import WORKERS
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.keys.provider import SigningKey
from imagesig.naming import PathLike

if TYPE_CHECKING:
    from typing import Unpack

    from imagesig.api.options import AttestingJobOptions


@checks_arguments
def attest_many(
    images: Iterable[ImageLike],
    key: str | PathLike | SigningKey,
    *,
    workers: int = WORKERS,
    deadline: float | None = None,
    transport: TransportLike | None = None,
    timeout: float | None = None,
    on_key_error: OnKeyError = "raise",
    replace: bool = False,
    **options: Unpack[AttestingJobOptions],
) -> Generator[Outcome[AttestedImage], None, None]:
    """Attests images, each as `attest` does, and gives the outcome of each image as it finishes.

    It runs as `sign_many` does: one image that cannot be read or written does not stop the rest, and running it again
    completes what failed.

    Args:
        images: references, `oci:` layouts or `Image` objects.
        key, replace: as of `attest`.
        workers, deadline, transport, timeout, on_key_error: as of `sign_many`.
        options: `predicate_type`, `predicate`, `statement`, `statement_version`, `formats`, `recursive`, `dry_run` and
            `now`, as of `attest`.

    Raises:
        InvalidArgument: immediately, if an option is invalid or `workers` < 1.
        KeyProviderError: immediately, if the key cannot be opened; later, if it does not sign, which ends the run.
    """
    check_run(workers, on_key_error, "attest_many")
    images = images_of(images, "attest_many")
    job = attesting_job(**options)
    ends = None if deadline is None else time.monotonic() + deadline
    with contextlib.ExitStack() as opened:
        signing_key = opened_key(key, opened)
        job = replacing_own(job, signing_key) if replace else job
        run = SigningRun(signing_key, job, workers, ends, on_key_error, BATCH, attested_image, "attested")
        return outcomes_of(images, run, ImageOpener(transport, timeout), opened.pop_all())
