"""The service of a soak: workers that sign, verify and remove with one session, in threads and in asyncio."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from imagesig import NoSignatureAccepted, Session, SigningKey, aio
from imagesig.errors import ImagesigError

PATIENCE = 60.0
"""Seconds in which a step must succeed after all: longer than each outage."""
_PAUSE = 0.1


class Record:
    """What happened: steps that succeeded, errors by class, faults, and when each key signed last. Thread-safe."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.faults: list[str] = []
        self.last: dict[str, float] = {}
        self._lock = threading.Lock()

    def succeeded(self, step: str, key: str = "") -> None:
        with self._lock:
            self.done[step] += 1
            if key:
                self.last[key] = time.monotonic()

    def failed(self, step: str, error: Exception) -> None:
        """Counts an error; one that is not ours, or does not say what to do, is a fault."""
        with self._lock:
            self.errors[type(error).__name__] += 1
            if not isinstance(error, ImagesigError):
                self.faults.append(f"{step}: {type(error).__name__} is not one of ours: {error}")
            elif not error.hint:
                self.faults.append(f"{step}: no hint: {type(error).__name__}: {error}")

    def fault(self, text: str) -> None:
        with self._lock:
            self.faults.append(text)


async def serve(
    act: Callable[..., Awaitable[Any]], image: str, keys: dict[str, SigningKey], record: Record, stop: threading.Event
) -> None:
    """Signs with all keys at once, verifies each signature that was reported as made, removes them, and so on.

    `act(name, …)` calls the method of a session.
    """

    async def sign(kind: str, key: SigningKey) -> bool:
        try:
            await act("sign", image, key, timeout=20)
        except Exception as error:
            record.failed(f"sign with {kind}", error)
            return False
        record.succeeded("sign", kind)
        return True

    async def at_last(step: str, *given: Any, **more: Any) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                await act(step, *given, timeout=20, **more)
            except NoSignatureAccepted as error:
                record.fault(f"{step}: a signature is lost: {error}")
                return
            except Exception as error:
                record.failed(step, error)
                if time.monotonic() > until:
                    record.fault(f"{step}: no success in {PATIENCE:.0f} s: {error}")
                    return
                await asyncio.sleep(_PAUSE)
            else:
                record.succeeded(step)
                return

    while not stop.is_set():
        made = await asyncio.gather(*(sign(kind, key) for kind, key in keys.items()))
        for key, ok in zip(keys.values(), made, strict=True):
            if ok:
                await at_last("verify", image, key.info.public_key)
        await at_last("remove", image, all=True)
        await asyncio.sleep(0 if all(made) else _PAUSE)


def in_threads(images: list[str], keys: dict[str, SigningKey], record: Record, stop: threading.Event) -> None:
    """`serve` with an `imagesig.Session`, whose calls run in threads."""

    async def run() -> None:
        with Session() as session, ThreadPoolExecutor(8) as pool:
            loop = asyncio.get_running_loop()

            async def act(name: str, *given: Any, **more: Any) -> Any:
                return await loop.run_in_executor(pool, lambda: getattr(session, name)(*given, **more))

            await asyncio.gather(*(serve(act, image, keys, record, stop) for image in images))

    asyncio.run(run())


def in_asyncio(images: list[str], keys: dict[str, SigningKey], record: Record, stop: threading.Event) -> None:
    """`serve` with an `imagesig.aio.Session`."""

    async def run() -> None:
        async with aio.Session() as session:

            async def act(name: str, *given: Any, **more: Any) -> Any:
                return await getattr(session, name)(*given, **more)

            await asyncio.gather(*(serve(act, image, keys, record, stop) for image in images))

    asyncio.run(run())
