"""`sign_many`: any number of images with one key, in batches that the key signs together, each with its own outcome."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace as changed

from imagesig.api.removing import anchors_of
from imagesig.api.replacing import Replacement
from imagesig.api.signing import (
    SignedImage,
    _attach_image,
    _draft_and_sign,
    _Plan,
    _plan,
    _Request,
    _result,
    _seal,
    _settle,
    _signable,
    _Work,
)
from imagesig.api.stored_signatures import ImageLike
from imagesig.api.verifying_many import WORKERS, Outcome, attempt
from imagesig.concurrency import batches, in_threads
from imagesig.errors import AttachIncomplete, ImagesigError, InvalidArgument, RemovalIncomplete
from imagesig.formats import DEFAULT_FORMATS, Format, select_formats
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, Transport
from imagesig.keys.provider import SigningKey
from imagesig.keys.uri import open_key
from imagesig.oci.annotations import NO_ANNOTATIONS
from imagesig.policy import KeyLike
from imagesig.signature import Draft, SignerInfo
from imagesig.stores.store import Settle
from imagesig.trust import TrustAnchors

if TYPE_CHECKING:
    from imagesig.witnesses import Witnesses

BATCH = 64
"""Images whose signatures the key makes together: one call per algorithm where keys live in a service."""


def sign_many(
    images: Iterable[ImageLike],
    key: str | SigningKey,
    *,
    workers: int = WORKERS,
    deadline: float | None = None,
    formats: Iterable[str | Format] = DEFAULT_FORMATS,
    annotations: Mapping[str, str] = NO_ANNOTATIONS,
    identity: str = "",
    recursive: bool = True,
    dry_run: bool = False,
    now: datetime | None = None,
    transport: Transport | None = None,
    replace: str | Sequence[KeyLike] = (),
    witnesses: Witnesses | None = None,
) -> Generator[Outcome[SignedImage], None, None]:
    """Signs images, each as `sign` does, and gives an outcome for every one of them as it finishes.

    Unlike `sign` it reads `images` as it goes and attaches batch by batch, so there may be more of them than fit into
    memory, and one that cannot be read or written does not stop the rest. Running it again completes what failed.

    Closing the iterator, or an exception such as `KeyboardInterrupt`, cancels what has not started and waits for what
    runs.

    Args:
        images: references, `oci:` layouts or `Image` objects.
        workers: images read, or written, at once.
        deadline: seconds for all of them; those that are not done by then have the error `DeadlineExceeded`.
        transport: how images given by name are reached.
        key, formats, annotations, identity, recursive, dry_run, replace, now, witnesses: as of `sign`.

    Raises:
        InvalidArgument: at once, for a format, annotation or worker count that cannot be.
        KeyProviderError: the key could not be opened, at once; or did not sign, and ends the run. What has been
        attached until then was given as outcomes.
    """
    if workers < 1:
        raise InvalidArgument(f"sign_many: {workers} workers, at least one is needed")
    at = now or datetime.now(UTC)
    request = _Request(select_formats(formats), _signable(annotations), identity, recursive, at, witnesses)
    ends = None if deadline is None else time.monotonic() + deadline
    opened = open_key(key) if isinstance(key, str) else key
    old = (replace,) if isinstance(replace, str) else tuple(replace)
    line = _Line(opened, request, workers, ends, dry_run, anchors_of(old) if old else None)
    if replacement := line.replacement():
        replacement.check_signer(opened.info)
    return _sign_stream(images, line, transport or Transport(), owned=isinstance(key, str))


class _Line(Struct, frozen=True):
    """What is the same for all images of one run. `ends` is a time of the monotonic clock."""

    key: SigningKey
    request: _Request
    workers: int
    ends: float | None
    dry_run: bool
    old: TrustAnchors | None = None

    def replacement(self) -> Replacement | None:
        """A new one, for one image: those of a whole run would not fit into memory."""
        return Replacement(self.old, self.request.now) if self.old else None

    @property
    def left(self) -> float | None:
        """Seconds until the deadline of the run."""
        return None if self.ends is None else self.ends - time.monotonic()


class _Planned(Struct):
    """One image on its way: what is to be signed of it, then what was attached and is to be settled."""

    index: int
    given: ImageLike
    image: Image
    plan: _Plan
    replacement: Replacement | None = None
    attached: list[str] = field(default_factory=list)
    settles: list[tuple[_Work, Settle]] = field(default_factory=list)


def _sign_stream(
    images: Iterable[ImageLike], line: _Line, transport: Transport, *, owned: bool
) -> Generator[Outcome[SignedImage], None, None]:
    opener = ImageOpener(transport)

    def plan(item: tuple[int, ImageLike]) -> Outcome[_Planned]:
        index, given = item

        def made() -> _Planned:
            image = given if isinstance(given, Image) else opener.open(given)
            plan, replacement = _plan(image, line.request), line.replacement()
            if replacement:
                for work in plan.works:
                    replacement.find(work.image, work.target, work.format, work.claim, work.prior)
            return _Planned(index, given, image, plan, replacement)

        return attempt(index, given, line.left, made)

    try:
        # Planning runs ahead of what is attached, so that a registry that does not answer holds up nothing else.
        planned = in_threads(enumerate(images), plan, workers=line.workers, window=2 * BATCH)
        with contextlib.closing(planned):
            for batch in batches((outcome for _, outcome in planned), BATCH):
                yield from (Outcome(item.image, item.index, error=item.error) for item in batch if item.error)
                yield from _sign_batch([outcome.result for outcome in batch if outcome.result], line)
    finally:
        opener.close()
        if owned:
            line.key.close()


def _sign_batch(batch: Sequence[_Planned], line: _Line) -> Generator[Outcome[SignedImage], None, None]:
    """Drafts, signs and attaches what was planned; the key's own failures are raised."""
    if not batch:
        return
    works = [work for item in batch for work in item.plan.works]
    try:
        signer = _draft_and_sign(works, line.key, line.request.now, dry_run=line.dry_run)
    except ImagesigError:
        raise
    except Exception:  # noqa: BLE001 - it becomes the outcome of its image
        # Nobody foresaw it, so nobody knows whose it is: one image after the other, and the image that has it says so.
        if len(batch) == 1:
            yield _unforeseen(batch[0])
            return
        for item in batch:
            yield from _sign_batch([item], line)
        return
    done = list(in_threads(batch, lambda item: _attach_one(item, line), workers=min(line.workers, len(batch))))
    # All are attached before the first is settled: the pauses that settling needs run side by side.
    settled = in_threads(done, lambda pair: _settle_one(*pair, signer, line), workers=min(line.workers, len(batch)))
    with contextlib.closing(settled):
        for _, outcome in settled:
            yield outcome


