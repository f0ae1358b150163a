"""Runs the work of asynchronous functions in threads of its own, a limited number for each registry."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar
from weakref import WeakKeyDictionary

from imagesig import limits
from imagesig.aio.feed import Feed
from imagesig.api.outcome import Outcome, shown_name
from imagesig.api.stored_signatures import ImageLike
from imagesig.arguments import is_number
from imagesig.deadlines import Stop, deadline, until_set
from imagesig.errors import DeadlineExceeded, ImagesigError, InvalidArgument
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, Transport, TransportLike, is_local
from imagesig.oci.reference import parse_reference

_Result = TypeVar("_Result")

WORKERS = 64
"""Threads of asynchronous functions that work at the same time."""
PER_HOST = 8
"""How many of them may work for one registry, so that a registry that does not answer leaves threads for the others."""
_GRACE_SECONDS = 0.2
"""How long a thread may need to notice its deadline, and to say what it waited for."""


class Runner:
    """A pool of threads. Its functions may be called from several event loops."""

    def __init__(self, workers: int = WORKERS, per_host: int = PER_HOST) -> None:
        if workers < 1 or per_host < 1:
            raise InvalidArgument(f"aio: {workers} workers, {per_host} per host: at least one is needed")
        self._workers, self._per_host = workers, per_host
        self._lock = threading.Lock()
        self._pool: tuple[int, ThreadPoolExecutor] | None = None
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Semaphore]] = WeakKeyDictionary()

    async def call(
        self,
        action: Callable[[], _Result],
        images: Iterable[ImageLike],
        *,
        seconds: float | None,
        stops: bool,
    ) -> _Result:
        """What `action` returns. The seconds count from now, also while it waits for a thread.

        With `stops`, its requests end when the task is cancelled or the time is up; otherwise it ends by itself once it
        has started.
        """
        images = list(images)
        if not is_number(seconds) or not seconds > 0:
            seconds = None  # the action refuses it
        ends = None if seconds is None else time.monotonic() + seconds
        stop = Stop()
        task = await self._started(partial(_until, action, stop, ends), images, ends)
        waiting = asyncio.wrap_future(task)
        try:
            guard = None if ends is None or not stops else ends - time.monotonic() + _GRACE_SECONDS
            async with asyncio.timeout(guard):
                return await asyncio.shield(waiting)
        except TimeoutError as error:
            if isinstance(error, ImagesigError):
                raise
            raise _too_late(images) from None
        finally:
            if not waiting.done():
                task.cancel()  # if it has not started
                if stops:
                    stop.set()
                waiting.add_done_callback(_ignore)

    async def _started(
        self, work: Callable[[], _Result], images: list[ImageLike], ends: float | None
    ) -> Future[_Result]:
        """The work, given to the pool once each registry has a free place; it keeps the places until it is done."""
        loop = asyncio.get_running_loop()
        places: list[asyncio.Semaphore] = []

        def leave() -> None:
            while places:
                places.pop().release()

        def done(_task: Future[_Result]) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(leave)

        try:
            async with asyncio.timeout(None if ends is None else ends - time.monotonic()):
                for host in sorted({_host(image) for image in images} - {""}):
                    gate = self._gate(loop, host)
                    await gate.acquire()
                    places.append(gate)
            task = self.submit(work)
        except BaseException as error:
            leave()
            if isinstance(error, TimeoutError):
                raise _too_late(images) from None
            raise
        task.add_done_callback(done)
        return task

    def _gate(self, loop: asyncio.AbstractEventLoop, host: str) -> asyncio.Semaphore:
        with self._lock:
            gates = self._gates.setdefault(loop, {})
            return gates.setdefault(host, asyncio.Semaphore(self._per_host))

    def submit(self, work: Callable[[], _Result]) -> Future[_Result]:
        """The work in a thread, which sees the context variables of the caller."""
        with self._lock:
            if self._pool is None or self._pool[0] != os.getpid():  # threads do not survive a fork
                self._pool = (os.getpid(), ThreadPoolExecutor(self._workers, "aio-imagesig"))
            return self._pool[1].submit(contextvars.copy_context().run, work)

    def close(self) -> None:
        """Ends idle threads. Work that runs is not waited for."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool[1].shutdown(wait=False)

    async def stream(
        self,
        images: Iterable[ImageLike] | AsyncIterable[ImageLike],
        start: Callable[[Iterable[ImageLike]], Generator[Outcome[_Result], None, None]],
        stop: Stop | None,
    ) -> AsyncGenerator[Outcome[_Result], None]:
        """The outcomes of a run. Each step is in a thread. With a `stop`, leaving ends the requests that run."""
        feed = Feed(images, asyncio.get_running_loop()) if isinstance(images, AsyncIterable) else None
        outcomes: Generator[Outcome[_Result], None, None] | None = None
        step: asyncio.Future[Outcome[_Result] | None] | None = None

        def next_outcome() -> Outcome[_Result] | None:
            nonlocal outcomes
            with until_set(stop or Stop()):  # the threads of the run copy this context
                if outcomes is None:
                    outcomes = start(feed or images)  # type: ignore[arg-type]
                return next(outcomes, None)

        try:
            while True:
                step = asyncio.wrap_future(self.submit(next_outcome))
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
                await asyncio.wrap_future(self.submit(outcomes.close))


def seconds_for(image: ImageLike, transport: TransportLike | None, timeout: float | None) -> float:
    """The seconds that a call for one image has."""
    if timeout is not None:
        return timeout
    if isinstance(image, Image):
        return image.timeout
    if isinstance(transport, Transport):
        return transport.timeout
    return transport.settings.timeout if isinstance(transport, ImageOpener) else limits.OPERATION_SECONDS


def _host(image: ImageLike) -> str:
    """The registry of an image; empty for a local one, and for what is no image."""
    if isinstance(image, Image):
        return image.name.registry_host if image.name else ""
    if not isinstance(image, str) or is_local(image):
        return ""
    try:
        return parse_reference(image).registry_host
    except ImagesigError:
        return ""


def _until(action: Callable[[], _Result], stop: Stop, ends: float | None) -> _Result:
    """What `action` returns; its requests end at `ends`, a time of the monotonic clock, or when `stop` is set."""
    with until_set(stop):
        if ends is None:
            return action()
        with deadline(ends - time.monotonic()):
            return action()


def _too_late(images: list[ImageLike]) -> DeadlineExceeded:
    names = ", ".join(map(shown_name, images[:3]))
    return DeadlineExceeded(
        f"{names}: the deadline passed, also for earlier requests to its registry", hint="give more time: timeout="
    )


def _ignore(future: asyncio.Future[_Result]) -> None:
    if not future.cancelled():
        future.exception()  # read and ignored: the caller has left


SHARED = Runner()
"""Runs the functions of `imagesig.aio`."""
