"""Runs every benchmark beside its peer, in one run, and writes docs/performance.md."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import pytest

from benchmarks.report import write

PERFORMANCE = Path(__file__).parents[1] / "docs" / "performance.md"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json"
        options = ["--benchmark-only", "--benchmark-disable-gc", "--benchmark-sort=name", "-p", "no:xdist", "-q"]
        status = pytest.main([str(Path(__file__).parent), f"--benchmark-json={results}", *options, *sys.argv[1:]])
        if results.exists() and not sys.argv[1:]:
            write(json.loads(results.read_text()), PERFORMANCE)
    return int(status)


sys.exit(main())
