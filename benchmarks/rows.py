"""What both versions of imagesig are measured on: `python benchmarks/rows.py ROW WORK`.

It prints one line a round: seconds, CPU seconds. It is run as a program, with the version to measure first on
`PYTHONPATH`, so it uses nothing but what both have.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

WARM = 5


def main() -> None:
    row, work = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    rounds = 8 if row in ("sign a layout", "200 images in a registry") else 60
    action = ROWS[row](work)
    for _ in range(WARM):
        action()
    for _ in range(rounds):
        started, used = time.perf_counter(), time.process_time()
        action()
        print(time.perf_counter() - started, time.process_time() - used)


def _verify(name: str) -> Callable[[dict], Callable[[], object]]:
    def prepared(work: dict) -> Callable[[], object]:
        from imagesig import Policy, verify
        from imagesig.images.open import open_image

        policy = Policy.any_of(work["public_key"])
        if "registry" in name:
            image = open_image(work[name])  # connections are kept, as a service keeps them
            return lambda: verify(image, policy)
        return lambda: verify(work[name], policy)

    return prepared


def _sign(work: dict) -> Callable[[], object]:
    from imagesig import open_key, sign

    key = open_key(work["key"])
    folder = Path(tempfile.mkdtemp())
    numbers = iter(range(10_000))

    def once() -> object:
        copy = folder / str(next(numbers))
        shutil.copytree(work["unsigned"], copy)
        return sign(f"oci:{copy}:1.0", key, identity="registry.example/app:1.0")

    return once


def _many(work: dict) -> Callable[[], object]:
    from imagesig import Policy, verify_many

    policy = Policy.any_of(work["public_key"])

    def once() -> None:
        assert all(outcome.result for outcome in verify_many(work["many"], policy))

    return once


ROWS: dict[str, Callable[[dict], Callable[[], object]]] = {
    "classic signature in a registry": _verify("registry classic"),
    "bundle in a registry": _verify("registry bundle"),
    "layout": _verify("layout"),
    "archive": _verify("archive"),
    "sign a layout": _sign,
    "200 images in a registry": _many,
}

if __name__ == "__main__":
    main()
