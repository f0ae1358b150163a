"""`python -m tests.fuzz`: coverage-guided fuzzing with atheris, one process for each target.

What breaks a promise is written to `FOLDER/TARGET/crash-…`; put it into `corpus/TARGET/` once it is mended, where
`test_corpus.py` runs it for ever.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE, STDOUT, run

CORPUS = Path(__file__).parent / "corpus"
_RUNS = re.compile(r"Done (\d+) (?:runs|in)|stat::number_of_executed_units: (\d+)")


def main() -> int:
    options = _options()
    if options.one:
        _fuzz(options.one, options.seconds, options.folder)
        return 0
    from tests.fuzz.targets import TARGETS

    names = [options.target] if options.target else list(TARGETS)
    seconds = max(1, round(options.seconds * options.jobs / len(names)))
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda name: _run(name, seconds, options.folder / name), names))
    for name, runs, failure in results:
        print(f"{name:20} {runs:>10} runs  {'BROKEN' if failure else 'ok'}")
        if failure:
            print(failure)
    print(f"{'all':20} {sum(runs for _, runs, _ in results):>10} runs")
    return 1 if any(failure for *_, failure in results) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="for all targets together, at --jobs at once")
    parser.add_argument("--target", default="", help="one target instead of all")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "imagesig-fuzz")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(name: str, seconds: int, folder: Path) -> tuple[str, int, str]:
    """The target's name, how often it ran, and the end of its log where it broke."""
    command = [sys.executable, "-m", "tests.fuzz", "--one", name, "--seconds", str(seconds), "--folder", str(folder)]
    started = time.monotonic()
    done = run(command, stdout=PIPE, stderr=STDOUT, text=True, errors="replace", check=False)
    runs = sum(int(first or second) for first, second in _RUNS.findall(done.stdout)[-1:])
    failed = done.returncode != 0 or not runs
    return name, runs, f"after {time.monotonic() - started:.0f} s: {done.stdout[-4000:]}" if failed else ""


def _fuzz(name: str, seconds: float, folder: Path) -> None:
    """Fuzzes one target in this process, and never returns."""
    import atheris

    with atheris.instrument_imports(include=["imagesig"]):
        from tests.fuzz.targets import TARGETS
    from tests.fuzz.harness import INPUT_BYTES
    from tests.fuzz.harness import run as run_one

    found = folder / "found"
    found.mkdir(parents=True, exist_ok=True)
    target = TARGETS[name]

    def one(data: bytes) -> None:
        run_one(target, data)

    one(b"")  # loads what is loaded late, before memory is measured
    arguments = [
        sys.argv[0],
        f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={INPUT_BYTES}",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        f"-artifact_prefix={folder}/",
        str(found),
    ]
    if (CORPUS / name).is_dir():
        arguments.append(str(CORPUS / name))
    atheris.Setup(arguments, one)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
