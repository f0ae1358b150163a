"""What the scripted key services have in common: faults, the log of requests, and signatures of digests."""

from __future__ import annotations

import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

from imagesig.keys.file.private_key import PrivateKey
from imagesig.testing.loopback_server import Answer, LoopbackServer, Request

Fault = Callable[[Request], Answer | None]


class ScriptedService(ABC):
    """A service on loopback while a `with` block runs.

    Each function in `faults` sees each request first; its answer, unless None, takes the place of the service's own.
    `requests` are those that came. `tls` is the context of a server with TLS, `unix` the path of a socket to listen on.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, unix: str = "") -> None:
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        self._server = LoopbackServer(self._answer, tls=tls, unix=unix)
        self.address = f"unix://{unix}" if unix else f"http{'s' if tls else ''}://{self._server.host}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def _answer(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
        for fault in list(self.faults):
            if (answer := fault(request)) is not None:
                return answer
        with self._lock:
            return self.own_answer(request)

    @abstractmethod
    def own_answer(self, request: Request) -> Answer:
        """The answer of the service itself."""


def signed_digest(key: PrivateKey, digest: bytes) -> bytes:
    """The ECDSA signature of a SHA-256 digest."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256

    assert isinstance(key.loaded, ec.EllipticCurvePrivateKey)
    return key.loaded.sign(digest, ec.ECDSA(Prehashed(SHA256())))
