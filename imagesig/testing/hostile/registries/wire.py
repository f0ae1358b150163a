"""Makers of answers that break HTTP, never end or are wrong: each can replace any answer of a registry."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterable, Iterator

from msgspec import Struct

from imagesig.errors import (
    DeadlineExceeded,
    LimitExceeded,
    MalformedError,
    NoSignatureAccepted,
    TransportError,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.testing.hostile.kinds import Errors
from imagesig.testing.hostile.registries.stage import Twist
from imagesig.testing.loopback_server import Answer, Pieces, Request

PAUSE = 0.05
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.oci.image.manifest.v1+json\r\n"
NOT_HTTP: Errors = (UnexpectedResponse, Unreachable, DeadlineExceeded)
LATE: Errors = (DeadlineExceeded, Unreachable)
"""The answer does not come: the error depends on whether an attempt or the deadline ends first."""
NO_USE: Errors = (TransportError, MalformedError)
"""The answer has another body than the program asked for."""
UNVERIFIED: Errors = (NoSignatureAccepted, LimitExceeded)
FLOOD: Errors = (NoSignatureAccepted, LimitExceeded, DeadlineExceeded)
"""A slow machine may reach the deadline first."""


class Wire(Struct, frozen=True):
    """One answer; `sentence` goes on after the name of an endpoint. Other fields as in `Hostility`."""

    name: str
    sentence: str
    twist: Twist
    expected: Errors
    harmless: bool = False
    waits: bool = False


def forever(piece: bytes, start: bytes = b"") -> Pieces:
    """The start, then the piece again and again."""
    return lambda: itertools.chain((start,), itertools.repeat(piece))


def dripping(content: bytes) -> Pieces:
    """The content byte by byte with pauses, then its last byte again and again."""

    def drip() -> Iterator[bytes | float]:
        for byte in itertools.chain(content, itertools.repeat(content[-1])):
            yield bytes([byte])
            yield PAUSE

    return drip


def plays(script: Pieces) -> Twist:
    """Sends the script and nothing else."""
    return lambda _request, _own: Answer(raw=script)


def says(content: bytes) -> Twist:
    """Sends these bytes and nothing else."""
    return plays(lambda: (content,))


def silent(before: bytes = b"") -> Pieces:
    return lambda: (before, 3600.0)


def status(number: int, body: bytes = b"", **headers: str) -> Twist:
    """Answers every request with this status."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request, _own: Answer(number, body, named)


def framed(framing: bytes, body: bytes | None = None) -> Twist:
    """The registry's own status and body with these header lines about its length."""

    def twist(_request: Request, own: Answer) -> Answer:
        lines = b"".join(f"{name}: {value}\r\n".encode() for name, value in own.headers.items())
        start = f"HTTP/1.1 {own.status} OK\r\n".encode()
        return Answer(raw=lambda: (start + lines + framing + b"\r\n", own.body if body is None else body))

    return twist


def in_chunks(*, size: bytes | None = None, after: bytes = b"") -> Twist:
    """The registry's own answer in one chunk, with another size, or with something behind the size."""

    def twist(request: Request, own: Answer) -> Answer:
        length = b"%x" % len(own.body) if size is None else size
        body = length + after + b"\r\n" + own.body + b"\r\n0\r\n\r\n"
        return framed(b"transfer-encoding: chunked\r\n", body)(request, own)

    return twist


def slowly(_request: Request, own: Answer) -> Answer:
    return Answer(own.status, headers=own.headers, pieces=dripping(own.body or b" "))


def announced(_request: Request, own: Answer) -> Answer:
    length = max(2, len(own.body) + 1)
    return Answer(own.status, headers=own.headers, pieces=dripping(own.body or b" "), content_length=length + 10_000)


def as_http_1_0(_request: Request, own: Answer) -> Answer:
    lines = "".join(f"{name}: {value}\r\n" for name, value in own.headers.items())
    return Answer(raw=lambda: (f"HTTP/1.0 {own.status} OK\r\n{lines}\r\n".encode(), own.body))


def after_interim(count: int) -> Twist:
    def twist(_request: Request, own: Answer) -> Answer:
        lines = "".join(f"{name}: {value}\r\n" for name, value in own.headers.items())
        final = f"HTTP/1.1 {own.status} OK\r\n{lines}content-length: {len(own.body)}\r\n\r\n".encode()
        return Answer(raw=lambda: (b"HTTP/1.1 100 Continue\r\n\r\n" * count, final, own.body))

    return twist


def numbered(line: bytes) -> Pieces:
    def lines() -> Iterable[bytes]:
        yield HEAD
        for number in itertools.count():
            yield b"x-%d: " % number + line + b"\r\n"

    return lines


def encoded(name: str, bomb: bool = False) -> Twist:
    def twist(_request: Request, own: Answer) -> Answer:
        body = gzip.compress(own.body + (b" " * 50_000_000 if bomb else b""), 1)
        return Answer(own.status, body, {**own.headers, "content-encoding": name})

    return twist
