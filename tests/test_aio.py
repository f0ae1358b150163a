"""The functions for asyncio: the same results, and what a cancelled task leaves behind."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imagesig import Policy, Transport, aio
from imagesig.aio.feed import Feed
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import DeadlineExceeded, ImagesigError, InvalidArgument, NoSignatures, Unreachable
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.registry.connect import registry
from imagesig.images.registry.credential import ANONYMOUS
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.testing import Answer, InMemoryRegistry, Request
from tests.makers import SOMETHING

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


def cancel_at_the_first_request(server: InMemoryRegistry, run: Callable[[], Awaitable[None]]) -> None:
    """Runs it and cancels it while its first requests wait for their answers, which then come."""
    server.requests.clear()
    asked, go_on = threading.Event(), threading.Event()

    def hold(_request: Request) -> Answer | None:
        asked.set()
        go_on.wait(30)
        return None

    server.faults.append(hold)

    async def cancelled() -> None:
        task = asyncio.ensure_future(run())
        await asyncio.to_thread(asked.wait, 30)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await task

    try:
        asyncio.run(cancelled())
    finally:
        go_on.set()  # the loop may have ended before its time
    assert server.requests


def test_a_cancelled_run_starts_nothing_more(server: InMemoryRegistry, key: SigningKey) -> None:
    images = [pushed(server, f"app{number}") for number in range(30)]

    async def run() -> None:
        async for _ in aio.verify_many(images, key.info.public_key, workers=3):
            raise AssertionError("nothing was answered yet")

    cancel_at_the_first_request(server, run)
    assert len(server.requests) <= 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("imagesig_")]


def test_a_cancelled_run_that_writes_finishes_what_has_started_and_starts_nothing_more(
    server: InMemoryRegistry, key: SigningKey
) -> None:
    images = [pushed(server, f"app{number}") for number in range(30)]

    async def run() -> None:
        async for _ in aio.remove_many(images, key=key.info.public_key, workers=3, transport=NOBODY):
            pass

    cancel_at_the_first_request(server, run)
    assert len({request.path.split("/")[2] for request in server.requests}) <= 3


def test_leaving_the_loop_early_closes_the_run(server: InMemoryRegistry, key: SigningKey) -> None:
    images = [pushed(server, f"app{number}") for number in range(20)]

    async def first() -> None:
        outcomes = aio.verify_many(images, key.info.public_key, workers=2, transport=NOBODY)
        async for _ in outcomes:
            break
        await outcomes.aclose()

    asyncio.run(first())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("imagesig_")]


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


@pytest.fixture
def silent() -> Iterator[str]:
    """The host of a registry that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_fifty_verifications_that_hang_end_when_one_would(silent: str, key: SigningKey) -> None:
    async def one(number: int) -> ImagesigError:
        image = f"{silent}/app:{number}"
        try:
            await aio.verify(image if number % 2 else registry(image, timeout=1.5), key.info.public_key, timeout=1.5)
        except (DeadlineExceeded, Unreachable) as error:
            return error
        raise AssertionError("nobody answers")

    async def all_of_them() -> None:
        started = time.monotonic()
        errors = await asyncio.gather(*map(one, range(50)))
        assert time.monotonic() - started < 4
        assert all(error.retryable for error in errors)

    asyncio.run(all_of_them())


def test_the_timeout_of_an_image_counts_from_the_call_too(silent: str, key: SigningKey) -> None:
    async def all_of_them() -> None:
        images = [registry(f"{silent}/app:{number}", timeout=1) for number in range(30)]
        started = time.monotonic()
        done = await asyncio.gather(
            *(aio.verify(image, key.info.public_key) for image in images), return_exceptions=True
        )
        assert time.monotonic() - started < 3
        assert all(isinstance(error, DeadlineExceeded | Unreachable) for error in done)

    asyncio.run(all_of_them())


