"""What a session keeps for verification: the public keys of policies, and witnesses that are made on first use."""

from __future__ import annotations

import time
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from imagesig.api.verify.verifying import OpenPublicKeys
from imagesig.concurrency import Once
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import AccessDenied, PinLocked, WrongSecret

if TYPE_CHECKING:
    from imagesig.witnesses import Witnesses

_KEYS = 1024
KEY_SECONDS = 300.0


class PolicyKeys:
    """The public keys of policies, opened once in a while. Thread-safe."""

    def __init__(self, open_keys: OpenPublicKeys, seconds: float) -> None:
        self._open_keys, self._seconds = open_keys, seconds
        self._opened: Once[tuple[PublicKey, ...]] = Once(_KEYS, lambda _error: True)
        self._refused: dict[str, AccessDenied] = {}
        self._lock = Lock()

    def open(self, text: str) -> tuple[PublicKey, ...]:
        """The keys at this file or URI. Raises as the function that opens them."""
        with self._lock:
            refused = self._refused.get(text)
        if refused is not None:
            raise refused.with_traceback(None)  # three wrong PINs lock a token; an expired login passes
        period = int(time.monotonic() // self._seconds)
        try:
            return self._opened.get((text, period), lambda: self._open_keys(text))
        except (WrongSecret, PinLocked) as error:
            with self._lock:
                self._refused[text] = error
            raise


class LazyWitnesses:
    """`online()`, made on first use: policies of keys need no witness."""

    @cached_property
    def _made(self) -> Witnesses:
        from imagesig.witnesses import online

        return online()

    def timestamp(self, *arguments: Any) -> bytes:
        return self._made.timestamp(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made, name)
