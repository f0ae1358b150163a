"""A fleet on a real Dask cluster of two processes: the verdicts of threads, and a killed worker loses nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import pytest

from imagesig import Transport, sign_many, verify_many
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.images.registry.credential import anonymous
from imagesig.keys.provider import SigningKey
from tests.peers.servers import RegistryServer

pytestmark = [
    pytest.mark.interop,
    # What Dask and its own dependencies warn of is theirs.
    pytest.mark.filterwarnings("ignore"),
]

NOBODY = Transport(credentials=anonymous)
IMAGES = 96


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    folder = str(tmp_path_factory.mktemp("dask"))
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=folder) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def fleet(registry_referrers: RegistryServer, key: SigningKey) -> list[str]:
    """Three in four are signed."""
    references = [f"{registry_referrers.host}/dask/app{number}:1.0" for number in range(IMAGES)]
    for number, reference in enumerate(references):
        build_image(registry(reference, credentials=anonymous).home, {"a": str(number).encode()}, PLATFORMS[0], "1.0")
    signed = [reference for number, reference in enumerate(references) if number % 4]
    assert all(outcome.ok for outcome in sign_many(signed, key, transport=NOBODY))
    return references


def verdicts(outcomes: Any) -> dict[str, str]:
    return {str(outcome.image): type(outcome.error).__name__ for outcome in outcomes}


def test_two_workers_reach_the_verdicts_of_threads(fleet: list[str], key: SigningKey, client: Any) -> None:
    executor: Executor = client.get_executor()
    here = verdicts(verify_many(fleet, key.info.public_key, transport=NOBODY))
    there = verdicts(verify_many(fleet, key.info.public_key, transport=NOBODY, executor=executor))
    assert there == here
    assert sorted(here.values()).count("NoSignatures") == IMAGES // 4
    assert sorted(here.values()).count("NoneType") == IMAGES - IMAGES // 4


def test_a_killed_worker_loses_nothing(fleet: list[str], key: SigningKey, client: Any, tmp_path: Path) -> None:
    expected = verdicts(verify_many(fleet, key.info.public_key, transport=NOBODY))
    victim, *_ = client.run(os.getpid).values()
    outcomes = verify_many(fleet * 6, key.info.public_key, transport=NOBODY, executor=client.get_executor())
    seen = [next(outcomes)]
    os.kill(victim, signal.SIGKILL)
    seen += outcomes
    assert sorted(outcome.index for outcome in seen) == list(range(IMAGES * 6))
    assert verdicts(seen) == expected
    assert {type(outcome.error).__name__ for outcome in seen} == set(expected.values())
