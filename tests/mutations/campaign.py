"""A run of mutations: all are judged, and each disagreement must be one that `known.toml` gives the reason of."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.mutations.changes import Mutation, mutation
from tests.mutations.judges import Bench, Judged
from tests.mutations.material import ATTESTED, FORMS, Material
from tests.mutations.serving import Shelf, keep

NEVER_KNOWN = ("other-image", "crash")
"""Outcomes that no reason excuses."""
_THREADS = 2


@dataclass(frozen=True)
class Known:
    """A class of disagreements. Patterns match the whole of what they are for; without one, anything fits."""

    judge: str
    outcome: str
    reason: str
    kind: str = ".*"
    field: str = ".*"
    base: str = ".*"
    fix: str = ".*"
    ours: str = ".*"
    theirs: str = ".*"

    def fits(self, item: Mutation, judged: Judged) -> bool:
        return (
            re.fullmatch(self.judge, judged.judge) is not None
            and judged.outcome == self.outcome
            and re.fullmatch(self.kind, item.kind, re.DOTALL) is not None
            and re.fullmatch(self.field, item.field, re.DOTALL) is not None
            and re.fullmatch(self.base, item.base.name) is not None
            and re.fullmatch(self.fix, item.fix.value) is not None
            and re.fullmatch(self.ours, judged.ours.reason, re.DOTALL) is not None
            and re.fullmatch(self.theirs, judged.theirs.reason, re.DOTALL) is not None
        )


@dataclass
class Report:
    """What came of a run: counts by judge and outcome, and what was not explained."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    reasons: Counter[Known] = field(default_factory=Counter)
    unexplained: list[tuple[Mutation, Judged]] = field(default_factory=list)
    mutations: int = 0

    def add(self, item: Mutation, found: Sequence[Judged], known: Sequence[Known]) -> None:
        self.mutations += 1
        for judged in found:
            self.counts[judged.judge, judged.outcome] += 1
            if judged.ours.accepted and judged.theirs.accepted:
                self.accepted[judged.judge] += 1
            if judged.outcome == "agree":
                continue
            reason = next((entry for entry in known if entry.fits(item, judged)), None)
            if reason is None or judged.outcome in NEVER_KNOWN:
                self.unexplained.append((item, judged))
            else:
                self.reasons[reason] += 1

    @property
    def judges(self) -> list[str]:
        return sorted({judge for judge, _ in self.counts})

    def lines(self) -> Iterator[str]:
        yield f"{self.mutations} mutations"
        for judge in self.judges:
            outcomes = {outcome: count for (name, outcome), count in sorted(self.counts.items()) if name == judge}
            said = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.items())
            yield f"  {judge}: {sum(outcomes.values())} questions: {said}; both accept {self.accepted[judge]}"
        for entry, count in sorted(self.reasons.items(), key=lambda pair: (pair[0].judge, pair[0].outcome, -pair[1])):
            yield f"  {count:4} {entry.judge} {entry.outcome}: {entry.reason}"

    def faults(self) -> Iterator[str]:
        """Each disagreement that nothing explains, and how to see it again."""
        for item, judged in self.unexplained:
            yield (
                f"{judged.judge}: imagesig is {judged.outcome}: {item}\n"
                f"    imagesig: {_said(judged.ours.accepted, judged.ours.what or judged.ours.reason)}\n"
                f"    {judged.judge}: {_said(judged.theirs.accepted, judged.theirs.what or judged.theirs.reason)}\n"
                f"    again: python -m tests.mutations --seed {item.seed} --number {item.number} --keep FOLDER"
                f"{' --attestations' if item.base.form in ATTESTED else ''}"
            )


def _said(accepted: bool, text: str) -> str:
    return f"{'accepts' if accepted else 'refuses'} {text}"


def known_disagreements() -> list[Known]:
    path = Path(__file__).parent / "known.toml"
    return [Known(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("known", [])]


@contextmanager
def bench(folder: Path, forms: Mapping[str, tuple[str, ...]] = FORMS) -> Iterator[tuple[Material, Bench]]:
    """Images, registry and judges for one run."""
    made = Material(folder / "material", forms)
    with Shelf() as shelf:
        yield made, Bench(made, shelf, folder / "bench")


def run(
    folder: Path,
    seed: int,
    numbers: Sequence[int],
    kept: Path | None = None,
    forms: Mapping[str, tuple[str, ...]] = FORMS,
) -> Report:
    """Judges the mutations of these numbers; `kept` gets the files of those that are not explained."""
    known, report = known_disagreements(), Report()
    with bench(folder, forms) as (made, judges), ThreadPoolExecutor(_THREADS) as pool:

        def one(number: int) -> tuple[Mutation, list[Judged]]:
            item = mutation(made, seed, number)
            return item, judges.judge(item)

        for item, found in pool.map(one, numbers):
            before = len(report.unexplained)
            report.add(item, found, known)
            if kept and (len(report.unexplained) > before or len(numbers) == 1):
                keep(item, kept / str(item.number))
    return report
