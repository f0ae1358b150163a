"""Calls to key services that end at the deadline, even if their SDK waits longer.

An SDK resolves names, tries addresses, shakes hands, runs programs, reads files and waits between attempts. Its
timeouts start again with each step and each byte. So each call runs in its own thread, and the caller stops waiting
at the deadline. The abandoned call ends by the SDK's timeouts.
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
    """The result of `work`, within the caller's deadline and `seconds`. Its exceptions pass unchanged.

    Raises:
        DeadlineExceeded: the call takes longer.
    """
    with deadline(seconds):
        left = remaining(what)
        answers: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
        context = contextvars.copy_context()
        thread = Thread(target=context.run, args=(_answer, work, answers), name="key service call", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            raise KeyProviderUnavailable(f"{what}: the system cannot start a thread") from None
        try:
            result, raised = answers.get(timeout=left)
        except Empty:
            raise DeadlineExceeded(
                f"{what}: no complete answer in time", hint="give more time: --timeout, or timeout="
            ) from None
    if raised is not None:
        try:
            raise raised
        finally:
            del raised  # else this frame and the exception keep each other alive
    return result  # type: ignore[return-value]


def _answer(work: Callable[[], T], answers: SimpleQueue[tuple[T | None, BaseException | None]]) -> None:
    try:
        answers.put((work(), None))
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
        answers.put((None, error))
