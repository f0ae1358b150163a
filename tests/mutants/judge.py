"""Decides for each mutant whether a test notices it.

A mutant inside a function replaces the function's code in a fork of a process that has collected every test. A mutant
of a module's own statements is imported: a process that has not imported the package yet collects the tests that run
the module. A failure counts if the same tests pass without the mutant.
"""

from __future__ import annotations

import ast
import gc
import importlib.abc
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

import pytest

from tests.mutants.lines import PYTEST, ROOT, Lines, caches
from tests.mutants.operators import Mutant, mutated
from tests.mutants.pool import Ended, Run, Say, pooled, void


@dataclass(frozen=True)
class Verdict:
    """The test that notices a mutant, and how: it `failed`, timed out (`time`) or ended the process (`died`)."""

    mutant: Mutant
    killer: str = ""
    how: str = ""
    met: int = 0
    of: int = 0


def judged(mutants: Sequence[Mutant], lines: Lines, jobs: int, seconds: float) -> Iterator[Verdict]:
    """A verdict for each mutant, those of functions first. `seconds` bounds the tests that one mutant meets."""
    again: list[int] = []
    for number, verdict in _from_collected(mutants, lines, jobs, seconds):
        mutant = mutants[number]
        if verdict is None or (not verdict.killer and lines.runs_at_import(mutant.module, mutant.line)):
            again.append(number)
        else:
            yield verdict
    steps = _Steps(lines, _fresh, seconds)
    for _, verdict in pooled([mutants[number] for number in again], steps, jobs, lines.seconds):
        yield verdict


class _Steps:
    """The runs that judge one mutant: with it, then without it up to the test that failed."""

    def __init__(self, lines: Lines, runner: Callable[[Mutant | None, Sequence[str]], Run], seconds: float) -> None:
        self._lines, self._runner, self._seconds = lines, runner, seconds
        self._sound: set[str] = set()
        self._unsound: set[str] = set()

    def __call__(self, mutant: Mutant) -> Generator[Run, Ended, Verdict]:
        every = self._lines.tests(mutant.module, mutant.line)
        tests = [test for test in self._affordable(every) if test not in self._unsound]
        while tests:
            ended = yield self._runner(mutant, tests)
            killer = ended.failed
            if killer is None:
                break
            if killer not in self._sound:
                until = tests[: tests.index(killer) + 1] if killer in tests else tests[:1]
                control = yield self._runner(None, until)
                if control.failed is not None:
                    print(f"left out, fails without a mutant too: {control.failed}", file=sys.stderr, flush=True)
                    self._unsound.add(control.failed)
                    tests = [test for test in tests if test != control.failed] if control.failed in tests else []
                    continue
                self._sound.add(killer)
            return Verdict(mutant, killer, ended.how, len(tests), len(every))
        return Verdict(mutant, met=len(tests), of=len(every))

    def _affordable(self, tests: Sequence[str]) -> Iterator[str]:
        left = self._seconds
        for test in tests:
            if (left := left - self._lines.seconds[test]) < 0:
                break
            yield test


# --- in a process that has collected everything ---


def _from_collected(
    mutants: Sequence[Mutant], lines: Lines, jobs: int, seconds: float
) -> Iterator[tuple[int, Verdict | None]]:
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(ours)
        _silence(keep_errors=True)
        collected = _Collected(mutants, lines, jobs, seconds, theirs)
        try:
            with tempfile.TemporaryDirectory() as scratch:
                pytest.main([*PYTEST, f"--basetemp={scratch}/t"], plugins=[collected])
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as answers:
        for answer in answers:
            number, found = json.loads(answer)
            yield number, None if found is None else Verdict(mutants[number], **found)
    os.waitpid(pid, 0)


class _Collected:
    def __init__(self, mutants: Sequence[Mutant], lines: Lines, jobs: int, seconds: float, to: int) -> None:
        self._mutants, self._lines, self._jobs, self._seconds, self._to = mutants, lines, jobs, seconds, to

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        filled = caches()
        swaps = {number: _swap(mutant) for number, mutant in enumerate(self._mutants)}

        def runner(mutant: Mutant | None, tests: Sequence[str]) -> Run:
            swap = swaps[self._mutants.index(mutant)] if mutant is not None else []

            def run(say: Say) -> None:
                for function, code in swap:
                    function.__code__ = code
                for item in filled:
                    item.cache_clear()
                with tempfile.TemporaryDirectory() as scratch:
                    session.config._tmp_path_factory._basetemp = Path(scratch)  # type: ignore[attr-defined]
                    capture = session.config.pluginmanager.getplugin("capturemanager")
                    capture.stop_global_capturing()
                    capture.start_global_capturing()
                    session.config.pluginmanager.register(Watch(say))
                    _run_until_one_fails([items[test] for test in tests if test in items])

            return run

        for number, swap in swaps.items():
            if not swap:
                self._answer(number, None)
        chosen = [number for number, swap in swaps.items() if swap]
        steps = _Steps(self._lines, runner, self._seconds)
        for number, verdict in pooled(chosen, lambda n: steps(self._mutants[n]), self._jobs, self._lines.seconds):
            self._answer(number, verdict)
        return True

    def _answer(self, number: int, verdict: Verdict | None) -> None:
        found = None
        if verdict is not None:
            found = {name: getattr(verdict, name) for name in ("killer", "how", "met", "of")}
        os.write(self._to, json.dumps([number, found]).encode() + b"\n")


