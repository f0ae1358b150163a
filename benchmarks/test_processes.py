"""Our fork pool beside `concurrent.futures.ProcessPoolExecutor`: the same command over the same images, turn by turn."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import pytest

from benchmarks.conftest import Bench, Record
from benchmarks.test_fleet import IMAGES, Usage, measured, push
from imagesig import sign_many
from imagesig.keys import open_key
from tests.peers.servers import RegistryServer

ROUNDS = 15

OURS = """
import sys
from imagesig.cli.main import main
main()
"""
STANDARD = """
import multiprocessing, signal, sys, threading, os
from concurrent.futures import ProcessPoolExecutor
import imagesig.cli.verifying_processes as module
from imagesig.cli.main import main

def begin():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=end_with_parent, daemon=True).start()

def end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)

module.ForkPool = lambda count: ProcessPoolExecutor(count, multiprocessing.get_context("fork"), begin)
main()
"""


@dataclass(frozen=True, slots=True)
class Race:
    """What both pools took, turn by turn, so that a busy moment of the machine meets both."""

    ours: list[Usage]
    standard: list[Usage]


@pytest.fixture(scope="module")
def race(bench: Bench, registry_referrers: RegistryServer, tmp_path_factory: pytest.TempPathFactory) -> Race:
    images = push(registry_referrers.host, "processes", IMAGES)
    with open_key(str(bench.plain_key)) as key:
        assert all(outcome.ok for outcome in sign_many(images, key, formats=["cosign"]))
    listed = tmp_path_factory.mktemp("processes") / "images.txt"
    listed.write_text("\n".join(images))
    public_key = str(bench.plain_key.with_suffix(".pub"))
    result = Race([], [])
    for _ in range(ROUNDS):
        for program, usages in ((OURS, result.ours), (STANDARD, result.standard)):
            command = [sys.executable, "-c", program, "verify", "--key", public_key, "--format", "cosign"]
            usages.append(measured([*command, "--images-from", str(listed)], bench.folder))
    return result


@pytest.mark.parametrize("name", ["ours", "peer"])
@pytest.mark.parametrize("kind", ["time", "cpu"])
def test_verify(benchmark: Any, side: Record, race: Race, kind: str, name: str) -> None:
    what = "time" if kind == "time" else "CPU time"
    benchmark.group = f"command: verify {IMAGES} images, pools of processes: {what}"
    side(name, target=1, kind=kind, peer="ProcessPoolExecutor")
    usages = race.ours if name == "ours" else race.standard
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info["measured"] = [usage.wall if kind == "time" else usage.cpu for usage in usages]
