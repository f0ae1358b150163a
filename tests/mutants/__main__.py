"""`python -m tests.mutants`: changes the code that decides a verdict, one operator at a time, and runs its tests.

A mutant that no test notices survives. `survivors.toml` lists those that may, each with its reason; the run fails when
fewer than 95 % of the others are killed. The tests that run a line are found by a first run under coverage.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from tests.mutants.judge import Verdict, judged, preload
from tests.mutants.lines import ROOT, Lines
from tests.mutants.operators import Mutant, mutants_of

DECIDING = ("policy", "formats", "trust", "crypto", "encoding", "oci", "stores")
"""Folders whose modules decide; with `MODULES` the code that is changed.

Of `http`: redirects, the addresses that may be asked, and proxies. The rest transports bytes.
"""
MODULES = (
    "api/verify/verifying.py",
    "api/verify/verification_run.py",
    "api/verify/revoking.py",
    "api/stored_signatures.py",
    "images/target.py",
    "images/registry/auth.py",
    "images/registry/challenges.py",
    "images/registry/credentials.py",
    "images/layout/reader.py",
    "images/layout/home.py",
    "images/archive/header.py",
    "images/archive/members.py",
    "images/registry/permissions.py",
    "images/local_home.py",
    "api/verify/subjects.py",
    "api/verify/platforms.py",
    "api/verify/evidence.py",
    "http/client.py",
    "http/reach.py",
    "http/proxies.py",
    "url.py",
    "effort.py",
    "text.py",
)
NEEDED = 0.95
SURVIVORS = Path(__file__).parent / "survivors.toml"


def main() -> int:
    options = _options()
    chosen = _sample(options.only, options.sample, options.seed)
    if options.fresh or not Lines.known():
        subprocess.run([sys.executable, "-m", "tests.mutants.lines"], cwd=ROOT, check=True)
    os.chdir(ROOT)
    excused = _excused()
    modules = {mutant.module for mutant in chosen}
    print(f"{len(chosen)} mutants of {len(modules)} modules, seed {options.seed}", flush=True)
    preload()
    started, verdicts = time.monotonic(), []
    for verdict in judged(chosen, Lines(modules), options.jobs, options.seconds):
        verdicts.append(verdict)
        if options.verbose or not verdict.killer:
            print(_line(verdict, excused), flush=True)
    return _summary(verdicts, excused, time.monotonic() - started)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=600, help="mutants to try; 0 for all")
    parser.add_argument("--seed", type=int, default=20261127)
    parser.add_argument("--only", default="", help="modules whose path has this; `path:LINE` for one line")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=60, help="of tests that one mutant meets at most")
    parser.add_argument("--fresh", action="store_true", help="find anew which tests run which line")
    parser.add_argument("--verbose", action="store_true", help="print also which test kills which mutant")
    return parser.parse_args()


def _modules(only: str) -> list[str]:
    package = ROOT / "imagesig"
    missing = [name for name in MODULES if not (package / name).is_file()]
    if missing:
        raise SystemExit(f"MODULES of tests/mutants: no such module: {', '.join(missing)}")
    found = [path.relative_to(package).as_posix() for room in DECIDING for path in (package / room).rglob("*.py")]
    return sorted({name for name in (*found, *MODULES) if only in name and "__init__" not in name})


def _sample(only: str, size: int, seed: int) -> list[Mutant]:
    path, _, line = only.partition(":")
    every = [mutant for name in _modules(path) for mutant in mutants_of(name, _source(name))]
    every = [mutant for mutant in every if not line or mutant.line == int(line)]
    return [mutant for _, mutant in sorted(_ranked(every, seed), key=lambda pair: pair[0])][: size or None]


def _ranked(mutants: Sequence[Mutant], seed: int) -> Iterator[tuple[bytes, Mutant]]:
    """Each mutant with a rank that depends on nothing but itself: an edit elsewhere leaves the sample as it is."""
    for mutant in mutants:
        yield sha256(repr((seed, *_key(mutant))).encode()).digest(), mutant


def _source(module: str) -> str:
    return (ROOT / "imagesig" / module).read_text(encoding="utf-8")


_Key = tuple[str, str, str, str, int]


def _key(mutant: Mutant) -> _Key:
    return mutant.module, mutant.operator, mutant.before, mutant.after, mutant.occurrence


def _excused() -> set[_Key]:
    listed = tomllib.loads(SURVIVORS.read_text(encoding="utf-8")).get("survivor", [])
    return {
        (item["module"], item["operator"], item["before"], item["after"], occurrence)
        for item in listed
        for occurrence in item.get("occurrences", [1])
    }


def _line(verdict: Verdict, excused: set[_Key]) -> str:
    if verdict.killer:
        return f"killed: {verdict.mutant}  ({verdict.how}: {verdict.killer})"
    listed = "  (listed)" if _key(verdict.mutant) in excused else ""
    return f"survived: {verdict.mutant}  ({verdict.met} of {verdict.of} tests){listed}"


def _summary(verdicts: Sequence[Verdict], excused: set[_Key], seconds: float) -> int:
    killed = [verdict for verdict in verdicts if verdict.killer]
    survived = [verdict for verdict in verdicts if not verdict.killer]
    alive = [verdict for verdict in survived if _key(verdict.mutant) not in excused]
    counted = len(killed) + len(alive)
    share = len(killed) / counted if counted else 1.0
    by_time = sum(verdict.how != "failed" for verdict in killed)
    print(
        f"{len(killed)} of {len(verdicts)} killed ({by_time} by time or a crash); {len(survived) - len(alive)} "
        f"survivors are listed with a reason; {share:.1%} of the others killed, in {seconds:.0f} s"
    )
    return 0 if share >= NEEDED else 1


if __name__ == "__main__":
    sys.exit(main())