class Watch:
    """Reports which test starts and which fails, and ends the process after the first failure."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._say(f"start {nodeid}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._say(f"failed {report.nodeid}")
            os._exit(1)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._say(f"failed {report.nodeid}")
            os._exit(1)


def _run_until_one_fails(items: Sequence[pytest.Item]) -> None:
    for at, item in enumerate(items):
        following = items[at + 1] if at + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def _swap(mutant: Mutant) -> list[tuple[FunctionType, CodeType]]:
    """The functions that a mutant changes, with their new code; empty if it changes the module's own statements."""
    path = ROOT / "imagesig" / mutant.module
    source = path.read_text(encoding="utf-8")
    changed = dict(_functions_of(compile(mutated(source, mutant), str(path), "exec")))
    before = _functions_before(source, str(path))
    differing = {key: code for key, code in changed.items() if code is not None and before.get(key) != code}
    found = []
    for function in _loaded().get(str(path), ()):
        code = differing.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
        if code is not None:
            if code.co_freevars != function.__code__.co_freevars:
                return []
            found.append((function, code))
    return found


@cache
def _functions_before(source: str, path: str) -> dict[tuple[str, int], CodeType]:
    return dict(_functions_of(compile(ast.parse(source), path, "exec")))


def _functions_of(code: CodeType) -> Iterator[tuple[tuple[str, int], CodeType]]:
    for item in code.co_consts:
        if isinstance(item, CodeType):
            yield (item.co_qualname, item.co_firstlineno), item
            yield from _functions_of(item)


_functions: dict[str, list[FunctionType]] = {}


def _loaded() -> dict[str, list[FunctionType]]:
    if not _functions:
        for item in gc.get_objects():
            if type(item) is FunctionType and item.__code__.co_filename.startswith(str(ROOT / "imagesig")):
                _functions.setdefault(item.__code__.co_filename, []).append(item)
    return _functions


# --- in a process that imports the mutant ---


def preload() -> None:
    """Imports what every process needs and no mutant changes."""
    import asn1crypto.cms
    import asn1crypto.tsp
    import boto3
    import cbor2
    import click
    import cryptography.hazmat.primitives.asymmetric.rsa
    import cryptography.x509
    import urllib3
    import yaml

    void((asn1crypto, boto3, cbor2, click, cryptography, urllib3, yaml))
    assert "imagesig" not in sys.modules


def _fresh(mutant: Mutant | None, tests: Sequence[str]) -> Run:
    def run(say: Say) -> None:
        _silence(keep_errors=False)
        if mutant is not None:
            _install(mutant)
        wanted = {test: at for at, test in enumerate(tests)}

        class Chosen(Watch):
            def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
                items[:] = sorted((i for i in items if i.nodeid in wanted), key=lambda item: wanted[item.nodeid])

        files = dict.fromkeys(test.partition("::")[0] for test in tests)
        scratch = tempfile.mkdtemp()
        say(f"start {tests[0]}")
        pytest.main([*PYTEST, f"--basetemp={scratch}/t", *files], plugins=[Chosen(say)])
        shutil.rmtree(scratch, ignore_errors=True)

    return run


def _install(mutant: Mutant) -> None:
    """Makes the import of the mutant's module run the changed code."""
    name = "imagesig." + mutant.module.removesuffix(".py").replace("/", ".")
    path = ROOT / "imagesig" / mutant.module
    code = compile(mutated(path.read_text(encoding="utf-8"), mutant), str(path), "exec")

    class Loader(importlib.abc.Loader):
        def exec_module(self, module: ModuleType) -> None:
            exec(code, module.__dict__)

    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, fullname: str, path_: object, target: object = None) -> object:
            return importlib.util.spec_from_file_location(fullname, path, loader=Loader()) if fullname == name else None

    sys.meta_path.insert(0, Finder())


def _silence(*, keep_errors: bool) -> None:
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    if not keep_errors:
        os.dup2(sink, 2)
