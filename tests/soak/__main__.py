"""`python -m tests.soak`: a service signs and verifies for so long, while servers restart and logins end."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.campaign import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = run(Path(folder), options.seconds)
    faults = [*report.record.faults, *report.growth()]
    for line in (*report.lines(), *faults[:40]):
        print(line)
    print(f"{time.monotonic() - started:.0f} s; {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
