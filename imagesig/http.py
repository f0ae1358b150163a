"""Deadlines. (The HTTP client arrives with the registry.)"""

from __future__ import annotations

import contextlib
import contextvars
import time
from collections.abc import Iterator

_ends: contextvars.ContextVar[float | None] = contextvars.ContextVar("imagesig_deadline", default=None)


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Everything in the block must be done within so many seconds; of two deadlines the nearer holds."""
    end, outer = time.monotonic() + seconds, _ends.get()
    token = _ends.set(end if outer is None else min(end, outer))
    try:
        yield
    finally:
        _ends.reset(token)


def remaining() -> float | None:
    """Seconds left, negative when it is over; None without a deadline."""
    end = _ends.get()
    return None if end is None else end - time.monotonic()
