"""The public functions for asyncio: the same work, on worker threads.

Cancelling a task that verifies or inspects ends its work at the next request. A function that writes is not stopped in
the middle: its thread finishes what has started, and starts nothing further.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar, overload

from imagesig.api import copying, inspecting, removing
from imagesig.api.sign import signing, signing_many
from imagesig.api.stored_signatures import ImageLike
from imagesig.api.verify import verifying, verifying_many
from imagesig.deadlines import until_set

if TYPE_CHECKING:
    from typing import Unpack

    from imagesig.api.copying import CopiedImage
    from imagesig.api.inspecting import InspectedImage
    from imagesig.api.options import (
        CopyOptions,
        InspectOptions,
        RemoveOptions,
        SignManyOptions,
        SignOptions,
        VerifyManyOptions,
        VerifyOptions,
    )
    from imagesig.api.outcome import Outcome
    from imagesig.api.removing import RemovedImage
    from imagesig.api.sign.signed_image import SignedImage
    from imagesig.api.sign.signing import Progress
    from imagesig.api.verify.verifying import VerificationResult
    from imagesig.keys import SigningKey
    from imagesig.naming import PathLike
    from imagesig.policy import AuthorityLike, Policy

__all__ = ["copy", "inspect", "remove", "sign", "sign_many", "verify", "verify_many"]

_Result = TypeVar("_Result")
_Step = TypeVar("_Step")

Images = Iterable[ImageLike] | AsyncIterable[ImageLike]
"""Images of a run: read step by step, in a worker thread unless they are asynchronous."""


async def verify(
    image: ImageLike, policy: Policy | AuthorityLike, **options: Unpack[VerifyOptions]
) -> VerificationResult:
    """`imagesig.verify`, with its options and errors."""
    return await _stoppable(functools.partial(verifying.verify, image, policy, **options))


async def inspect(image: ImageLike, **options: Unpack[InspectOptions]) -> InspectedImage:
    """`imagesig.inspect`, with its options and errors."""
    return await _stoppable(functools.partial(inspecting.inspect, image, **options))


async def copy(source: ImageLike, destination: ImageLike, **options: Unpack[CopyOptions]) -> CopiedImage:
    """`imagesig.copy`, with its options and errors."""
    return await asyncio.to_thread(functools.partial(copying.copy, source, destination, **options))


async def remove(image: ImageLike, **options: Unpack[RemoveOptions]) -> RemovedImage:
    """`imagesig.remove`, with its options and errors."""
    return await asyncio.to_thread(functools.partial(removing.remove, image, **options))


@overload  # to a type checker, a str is a sequence of str too
async def sign(  # type: ignore[overload-overlap]
    image: ImageLike,
    key: str | PathLike | SigningKey,
    *,
    progress: Progress | None = None,
    **options: Unpack[SignOptions],
) -> SignedImage: ...


@overload
async def sign(
    image: Sequence[ImageLike],
    key: str | PathLike | SigningKey,
    *,
    progress: Progress | None = None,
    **options: Unpack[SignOptions],
) -> tuple[SignedImage, ...]: ...


async def sign(
    image: ImageLike | Sequence[ImageLike],
    key: str | PathLike | SigningKey,
    *,
    progress: Progress | None = None,
    **options: Unpack[SignOptions],
) -> SignedImage | tuple[SignedImage, ...]:
    """`imagesig.sign`, with its options and errors."""
    return await asyncio.to_thread(functools.partial(signing.sign, image, key, progress=progress, **options))


def verify_many(
    images: Images, policy: Policy | AuthorityLike, **options: Unpack[VerifyManyOptions]
) -> AsyncGenerator[Outcome[VerificationResult], None]:
    """`imagesig.verify_many`, with its options and errors; `images` may be an asynchronous iterable too."""

    def start(ready: Iterable[ImageLike]) -> Generator[Outcome[VerificationResult], None, None]:
        return verifying_many.verify_many(ready, policy, **options)

    return _stream(images, start, threading.Event())


def sign_many(
    images: Images, key: str | PathLike | SigningKey, **options: Unpack[SignManyOptions]
) -> AsyncGenerator[Outcome[SignedImage], None]:
    """`imagesig.sign_many`, with its options and errors; `images` may be an asynchronous iterable too."""

    def start(ready: Iterable[ImageLike]) -> Generator[Outcome[SignedImage], None, None]:
        return signing_many.sign_many(ready, key, **options)

    return _stream(images, start, None)


async def _stoppable(action: Callable[[], _Result]) -> _Result:
    stop = threading.Event()

    def run() -> _Result:
        with until_set(stop):
            return action()

    try:
        return await asyncio.to_thread(run)
    except asyncio.CancelledError:
        stop.set()
        raise


async def _stream(
    images: Images,
    start: Callable[[Iterable[ImageLike]], Generator[Outcome[_Result], None, None]],
    stop: threading.Event | None,
) -> AsyncGenerator[Outcome[_Result], None]:
    """The outcomes of a run. Each step runs in a worker thread, all of them in one context."""
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    feed = _Feed(images, loop) if isinstance(images, AsyncIterable) else None
    outcomes: Generator[Outcome[_Result], None, None] | None = None
    step: asyncio.Future[Outcome[_Result] | None] | None = None

    def in_thread(action: Callable[[], _Step]) -> asyncio.Future[_Step]:
        return loop.run_in_executor(None, context.run, action)

    def next_outcome() -> Outcome[_Result] | None:
        nonlocal outcomes
        with until_set(stop or threading.Event()):  # the threads of the run copy this context
            if outcomes is None:
                outcomes = start(feed or images)  # type: ignore[arg-type]
            return next(outcomes, None)

    try:
        while True:
            step = in_thread(next_outcome)
            outcome = await asyncio.shield(step)
            if outcome is None:
                return
            yield outcome
    finally:
        if stop is not None:
            stop.set()
        if step is not None and not step.done():
            if feed is not None:
                feed.cancel()
            await asyncio.wait([step])
            step.exception()  # read and ignored: the caller has left
        if outcomes is not None:
            await in_thread(outcomes.close)


class _Feed:
    """Images of an asynchronous iterable, as an iterator for a worker thread."""

    def __init__(self, images: AsyncIterable[ImageLike], loop: asyncio.AbstractEventLoop) -> None:
        self._source = aiter(images)
        self._loop = loop
        self._waiting: Future[tuple[ImageLike, ...]] | None = None
        self._cancelled = False

    def __iter__(self) -> Iterator[ImageLike]:
        return self

    def __next__(self) -> ImageLike:
        if self._cancelled:
            raise StopIteration
        self._waiting = asyncio.run_coroutine_threadsafe(self._next_image(), self._loop)
        found = self._waiting.result()
        if not found:
            raise StopIteration
        return found[0]

    async def _next_image(self) -> tuple[ImageLike, ...]:
        async for image in self._source:
            return (image,)
        return ()

    def cancel(self) -> None:
        """Ends the wait for another image."""
        self._cancelled = True
        if self._waiting is not None:
            self._waiting.cancel()
