"""Images of an asynchronous source for a worker thread."""

from __future__ import annotations

import asyncio
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
