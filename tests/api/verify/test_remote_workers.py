"""`verify_many` with an executor: small chunks, the same verdicts as in threads, and workers that die."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from imagesig import Transport, sign, verify_many
from imagesig.api.verify import remote_workers as dispatch
from imagesig.api.verify.remote_workers import CHUNK, Chunk, verify_chunk
from imagesig.api.verify.verification_run import VerificationJob
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import DeadlineExceeded, InvalidArgument, NoSignatures, WorkerLost
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.images.registry.credential import ANONYMOUS, anonymous
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.keys.uri import open_public_keys
from imagesig.policy import Policy
from imagesig.testing import InMemoryRegistry

NOBODY = Transport(credentials=anonymous)
POLICY_BYTES = 1500
"""Two keys, written by hand: 0.9 KiB when this was written."""
CHUNK_BYTES = 4000
OUTCOME_BYTES = 3000


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return FileProvider(tmp_path_factory.mktemp("keys")).generate("k.key", KeyType.ECDSA_P256)


@pytest.fixture(scope="module")
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


@pytest.fixture(scope="module")
def fleet(server: InMemoryRegistry, key: SigningKey) -> list[str]:
    """Signed images, with an unsigned one and a name that is none among them."""
    references = []
    for number in range(CHUNK * 2):
        reference = f"{server.host}/app{number}:1.0"
        image = registry(reference, credentials=anonymous)
        build_image(image.home, {"name": str(number).encode()}, PLATFORMS[0], "1.0")
        if number != 5:
            sign(image, key, formats=["cosign"])
        references.append(reference)
    return [*references, f"{server.host}/UPPER"]


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


def policy(key: SigningKey) -> Policy:
    return Policy.any_of(key.info.public_key, formats=["cosign"])


def verdicts(outcomes: Any) -> dict[str, str]:
    return {str(outcome.image): type(outcome.error).__name__ for outcome in outcomes}


def test_processes_reach_the_verdicts_of_threads(
    fleet: list[str], key: SigningKey, processes: ProcessPoolExecutor
) -> None:
    here = verdicts(verify_many(fleet, policy(key), transport=NOBODY))
    there = verdicts(verify_many(fleet, policy(key), transport=NOBODY, executor=processes))
    assert there == here
    assert sorted(set(here.values())) == ["InvalidArgument", "NoSignatures", "NoneType"]


def test_outcomes_are_in_the_order_of_the_images_with_in_order(
    fleet: list[str], key: SigningKey, processes: ProcessPoolExecutor
) -> None:
    outcomes = list(verify_many(fleet, policy(key), transport=NOBODY, executor=processes, in_order=True))
    assert [outcome.image for outcome in outcomes] == fleet
    assert [outcome.index for outcome in outcomes] == list(range(len(fleet)))


def test_chunks_and_outcomes_pickle_to_few_bytes(fleet: list[str], key: SigningKey, tmp_path: Path) -> None:
    other = FileProvider(tmp_path).generate("other.key", KeyType.ECDSA_P256)
    two_keys = Policy.at_least(1, key.info.public_key, other.info.public_key, annotations={"stage": "released"})
    job = VerificationJob(two_keys, "", False, None, NOBODY, open_public_keys)
    chunk = Chunk("0" * 32, job, tuple(enumerate(fleet[:CHUNK])))
    assert len(pickle.dumps(two_keys)) <= POLICY_BYTES
    assert len(pickle.dumps(chunk)) <= CHUNK_BYTES
    found = verify_chunk(
        Chunk("1" * 32, VerificationJob(policy(key), "", False, None, NOBODY, open_public_keys), chunk.images)
    )
    assert len(pickle.dumps(found)) <= OUTCOME_BYTES * len(found)
    assert sum(outcome.ok for outcome in found) == CHUNK - 1


def test_a_worker_keeps_its_connections_from_chunk_to_chunk(fleet: list[str], key: SigningKey) -> None:
    job = VerificationJob(policy(key), "", False, None, NOBODY, open_public_keys)
    chunks = [Chunk("2" * 32, job, ((0, fleet[0]),)), Chunk("2" * 32, job, ((1, fleet[1]),))]
    assert dispatch._run_of(chunks[0]) is dispatch._run_of(chunks[1])


def test_a_worker_forgets_old_runs(fleet: list[str], key: SigningKey) -> None:
    job = VerificationJob(policy(key), "", False, None, NOBODY, open_public_keys)
    for number in range(20):
        dispatch._run_of(Chunk(f"run {number}", job, ()))
    assert len(dispatch._runs) <= 4


class Unlucky(Executor):
    """Loses the first so many tasks, as when their worker is killed."""

    def __init__(self, losses: int) -> None:
        self._losses = losses
        self.submitted = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.submitted += 1
        future: Future[Any] = Future()
        if self.submitted <= self._losses:
            future.set_exception(RuntimeError("worker died"))
        else:
            future.set_result(fn(*args, **kwargs))
        return future


def test_a_chunk_whose_worker_died_is_submitted_again(fleet: list[str], key: SigningKey) -> None:
    outcomes = list(verify_many(fleet[:5], policy(key), transport=NOBODY, executor=Unlucky(2)))
    assert [outcome.ok for outcome in outcomes] == [True] * 5


def test_a_chunk_that_kills_every_worker_is_reported(fleet: list[str], key: SigningKey) -> None:
    unlucky = Unlucky(100)
    outcomes = list(verify_many(fleet[:5], policy(key), transport=NOBODY, executor=unlucky))
    assert {type(outcome.error) for outcome in outcomes} == {WorkerLost}
    assert [outcome.image for outcome in outcomes] == fleet[:5]
    assert unlucky.submitted == 3


def test_with_a_broken_pool_of_processes_every_image_still_has_an_outcome(fleet: list[str], key: SigningKey) -> None:
    many = fleet[:CHUNK] * 12
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        outcomes = verify_many(many, policy(key), transport=NOBODY, executor=pool, workers=2)
        first = next(outcomes)
        for process in list(pool._processes.values()):
            process.kill()
        rest = list(outcomes)
    assert sorted(outcome.index for outcome in [first, *rest]) == list(range(len(many)))
    assert {type(outcome.error) for outcome in rest} <= {type(None), NoSignatures, WorkerLost}
    assert any(isinstance(outcome.error, WorkerLost) for outcome in rest)


def test_closing_cancels_chunks_that_have_not_started(fleet: list[str], key: SigningKey) -> None:
    class Counting(ThreadPoolExecutor):
        submitted = 0

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            Counting.submitted += 1
            return super().submit(fn, *args, **kwargs)

    with Counting(1) as pool:
        outcomes = verify_many(iter(fleet * 50), policy(key), transport=NOBODY, executor=pool, workers=3)
        next(outcomes)
        outcomes.close()
        assert Counting.submitted <= 4


def test_after_the_deadline_of_the_run_every_image_has_that_error(fleet: list[str], key: SigningKey) -> None:
    with ThreadPoolExecutor(1) as pool:
        outcomes = list(verify_many(fleet, policy(key), transport=NOBODY, executor=pool, deadline=0))
    assert {type(outcome.error) for outcome in outcomes} == {DeadlineExceeded}
    assert sorted(outcome.index for outcome in outcomes) == list(range(len(fleet)))


def test_an_open_image_cannot_be_sent_to_a_worker(fleet: list[str], key: SigningKey) -> None:
    image = registry(fleet[0], credentials=anonymous)
    with ThreadPoolExecutor(1) as pool:
        outcomes = list(verify_many([image, fleet[1]], policy(key), transport=NOBODY, executor=pool, in_order=True))
    assert [type(outcome.error) for outcome in outcomes] == [InvalidArgument, type(None)]


def test_a_transport_that_does_not_pickle_is_refused_immediately(key: SigningKey) -> None:
    here = Transport(credentials=lambda _host: ANONYMOUS)
    with ThreadPoolExecutor(1) as pool, pytest.raises(InvalidArgument, match="does not pickle"):
        verify_many([], policy(key), transport=here, executor=pool)
