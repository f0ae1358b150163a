"""ForkPool of this process: what they give, what their death means, and that none is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from imagesig.cli.processes import ForkPool, available
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
def copies() -> Iterator[ForkPool]:
    with ForkPool(2) as made:
        yield made


def test_results_come_back(copies: ForkPool) -> None:
    assert list(copies.map(double, range(100))) == [2 * number for number in range(100)]


def test_work_is_done_elsewhere(copies: ForkPool) -> None:
    assert copies.submit(process).result() != os.getpid()


def test_exceptions_come_back_whole(copies: ForkPool) -> None:
    with pytest.raises(NotFound, match="no such thing") as caught:
        copies.submit(fail).result()
    assert caught.value.hint == "look elsewhere"


def test_what_a_dead_copy_had_fails_and_the_others_go_on(copies: ForkPool) -> None:
    with pytest.raises(EOFError, match="worker process"):
        copies.submit(die).result()
    assert list(copies.map(double, range(10))) == [2 * number for number in range(10)]


def test_with_no_copy_left_every_task_fails(copies: ForkPool) -> None:
    futures = [copies.submit(die) for _ in range(2)] + [copies.submit(double, 1) for _ in range(5)]
    assert all(isinstance(future.exception(timeout=30), EOFError) for future in futures[:2])
    assert isinstance(copies.submit(double, 1).exception(timeout=30), EOFError)


def test_what_does_not_pickle_fails_and_costs_no_copy(copies: ForkPool) -> None:
    for _ in range(4):
        assert copies.submit(lambda: 1).exception(timeout=30) is not None
    assert copies.submit(double, 4).result(timeout=30) == 8


def test_ending_them_does_not_wait_for_what_they_do() -> None:
    copies = ForkPool(1)
    pid = copies.submit(process).result()
    future = copies.submit(sleep_long)
    time.sleep(0.1)
    copies.shutdown()
    assert isinstance(future.exception(timeout=30), EOFError)
    assert not is_alive(pid)


@pytest.mark.parametrize("busy", ["pass", "[c.submit(sleep_long) for _ in range(2)]"], ids=["idle", "at work"])
def test_nobody_stays_behind_when_the_original_is_killed(busy: str) -> None:
    endless = (
        "from tests.cli.test_processes import *; c = ForkPool(2)\n"
        "pids = {c.submit(process).result() for _ in range(9)}\n"
        f"{busy}; time.sleep(0.2)\n"
        "print(*pids, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", endless], stdout=subprocess.PIPE, text=True) as original:
        assert original.stdout is not None
        pids = [int(word) for word in original.stdout.readline().split()]
        original.send_signal(signal.SIGKILL)
    assert pids
    ends = time.monotonic() + 30
    while any(map(is_running, pids)):
        assert time.monotonic() < ends, "a copy outlived its original"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Alive, and not a zombie that nobody has asked about yet."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_none_is_offered_beside_threads() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert available() == 0
    finally:
        done.set()
        thread.join()
