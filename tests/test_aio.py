"""The functions for asyncio: the same results, and what a cancelled task leaves behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from imagesig import Transport, aio
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import NoSignatures
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.registry.connect import registry
from imagesig.images.registry.credentials import ANONYMOUS
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.testing import Answer, InMemoryRegistry, Request

NOBODY = Transport(credentials=lambda _host: ANONYMOUS)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return FileProvider(tmp_path).generate("k.key", KeyType.ECDSA_P256)


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def pushed(server: InMemoryRegistry, name: str) -> Image:
    image = registry(f"{server.host}/{name}:1.0", credentials=lambda _host: ANONYMOUS)
    build_image(image.home, {"name": name.encode()}, PLATFORMS[0], "1.0")
    return image


def test_an_image_is_signed_verified_and_inspected(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server, "a")

    async def everything() -> None:
        with pytest.raises(NoSignatures):
            await aio.verify(image, key.info.public_key)
        await aio.sign(image, key)
        assert (await aio.verify(image, key.info.public_key)).verified
        assert len((await aio.inspect(image)).signatures) == 2

    asyncio.run(everything())


def test_an_image_is_copied_and_its_signatures_are_removed(
    server: InMemoryRegistry, key: SigningKey, tmp_path: Path
) -> None:
    image = pushed(server, "a")

    async def everything() -> None:
        await aio.sign(image, key)
        copied = await aio.copy(image, f"oci:{tmp_path / 'copy'}:1.0")
        assert (await aio.verify(copied.destination, key.info.public_key)).verified
        assert len((await aio.remove(image, key=key.info.public_key)).removed) == 2
        assert not (await aio.inspect(image)).signatures

    asyncio.run(everything())


def test_many_are_signed_and_verified_from_an_asynchronous_source(server: InMemoryRegistry, key: SigningKey) -> None:
    images = [pushed(server, f"app{number}") for number in range(6)]

    async def source() -> AsyncIterator[Image]:
        for image in images:
            await asyncio.sleep(0)
            yield image

    async def everything() -> tuple[int, int]:
        signed = [outcome async for outcome in aio.sign_many(source(), key)]
        verified = [outcome async for outcome in aio.verify_many(source(), key.info.public_key)]
        return sum(outcome.ok for outcome in signed), sum(outcome.ok for outcome in verified)

    assert asyncio.run(everything()) == (6, 6)


def test_a_cancelled_verification_makes_no_further_request(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server, "a")
    server.requests.clear()
    asked, go_on = threading.Event(), threading.Event()

    def hold(_request: Request) -> Answer | None:
        asked.set()
        go_on.wait(30)
        return None

    server.faults.append(hold)

    async def cancelled() -> None:
        task = asyncio.create_task(aio.verify(image, key.info.public_key))
        await asyncio.to_thread(asked.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()

    asyncio.run(cancelled())
    assert len(server.requests) == 1


def test_a_cancelled_run_starts_nothing_more(server: InMemoryRegistry, key: SigningKey) -> None:
    images = [pushed(server, f"app{number}") for number in range(30)]
    server.requests.clear()
    asked, go_on = threading.Event(), threading.Event()

    def hold(_request: Request) -> Answer | None:
        asked.set()
        go_on.wait(30)
        return None

    server.faults.append(hold)

    async def run() -> None:
        async for _ in aio.verify_many(images, key.info.public_key, workers=3):
            raise AssertionError("nothing was answered yet")

    async def cancelled() -> None:
        task = asyncio.create_task(run())
        await asyncio.to_thread(asked.wait, 30)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert len(server.requests) <= 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("imagesig")]


def test_leaving_the_loop_early_closes_the_run(server: InMemoryRegistry, key: SigningKey) -> None:
    images = [pushed(server, f"app{number}") for number in range(20)]

    async def first() -> None:
        outcomes = aio.verify_many(images, key.info.public_key, workers=2, transport=NOBODY)
        async for _ in outcomes:
            break
        await outcomes.aclose()

    asyncio.run(first())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("imagesig")]


def test_a_run_that_waits_for_its_next_image_can_be_cancelled(key: SigningKey) -> None:
    waiting = asyncio.Event

    async def never() -> AsyncIterator[Image]:
        await waiting().wait()
        yield registry("registry.example/app")

    async def run() -> None:
        async for _ in aio.verify_many(never(), key.info.public_key):
            raise AssertionError("there is no image")

    async def cancelled() -> None:
        task = asyncio.create_task(run())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
