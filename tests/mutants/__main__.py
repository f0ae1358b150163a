"""`python -m tests.mutants`: changes the code that decides a verdict, one operator at a time, and runs its tests.

A mutant that no test notices survives. `survivors.toml` lists those that may, each with its reason; the run fails when
fewer than 95 % of the others are killed. The tests that run a line are found by a first run under coverage.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.mutants.operators import Mutant, mutants_of, mutated

ROOT = Path(__file__).parents[2]
DECIDING = ("policy", "formats", "trust", "crypto", "encoding", "oci")
"""Folders whose modules decide; with `MODULES` the code that is changed."""
MODULES = (
    "api/verifying.py",
    "api/revoking.py",
    "api/stored_signatures.py",
    "images/target.py",
    "images/registry/auth.py",
    "images/registry/challenges.py",
    "images/registry/credentials.py",
    "images/layout/reader.py",
    "images/layout/home.py",
    "images/archive/members.py",
    "images/local_home.py",
    "api/subjects.py",
    "api/evidence.py",
    "stores/tag.py",
    "stores/referrers.py",
    "http/client.py",
    "url.py",
    "effort.py",
    "text.py",
)
NEEDED = 0.95
_CONTEXTS = ROOT / ".mutants-contexts"
_SECONDS = 60.0
_TESTS = 400
"""Tests that one mutant meets at most: those of its own room first."""


def main() -> int:
    options = _options()
    modules = _modules(options.only)
    chosen = _sample(modules, options.sample, options.seed)
    runs_line = _contexts(options.fresh)
    excused = _excused()
    print(f"{len(chosen)} mutants of {len(modules)} modules, seed {options.seed}", flush=True)
    _preload()
    started, survived = time.monotonic(), []
    for mutant, killed in _judged(chosen, runs_line, options.jobs):
        if not killed:
            survived.append(mutant)
            print(f"survived: {mutant}{'  (listed)' if _key(mutant) in excused else ''}", flush=True)
    counted = [mutant for mutant in chosen if _key(mutant) not in excused]
    alive = [mutant for mutant in survived if _key(mutant) not in excused]
    share = 1 - len(alive) / len(counted)
    print(
        f"{len(chosen) - len(survived)} of {len(chosen)} killed; {len(survived) - len(alive)} survivors are listed "
        f"with a reason; {share:.1%} of the others killed, in {time.monotonic() - started:.0f} s"
    )
    return 0 if share >= NEEDED else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=600, help="mutants to try; 0 for all")
    parser.add_argument("--seed", type=int, default=20261127)
    parser.add_argument("--only", default="", help="modules whose path has this text")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--fresh", action="store_true", help="find anew which tests run which line")
    return parser.parse_args()


def _modules(only: str) -> list[str]:
    package = ROOT / "imagesig"
    found = [path.relative_to(package).as_posix() for room in DECIDING for path in (package / room).rglob("*.py")]
    listed = [name for name in MODULES if (package / name).exists()]
    return sorted(name for name in (*found, *listed) if only in name and not name.endswith("__init__.py"))


def _sample(modules: Sequence[str], size: int, seed: int) -> list[Mutant]:
    every = [mutant for name in modules for mutant in mutants_of(name, _source(name))]
    return every if not size else random.Random(seed).sample(every, min(size, len(every)))


def _source(module: str) -> str:
    return (ROOT / "imagesig" / module).read_text(encoding="utf-8")


def _key(mutant: Mutant) -> tuple[str, str, str, str]:
    return mutant.module, mutant.operator, mutant.before, mutant.after


def _excused() -> set[tuple[str, str, str, str]]:
    listed = tomllib.loads((Path(__file__).parent / "survivors.toml").read_text(encoding="utf-8")).get("survivor", [])
    return {(item["module"], item["operator"], item["before"], item["after"]) for item in listed}


def _contexts(fresh: bool) -> dict[tuple[str, int], list[str]]:
    """The tests, as pytest names them, that run each line of each module."""
    data = _CONTEXTS / "coverage"
    if fresh or not data.exists():
        _CONTEXTS.mkdir(exist_ok=True)
        settings = f"[run]\nsource = imagesig\ndata_file = {data}\ndynamic_context = test_function\n"
        (_CONTEXTS / "rc").write_text(settings)
        command = [sys.executable, "-m", "coverage", "run", f"--rcfile={_CONTEXTS / 'rc'}", "-m", "pytest", "-q", "-x"]
        subprocess.run([*command, "-p", "no:cacheprovider", "-m", "not interop"], cwd=ROOT, check=True)
    from coverage import CoverageData

    loaded = CoverageData(str(data))
    loaded.read()
    found: dict[tuple[str, int], list[str]] = {}
    for file in loaded.measured_files():
        module = Path(file).relative_to(ROOT / "imagesig").as_posix()
        for line, contexts in loaded.contexts_by_lineno(file).items():
            found[module, line] = sorted({context for context in contexts if context})
    return found


def _preload() -> None:
    """What every child needs and no mutant changes: it is loaded once, and each child is a copy of this process."""
    import asn1crypto.cms
    import asn1crypto.tsp
    import cbor2
    import click
    import cryptography.hazmat.primitives.asymmetric.rsa
    import cryptography.x509
    import hypothesis
    import pytest
    import urllib3
    import yaml

    del asn1crypto, cbor2, click, cryptography, hypothesis, pytest, urllib3, yaml
    for name in [name for name in sys.modules if name.partition(".")[0] in ("imagesig",)]:
        del sys.modules[name]


def _judged(chosen: Sequence[Mutant], runs_line: dict, jobs: int) -> Iterator[tuple[Mutant, bool]]:
    waiting = list(reversed(chosen))
    running: dict[int, tuple[Mutant, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            tests = _tests_for(mutant, runs_line)
            if not tests:
                yield mutant, False
                continue
            running[_start(mutant, tests)] = (mutant, time.monotonic() + _SECONDS)
        pid, status = os.waitpid(-1, os.WNOHANG) if running else (0, 0)
        if pid:
            mutant, _ = running.pop(pid)
            yield mutant, status != 0
            continue
        for overdue in [child for child, (_, until) in running.items() if time.monotonic() > until]:
            os.killpg(overdue, signal.SIGKILL)
        time.sleep(0.02)


def _tests_for(mutant: Mutant, runs_line: dict[tuple[str, int], list[str]]) -> list[str]:
    """Names of test functions, those of the module's own room first."""
    names = runs_line.get((mutant.module, mutant.line), [])
    room = mutant.module.partition("/")[0]
    ordered = sorted(names, key=lambda name: (f"tests.{room}." not in name, name))
    return ordered[:_TESTS]


