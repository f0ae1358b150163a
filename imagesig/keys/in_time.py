"""Calls to key services that end at the deadline, whatever their SDK is waiting for.

An SDK resolves names, tries addresses, shakes hands, runs programs, reads files and waits between attempts, and its
timeouts start anew with each step and each byte. So the call runs in a thread of its own, and its caller goes on
without it when the time is up. What is left of it ends by the timeouts of its own.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

from imagesig import limits
from imagesig.deadlines import deadline, remaining
from imagesig.errors import DeadlineExceeded, KeyProviderUnavailable

T = TypeVar("T")


def in_time(what: str, work: Callable[[], T], seconds: float = limits.KEY_CALL_SECONDS) -> T:
    """What `work` gives, or raises, within the caller's deadline and so many seconds.

    Raises:
        DeadlineExceeded: it took longer.
    """
    with deadline(seconds):
        left = remaining(what)
        answers: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
        context = contextvars.copy_context()
        thread = Thread(target=context.run, args=(_answer, work, answers), name="key service call", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            raise KeyProviderUnavailable(f"{what}: the system has no thread for it") from None
        try:
            result, raised = answers.get(timeout=left)
        except Empty:
            raise DeadlineExceeded(
                f"{what}: no whole answer in time", hint="give more time: --timeout, or timeout="
            ) from None
    if raised is not None:
        try:
            raise raised
        finally:
            del raised  # the exception would keep this frame, and this frame the exception
    return result  # type: ignore[return-value]


def _answer(work: Callable[[], T], answers: SimpleQueue[tuple[T | None, BaseException | None]]) -> None:
    try:
        answers.put((work(), None))
    except BaseException as error:  # noqa: BLE001 - raised again where the answer is waited for
        answers.put((None, error))
