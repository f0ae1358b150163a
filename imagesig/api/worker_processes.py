"""`worker_processes`: processes that verify images for a program. They end with it, and are replaced if they die."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from typing import ParamSpec, TypeVar

from imagesig.arguments import checks_arguments
from imagesig.errors import InvalidArgument

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_MOST = 2**16
"""More fail in the system's calls, with an `OverflowError`."""


@checks_arguments
def worker_processes(count: int | None = None) -> Executor:
    """An executor for `verify_many(executor=…)`, with so many processes; one for each core by default.

    If a process is killed, `verify_many` gives its images to new ones. The processes end when this one ends, however it
    ends. Use it as a context manager, or shut it down. As everywhere in Python, the main module of a program that
    starts processes guards its work with `if __name__ == "__main__":`.

    Raises:
        InvalidArgument: `count` < 1, or more than a machine can run.
    """
    if count is not None and not 1 <= count <= _MOST:
        raise InvalidArgument(f"worker_processes: {count} processes, 1 to {_MOST} are possible")
    return _WorkerProcesses(count or len(os.sched_getaffinity(0)))


class _WorkerProcesses(Executor):
    """Not forks: other threads of the program may hold locks. If a process dies, the next task gets a new pool."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._pool = self._made()

    def _made(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._count, multiprocessing.get_context("spawn"), end_with_parent)

    def submit(
        self, fn: Callable[_Parameters, _Result], /, *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> Future[_Result]:
        with self._lock:
            try:
                return self._pool.submit(fn, *args, **kwargs)
            except BrokenExecutor:
                self._pool.shutdown(wait=False, cancel_futures=True)
                self._pool = self._made()
                return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


def end_with_parent() -> None:
    """Ends this process, a worker, once its parent has ended: it would wait for tasks for ever."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
