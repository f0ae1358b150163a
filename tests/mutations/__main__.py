"""`python -m tests.mutations`: changes valid signed images, one thing each, and compares imagesig with the tools."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.mutations.campaign import run
from tests.mutations.material import ATTESTATIONS, FORMS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="mutations to try")
    parser.add_argument("--seed", type=int, default=20261127)
    parser.add_argument("--number", type=int, help="this mutation alone")
    parser.add_argument("--attestations", action="store_true", help="of attestations instead of signatures")
    parser.add_argument("--keep", type=Path, help="where the files of disagreements go that nothing explains")
    options = parser.parse_args()
    numbers = range(options.count) if options.number is None else [options.number]
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = run(Path(folder), options.seed, numbers, options.keep, ATTESTATIONS if options.attestations else FORMS)
    for line in report.lines():
        print(line)
    for fault in report.faults():
        print(fault)
    print(f"seed {options.seed}, {time.monotonic() - started:.0f} s; {len(report.unexplained)} not explained")
    return 1 if report.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
