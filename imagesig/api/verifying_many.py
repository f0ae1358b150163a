"""`verify_many`: any number of images under one policy, each with its own outcome, as they finish."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from imagesig.api.stored_signatures import ImageLike, pin
from imagesig.api.verifying import OpenPublicKeys, VerificationResult, verify_by_rule
from imagesig.concurrency import Once, in_threads
from imagesig.deadlines import deadline as within
from imagesig.errors import DeadlineExceeded, ImagesigError, InternalError, InvalidArgument
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, Transport, is_local, is_private_key
from imagesig.keys.uri import open_public_keys
from imagesig.oci.reference import without_login
from imagesig.policy import AuthorityLike, Policy, Rule
from imagesig.text import HIDDEN, quote

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from imagesig.witnesses import Witnesses

WORKERS = 8
ORDERED_WINDOW = 256
"""Images that may be ahead of the slowest one where outcomes are wanted in order."""
_VERDICTS = 512
_RULES = 4096

_Result = TypeVar("_Result")


class Outcome(Struct, Generic[_Result], frozen=True):
    """What became of one image of many: a result or an error, never both.

    `image` is what was given, and `index` where it stood in what was given, from 0.
    """

    image: ImageLike
    index: int
    result: _Result | None = None
    error: ImagesigError | None = None

    def __repr__(self) -> str:
        made = f"result={self.result!r}" if self.error is None else f"error={self.error!r}"
        return f"Outcome(image={quote(shown_name(self.image))}, index={self.index}, {made})"

    @property
    def ok(self) -> bool:
        return self.error is None


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
    transport: Transport | None = None,
    open_keys: OpenPublicKeys = open_public_keys,
    witnesses: Witnesses | None = None,
    in_order: bool = False,
) -> Generator[Outcome[VerificationResult], None, None]:
    """Verifies images, each as `verify` does, and gives an outcome for every one of them as it finishes.

    `images` is read as it goes, so it may be longer than memory. They share one pool of connections and one login per
    registry; a key of the policy is opened once, and an image that is given twice is verified once. One bad image does
    not stop the rest, nor does a rule whose keys cannot be opened: its images have the error.

    Closing the iterator, or an exception such as `KeyboardInterrupt`, cancels what has not started and waits for what
    runs.

    Args:
        images: references, `oci:` layouts, or `Image` objects (not with an `executor`).
        policy: as of `verify`.
        workers: images at once; with an `executor`, chunks of images that it is given at once.
        executor: verifies in its workers instead of in threads here; it is not shut down. What a dead worker had is
        given out again, twice at most, and those images have the error `WorkerLost` after that.
        deadline: seconds for all of them; those that are not done by then have the error `DeadlineExceeded`.
        platform, allow_unverified, now: as of `verify`.
        transport: how images given by name are reached.
        open_keys: opens files and key URIs of the policy.
        witnesses: as of `verify`; workers of an `executor` have their own.
        in_order: outcomes in the order of the images; a slow one holds up at most `ORDERED_WINDOW` others.

    Raises:
        InvalidArgument: at once, for a policy that is none or fewer than one worker.
    """
    if workers < 1:
        raise InvalidArgument(f"verify_many: {workers} workers, at least one is needed")
    if not isinstance(policy, Policy):
        policy = Policy.any_of(policy)
    job = Job(policy, platform, allow_unverified, now, transport or Transport(), open_keys)
    ends = None if deadline is None else time.monotonic() + deadline
    if executor is not None:
        from imagesig.api.remote_workers import verify_elsewhere

        return verify_elsewhere(executor, images, job, tasks=workers, ends=ends, in_order=in_order)
    return _verify_here(images, Run(job, witnesses), workers=workers, ends=ends, in_order=in_order)


def _verify_here(
    images: Iterable[ImageLike], run: Run, *, workers: int, ends: float | None, in_order: bool
) -> Generator[Outcome[VerificationResult], None, None]:
    if isinstance(images, list | tuple):
        workers = max(1, min(workers, len(images)))
    window = ORDERED_WINDOW if in_order else 0
    with run:
        tasks = in_threads(
            enumerate(images),
            lambda item: run.outcome(*item, None if ends is None else ends - time.monotonic()),
            workers=workers,
            window=window,
            in_order=in_order,
        )
        for _, outcome in tasks:
            yield outcome


class Job(Struct, frozen=True):
    """What is the same for all images of one run; pickles, as far as its members do."""

    policy: Policy
    platform: str
    allow_unverified: bool
    now: datetime | None
    transport: Transport
    open_keys: OpenPublicKeys


class Run:
    """One run in one process: connections, opened rules, and verdicts already reached. Thread-safe."""

    def __init__(self, job: Job, witnesses: Witnesses | None = None) -> None:
        self._job = job
        self._witnesses = witnesses
        self._lock = Lock()
        self._opener = ImageOpener(job.transport)
        # A key that could not be opened is not tried again for every image: a wrong PIN thrice locks a token.
        self._rules: Once[Rule] = Once(_RULES)
        self._verdicts: Once[VerificationResult] = Once(_VERDICTS, _may_pass)

    def outcome(self, index: int, given: ImageLike, seconds: float | None) -> Outcome[VerificationResult]:
        """The outcome for one image, within so many seconds if they are limited."""
        return attempt(index, given, seconds, lambda: self._verify(given))

    def _verify(self, given: ImageLike) -> VerificationResult:
        job = self._job
        image = given if isinstance(given, Image) else self._opener.open(given)
        rule = job.policy.select(image.location)
        with within(image.timeout):
            opened = self._rules.get(id(rule), lambda: rule.opened(job.open_keys))
            digest = pin(image)
            key = (image.home.name, image.signatures.name, str(image), digest, id(rule))
            pinned = image if image.target == digest else replace(image, target=digest)
            result = self._verdicts.get(
                key,
                lambda: verify_by_rule(
                    pinned,
                    opened,
                    platform=job.platform,
                    allow_unverified=job.allow_unverified,
                    now=job.now,
                    witnesses=self._witnesses_for(opened),
                ),
            )
        return result if result.image == str(image) else replace(result, image=str(image))

    def _witnesses_for(self, rule: Rule) -> Witnesses | None:
        """One for all images, for it remembers what servers answered; none for rules that trust keys alone."""
        with self._lock:
            if self._witnesses is None and any(requirement.anchors.authorities for requirement in rule.signed):
                from imagesig.witnesses import online

                self._witnesses = online()
            return self._witnesses

    def close(self) -> None:
        self._opener.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def attempt(index: int, given: ImageLike, seconds: float | None, action: Callable[[], _Result]) -> Outcome[_Result]:
    """The outcome of `action` for one image, within so many seconds if they are limited."""
    try:
        if seconds is None:
            return Outcome(given, index, action())
        if seconds <= 0:
            raise overdue(given)
        with within(seconds):
            return Outcome(given, index, action())
    except ImagesigError as error:
        return Outcome(given, index, error=without_frames(error))
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        # Not Exceptions alone: what panics in Rust, below `cryptography`, says so with a BaseException.
        if not isinstance(error, Exception) and type(error).__module__ != "pyo3_runtime":
            raise
        unforeseen = InternalError.of(error, shown_name(given))
        unforeseen.__cause__ = error
        return Outcome(given, index, error=without_frames(unforeseen))


def shown_name(given: ImageLike) -> str:
    """What was given as an image, for people; a private key that was given instead, or a password, is not shown."""
    text = str(given)
    return HIDDEN if is_private_key(text) else text if is_local(text) else without_login(text)


def overdue(given: ImageLike) -> DeadlineExceeded:
    """The error of an image that was not done when the deadline of the run passed."""
    return DeadlineExceeded(f"{shown_name(given)}: the deadline of the whole run passed", hint="give the run more time")


def without_frames(error: ImagesigError) -> ImagesigError:
    """The error and its causes without tracebacks, which would keep alive all that was read for the image."""
    chained: BaseException | None = error
    while chained is not None:
        chained.__traceback__ = None
        chained = chained.__cause__ or chained.__context__
    return error


def _may_pass(error: Exception) -> bool:
    return isinstance(error, MemoryError | RecursionError) or (isinstance(error, ImagesigError) and error.retryable)