def test_a_registry_that_hangs_does_not_starve_another_one(
    silent: str, server: InMemoryRegistry, key: SigningKey
) -> None:
    image = pushed(server, "a")

    async def both() -> None:
        async with aio.Session(NOBODY) as session:
            await session.sign(image, key)
            hanging = [
                asyncio.create_task(session.verify(f"{silent}/app:{number}", key.info.public_key, timeout=30))
                for number in range(100)
            ]
            await asyncio.sleep(0.1)
            started = time.monotonic()
            for _ in range(5):
                assert (await session.verify(image, key.info.public_key)).verified
            assert time.monotonic() - started < 2
            for task in hanging:
                task.cancel()
            done = await asyncio.gather(*hanging, return_exceptions=True)
            assert all(isinstance(error, asyncio.CancelledError) for error in done)

    asyncio.run(both())


def test_a_cancelled_verification_closes_its_connection(key: SigningKey) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        image = registry(f"127.0.0.1:{listening.getsockname()[1]}/app:1", timeout=60)

        async def cancelled() -> None:
            task = asyncio.create_task(aio.verify(image, key.info.public_key))
            accepted, _ = await asyncio.to_thread(listening.accept)
            with accepted:
                await asyncio.to_thread(accepted.recv, 65536)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                accepted.settimeout(5)
                assert await asyncio.to_thread(accepted.recv, 1) == b""  # closed, long before the time limit

        started = time.monotonic()
        asyncio.run(cancelled())
        assert time.monotonic() - started < 5


def test_a_session_does_everything(server: InMemoryRegistry, key: SigningKey) -> None:
    image, name = pushed(server, "a"), f"{server.host}/a:1.0"

    async def everything() -> None:
        async with aio.Session(NOBODY, workers=4, per_host=2) as session:
            await session.sign(name, key)
            assert (await session.verify(name, key.info.public_key)).verified
            assert (await session.explain(name, Policy.any_of(key))).is_met
            assert len((await session.inspect(image)).signatures) == 2
            assert (await session.copy(name, f"{server.host}/b:1.0")).digest
            assert [outcome.ok async for outcome in session.sign_many([name], key)] == [True]
            assert [outcome.ok async for outcome in session.verify_many([name], key.info.public_key)] == [True]
            assert (await session.remove(name, key=key)).removed

    asyncio.run(everything())


def test_calls_from_several_event_loops_share_the_pool(server: InMemoryRegistry, key: SigningKey) -> None:
    image = pushed(server, "a")
    for _ in range(3):
        asyncio.run(aio.sign(image, key))
        assert asyncio.run(aio.verify(image, key.info.public_key)).verified


@pytest.mark.parametrize("timeout", [0, -1, "3", float("nan")], ids=str)
def test_a_timeout_that_is_not_a_positive_number_is_refused(key: SigningKey, timeout: float) -> None:
    for call in (
        lambda: aio.verify("oci:nowhere", key, timeout=timeout),
        lambda: aio.sign(["oci:nowhere"], key, timeout=timeout),
        lambda: aio.remove("oci:nowhere", key=key, timeout=timeout),
    ):
        with pytest.raises(InvalidArgument, match="timeout"):
            asyncio.run(call())


@pytest.mark.parametrize("image", [7, None, SOMETHING], ids=str)
def test_an_image_of_a_wrong_type_is_an_invalid_argument(key: SigningKey, image: str) -> None:
    for call in (lambda: aio.verify(image, key), lambda: aio.sign(image, key), lambda: aio.copy(image, "oci:there")):
        with pytest.raises(InvalidArgument):
            asyncio.run(call())


def test_a_session_without_workers_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="at least one is needed"):
        aio.Session(workers=0)


async def _none() -> AsyncIterator[str]:
    await asyncio.sleep(60)
    yield "never"


def test_images_of_a_loop_that_is_closed_end_and_leave_no_coroutine() -> None:
    loop = asyncio.new_event_loop()
    images = Feed(_none(), loop)
    loop.close()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert list(images) == []
        gc.collect()
    assert not [str(item.message) for item in said]


def test_a_wait_for_an_image_that_begins_while_all_is_cancelled_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        images = Feed(_none(), asyncio.get_running_loop())
        begin = asyncio.run_coroutine_threadsafe

        def late(*arguments: Any) -> Any:
            cancelling = threading.Thread(target=images.cancel)
            cancelling.start()
            cancelling.join(0.1)
            return begin(*arguments)

        monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", late)
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(asyncio.to_thread(next, images), 5)

    asyncio.run(run())
