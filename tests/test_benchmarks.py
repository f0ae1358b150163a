"""The benchmarks, which `make test` does not run: each imports what is there."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("name", sorted(path.stem for path in BENCHMARKS.glob("test_*.py")))
def test_a_benchmark_can_be_imported(name: str) -> None:
    assert importlib.import_module(f"benchmarks.{name}")


def test_there_are_benchmarks() -> None:
    assert len(list(BENCHMARKS.glob("test_*.py"))) > 10
