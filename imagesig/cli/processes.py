"""Workers that are forks of this process: one interpreter uses one core, its forks use the others.

For the command only, and before it starts threads: a fork gets the locks of other threads as they are.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from typing import ParamSpec, TypeVar

from imagesig.api.worker_processes import end_with_parent

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class ForkPool(Executor):
    """A `ProcessPoolExecutor` of forks, all made at once. They end with this process, however it ends, and with Ctrl-C.

    If a fork dies, `BrokenExecutor` is the outcome of every task that was submitted; the next task gets new forks.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._start()

    def _start(self) -> None:
        others = multiprocessing.active_children()
        self._pool = ProcessPoolExecutor(self._count, multiprocessing.get_context("fork"), _begin)
        self._pool.submit(int)  # forks all of them, before the pool starts its thread
        self._forks = [process for process in multiprocessing.active_children() if process not in others]

    def submit(
        self, fn: Callable[_Parameters, _Result], /, *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> Future[_Result]:
        try:
            return self._pool.submit(fn, *args, **kwargs)
        except BrokenExecutor:
            self.shutdown()
            # Not before threads, but these belong to the pool that broke, and no fork uses their locks.
            self._start()
            return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Kills the forks; the tasks that they run are lost."""
        for process in self._forks:
            process.kill()
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


def _begin() -> None:
    """What a fork does first."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    end_with_parent()
