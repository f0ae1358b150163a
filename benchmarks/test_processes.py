"""What the forks of the command pay for: the same command over the same images with and without them, turn by turn."""

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

ROUNDS = 9

FORKS = "from imagesig.cli.main import main; main()"
ONE_PROCESS = f"import imagesig.cli.verifying_processes as module; module.useful_forks = lambda: 0; {FORKS}"


@dataclass(frozen=True, slots=True)
class Race:
    """What both took, turn by turn, so that a busy moment of the machine meets both."""

    ours: list[Usage]
    peer: list[Usage]


@pytest.fixture(scope="module")
def race(bench: Bench, registry_referrers: RegistryServer, tmp_path_factory: pytest.TempPathFactory) -> Race:
    images = push(registry_referrers.host, "processes", IMAGES)
    with open_key(str(bench.plain_key)) as key:
        assert all(outcome.ok for outcome in sign_many(images, key))
    listed = tmp_path_factory.mktemp("processes") / "images.txt"
    listed.write_text("\n".join(images))
    public_key = str(bench.plain_key.with_suffix(".pub"))
    result = Race([], [])
    for _ in range(ROUNDS):
        for program, usages in ((FORKS, result.ours), (ONE_PROCESS, result.peer)):
            command = [sys.executable, "-c", program, "verify", "--key", public_key]
            usages.append(measured([*command, "--images-from", str(listed)], bench.folder))
    return result


@pytest.mark.parametrize("name", ["ours", "peer"])
def test_verify(benchmark: Any, side: Record, race: Race, name: str) -> None:
    benchmark.group = f"command: verify {IMAGES} images on all cores"
    side(name, target=0.9, peer="one process")
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info["measured"] = [usage.wall for usage in (race.ours if name == "ours" else race.peer)]
