"""Verifications in a service: `aio.Session` beside the library, processes of cosign, and registries that hang."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from benchmarks.conftest import Bench, Record, environment
from benchmarks.test_fleet import push
from imagesig import ImagesigError, Policy, Session, aio, sign_many
from imagesig.keys import open_key
from imagesig.testing import Answer
from imagesig.testing.loopback_server import LoopbackServer
from tests.peers import binary
from tests.peers.servers import registry_server

IMAGES = 1000
REGISTRIES = 4
"""Real ones; a fifth one hangs."""
PROCESSES = 100
"""Images that cosign verifies, a process for each, two at a time: a thousand take too long."""
ROUNDS = 5
RATE = 100.0
"""Requests per second to the registries that work."""
SECONDS = 3.0
"""The time limit of a verification."""


@dataclass(frozen=True, slots=True)
class Service:
    """What both sides took for each image, and the slowest percent of a service's answers."""

    ours: list[float]
    library: list[float]
    cosign: list[float]
    alone: list[float]
    beside: list[float]


@pytest.fixture(scope="module")
def service(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Service:
    with contextlib.ExitStack() as stack:
        hosts = [
            stack.enter_context(registry_server("referrers", tmp_path_factory.mktemp("service"))).host
            for _ in range(REGISTRIES)
        ]
        by_host = [push(host, "service", IMAGES // REGISTRIES) for host in hosts]
        images = [image for group in zip(*by_host, strict=True) for image in group]
        with open_key(str(bench.plain_key)) as key:
            assert all(outcome.ok for outcome in sign_many(images, key, formats=["cosign"]))
            policy = Policy.any_of(key.info.public_key)
        result = Service([], [], [], [], [])
        hanging = stack.enter_context(_hanging())
        for _ in range(ROUNDS):  # turn by turn, so that a busy moment of the machine meets all
            result.ours.append(asyncio.run(_all_at_once(images, policy)) / IMAGES)
            result.library.append(_with_the_library(images, policy) / IMAGES)
            result.cosign.append(_by_cosign(bench, images[:PROCESSES]) / PROCESSES)
            result.alone.append(_p99(asyncio.run(_arriving(images, policy, ""))))
            result.beside.append(_p99(asyncio.run(_arriving(images, policy, hanging))))
        return result


@contextlib.contextmanager
def _hanging() -> Iterator[str]:
    """A registry that accepts connections and answers no request while a verification waits."""
    server = LoopbackServer(lambda _request: (time.sleep(4 * SECONDS), Answer(503))[1])
    server.start()
    yield server.host
    server.stop()


async def _all_at_once(images: list[str], policy: Policy) -> float:
    async with aio.Session() as session:
        await session.verify(images[0], policy)
        started = time.perf_counter()
        await asyncio.gather(*(session.verify(image, policy) for image in images))
        return time.perf_counter() - started


def _with_the_library(images: list[str], policy: Policy) -> float:
    with Session() as session:
        session.verify(images[0], policy)
        started = time.perf_counter()
        assert all(outcome.ok for outcome in session.verify_many(images, policy))
        return time.perf_counter() - started


def _by_cosign(bench: Bench, images: list[str]) -> float:
    options = ["--insecure-ignore-tlog=true", "--allow-http-registry", "--allow-insecure-registry"]
    command = [str(binary("cosign3")), "verify", "--key", str(bench.plain_key.with_suffix(".pub")), *options]

    def verify(image: str) -> None:
        subprocess.run([*command, image], env=environment(bench.folder), capture_output=True, check=True)

    with ThreadPoolExecutor(2) as pool:
        started = time.perf_counter()
        list(pool.map(verify, images))
        return time.perf_counter() - started


async def _arriving(images: list[str], policy: Policy, hanging: str) -> list[float]:
    """The seconds of each answer about the images, which arrive one by one; every fifth request is to `hanging`."""
    seconds: list[float] = []

    async def verify(session: aio.Session, image: str) -> None:
        started = time.perf_counter()
        await session.verify(image, policy, timeout=SECONDS)
        seconds.append(time.perf_counter() - started)

    async def hang(session: aio.Session, number: int) -> None:
        with contextlib.suppress(ImagesigError):
            await session.verify(f"{hanging}/app{number}:1.0", policy, timeout=SECONDS)
            raise AssertionError("the registry answers")

    async with aio.Session() as session, asyncio.TaskGroup() as tasks:
        for image in images[:REGISTRIES]:
            await session.verify(image, policy)
        start = time.perf_counter()
        for number, image in enumerate(images):
            await asyncio.sleep(max(0.0, start + number / RATE - time.perf_counter()))
            tasks.create_task(verify(session, image))
            if hanging and number % REGISTRIES == 0:
                tasks.create_task(hang(session, number))
    return seconds


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100]


@pytest.mark.parametrize("name", ["ours", "peer"])
def test_beside_the_library(benchmark: Any, side: Record, service: Service, name: str) -> None:
    benchmark.group = f"service: {IMAGES} verifications at once, aio.Session: time of one"
    side(name, target=1.5, peer="verify_many of a Session, 8 threads")
    _record(benchmark, service.ours if name == "ours" else service.library)


@pytest.mark.parametrize("name", ["ours", "peer"])
def test_beside_processes_of_cosign(benchmark: Any, side: Record, service: Service, name: str) -> None:
    benchmark.group = f"service: {IMAGES} verifications at once, aio.Session: time of one beside processes"
    side(name, target=0.2, peer="cosign 3.1.3, a process for each, two at a time")
    _record(benchmark, service.ours if name == "ours" else service.cosign)


@pytest.mark.parametrize("name", ["ours", "peer"])
def test_beside_registries_that_hang(benchmark: Any, side: Record, service: Service, name: str) -> None:
    benchmark.group = f"service: p99 of {RATE:.0f} verifications a second while 20 % of the registries hang"
    side(name, target=2, peer="the same without them")
    _record(benchmark, service.beside if name == "ours" else service.alone)


def _record(benchmark: Any, measured: list[float]) -> None:
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info["measured"] = measured
