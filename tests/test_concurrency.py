"""The same work on many items: order, windows, failures, and what is made once."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from imagesig.concurrency import Once, batches, flow, for_each, in_threads


class BadSourceError(Exception):
    """Raised by `two_and_a_failure`."""


class BadActionError(Exception):
    """Raised by an action."""


def two_and_a_failure() -> Iterator[int]:
    yield from (1, 2)
    raise BadSourceError


def done(value: int) -> Future[int]:
    future: Future[int] = Future()
    future.set_result(value)
    return future


def test_results_are_in_the_order_of_the_items() -> None:
    barrier = threading.Barrier(3)
    assert for_each([3, 1, 2], lambda number: (barrier.wait(30), number)[1] * 2) == [6, 2, 4]


def test_nothing_is_done_for_no_items() -> None:
    assert for_each([], lambda _item: pytest.fail("there is no item")) == []


def test_after_a_failure_running_actions_are_stopped_and_no_further_one_starts() -> None:
    started, stopped = itertools.count(), threading.Event()
    all_run = threading.Barrier(8)

    def action(number: int) -> None:
        next(started)
        if number < 8:
            all_run.wait(30)
        if number == 0:
            raise BadActionError
        stopped.wait(30)

    with pytest.raises(BadActionError):
        for_each(range(1000), action, stop=stopped.set)
    assert stopped.is_set()
    assert next(started) < 1000


def test_slow_items_move_from_this_thread_to_others() -> None:
    here = threading.get_ident()
    used = [thread for _, thread in in_threads(range(50), _thread_of_slow_work, workers=2, alone_under=0.0001)]
    assert used[0] == here
    assert used[-1] != here


def _thread_of_slow_work(_item: int) -> int:
    threading.Event().wait(0.001)
    return threading.get_ident()


def test_fast_items_stay_in_this_thread() -> None:
    used = {thread for _, thread in in_threads(range(50), lambda _item: threading.get_ident(), alone_under=60)}
    assert used == {threading.get_ident()}


@pytest.mark.parametrize("workers", [1, 2])
def test_what_the_source_raises_is_raised_after_the_items_before_it(workers: int) -> None:
    results = in_threads(two_and_a_failure(), str, workers=workers, in_order=True)
    assert [next(results), next(results)] == [(1, "1"), (2, "2")]
    with pytest.raises(BadSourceError):
        next(results)


def test_a_closed_flow_takes_nothing_more_and_does_not_close_its_source() -> None:
    source = iter(range(100))
    numbers = (number for number in source)
    running = flow(done, numbers, window=3)
    next(running)
    running.close()
    assert next(numbers) == 3


def test_outcomes_in_order_wait_for_the_slowest_within_the_window() -> None:
    futures: list[Future[int]] = []

    def submit(number: int) -> Future[int]:
        futures.append(Future() if number == 0 else done(number))
        if number == 3:
            futures[0].set_result(0)
        return futures[number]

    running = flow(submit, range(10), window=4, in_order=True)
    assert next(running)[0] == 0
    assert len(futures) == 4
    assert [item for item, _ in running] == list(range(1, 10))


def test_an_item_is_submitted_again_as_often_as_asked() -> None:
    submitted: list[int] = []

    def submit(number: int) -> Future[int]:
        submitted.append(number)
        return done(number)

    again = lambda item, _future: submitted.count(item) < item  # noqa: E731
    assert len(list(flow(submit, [1, 3], window=1, again=again))) == 2
    assert submitted == [1, 3, 3, 3]


def test_when_no_time_is_left_every_item_is_returned_with_its_future() -> None:
    release = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = flow(lambda _item: pool.submit(release.wait, 30), range(5), window=3, left=lambda: 0)
        returned = [item for item, _ in running]
        release.set()
    assert sorted(returned) == list(range(5))


def test_batches_have_the_size_and_the_last_one_is_shorter() -> None:
    assert list(batches(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(batches([], 2)) == []


def test_a_batch_that_a_failure_cuts_short_comes_before_the_failure() -> None:
    made = batches(two_and_a_failure(), 3)
    assert next(made) == [1, 2]
    with pytest.raises(BadSourceError):
        next(made)


def test_a_value_is_made_once_for_all_threads() -> None:
    once: Once[int] = Once(10)
    counted = itertools.count()
    assert set(for_each(range(50), lambda _item: once.get("key", lambda: next(counted)))) == {0}


def test_the_oldest_value_is_forgotten() -> None:
    once: Once[Any] = Once(2)
    assert [once.get(key, lambda key=key: [key]) for key in "abca"] == [["a"], ["b"], ["c"], ["a"]]
    assert once.get("c", list) == ["c"]
    assert once.get("b", list) == []


def test_an_exception_is_remembered_unless_another_attempt_may_help() -> None:
    counted = itertools.count()

    def fail() -> int:
        next(counted)
        raise BadActionError

    for once in (Once[int](2), Once[int](2, lambda error: isinstance(error, BadActionError))):
        for _ in range(2):
            with pytest.raises(BadActionError):
                once.get("key", fail)
    assert next(counted) == 3
