"""Limits for everything that a block calls: how long it may take, and how often a request is tried.

Times are of the monotonic clock.
"""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Generic, TypeVar

from imagesig.errors import DeadlineExceeded, VerificationError

_Value = TypeVar("_Value")

_BACKOFF_SECONDS = 0.2


class Stop:
    """Ends work early: `set` ends what waits for a server now, and what would ask one later. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._running: list[Callable[[], None]] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        """Ends the work."""
        with self._lock:
            self._is_set = True
            running, self._running = self._running, []
        for abort in running:
            abort()

    def watch(self, abort: Callable[[], None]) -> None:
        """Calls `abort` once the work is to end; immediately if it is to end already."""
        with self._lock:
            if not self._is_set:
                self._running.append(abort)
                return
        abort()

    def forget(self, abort: Callable[[], None]) -> None:
        """No longer calls it."""
        with self._lock, suppress(ValueError):
            self._running.remove(abort)


_ends: contextvars.ContextVar[float | None] = contextvars.ContextVar("imagesig_deadline", default=None)
_attempts: contextvars.ContextVar[int | None] = contextvars.ContextVar("imagesig_attempts", default=None)
_stop: contextvars.ContextVar[Stop | None] = contextvars.ContextVar("imagesig_stop", default=None)


class _Setting(Generic[_Value]):
    """Sets a context variable for a block."""

    __slots__ = ("_token", "_value", "_variable")

    def __init__(self, variable: contextvars.ContextVar[_Value], value: _Value) -> None:
        self._variable, self._value = variable, value

    def __enter__(self) -> None:
        self._token = self._variable.set(self._value)

    def __exit__(self, _kind: object, _error: object, _trace: object) -> None:
        self._variable.reset(self._token)


class _Deadline(_Setting[float | None]):
    """Ends at the earlier one of a time and the deadline around the block."""

    __slots__ = ()

    def __init__(self, end: float) -> None:
        outer = _ends.get()
        super().__init__(_ends, end if outer is None else min(end, outer))

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if isinstance(error, VerificationError):
                _check_in_time(error)
        finally:
            super().__exit__(kind, error, trace)


def _check_in_time(error: VerificationError) -> None:
    """Returns if the deadline did not pass: what was late may have been taken for a broken signature."""
    try:
        remaining("verification")
    except DeadlineExceeded as late:
        raise DeadlineExceeded(f"{late}, before the verdict ({error})", hint=late.hint) from error


def deadline(seconds: float) -> AbstractContextManager[None]:
    """Everything in the block must be done within so many seconds; of two nested deadlines, the earlier one applies.

    A `VerificationError` that the block raises after its deadline becomes `DeadlineExceeded`: it is no verdict.
    """
    return _Deadline(time.monotonic() + seconds)


def until_set(stop: Stop) -> AbstractContextManager[None]:
    """Once `stop` is set, the requests of the block end, as if its deadline had passed."""
    return _Setting(_stop, stop)


@contextmanager
def to_the_end() -> Iterator[None]:
    """No deadline and no `Stop` ends the block: for the last step of work that cannot be undone any more."""
    with _Setting(_ends, None), _Setting(_stop, None):
        yield


def current_stop() -> Stop | None:
    """What may end the work of this block early."""
    return _stop.get()


def at_most_attempts(count: int) -> AbstractContextManager[None]:
    """Every request in the block is tried at most so many times, even if it would be tried more often."""
    return _Setting(_attempts, count)


def attempts_allowed(wanted: int) -> int:
    """How often a request may be tried: as often as `wanted`, or less."""
    most = _attempts.get()
    return wanted if most is None else min(wanted, most)


def remaining(what: object) -> float:
    """Seconds until the deadline, infinite without one. The error names `what`.

    Raises:
        DeadlineExceeded: the deadline passed, or the caller cancelled.
    """
    stop = _stop.get()
    if stop is not None and stop.is_set():
        raise DeadlineExceeded(f"{what}: cancelled by the caller")
    # speed: `seconds_left()`, without a call: asked before every step (benchmarks/rows.py)
    end = _ends.get()
    left = float("inf") if end is None else end - time.monotonic()
    if left <= 0:
        raise DeadlineExceeded(f"{what}: the deadline passed", hint="give more time: --timeout, or timeout=")
    return left


def seconds_left() -> float:
    """Seconds until the deadline, infinite without one, and 0 or less after it."""
    end = _ends.get()
    return float("inf") if end is None else end - time.monotonic()


def growing_pause(attempt: int) -> float:
    """Seconds to wait after this attempt, the first being 1: twice as long each time, half of it at random."""
    half: float = _BACKOFF_SECONDS * 2.0 ** (attempt - 1)
    return half + jitter(half)


def jitter(most: float) -> float:
    """Random seconds up to `most`: a pause with it keeps clients that failed together from trying again together.

    They are from the operating system. The state of the `random` module belongs to the program: a program that seeds
    it, or forks, would give all its clients the same pauses, and its own numbers would depend on our failures.
    """
    return most * int.from_bytes(os.urandom(4), "big") / 2**32


def wait(seconds: float, what: str) -> None:
    """Sleeps.

    Raises:
        DeadlineExceeded: immediately, if the deadline is earlier than the end of the sleep.
    """
    left = remaining(what)
    if seconds >= left:
        raise DeadlineExceeded(
            f"{what}: the next attempt is in {seconds:.1f} s, the deadline in {left:.1f} s",
            hint="give more time: --timeout, or timeout=",
        )
    time.sleep(seconds)
