"""Images of an asynchronous source for a worker thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, Iterator
from concurrent.futures import Future

from imagesig.api.stored_signatures import ImageLike


class Feed:
    """Images of an asynchronous iterable, as an iterator for a worker thread."""

    def __init__(self, images: AsyncIterable[ImageLike], loop: asyncio.AbstractEventLoop) -> None:
        self._source = aiter(images)
        self._loop = loop
        self._waiting: Future[tuple[ImageLike, ...]] | None = None
        self._cancelled = False
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[ImageLike]:
        return self

    def __next__(self) -> ImageLike:
        with self._lock:
            if self._cancelled:
                raise StopIteration
            coroutine = self._next_image()
            try:
                self._waiting = waiting = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
            except RuntimeError:  # the program closed the loop
                coroutine.close()
                raise StopIteration from None
        found = waiting.result()
        if not found:
            raise StopIteration
        return found[0]

    async def _next_image(self) -> tuple[ImageLike, ...]:
        async for image in self._source:
            return (image,)
        return ()

    def cancel(self) -> None:
        """Ends the wait for another image."""
        with self._lock:  # else a wait could begin that nobody ends
            self._cancelled = True
            if self._waiting is not None:
                self._waiting.cancel()
