"""How long everything in a block may take, and how often it is tried, however deep it calls.

Time is read off the monotonic clock.
"""

from __future__ import annotations

import contextvars
import random
import threading
import time
from contextlib import AbstractContextManager
from typing import Generic, TypeVar

from imagesig.errors import DeadlineExceeded

_Value = TypeVar("_Value")

_BACKOFF_SECONDS = 0.2
_ends: contextvars.ContextVar[float | None] = contextvars.ContextVar("imagesig_deadline", default=None)
_attempts: contextvars.ContextVar[int | None] = contextvars.ContextVar("imagesig_attempts", default=None)
_stop: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("imagesig_stop", default=None)


class _Setting(Generic[_Value]):
    """A variable that has another value in a block."""

    __slots__ = ("_token", "_value", "_variable")

    def __init__(self, variable: contextvars.ContextVar[_Value], value: _Value) -> None:
        self._variable, self._value = variable, value

    def __enter__(self) -> None:
        self._token = self._variable.set(self._value)

    def __exit__(self, *_: object) -> None:
        self._variable.reset(self._token)


def deadline(seconds: float) -> AbstractContextManager[None]:
    """Everything in the block must be done within so many seconds from now; of two deadlines the nearer holds."""
    end, outer = time.monotonic() + seconds, _ends.get()
    return _Setting(_ends, end if outer is None else min(end, outer))


def until_set(event: threading.Event) -> AbstractContextManager[None]:
    """Everything in the block ends at its next request once the event is set, as if its deadline had passed."""
    return _Setting(_stop, event)


def at_most_attempts(count: int) -> AbstractContextManager[None]:
    """Every request in the block is tried so many times at most, whatever its own patience."""
    return _Setting(_attempts, count)


def attempts_allowed(wanted: int) -> int:
    """How often a request may be tried that would be tried so often."""
    most = _attempts.get()
    return wanted if most is None else min(wanted, most)


def remaining(what: object) -> float:
    """Seconds left, infinite without a deadline. `what` is for people, who read its text where none are left.

    Raises:
        DeadlineExceeded: none are left.
    """
    stop = _stop.get()
    if stop is not None and stop.is_set():
        raise DeadlineExceeded(f"{what}: cancelled by the caller")
    left = seconds_left()
    if left <= 0:
        raise DeadlineExceeded(f"{what}: the deadline passed", hint="give more time: --timeout, or timeout=")
    return left


def seconds_left() -> float:
    """Seconds until the deadline, infinite without one; 0 or less once it has passed."""
    end = _ends.get()
    return float("inf") if end is None else end - time.monotonic()


def growing_pause(attempt: int) -> float:
    """Seconds to wait after this attempt, counted from 1: twice as long each time, and never in step with others."""
    factor: float = 2.0**attempt * random.uniform(0.5, 1)  # noqa: S311 - not a secret
    return _BACKOFF_SECONDS * factor


def wait(seconds: float, what: str) -> None:
    """Sleeps so long.

    Raises:
        DeadlineExceeded: at once, if the deadline passes before that.
    """
    left = remaining(what)
    if seconds >= left:
        raise DeadlineExceeded(
            f"{what}: told to wait {seconds:.1f} s with {left:.1f} s left",
            hint="give more time: --timeout, or timeout=",
        )
    time.sleep(seconds)
