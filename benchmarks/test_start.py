"""A fresh process that verifies an image in a layout, beside one that only imports `cryptography.x509`: CPU time."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import pytest

from benchmarks.conftest import AS_INSTALLED, Bench, Record
from benchmarks.test_fleet import Usage, measured
from imagesig import sign
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.keys import open_key

ROUNDS = 21


@dataclass(frozen=True, slots=True)
class Race:
    """What both sides took, turn by turn, so that a busy moment of the machine meets both."""

    ours: list[Usage]
    peer: list[Usage]


@pytest.fixture(scope="module")
def race(bench: Bench) -> Race:
    folder = bench.folder / "layout"
    build_image(Layout.create(folder), {"bin/app": b"app"}, PLATFORMS[0], "1.0")
    with open_key(str(bench.plain_key)) as key:
        sign(f"oci:{folder}:1.0", key, identity="registry.example/app:1.0")
    public_key = bench.plain_key.with_suffix(".pub")
    ours = f"import imagesig; imagesig.verify({f'oci:{folder}:1.0'!r}, {str(public_key)!r})"
    result = Race([], [])
    for _ in range(ROUNDS):
        for program, usages in ((ours, result.ours), ("import cryptography.x509", result.peer)):
            usages.append(measured([sys.executable, "-c", AS_INSTALLED + program], bench.folder))
    return result


@pytest.mark.parametrize("name", ["ours", "peer"])
def test_verify(benchmark: Any, side: Record, race: Race, name: str) -> None:
    benchmark.group = "start: a process verifies an image in a layout: CPU time"
    side(name, target=1.5, peer="a process imports cryptography.x509")
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info["measured"] = [usage.cpu for usage in (race.ours if name == "ours" else race.peer)]
