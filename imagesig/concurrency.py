"""Doing the same for many things at once, in threads."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_WORKERS = 8


def for_each(
    items: Sequence[_Item], action: Callable[[_Item], _Result], *, stop: Callable[[], None] | None = None
) -> list[_Result]:
    """The results in the order of the items.

    The first failure, or Ctrl-C, is raised as soon as what runs already has ended; what has not started then never
    starts. `stop` is called before that wait: it may make what runs end early.
    """
    if len(items) <= 1:
        return [action(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(min(_WORKERS, len(items)), "imagesig") as pool:
        futures = [pool.submit(contextvars.copy_context().run, action, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            if stop is not None:
                stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
