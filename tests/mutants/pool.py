"""Runs tests in forked copies of this process, several at a time."""

from __future__ import annotations

import contextlib
import os
import resource
import selectors
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

_Item = TypeVar("_Item")
_MEMORY = 6 << 30
_SECONDS = 20.0
_SLOWER = 10

Say = Callable[[str], None]
Run = Callable[[Say], None]
"""Runs tests. Calls its argument with `start TEST` before each test and `failed TEST` after the first failure."""


@dataclass
class Ended:
    """The result of a run: the test that failed, timed out or ended the process; None if all passed."""

    failed: str | None
    how: str = ""


@dataclass
class _Process:
    pid: int
    steps: Generator[Run, Ended, Any]
    item: Any
    seen: bytes = b""
    test: str = ""
    since: float = field(default_factory=time.monotonic)


def pooled(
    items: Iterable[_Item], steps: Callable[[_Item], Generator[Run, Ended, Any]], jobs: int, seconds: dict[str, float]
) -> Iterator[tuple[_Item, Any]]:
    """The return value of each item's steps, in the order in which they end. Each step is a run in its own process."""
    waiting, running = iter(items), selectors.DefaultSelector()
    over = False
    while not over or running.get_map():
        while not over and len(running.get_map()) < jobs:
            item = next(waiting, None)
            if item is None:
                over = True
                break
            yield from _advance(running, steps(item), item, None)
        for key, _ in running.select(timeout=0.5) if running.get_map() else ():
            process: _Process = key.data
            if data := os.read(key.fd, 65536):
                _note(process, data)
            else:
                yield from _finish(running, key, "died")
        for key in list(running.get_map().values()):
            if time.monotonic() - key.data.since > _SECONDS + _SLOWER * seconds.get(key.data.test, 1.0):
                yield from _finish(running, key, "time")


def _note(process: _Process, data: bytes) -> None:
    *lines, process.seen = (process.seen + data).split(b"\n")
    for line in lines:
        word, _, test = line.decode().partition(" ")
        process.since = time.monotonic()
        process.test = "" if word == "end" else f"!{test}" if word == "failed" else test


def _finish(running: selectors.BaseSelector, key: selectors.SelectorKey, how: str) -> Iterator[tuple[Any, Any]]:
    process: _Process = key.data
    running.unregister(key.fileobj)
    os.close(key.fd)
    for kill, pid in ((os.kill, process.pid), (os.killpg, process.pid)):
        with contextlib.suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)
    os.waitpid(process.pid, 0)
    if not process.test:
        ended = Ended(None)
    elif process.test.startswith("!"):
        ended = Ended(process.test[1:], "failed")
    else:
        ended = Ended(process.test, how)
    yield from _advance(running, process.steps, process.item, ended)


def _advance(
    running: selectors.BaseSelector, steps: Generator[Run, Ended, Any], item: Any, ended: Ended | None
) -> Iterator[tuple[Any, Any]]:
    try:
        run = next(steps) if ended is None else steps.send(ended)
    except StopIteration as done:
        yield item, done.value
        return
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ours)
        _child(run, theirs)
    os.close(theirs)
    running.register(ours, selectors.EVENT_READ, _Process(pid, steps, item, test="(before its first test)"))


def _child(run: Run, to: int) -> NoReturn:
    try:
        os.setpgid(0, 0)
        os.set_inheritable(to, False)
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        run(lambda words: void(os.write(to, f"{words}\n".encode())))
        os.write(to, b"end\n")
    finally:
        os._exit(0)


def void(_: object) -> None:
    """Discards a value."""
