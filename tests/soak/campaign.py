"""One soak: the service runs, outages happen in turn, and memory, descriptors, threads and sessions are measured."""

from __future__ import annotations

import gc
import os
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.soak.rig import Outage, Rig, rig
from tests.soak.service import Record, in_asyncio, in_threads

RECOVERY = 40.0
"""Seconds in which every key signs again after an outage; a call on its way may take 20."""
MEMORY_GROWTH = 8 * 1024
"""KiB that memory may grow after the warm-up: the allocator is not exact."""
MORE = 8
"""Descriptors and threads more than after the warm-up: a connection may be open that was not."""
_MEASURED = ("memory, KiB", "descriptors", "threads", "PKCS#11 sessions")


@dataclass(slots=True)
class Report:
    """What a soak found."""

    record: Record = field(default_factory=Record)
    outages: Counter[str] = field(default_factory=Counter)
    recovery: float = 0.0
    """The longest time until all keys signed again."""
    samples: list[tuple[int, ...]] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        done, errors = self.record.done, self.record.errors
        yield "".join(f"{step} {count}  " for step, count in sorted(done.items())) + f"errors {errors.total()}"
        yield from (f"  {name:28} {count:>6}" for name, count in errors.most_common())
        yield f"{self.outages.total()} outages, the slowest recovery took {self.recovery:.1f} s"
        yield from (f"  {name:36} {count:>3}" for name, count in self.outages.items())
        for number, name in enumerate(_MEASURED):
            early, late = self.early_and_late(number)
            yield f"{name:18} {early:>8.0f} after the warm-up {late:>8.0f} at the end"

    def early_and_late(self, number: int) -> tuple[float, float]:
        """The medians of a measure after the first third, and at the end."""
        values = [sample[number] for sample in self.samples]
        fifth = max(1, len(values) // 5)
        third = len(values) // 3
        return statistics.median(values[third : third + fifth]), statistics.median(values[-fifth:])

    def growth(self) -> Iterator[str]:
        """Measures that are not flat."""
        for number, name in enumerate(_MEASURED):
            early, late = self.early_and_late(number)
            if late > early + (MEMORY_GROWTH if number == 0 else MORE):
                yield f"{name}: from {early:.0f} to {late:.0f}"


def run(folder: Path, seconds: float, *, hold: float = 1.0, images: int = 2) -> Report:
    """A soak of so many seconds. Each outage lasts `hold` seconds; both kinds of session serve `images` images."""
    report, stop = Report(), threading.Event()
    with rig(folder) as made:
        before = _resources(made)
        workers = [
            threading.Thread(target=work, args=(names, made.keys, report.record, stop), daemon=True)
            for work, names in (
                (in_threads, [made.push(f"sync{number}") for number in range(images)]),
                (in_asyncio, [made.push(f"aio{number}") for number in range(images)]),
            )
        ]
        for worker in workers:
            worker.start()
        until = time.monotonic() + seconds
        _recovered(report, made, workers, "at the start")
        try:
            while time.monotonic() < until:
                for outage in made.outages:
                    if time.monotonic() < until:
                        _suffer(report, made, workers, outage, hold)
        finally:
            stop.set()
            for worker in workers:
                worker.join(120)
        if any(worker.is_alive() for worker in workers):
            report.record.fault("the service did not stop within 120 s")
        made.closing.close()
        gc.collect()
        after = _settled(made, before)
        for name, was, now in zip(_MEASURED[1:], before[1:], after[1:], strict=True):
            if now > was + _left(name):
                report.record.fault(f"{name} left open: {was} before, {now} after closing")
    return report


def _left(name: str) -> int:
    """How many of a measure may be left open in the end."""
    return 0 if name.startswith("PKCS") else 4


def _settled(made: Rig, before: tuple[int, ...]) -> tuple[int, ...]:
    """The measures once the threads of servers have seen that their clients are gone, or after 10 s."""
    until = time.monotonic() + 10
    while True:
        now = _resources(made)
        more = zip(_MEASURED[1:], before[1:], now[1:], strict=True)
        if time.monotonic() > until or all(late <= was + _left(name) for name, was, late in more):
            return now
        time.sleep(0.02)


def _suffer(report: Report, made: Rig, workers: list[threading.Thread], outage: Outage, hold: float) -> None:
    outage.begin()
    report.outages[outage.name] += 1
    time.sleep(hold)
    outage.heal()
    _recovered(report, made, workers, f"after: {outage.name}")


def _recovered(report: Report, made: Rig, workers: list[threading.Thread], when: str) -> None:
    """Waits until every key has made a signature from now on, and measures."""
    began = time.monotonic()
    while any(report.record.last.get(kind, 0.0) < began for kind in made.keys):
        if time.monotonic() - began > RECOVERY:
            late = [kind for kind in made.keys if report.record.last.get(kind, 0.0) < began]
            report.record.fault(f"{when}: no signature in {RECOVERY:.0f} s by {', '.join(late)}")
            break
        if not all(worker.is_alive() for worker in workers):
            report.record.fault(f"{when}: the service ended")
            break
        time.sleep(0.02)
    report.recovery = max(report.recovery, time.monotonic() - began)
    report.samples.append(_resources(made))


def _resources(made: Rig) -> tuple[int, ...]:
    """Resident memory in KiB, descriptors and threads of this process, and the sessions of its token."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    descriptors = len(os.listdir("/proc/self/fd"))
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024, descriptors, threading.active_count(), made.open_sessions()
