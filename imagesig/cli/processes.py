"""Workers that are copies of this process: one interpreter does one thing at a time, its copies do more.

For programs of our own, before they start threads: a copy holds whatever locks were held when it was made.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import BinaryIO, NoReturn, ParamSpec, TypeVar

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def available() -> int:
    """How many copies are worth having: one for each core that we may use, none where copies are not safe."""
    if not sys.platform.startswith("linux") or threading.active_count() > 1:
        return 0
    return len(os.sched_getaffinity(0))


class ForkPool(Executor):
    """`count` copies of this process, made at once. What goes to them, and what comes back, is pickled.

    A copy that dies fails its task with `EOFError`; when none is left, so does every task. ForkPool end with this
    process, however it ends and whatever they are doing, and with Ctrl-C.
    """

    def __init__(self, count: int) -> None:
        self._idle: SimpleQueue[_Copy | None] = SimpleQueue()
        self._all: list[_Copy] = []
        life_out, self._life = os.pipe()
        for _ in range(count):
            self._all.append(_Copy(self._all, (life_out, self._life)))
        os.close(life_out)
        for copy in self._all:
            self._idle.put(copy)
        self._alive = count
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(count, "imagesig-copy")

    def submit(
        self, fn: Callable[_Parameters, _Result], /, *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> Future[_Result]:
        return self._threads.submit(self._call, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the copies; what they still do is lost."""
        for copy in self._all:
            copy.kill()
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        for copy in self._all:
            copy.close()
        if self._all:
            os.close(self._life)
        self._all.clear()

    def _call(self, fn: Callable[..., _Result], args: tuple[object, ...], kwargs: dict[str, object]) -> _Result:
        task = pickle.dumps((fn, args, kwargs))
        copy = self._idle.get()
        if copy is None:
            self._idle.put(None)
            raise EOFError("every worker process ended")
        try:
            done, value = copy.call(task)
        except BaseException as error:
            copy.kill()
            with self._lock:
                self._alive -= 1
                if not self._alive:
                    self._idle.put(None)
            raise EOFError(f"worker process {copy.pid} ended") from error
        self._idle.put(copy)
        if not done:
            raise value  # type: ignore[misc]
        return value  # type: ignore[return-value]


class _Copy:
    """One copy, and the two pipes to it."""

    def __init__(self, older: list[_Copy], life: tuple[int, int]) -> None:
        tasks_out, tasks_in = os.pipe()
        results_out, results_in = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            # With the others' ends of its siblings' pipes open, it would keep them alive, and they it.
            for copy in older:
                copy._close_pipes()
            for end in (tasks_in, results_out, life[1]):
                os.close(end)
            threading.Thread(target=_end_with, args=(life[0],), daemon=True).start()
            _work(os.fdopen(tasks_out, "rb"), os.fdopen(results_in, "wb"))
        os.close(tasks_out)
        os.close(results_in)
        self._tasks, self._results = os.fdopen(tasks_in, "wb"), os.fdopen(results_out, "rb")

    def call(self, task: bytes) -> tuple[bool, object]:
        """Whether the task was done, and its result or exception."""
        self._tasks.write(task)
        self._tasks.flush()
        done, value = pickle.load(self._results)  # noqa: S301 - from a copy of ourselves
        return done, value

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)  # not reaped yet, so nobody else has its number

    def close(self) -> None:
        self._close_pipes()
        os.waitpid(self.pid, 0)

    def _close_pipes(self) -> None:
        for pipe in (self._tasks, self._results):
            with contextlib.suppress(OSError):  # what was not sent is for nobody
                pipe.close()


def _end_with(life: int) -> None:
    """Ends this copy once nobody holds the other end of the pipe: whoever would have its results is gone."""
    os.read(life, 1)
    os._exit(1)


def _pickled(error: Exception) -> bytes:
    """That a task failed, and why; of an error that does not pickle, the name of its class."""
    try:
        answer = pickle.dumps((False, error))
        pickle.loads(answer)  # noqa: S301 - what was pickled a line above
    except Exception:  # noqa: BLE001 - whatever a foreign __reduce__ raises
        return pickle.dumps((False, RuntimeError(type(error).__name__)))
    return answer


def _work(tasks: BinaryIO, results: BinaryIO) -> NoReturn:
    """What a copy does: tasks until there is nobody to give it any. Nothing of the original ends with it."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        while True:
            fn, args, kwargs = pickle.load(tasks)  # noqa: S301 - from the process that we are a copy of
            try:
                answer = pickle.dumps((True, fn(*args, **kwargs)))
            except Exception as error:  # noqa: BLE001 - it goes to whoever waits for the result
                answer = _pickled(error)
            results.write(answer)
            results.flush()
    except BaseException:  # noqa: BLE001 - above all the end of the pipe
        os._exit(1)
