"""The same work on many items at once: on a list, or on a stream that is never in memory as a whole."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

WORKERS = 8
"""Threads that work at the same time, unless the caller says otherwise."""
_SPARE_ITEMS = 4
"""How many items' worth of time sequential work may be late before threads start."""


def for_each(
    items: Sequence[_Item], action: Callable[[_Item], _Result], *, stop: Callable[[], None] | None = None
) -> list[_Result]:
    """The results in the order of the items.

    The first failure, or Ctrl-C, is raised as soon as the running actions have ended; no further action starts.
    `stop` is called before that wait and may make running actions end early.
    """
    workers = min(WORKERS, len(items))
    return [result for _, result in in_threads(items, action, workers=workers, in_order=True, stop=stop)]


def in_threads(
    items: Iterable[_Item],
    action: Callable[[_Item], _Result],
    *,
    workers: int = WORKERS,
    window: int = 0,
    in_order: bool = False,
    stop: Callable[[], None] | None = None,
    alone_under: float = 0.0,
) -> Generator[tuple[_Item, _Result], None, None]:
    """Each item with its result, as they finish: at most `window` items are taken and not yet returned.

    The caller's thread takes the items, and the threads see its context variables. If `action` raises, or the generator
    is closed, no further action starts and the running ones are waited for; `stop` is called before that wait if
    something went wrong, and may make them end early.

    While an item takes less than `alone_under` seconds on average, the caller's thread does the work: threads that
    never wait for a network only wait for each other.
    """
    items = iter(items)
    if workers <= 1 or alone_under:
        is_done = yield from _in_this_thread(items, action, alone_under if workers > 1 else None)
        if is_done:
            return
    yield from _in_pool(items, action, workers, window=window or 4 * workers, in_order=in_order, stop=stop)


def _in_this_thread(
    items: Iterator[_Item], action: Callable[[_Item], _Result], limit: float | None
) -> Generator[tuple[_Item, _Result], None, bool]:
    """Each item with its result. Ends early, with False, once items take more than `limit` seconds on average."""
    # Spare time for a first connection, or a moment in which other programs had the processor.
    spare = _SPARE_ITEMS * (limit or 0.0)
    for item in items:
        started = time.monotonic()
        result = action(item)
        if limit is not None:
            spare += limit - (time.monotonic() - started)
        yield item, result
        if spare < 0:
            return False
    return True


def _in_pool(
    items: Iterator[_Item],
    action: Callable[[_Item], _Result],
    workers: int,
    *,
    window: int,
    in_order: bool,
    stop: Callable[[], None] | None,
) -> Generator[tuple[_Item, _Result], None, None]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers, "imagesig") as pool:

        def submit(item: _Item) -> Future[_Result]:
            return pool.submit(contextvars.copy_context().run, action, item)

        tasks = flow(submit, items, window=window, in_order=in_order)
        with contextlib.closing(tasks):
            try:
                for item, future in tasks:
                    yield item, future.result()
            except BaseException:
                if stop is not None:
                    stop()
                raise


def flow(
    submit: Callable[[_Item], Future[_Result]],
    items: Iterable[_Item],
    *,
    window: int,
    in_order: bool = False,
    again: Callable[[_Item, Future[_Result]], bool] = lambda _item, _future: False,
    left: Callable[[], float | None] = lambda: None,
) -> Generator[tuple[_Item, Future[_Result]], None, None]:
    """Each item with its future, once that is done; at most `window` items are taken and not yet returned.

    An item for which `again` returns True is submitted once more instead. When no seconds are `left`, the other futures
    are returned too, cancelled or running. Closing the generator cancels what has not started and waits for the rest.
    An exception of `items` is raised after everything before it is returned.
    """
    tasks = _Tasks(submit, again, left)
    ready: dict[int, tuple[_Item, Future[_Result]]] = {}
    failures: list[Exception] = []
    numbered = enumerate(_until_failure(items, failures))
    next_out = 0
    try:
        while True:
            while len(tasks.pending) + len(ready) < window and (entry := next(numbered, None)) is not None:
                tasks.start(*entry)
            if not tasks.pending:
                break
            number, item, future = tasks.next_done()
            if not in_order:
                yield item, future
                continue
            ready[number] = (item, future)
            while next_out in ready:
                yield ready.pop(next_out)
                next_out += 1
    finally:
        tasks.cancel()
    if failures:
        raise failures[0]


class _Tasks(Generic[_Item, _Result]):
    """The futures of a `flow` that are submitted and not yet returned, each with its item and the item's number."""

    def __init__(
        self,
        submit: Callable[[_Item], Future[_Result]],
        again: Callable[[_Item, Future[_Result]], bool],
        left: Callable[[], float | None],
    ) -> None:
        self._submit, self._again, self._left = submit, again, left
        self._done: SimpleQueue[Future[_Result]] = SimpleQueue()
        self.pending: dict[Future[_Result], tuple[int, _Item]] = {}

    def start(self, number: int, item: _Item) -> None:
        future = self._submit(item)
        self.pending[future] = (number, item)
        future.add_done_callback(self._done.put)

    def next_done(self) -> tuple[int, _Item, Future[_Result]]:
        """The next future that is done and not submitted again; any one, cancelled, if no time is left."""
        while True:
            try:
                future, is_in_time = self._done.get(timeout=self._left()), True
            except Empty:
                future, is_in_time = next(iter(self.pending)), False
                future.cancel()
            if future not in self.pending:  # returned before, when no time was left
                continue
            number, item = self.pending.pop(future)
            if not is_in_time or not self._again(item, future):
                return number, item, future
            self.start(number, item)

    def cancel(self) -> None:
        """Cancels what has not started and waits for the rest."""
        from concurrent.futures import wait

        wait([future for future in self.pending if not future.cancel()])


def _until_failure(items: Iterable[_Item], failures: list[Exception]) -> Iterator[_Item]:
    """The items. An exception of their source ends them and is appended to `failures`."""
    try:
        for item in items:  # noqa: UP028 - `yield from` would close the source with this generator
            yield item
    except Exception as error:  # noqa: BLE001 - the caller raises it
        failures.append(error)


def batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Lists of `size` items, the last one shorter. An exception of `items` is raised after the items before it."""
    failures: list[Exception] = []
    source = _until_failure(items, failures)
    while batch := list(islice(source, size)):
        yield batch
    if failures:
        raise failures[0]


class Once(Generic[_Result]):
    """Remembers the values of the last `most` keys, so that no value is made twice, not even at the same time.

    An exception is remembered too, unless `forget` returns True for it: another attempt may help. Thread-safe.
    """

    def __init__(self, most: int, forget: Callable[[Exception], bool] = lambda _error: False) -> None:
        self._lock = threading.Lock()
        self._most = most
        self._forget = forget
        self._cells: OrderedDict[object, _Cell[_Result]] = OrderedDict()

    def get(self, key: object, make: Callable[[], _Result]) -> _Result:
        """The value of this key; `make` makes it the first time. Raises what `make` raises or raised."""
        with self._lock:
            cell = self._cells.setdefault(key, _Cell())
            self._cells.move_to_end(key)
            if len(self._cells) > self._most:
                self._cells.popitem(last=False)
        with cell.lock:
            if cell.error is not None:
                raise cell.error.with_traceback(None)
            if not cell.made:
                try:
                    cell.made.append(make())
                except Exception as error:
                    if not self._forget(error):
                        cell.error = error
                    raise
            return cell.made[0]


class _Cell(Generic[_Result]):
    """The value of one key: `made` is empty or has one item."""

    __slots__ = ("error", "lock", "made")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made: list[_Result] = []
        self.error: Exception | None = None
