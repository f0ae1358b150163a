"""`sign_many`: any number of images with one key, in batches that the key signs together, each with its own outcome."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar, get_args

from msgspec import Struct, field
from msgspec.structs import replace as changed

from imagesig.api.outcome import Asked, Outcome, attempt, internal_error, result_or_error, without_frames
from imagesig.api.sign.attaching import Attached, AttachRecord, attach, settle
from imagesig.api.sign.replacing import check_signer
from imagesig.api.sign.signature_run import Drafted, Plan, Signed, draft_and_sign, plan, seal, signed_once
from imagesig.api.sign.signed_image import SignedImage, signed_image
from imagesig.api.sign.signing_job import SigningJob, signing_job
from imagesig.api.stored_signatures import ImageLike, check_workers, images_of
from imagesig.arguments import checks_arguments
from imagesig.concurrency import WORKERS, batches, in_threads
from imagesig.errors import AccessDenied, ImagesigError, InvalidArgument, RemovalIncomplete
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.keys.provider import SigningKey
from imagesig.keys.uri import open_key
from imagesig.naming import PathLike
from imagesig.text import quote

if TYPE_CHECKING:
    from typing import Unpack

    from imagesig.api.options import SigningJobOptions

_Result = TypeVar("_Result")

OnKeyError = Literal["raise", "outcome"]
"""What becomes of an error of the key while it signs."""
BATCH = 64
"""Images whose signatures the key makes together: one call per algorithm where keys are in a service."""


@checks_arguments
def sign_many(
    images: Iterable[ImageLike],
    key: str | PathLike | SigningKey,
    *,
    workers: int = WORKERS,
    deadline: float | None = None,
    transport: TransportLike | None = None,
    timeout: float | None = None,
    on_key_error: OnKeyError = "raise",
    **options: Unpack[SigningJobOptions],
) -> Generator[Outcome[SignedImage], None, None]:
    """Signs images, each as `sign` does, and gives an outcome for every one of them as it finishes.

    Unlike `sign` it reads `images` step by step and attaches batch by batch, so there may be more of them than fit into
    memory, and one that cannot be read or written does not stop the rest. Running it again completes what failed.

    Closing the iterator, or an exception such as `KeyboardInterrupt`, cancels what has not started and waits for what
    runs.

    Args:
        images: references, `oci:` layouts or `Image` objects.
        key: as of `sign`.
        workers: images read, or written, at once.
        deadline: seconds for all images; those that are not done by then have the error `DeadlineExceeded`.
        transport, timeout: as of `sign`.
        on_key_error: `raise` ends the run if the key does not sign; with `outcome` the images that it was to sign have
        the error, and the run goes on. A refused login or PIN is not tried again.
        options: `formats`, `annotations`, `identity`, `recursive`, `dry_run`, `replace`, `now` and `witnesses`, as of
        `sign`.

    Raises:
        InvalidArgument: immediately, if a format or an annotation is invalid or `workers` < 1.
        KeyProviderError: immediately, if the key cannot be opened; later, if it does not sign, which ends the run. The
        outcomes say what was attached until then.
    """
    check_run(workers, on_key_error, "sign_many")
    images = images_of(images, "sign_many")
    job = signing_job(**options)
    ends = None if deadline is None else time.monotonic() + deadline
    with contextlib.ExitStack() as opened:
        used = opened_key(key, opened)
        if job.replaced_keys is not None:
            check_signer(job.replaced_keys, used.info)
        run = SigningRun(used, job, workers, ends, on_key_error, BATCH, signed_image)
        return outcomes_of(images, run, ImageOpener(transport, timeout), opened.pop_all())


def check_run(workers: object, on_key_error: object, what: str) -> None:
    """Returns if these are a number of workers and one of `OnKeyError`. `what` names the function in errors.

    Raises:
        InvalidArgument: they are not.
    """
    if on_key_error not in get_args(OnKeyError):
        raise InvalidArgument(f"{what}: on_key_error {quote(on_key_error)}: raise or outcome is needed")
    check_workers(workers, what)


def opened_key(key: str | PathLike | SigningKey, opened: contextlib.ExitStack) -> SigningKey:
    """The open key that was given, or one that is opened, and closed by `opened`. Raises as `open_key` does."""
    return key if isinstance(key, SigningKey) else opened.enter_context(open_key(key))


def outcomes_of(
    images: Iterable[ImageLike], run: SigningRun[_Result], opener: ImageOpener, opened: contextlib.ExitStack
) -> Generator[Outcome[_Result], None, None]:
    """The outcomes of a run of signing or attesting images. See `sign_many`. At the end `opened` is closed."""
    opened.callback(opener.close)
    with opened:
        tasks = (_One(image, opener, run.job) for image in images)
        with contextlib.closing(signed_tasks(tasks, run)) as finished:
            for _, made in finished:
                result = made.result[0] if made.result else None
                yield Outcome(made.image, made.index, result, made.error, made.asked)


class SigningTask(Protocol):
    """Something to sign: `plans` resolves it in a thread, and may raise. All of them succeed or fail together."""

    @property
    def given(self) -> ImageLike: ...

    def plans(self) -> Sequence[Plan]: ...


class _One(Struct, frozen=True):
    """One image of `sign_many`."""

    given: ImageLike
    opener: ImageOpener
    job: SigningJob

    def plans(self) -> Sequence[Plan]:
        return (plan(self.opener.open(self.given), self.job),)


_Task = TypeVar("_Task", bound=SigningTask)


class SigningRun(Struct, Generic[_Result], frozen=True):
    """What is the same for all images.

    `ends` is a time of the monotonic clock, `batch` tasks are signed together, and `result` makes the result of a plan.
    """

    key: SigningKey
    job: SigningJob
    workers: int
    ends: float | None
    on_key_error: OnKeyError
    batch: int
    result: Callable[[Drafted, SigningJob], _Result]
    asked: Asked = "signed"
    refused: list[AccessDenied] = field(default_factory=list)
    """Why the key's home refuses this login: it is not asked again."""

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the deadline of the run."""
        return None if self.ends is None else self.ends - time.monotonic()


class _Planned(Struct, frozen=True):
    """One task of the run with its plans."""

    index: int
    task: SigningTask
    plans: tuple[Plan, ...]

    def failed(self, error: ImagesigError, run: SigningRun[_Result]) -> Outcome[tuple[_Result, ...]]:
        return Outcome(self.task.given, self.index, error=error, asked=run.asked)


class _Attempted(Struct, frozen=True):
    """One task after the attempt to attach its new signatures."""

    planned: _Planned
    signed: tuple[Signed, ...]
    record: AttachRecord
    attached: tuple[Attached, ...] | ImagesigError


_Finished = tuple[_Planned, Outcome[tuple[_Result, ...]]]


def signed_tasks(
    tasks: Iterable[_Task], run: SigningRun[_Result]
) -> Generator[tuple[_Task, Outcome[tuple[_Result, ...]]], None, None]:
    """Each task with what was signed, one result for each of its plans, as they finish. Raises as `sign_many` does.

    `tasks` is read step by step.
    """

    def plan_one(item: tuple[int, _Task]) -> _Planned | _Finished[_Result]:
        index, task = item
        made = result_or_error(task.given, run.seconds_left, lambda: tuple(task.plans()))
        if isinstance(made, ImagesigError):
            failed = _Planned(index, task, ())
            return failed, failed.failed(made, run)
        return _Planned(index, task, made)

    # Planning is ahead of attaching, so that a registry that does not answer delays no other image.
    planned = in_threads(enumerate(tasks), plan_one, workers=run.workers, window=2 * run.batch)
    with contextlib.closing(planned):
        for batch in batches((made for _, made in planned), run.batch):
            finished = (made for made in batch if not isinstance(made, _Planned))
            signed = _sign_batch([made for made in batch if isinstance(made, _Planned)], run)
            with contextlib.closing(signed):
                for item, outcome in itertools.chain(finished, signed):
                    yield item.task, outcome  # type: ignore[misc]  # the task that was given


def _sign_batch(batch: Sequence[_Planned], run: SigningRun[_Result]) -> Generator[_Finished[_Result], None, None]:
    """Drafts, signs, attaches and settles what was planned; errors of the key are raised."""
    if not batch:
        return
    signed = _draft_and_sign(batch, run)
    if isinstance(signed, ImagesigError):
        yield from ((item, item.failed(without_frames(signed), run)) for item in batch)
        return
    if isinstance(signed, Exception):
        # It is not known which image causes it: each is tried alone, and the one that fails has the error.
        if len(batch) == 1:
            yield batch[0], batch[0].failed(internal_error(signed, batch[0].task.given), run)
            return
        for item in batch:
            yield from _sign_batch([item], run)
        return
    workers = min(run.workers, len(batch))
    of_all = iter(signed)
    pairs = [(item, signed_once([next(of_all) for _ in item.plans])) for item in batch]
    attempted = [done for _, done in in_threads(pairs, lambda pair: _attach(*pair, run), workers=workers)]
    # All are attached before the first is settled: the pauses that settling needs run side by side.
    settled = in_threads(attempted, lambda item: _settle(item, run), workers=workers)
    with contextlib.closing(settled):
        for done, outcome in settled:
            yield done.planned, outcome


def _draft_and_sign(batch: Sequence[_Planned], run: SigningRun[_Result]) -> list[Signed] | Exception:
    """What the key signed; an error of the key, unless it ends the run; or an exception that no code expects."""
    if run.refused:
        return run.refused[0]
    try:
        return draft_and_sign([one for item in batch for one in item.plans], run.key, run.job)
    except ImagesigError as error:
        if run.on_key_error == "raise":
            raise
        if isinstance(error, AccessDenied):
            run.refused.append(error)
        return error
    except Exception as error:  # noqa: BLE001 - it becomes the outcome of its image
        return error


def _attach(item: _Planned, signed: tuple[Signed, ...], run: SigningRun[_Result]) -> _Attempted:
    record = AttachRecord([one.drafted for one in signed])

    def seal_and_attach() -> tuple[Attached, ...]:
        return tuple(attach(sealed, record) for sealed in seal(signed, run.job.witnesses))

    seconds = run.seconds_left if any(one.made for one in signed) else None
    return _Attempted(item, signed, record, result_or_error(item.task.given, seconds, seal_and_attach))


def _settle(item: _Attempted, run: SigningRun[_Result]) -> Outcome[tuple[_Result, ...]]:
    attached = item.attached

    def settle_and_remove() -> tuple[_Result, ...]:
        if isinstance(attached, ImagesigError):
            raise attached
        for unsettled in (one for part in attached for one in part.unsettled):
            settle(unsettled, item.record)
        item.record.check()
        if not run.job.dry_run:
            for one in item.planned.plans:
                one.replaced.remove()
        return tuple(run.result(one.drafted, run.job) for one in item.signed)

    is_new = not isinstance(attached, ImagesigError) and any(part.unsettled for part in attached)
    seconds = run.seconds_left if is_new else None
    outcome = attempt(item.planned.index, item.planned.task.given, seconds, settle_and_remove, run.asked)
    if outcome.error is None or isinstance(outcome.error, RemovalIncomplete):
        return outcome
    return changed(outcome, error=item.record.incomplete(outcome.error))
