"""`sign_many`: any number of images with one key, in batches that the key signs together, each with its own outcome."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Generic, Literal, TypeVar, get_args

from msgspec import Struct, field
from msgspec.structs import replace as changed

from imagesig.api.outcome import Asked, Outcome, attempt, internal_error, result_or_error, without_frames
from imagesig.api.sign.attaching import Attached, AttachRecord, attach, settle
from imagesig.api.sign.replacing import check_signer
from imagesig.api.sign.signature_run import Drafted, Plan, Signed, draft_and_sign, plan, seal
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
    if on_key_error not in get_args(OnKeyError):
        raise InvalidArgument(f"sign_many: on_key_error {quote(on_key_error)}: raise or outcome is needed")
    check_workers(workers, "sign_many")
    images = images_of(images, "sign_many")
    job = signing_job(**options)
    ends = None if deadline is None else time.monotonic() + deadline
    signing_key = key if isinstance(key, SigningKey) else open_key(key)
    run = Run(signing_key, job, workers, ends, signed_image, "signed", on_key_error)
    if job.replaced_keys is not None:
        check_signer(job.replaced_keys, run.key.info)
    return outcomes_of(images, run, ImageOpener(transport, timeout), owns_key=signing_key is not key)


class Run(Struct, Generic[_Result], frozen=True):
    """What is the same for all images. `ends` is a time of the monotonic clock; `result` makes the result for one."""

    key: SigningKey
    job: SigningJob
    workers: int
    ends: float | None
    result: Callable[[Drafted, SigningJob], _Result]
    asked: Asked
    on_key_error: OnKeyError = "raise"
    refused: list[AccessDenied] = field(default_factory=list)
    """Why the key's home refuses this login: it is not asked again."""

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the deadline of the run."""
        return None if self.ends is None else self.ends - time.monotonic()


class _Planned(Struct, frozen=True):
    """One image of the run with its plan."""

    index: int
    given: ImageLike
    plan: Plan


class _Attempted(Struct, frozen=True):
    """One image after the attempt to attach its new signatures."""

    planned: _Planned
    drafted: Drafted
    record: AttachRecord
    attached: Attached | ImagesigError


def outcomes_of(
    images: Iterable[ImageLike], run: Run[_Result], opener: ImageOpener, *, owns_key: bool
) -> Generator[Outcome[_Result], None, None]:
    """The outcomes of a run of signing or attesting. See `sign_many`."""

    def plan_one(item: tuple[int, ImageLike]) -> _Planned | Outcome[_Result]:
        index, given = item

        def planned() -> Plan:
            return plan(opener.open(given), run.job)

        made = result_or_error(given, run.seconds_left, planned)
        return (
            _failed(given, index, made, run.asked) if isinstance(made, ImagesigError) else _Planned(index, given, made)
        )

    try:
        # Planning is ahead of attaching, so that a registry that does not answer delays no other image.
        tasks = in_threads(enumerate(images), plan_one, workers=run.workers, window=2 * BATCH)
        with contextlib.closing(tasks):
            for batch in batches((made for _, made in tasks), BATCH):
                yield from (made for made in batch if isinstance(made, Outcome))
                yield from _sign_batch([made for made in batch if isinstance(made, _Planned)], run)
    finally:
        opener.close()
        if owns_key:
            run.key.close()


def _failed(given: ImageLike, index: int, error: ImagesigError, asked: Asked) -> Outcome[_Result]:
    return Outcome(given, index, error=error, asked=asked)


def _sign_batch(batch: Sequence[_Planned], run: Run[_Result]) -> Generator[Outcome[_Result], None, None]:
    """Drafts, signs, attaches and settles what was planned; errors of the key are raised."""
    if not batch:
        return
    signed = _draft_and_sign(batch, run)
    if isinstance(signed, ImagesigError):
        yield from (_failed(item.given, item.index, without_frames(signed), run.asked) for item in batch)
        return
    if isinstance(signed, Exception):
        # It is not known which image causes it: each is tried alone, and the one that fails has the error.
        if len(batch) == 1:
            yield _failed(batch[0].given, batch[0].index, internal_error(signed, batch[0].given), run.asked)
            return
        for item in batch:
            yield from _sign_batch([item], run)
        return
    workers = min(run.workers, len(batch))
    pairs = list(zip(batch, signed, strict=True))
    attempted = [done for _, done in in_threads(pairs, lambda pair: _attach(*pair, run), workers=workers)]
    # All are attached before the first is settled: the pauses that settling needs run side by side.
    settled = in_threads(attempted, lambda item: _settle(item, run), workers=workers)
    with contextlib.closing(settled):
        for _, outcome in settled:
            yield outcome


def _draft_and_sign(batch: Sequence[_Planned], run: Run[_Result]) -> list[Signed] | Exception:
    """What the key signed; an error of the key, unless it ends the run; or an exception that no code expects."""
    if run.refused:
        return run.refused[0]
    try:
        return draft_and_sign([item.plan for item in batch], run.key, run.job)
    except ImagesigError as error:
        if run.on_key_error == "raise":
            raise
        if isinstance(error, AccessDenied):
            run.refused.append(error)
        return error
    except Exception as error:  # noqa: BLE001 - it becomes the outcome of its image
        return error


def _attach(item: _Planned, signed: Signed, run: Run[_Result]) -> _Attempted:
    record = AttachRecord([signed.drafted])

    def seal_and_attach() -> Attached:
        (sealed,) = seal([signed], run.job.witnesses)
        return attach(sealed, record)

    seconds = run.seconds_left if signed.made else None
    return _Attempted(item, signed.drafted, record, result_or_error(item.given, seconds, seal_and_attach))


def _settle(item: _Attempted, run: Run[_Result]) -> Outcome[_Result]:
    attached = item.attached

    def settle_and_remove() -> _Result:
        if isinstance(attached, ImagesigError):
            raise attached
        for unsettled in attached.unsettled:
            settle(unsettled, item.record)
        item.record.check()
        if not run.job.dry_run:
            item.planned.plan.replaced.remove()
        return run.result(item.drafted, run.job)

    is_new = isinstance(attached, Attached) and attached.unsettled
    seconds = run.seconds_left if is_new else None
    outcome = attempt(item.planned.index, item.planned.given, seconds, settle_and_remove, run.asked)
    if outcome.error is None or isinstance(outcome.error, RemovalIncomplete):
        return outcome
    return changed(outcome, error=item.record.incomplete(outcome.error))
