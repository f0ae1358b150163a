"""Records which tests run which line, and how long each test takes: `python -m tests.mutants.lines`."""

from __future__ import annotations

import ast
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import _lru_cache_wrapper
from pathlib import Path
from typing import Any

import pytest
from coverage import Coverage

ROOT = Path(__file__).parents[2]
LEFT_OUT = (
    *("tests/external", "tests/fuzz", "tests/mutants", "tests/peers", "tests/interop", "tests/docs"),
    *("tests/testing/test_hostile.py", "tests/cli/test_canaries.py", "tests/test_package.py", "tests/test_floors.py"),
    *(
        "tests/cli/test_processes.py",
        "tests/cli/test_verifying_processes.py",
        "tests/api/verify/test_remote_workers.py",
    ),
)
"""Campaigns that take minutes, tests of something else than the package's code, and those of other processes, which
run the code without the mutant."""
PYTEST = (
    *("-q", "--tb=no", "-m", "not interop", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "tests.mutants.profile"),
    *("--hypothesis-profile=mutants", "-o", "tmp_path_retention_policy=none", "-k", "not four_processes"),
    *(f"--ignore={path}" for path in LEFT_OUT),
)
_OF_EVERY_MODULE = "tests/test_values.py"
"""Tests that check every module without running its lines."""
_SLOW = 0.3
"""Seconds: a test that takes longer runs after the quick ones."""
_DATA = ROOT / ".mutants-lines.json"


class Lines:
    """The tests that passed, by the lines of the package that they run."""

    def __init__(self, modules: Iterable[str]) -> None:
        found = json.loads(_DATA.read_text())
        names: list[str] = found["tests"]
        self.seconds: dict[str, float] = dict(zip(names, found["seconds"], strict=True))
        self._modules: dict[str, dict[int, set[str]]] = {}
        self._extents: dict[str, dict[int, range]] = {}
        self._at_import: dict[str, set[int]] = {}
        for module in sorted(set(modules)):
            by_line: dict[str, list[int]] = found["lines"].get(module, {})
            self._at_import[module] = {int(line) for line, tests in by_line.items() if -1 in tests}
            self._modules[module] = {
                int(line): {names[test] for test in tests if test >= 0} for line, tests in by_line.items()
            }
            source = (ROOT / "imagesig" / module).read_text(encoding="utf-8")
            self._extents[module] = dict(_extents(ast.parse(source)))

    @staticmethod
    def known() -> bool:
        """Whether a first run has found them."""
        return _DATA.exists()

    def tests(self, module: str, line: int) -> list[str]:
        """The tests that run this line; for a line that runs at import, those that run any line of the module.

        Slow ones come last. Those of the mirroring test file come first, then one case of each test function before the
        next cases, quick ones first.
        """
        by_line = self._modules[module]
        extent = self._extents[module].get(line)
        lines = extent if extent is not None else by_line
        names = set().union(*(by_line.get(number, ()) for number in lines)) if lines else set()
        if extent is None:
            names |= {test for test in self.seconds if test.startswith(_OF_EVERY_MODULE)}
        return self._in_order(module, names)

    def runs_at_import(self, module: str, line: int) -> bool:
        """Whether a line runs while tests are collected: what it gives then is not of the mutant."""
        extent = self._extents[module].get(line)
        return extent is None or not self._at_import[module].isdisjoint(extent)

    def _in_order(self, module: str, names: set[str]) -> list[str]:
        folder, name = os.path.split(module)
        mirror, beside = (f"tests/{folder}/test_{name}".replace("//", "/"), f"tests/{folder}/".replace("//", "/"))
        cases: dict[str, int] = {}
        ranked = []
        for test in sorted(names, key=lambda test: self.seconds[test]):
            function = test.partition("[")[0]
            cases[function] = cases.get(function, -1) + 1
            is_slow = self.seconds[test] > _SLOW
            if test.startswith(_OF_EVERY_MODULE):
                ranked.append((False, 0, False, test))
            elif test.startswith(mirror):
                ranked.append((is_slow, 0, False, test))
            else:
                ranked.append((is_slow, cases[function] + 1, not test.startswith(beside), test))
        return [test for *_, test in sorted(ranked, key=lambda item: item[:3])]


def _extents(tree: ast.Module) -> Iterator[tuple[int, range]]:
    """The lines of the innermost statement around each line that is in a function: not every line has an event."""
    for node in ast.walk(tree):  # outer statements come before inner ones, which replace them
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in (item for child in node.body for item in ast.walk(child)):
                if isinstance(statement, ast.stmt):
                    end = _header_end(statement)
                    for line in range(statement.lineno, end + 1):
                        yield line, range(statement.lineno, end + 1)


def _header_end(statement: ast.stmt) -> int:
    """The last line of a simple statement; of a compound one, the last before its body."""
    body = getattr(statement, "body", None) or getattr(statement, "cases", None)
    if not body:
        return statement.end_lineno or statement.lineno
    first = body[0].pattern.lineno if isinstance(body[0], ast.match_case) else body[0].lineno
    return max(statement.lineno, first - 1)


def caches() -> list[_lru_cache_wrapper[object]]:
    """The caches of the package's functions."""
    found = (item for item in gc.get_objects() if isinstance(item, _lru_cache_wrapper))
    return [item for item in found if getattr(item, "__module__", "").startswith("imagesig")]


class _Contexts:
    """Records the lines of each test, and measures it."""

    def __init__(self, coverage: Coverage) -> None:
        self._coverage = coverage
        self._caches: list[_lru_cache_wrapper[object]] = []
        self._failed: set[str] = set()
        self.seconds: dict[str, float] = {}

    def pytest_collection_finish(self) -> None:
        self._caches = caches()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        for filled in self._caches:  # a cached result would hide the lines from the next test
            filled.cache_clear()
        self._coverage.switch_context(item.nodeid)
        started = time.perf_counter()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.perf_counter() - started
            self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self._failed.add(report.nodeid)

    def found(self) -> dict[str, object]:
        """The tests that passed, their seconds, and for each line the numbers of its tests; -1 stands for an import."""
        tests = [test for test in self.seconds if test not in self._failed]
        numbers = {test: number for number, test in enumerate(tests)} | {"": -1}
        data, package = self._coverage.get_data(), ROOT / "imagesig"
        lines = {
            Path(file).relative_to(package).as_posix(): {
                line: [numbers[context] for context in contexts if context in numbers]
                for line, contexts in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
        return {"tests": tests, "seconds": [self.seconds[test] for test in tests], "lines": lines}


def measure() -> int:
    """Runs the tests once under coverage. Tests that do not pass are left out."""
    # In memory: a fork of this process, which some tests make, would empty coverage's file.
    coverage = Coverage(data_file=None, source=[str(ROOT / "imagesig")], config_file=False)
    contexts = _Contexts(coverage)
    coverage.start()
    with tempfile.TemporaryDirectory() as scratch:  # another run of pytest prunes the shared folder
        code: Any = pytest.main([*PYTEST, f"--basetemp={scratch}/t"], plugins=[contexts])
    coverage.stop()
    found = contexts.found()
    _DATA.write_text(json.dumps(found))
    print(f"{len(found['tests'])} of {len(contexts.seconds)} tests pass; pytest ended with {int(code)}", flush=True)
    return 0 if found["tests"] else 1


if __name__ == "__main__":
    sys.exit(measure())
