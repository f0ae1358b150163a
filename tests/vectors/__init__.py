"""Public test vectors: where they are, and how many of their cases ran.

They are not part of the repository. `IMAGESIG_VECTORS` names their folder; without it, `../shared/vectors` beside the
repository is used. Where there are none the tests skip, except in CI (the variable `CI` is set), where they fail.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class Tally:
    """How many cases of one set ran, and how many were left out for which reason."""

    ran: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        line = f"{self.ran} cases ran, {self.left_out.total()} left out"
        reasons = "; ".join(f"{count} {reason}" for reason, count in sorted(self.left_out.items()) if count)
        return f"{line} ({reasons})" if reasons else line


tallies: dict[str, Tally] = {}


def vectors(name: str) -> Path:
    """The folder of one set of vectors."""
    named = os.environ.get("IMAGESIG_VECTORS")
    folder = Path(named) if named else _REPOSITORY.parent / "shared" / "vectors"
    if (folder / name).is_dir():
        return folder / name
    reason = f"the test vectors {name} are not there: IMAGESIG_VECTORS names the folder that holds them"
    if named or os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def report(name: str, ran: int, left_out: Mapping[str, int] | None = None) -> None:
    """Adds to the line that the run prints about this set. `left_out`: reason -> number of cases."""
    tally = tallies.setdefault(name, Tally())
    tally.ran += ran
    tally.left_out.update(left_out or {})
