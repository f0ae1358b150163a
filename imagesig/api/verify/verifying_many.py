"""`verify_many`: any number of images under one policy, each with its own outcome, as they finish."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from imagesig.api.outcome import Outcome
from imagesig.api.stored_signatures import ImageLike, check_workers, images_of
from imagesig.api.verify.verification_run import ORDERED_WINDOW, VerificationJob, VerificationRun
from imagesig.api.verify.verifying import OpenPublicKeys, VerificationResult
from imagesig.arguments import checks_arguments
from imagesig.concurrency import WORKERS, in_threads
from imagesig.images.open import ImageOpener, Transport, TransportLike
from imagesig.keys.uri import open_public_keys
from imagesig.policy import AuthorityLike, Policy

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from imagesig.content_trust.servers import TrustServers
    from imagesig.witnesses import Witnesses


@checks_arguments
def verify_many(
    images: Iterable[ImageLike],
    policy: Policy | AuthorityLike,
    *,
    workers: int = WORKERS,
    executor: Executor | None = None,
    deadline: float | None = None,
    platform: str = "",
    allow_unverified: bool = False,
    now: datetime | None = None,
    transport: TransportLike | None = None,
    timeout: float | None = None,
    open_keys: OpenPublicKeys = open_public_keys,
    witnesses: Witnesses | None = None,
    trust_servers: TrustServers | None = None,
    in_order: bool = False,
) -> Generator[Outcome[VerificationResult], None, None]:
    """Verifies images, each as `verify` does, and gives an outcome for every one of them as it finishes.

    `images` is read step by step, so it may be longer than memory. The images share one pool of connections and one
    login per registry; a key of the policy is opened once, and an image that is given twice is verified once. One bad
    image does not stop the rest, nor does a rule whose keys cannot be opened: its images have the error.

    Closing the iterator, or an exception such as `KeyboardInterrupt`, cancels what has not started and waits for what
    runs.

    Args:
        images: references, `oci:` layouts, or `Image` objects (not with an `executor`).
        policy: as of `verify`.
        workers: images at once; with an `executor`, chunks of images that it is given at once.
        executor: verifies in its workers instead of in threads here; it is not shut down. Chunks of a dead worker are
        retried, at most twice; after that their images have the error `WorkerLost`.
        deadline: seconds for all images; those that are not done by then have the error `DeadlineExceeded`.
        platform, allow_unverified, now: as of `verify`.
        transport, timeout: as of `verify`, for each image; with an `executor`, `transport` is a `Transport`.
        open_keys: opens files and key URIs of the policy.
        trust_servers: as of `verify`.
        witnesses: as of `verify`; each worker of an `executor` makes its own.
        in_order: outcomes in the order of the images; a slow one delays at most `ORDERED_WINDOW` others.

    Raises:
        InvalidArgument: immediately, if the policy is invalid or `workers` < 1.
    """
    check_workers(workers, "verify_many")
    images = images_of(images, "verify_many")
    if not isinstance(policy, Policy):
        policy = Policy.any_of(policy)
    if executor is not None:
        transport = _sendable(transport, timeout)
    job = VerificationJob(policy, platform, allow_unverified, now, transport, open_keys, timeout, trust_servers)
    ends = None if deadline is None else time.monotonic() + deadline
    if executor is not None:
        from imagesig.api.verify.remote_workers import verify_remotely

        return verify_remotely(executor, images, job, tasks=workers, ends=ends, in_order=in_order)
    return _verify_here(images, VerificationRun(job, witnesses), workers=workers, ends=ends, in_order=in_order)


def _sendable(transport: TransportLike | None, timeout: float | None) -> TransportLike | None:
    """The settings of a transport, which workers in other processes open their own connections with."""
    if transport is None or isinstance(transport, Transport | ImageOpener):
        return ImageOpener(transport, timeout).settings
    return transport  # open connections: refused, as everything that does not pickle


def _verify_here(
    images: Iterable[ImageLike], run: VerificationRun, *, workers: int, ends: float | None, in_order: bool
) -> Generator[Outcome[VerificationResult], None, None]:
    if isinstance(images, list | tuple):
        workers = max(1, min(workers, len(images)))
    with run:
        finished = in_threads(
            enumerate(images),
            lambda item: run.outcome(*item, None if ends is None else ends - time.monotonic()),
            workers=workers,
            window=ORDERED_WINDOW if in_order else 0,
            in_order=in_order,
        )
        for _, outcome in finished:
            yield outcome