def _unforeseen(item: _Planned) -> Outcome[SignedImage]:
    """The outcome for the exception that is being handled."""
    error = sys.exc_info()[1]
    assert error is not None

    def again() -> SignedImage:
        raise error

    return attempt(item.index, item.given, None, again)


def _attach_one(item: _Planned, line: _Line) -> ImagesigError | None:
    drafted = _drafted(item)
    if not drafted or line.dry_run:
        return None

    def attach() -> None:
        _seal(drafted, line.request.witnesses)
        item.settles = _attach_image(drafted, item.attached)

    return attempt(item.index, item.given, line.left, attach).error


def _drafted(item: _Planned) -> list[_Work]:
    """What is new of the image; the rest was signed before."""
    return [work for work in item.plan.works if isinstance(work.draft, Draft)]


def _settle_one(item: _Planned, failed: ImagesigError | None, signer: SignerInfo, line: _Line) -> Outcome[SignedImage]:
    def settle() -> SignedImage:
        if failed is not None:
            raise failed
        for work, confirm in item.settles:
            item.attached.remove(work.name)
            _settle(work, confirm)
            item.attached.append(work.name)
        if item.replacement and not line.dry_run:
            item.replacement.run()
        request = changed(line.request, replacement=item.replacement)
        return _result(item.image, item.plan, signer, request, dry_run=line.dry_run)

    outcome = attempt(item.index, item.given, line.left if item.settles else None, settle)
    if outcome.error is None or isinstance(outcome.error, RemovalIncomplete):
        return outcome
    return changed(outcome, error=_incomplete(item, outcome.error))


def _incomplete(item: _Planned, error: ImagesigError) -> ImagesigError:
    names = [work.name for work in _drafted(item)]
    failure = AttachIncomplete(
        f"{len(item.attached)} of {len(names)} signatures were attached, then: {error}",
        attached=item.attached,
        missing=[name for name in names if name not in item.attached],
        hint=error.hint or "sign the image again: what is there stays, what is missing is added",
    )
    failure.__cause__ = error
    return failure
