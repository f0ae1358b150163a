"""Forks of this process: what they return, what happens if one dies, and that none stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor

import pytest

from imagesig.cli.processes import ForkPool
from imagesig.errors import NotFound


def double(number: int) -> int:
    return 2 * number


def process() -> int:
    return os.getpid()


def fail() -> None:
    raise NotFound("no such thing", hint="look elsewhere")


def die() -> None:
    os._exit(3)


def sleep_long() -> None:
    time.sleep(600)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def pool() -> Iterator[ForkPool]:
    with ForkPool(2) as made:
        yield made


def test_results_come_back(pool: ForkPool) -> None:
    assert list(pool.map(double, range(100))) == [2 * number for number in range(100)]


def test_tasks_run_in_other_processes(pool: ForkPool) -> None:
    assert pool.submit(process).result() != os.getpid()


def test_exceptions_come_back_with_their_hint(pool: ForkPool) -> None:
    with pytest.raises(NotFound, match="no such thing") as caught:
        pool.submit(fail).result()
    assert caught.value.hint == "look elsewhere"


def test_the_task_of_a_dead_fork_fails_and_later_ones_are_done(pool: ForkPool) -> None:
    with pytest.raises(BrokenExecutor):
        pool.submit(die).result(timeout=30)
    assert list(pool.map(double, range(10))) == [2 * number for number in range(10)]


def test_a_task_that_kills_every_fork_fails_each_time(pool: ForkPool) -> None:
    for _ in range(4):
        assert isinstance(pool.submit(die).exception(timeout=30), BrokenExecutor)
    assert pool.submit(double, 4).result(timeout=30) == 8


def test_a_task_that_does_not_pickle_fails_and_ends_no_fork(pool: ForkPool) -> None:
    for _ in range(4):
        assert pool.submit(lambda: 1).exception(timeout=30) is not None
    assert pool.submit(double, 4).result(timeout=30) == 8


def test_shutdown_does_not_wait_for_running_tasks() -> None:
    pool = ForkPool(1)
    pid = pool.submit(process).result()
    future = pool.submit(sleep_long)
    time.sleep(0.1)
    pool.shutdown()
    assert isinstance(future.exception(timeout=30), BrokenExecutor)
    assert not is_alive(pid)


@pytest.mark.parametrize("busy", ["pass", "[c.submit(sleep_long) for _ in range(2)]"], ids=["idle", "at work"])
def test_no_fork_stays_behind_when_its_parent_is_killed(busy: str) -> None:
    endless = (
        "from tests.cli.test_processes import *; c = ForkPool(2)\n"
        "pids = {c.submit(process).result() for _ in range(9)}\n"
        f"{busy}; time.sleep(0.2)\n"
        "print(*pids, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", endless], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        parent.send_signal(signal.SIGKILL)
    assert pids
    ends = time.monotonic() + 30
    while any(map(is_running, pids)):
        assert time.monotonic() < ends, "a fork outlived its parent"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Alive, and not a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
