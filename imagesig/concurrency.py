"""Doing the same for many things at once: a list of them, or a stream that nobody holds as a whole."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

WORKERS = 8
"""Threads that work at the same time, unless the caller says otherwise."""
_GRACE = 4
"""Items' worth of time that doing them one by one may be behind before threads start."""


def for_each(
    items: Sequence[_Item], action: Callable[[_Item], _Result], *, stop: Callable[[], None] | None = None
) -> list[_Result]:
    """The results in the order of the items.

    The first failure, or Ctrl-C, is raised as soon as what runs already has ended; what has not started then never
    starts. `stop` is called before that wait: it may make what runs end early.
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

    As long as items take less than `alone_under` seconds on the average the caller's thread does them one by one:
    threads that wait for nothing but each other take longer. Items are taken in the caller's thread. Closing it, or an
    exception, leaves what has not started and waits for what runs. What `action` raises ends it. The threads see the
    caller's context variables.
    `stop` is called before that wait, where something went wrong: it may make what runs end early.
    """
    items = iter(items)
    if workers <= 1 or alone_under:
        patience = _GRACE * alone_under  # for a first connection, or a moment in which others had the processor
        for item in items:
            started = time.monotonic()
            result = action(item)
            patience += alone_under - (time.monotonic() - started)
            yield item, result
            if workers > 1 and patience < 0:
                break
        else:
            return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers, "imagesig") as pool:
        tasks = flow(
            lambda item: pool.submit(contextvars.copy_context().run, action, item),
            items,
            window=window or 4 * workers,
            in_order=in_order,
        )
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

    An item for which `again` says so is submitted once more instead. When no seconds are `left` the futures that are
    not done are returned all the same, cancelled or running. Closing it cancels what has not started and waits. What
    `items` raises is raised once all that was taken before is returned.
    """
    from concurrent.futures import wait
    from queue import Empty

    done: SimpleQueue[Future[_Result]] = SimpleQueue()
    pending: dict[Future[_Result], tuple[int, _Item]] = {}
    ready: dict[int, tuple[_Item, Future[_Result]]] = {}
    numbered = enumerate(items)
    next_out = 0

    def start(number: int, item: _Item) -> None:
        future = submit(item)
        pending[future] = (number, item)
        future.add_done_callback(done.put)

    try:
        exhausted = False
        failure: Exception | None = None
        while True:
            while not exhausted and len(pending) + len(ready) < window:
                try:
                    entry = next(numbered, None)
                except Exception as error:  # noqa: BLE001 - whatever it is, it is raised at the end
                    entry, failure = None, error
                exhausted = entry is None
                if entry is not None:
                    start(*entry)
            if not pending:
                if failure is not None:
                    raise failure
                return
            try:
                future = done.get(timeout=left())
                overdue = False
            except Empty:
                future = next(iter(pending))
                future.cancel()
                overdue = True
            if future not in pending:  # returned before, when no time was left
                continue
            number, item = pending.pop(future)
            if not overdue and again(item, future):
                start(number, item)
                continue
            if not in_order:
                yield item, future
                continue
            ready[number] = (item, future)
            while next_out in ready:
                yield ready.pop(next_out)
                next_out += 1
    finally:
        wait([future for future in pending if not future.cancel()])


def batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Lists of `size` items, the last one shorter. What `items` raises is raised after what came before it."""
    batch: list[_Item] = []
    failure: Exception | None = None
    source = iter(items)
    while failure is None:
        try:
            batch.append(next(source))
        except StopIteration:
            break
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised at the end
            failure = error
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
    if failure is not None:
        raise failure


class Once(Generic[_Result]):
    """Remembers what was made for the last `most` keys, so that nothing is made twice, not even at the same time.

    An exception is remembered too, unless `forget` says of it that another attempt may help. Thread-safe.
    """

    def __init__(self, most: int, forget: Callable[[Exception], bool] = lambda _error: False) -> None:
        self._lock = threading.Lock()
        self._most = most
        self._forget = forget
        self._cells: OrderedDict[object, _Cell[_Result]] = OrderedDict()

    def get(self, key: object, make: Callable[[], _Result]) -> _Result:
        """What was made for this key before, else what `make` makes now. Raises as `make` does or did."""
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
    """What one key stands for; `made` holds nothing or one value."""

    __slots__ = ("error", "lock", "made")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made: list[_Result] = []
        self.error: Exception | None = None
