"""Verification in the workers of an executor: other processes or machines, each with its own connections."""

from __future__ import annotations

import os
import pickle
import time
import uuid
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from threading import Lock

from msgspec import Struct
from msgspec.structs import replace

from imagesig.api.outcome import Outcome, attempt, overdue, shown_name
from imagesig.api.stored_signatures import ImageLike
from imagesig.api.verify.verification_run import ORDERED_WINDOW, VerificationJob, VerificationRun
from imagesig.api.verify.verifying import VerificationResult
from imagesig.concurrency import batches, flow, in_threads
from imagesig.errors import ImagesigError, InternalError, InvalidArgument, WorkerLost
from imagesig.images.image import Image
from imagesig.text import quote

CHUNK = 16
"""Images of one task: enough that sending the task costs little beside the requests that it makes."""
_THREADS = 4
_FAST_SECONDS = 0.005
"""Images that take less are verified one by one: the registry is so near that threads would gain nothing."""
_ATTEMPTS = 3
_KEPT_RUNS = 4


class Chunk(Struct, frozen=True):
    """One task. A worker opens connections and keys once for each `run`."""

    run: str
    job: VerificationJob
    images: tuple[tuple[int, str], ...]
    seconds: float | None = None


def verify_chunk(chunk: Chunk) -> tuple[Outcome[VerificationResult], ...]:
    """One outcome for each image of the chunk, in order. Called in the worker."""
    run = _run_of(chunk)
    ends = None if chunk.seconds is None else time.monotonic() + chunk.seconds
    done = in_threads(
        chunk.images,
        lambda item: run.outcome(*item, None if ends is None else ends - time.monotonic()),
        workers=min(_THREADS, len(chunk.images)),
        in_order=True,
        alone_under=_FAST_SECONDS,
    )
    # The caller has the images: they need not be sent back.
    return tuple(replace(outcome, image="") for _, outcome in done)


def verify_packed(chunk: Chunk) -> bytes:
    """The result of `verify_chunk`, pickled. An outcome that does not pickle becomes an error of its image."""
    outcomes = verify_chunk(chunk)
    try:
        return pickle.dumps(outcomes)
    except Exception:  # noqa: BLE001 - another package's __reduce__ may raise anything
        # Not `map`: a StopIteration would end it, and the other images would have no outcome.
        named = zip(outcomes, chunk.images, strict=True)
        return pickle.dumps(tuple([_portable(outcome, text) for outcome, (_, text) in named]))


def _portable(outcome: Outcome[VerificationResult], text: str) -> Outcome[VerificationResult]:
    try:
        pickle.dumps(outcome)
    except Exception as error:  # noqa: BLE001 - as above
        if outcome.error is None:
            return _failed("", outcome.index, InternalError.of(error, shown_name(text)))
        # The error's class is of another package: it becomes our class that it derives from.
        ours = (InternalError.__module__, ImagesigError.__module__)
        kind = next(kind for kind in type(outcome.error).__mro__ if kind.__module__ in ours)
        has_plain_init = vars(kind).get("__init__") is None
        portable = (kind if has_plain_init else ImagesigError)(str(outcome.error), hint=outcome.error.hint)
        return _failed("", outcome.index, portable)
    return outcome


def _failed(given: ImageLike, index: int, error: ImagesigError) -> Outcome[VerificationResult]:
    return Outcome(given, index, error=error, asked="verified")


_runs: OrderedDict[tuple[int, str], VerificationRun] = OrderedDict()
_runs_lock = Lock()


def _run_of(chunk: Chunk) -> VerificationRun:
    """The run of this process: connections must not be used after a fork."""
    key = (os.getpid(), chunk.run)
    with _runs_lock:
        run = _runs.get(key)
        if run is None:
            run = _runs[key] = VerificationRun(chunk.job)
            if len(_runs) > _KEPT_RUNS:
                _runs.popitem(last=False)[1].close()
        return run