def _start(mutant: Mutant, tests: Sequence[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.setpgid(0, 0)
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    status = 1
    try:
        status = _run(mutant, tests)
    finally:
        os._exit(status)


def _run(mutant: Mutant, tests: Sequence[str]) -> int:
    """0 if every test passes with the mutant in the place of its module."""
    import pytest

    _install(mutant)
    by_file: dict[str, set[str]] = defaultdict(set)
    for name in tests:
        module, _, function = name.rpartition(".")
        by_file[f"{module.replace('.', '/')}.py"].add(function)
    files = [file for file in by_file if (ROOT / file).exists()]

    class Chosen:
        def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
            items[:] = [
                item
                for item in items
                if getattr(item, "originalname", item.name) in by_file[str(Path(item.path).relative_to(ROOT))]
            ]

    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not interop"]
        return int(pytest.main([*arguments, f"--basetemp={scratch}/t", *files], plugins=[Chosen()]))


def _install(mutant: Mutant) -> None:
    """Makes the import of the mutant's module give the changed code."""
    import importlib.abc
    import importlib.util

    name = "imagesig." + mutant.module.removesuffix(".py").replace("/", ".")
    path = ROOT / "imagesig" / mutant.module
    code = compile(mutated(_source(mutant.module), mutant), str(path), "exec")

    class Loader(importlib.abc.Loader):
        def exec_module(self, module: object) -> None:
            exec(code, module.__dict__)

    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, fullname: str, path_: object, target: object = None) -> object:
            return importlib.util.spec_from_file_location(fullname, path, loader=Loader()) if fullname == name else None

    sys.meta_path.insert(0, Finder())


if __name__ == "__main__":
    sys.exit(main())