def verify_remotely(
    executor: Executor,
    images: Iterable[ImageLike],
    job: VerificationJob,
    *,
    tasks: int,
    ends: float | None,
    in_order: bool,
) -> Generator[Outcome[VerificationResult], None, None]:
    """`verify_many` with an executor; `ends` is a time of the monotonic clock.

    Raises:
        InvalidArgument: the policy, the transport or the key opener does not pickle.
    """
    try:
        pickle.dumps(job)
    except Exception as error:  # noqa: BLE001 - another package's __reduce__ may raise anything
        raise InvalidArgument(
            f"verify_many: policy, transport or open_keys does not pickle: {type(error).__name__}: {quote(str(error))}",
            hint="give keys as PEM, files or URIs, and functions defined at the top of a module",
        ) from None
    return _outcomes(executor, images, job, tasks=tasks, ends=ends, in_order=in_order)


def _outcomes(
    executor: Executor,
    images: Iterable[ImageLike],
    job: VerificationJob,
    *,
    tasks: int,
    ends: float | None,
    in_order: bool,
) -> Generator[Outcome[VerificationResult], None, None]:
    run = uuid.uuid4().hex
    attempts: dict[int, int] = {}

    def submit(batch: _Batch) -> Future[bytes]:
        chunk = Chunk(run, job, batch.named, None if ends is None else ends - time.monotonic())
        return _submitted(executor, chunk)

    def again(batch: _Batch, future: Future[bytes]) -> bool:
        if not future.cancelled() and future.exception() is None:
            attempts.pop(batch.number, None)
            return False
        attempts[batch.number] = attempts.get(batch.number, 1) + 1
        return attempts[batch.number] <= _ATTEMPTS

    finished = flow(
        submit,
        _batched(images),
        window=max(tasks, ORDERED_WINDOW // CHUNK) if in_order else tasks,
        in_order=in_order,
        again=again,
        left=lambda: None if ends is None else max(0.0, ends - time.monotonic()),
    )
    for batch, future in finished:
        attempts.pop(batch.number, None)
        yield from _received(batch, future)


def _submitted(executor: Executor, chunk: Chunk) -> Future[bytes]:
    """The future of a task: a failed one if the executor did not take it."""
    try:
        future = executor.submit(verify_packed, chunk)
        if callable(getattr(future, "add_done_callback", None)):
            return future
        raise InvalidArgument(f"executor: submit returned {type(future).__name__}, a Future is needed")
    except Exception as error:  # noqa: BLE001 - each executor has its own error for a broken pool
        failed: Future[bytes] = Future()
        failed.set_exception(error)
        return failed


class _Batch(Struct, frozen=True):
    """Images that are sent together, and the outcomes of those that cannot be sent."""

    number: int
    given: tuple[tuple[int, ImageLike], ...]

    @property
    def named(self) -> tuple[tuple[int, str], ...]:
        return tuple((index, str(image)) for index, image in self.given if isinstance(image, str))

    @property
    def refused(self) -> Iterator[Outcome[VerificationResult]]:
        for index, image in self.given:
            if isinstance(image, Image):
                yield attempt(index, image, None, lambda image=image: _refuse(image), "verified")  # type: ignore[misc]


def _batched(images: Iterable[ImageLike]) -> Iterator[_Batch]:
    for number, given in enumerate(batches(enumerate(images), CHUNK)):
        yield _Batch(number, tuple(given))


def _refuse(image: Image) -> VerificationResult:
    raise InvalidArgument(
        f"{image}: an open image cannot be sent to another process",
        hint="give its name, and a transport for all images",
    )


def _received(batch: _Batch, future: Future[bytes]) -> Iterator[Outcome[VerificationResult]]:
    yield from batch.refused
    given = dict(batch.given)
    if future.done() and not future.cancelled() and future.exception() is None:
        try:
            outcomes = pickle.loads(future.result())  # noqa: S301 - from a worker, which this process trusts
        except Exception as error:  # noqa: BLE001 - another package's __setstate__ may raise anything
            outcomes = [_failed("", at, InternalError.of(error, shown_name(text))) for at, text in batch.named]
        for outcome in outcomes:
            yield replace(outcome, image=given[outcome.index])
        return
    lost = future.exception() if future.done() and not future.cancelled() else None
    for index, text in batch.named:
        yield _failed(given[index], index, _lost(text, lost) if lost else overdue(text))


def _lost(text: str, cause: BaseException) -> ImagesigError:
    reason = f"{type(cause).__name__}: {quote(str(cause))}"
    return WorkerLost(
        f"{shown_name(text)}: not verified: its worker was lost {_ATTEMPTS} times ({reason})",
        hint="read the log of the workers; verify these images again",
    )
