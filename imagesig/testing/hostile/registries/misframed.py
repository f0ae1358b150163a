"""Answers with a wrong length, invalid chunks or an unexpected encoding."""

from __future__ import annotations

from imagesig.errors import DeadlineExceeded, LimitExceeded, MalformedError, UnexpectedResponse, Unreachable
from imagesig.testing.hostile.registries.wire import HEAD, NO_USE, NOT_HTTP, Wire, encoded, framed, in_chunks, says
from imagesig.testing.loopback_server import Answer

MISFRAMED = [
    Wire(
        "closed-at-once",
        "is no byte at all",
        lambda _r, _o: Answer(close=True),
        (Unreachable, DeadlineExceeded),
        waits=True,
    ),
    Wire("closed-in-headers", "ends within its headers", says(HEAD + b"x"), NOT_HTTP, waits=True),
    Wire(
        "closed-in-body",
        "is shorter than it says",
        lambda _r, own: Answer(own.status, own.body[:-1], own.headers, len(own.body) + 1),
        (*NOT_HTTP, LimitExceeded),
        waits=True,
    ),
    Wire(
        "closed-in-chunk",
        "ends within a chunk",
        framed(b"transfer-encoding: chunked\r\n", b"ff\r\n{"),
        NOT_HTTP,
        waits=True,
    ),
    Wire(
        "length-too-small",
        "is longer than it says",
        lambda _r, own: Answer(own.status, own.body, own.headers, len(own.body) // 2),
        NO_USE,
    ),
    Wire(
        "length-and-more",
        "is followed by another answer",
        lambda request, own: Answer(
            raw=lambda: (
                f"HTTP/1.1 {own.status} OK\r\ncontent-length: {len(own.body)}\r\n\r\n".encode(),
                own.body,
                HEAD + b"content-length: 0\r\n\r\n",
            )
        ),
        NO_USE,
        harmless=True,
    ),
    Wire(
        "length-of-5000-digits",
        "says a length of 5,000 digits",
        framed(b"content-length: " + b"9" * 5000 + b"\r\n"),
        NOT_HTTP,
    ),
    Wire(
        "length-with-5000-zeros",
        "says its length behind 5,000 zeros",
        framed(b"content-length: " + b"0" * 5000 + b"7\r\n"),
        (*NOT_HTTP, MalformedError),
    ),
    Wire(
        "length-of-2-to-the-63",
        "says a length of 2^63",
        framed(b"content-length: 9223372036854775808\r\n"),
        (*NOT_HTTP, LimitExceeded),
    ),
    Wire("length-negative", "says a length below zero", framed(b"content-length: -1\r\n"), NOT_HTTP),
    Wire("length-signed", "says a length with a plus sign", framed(b"content-length: +7\r\n"), NOT_HTTP),
    Wire("length-hexadecimal", "says a length in hexadecimal", framed(b"content-length: 0x7\r\n"), NOT_HTTP),
    Wire(
        "length-in-other-digits",
        "says a length in other digits than ASCII",
        framed("content-length: \u0667\r\n".encode()),
        NOT_HTTP,
    ),
    Wire("length-empty", "says an empty length", framed(b"content-length: \r\n"), (*NOT_HTTP, MalformedError)),
    Wire("length-twice", "says two lengths", framed(b"content-length: 1\r\ncontent-length: 2\r\n"), NOT_HTTP),
    Wire("length-listed", "says two lengths in one header", framed(b"content-length: 1, 2\r\n"), NOT_HTTP),
    Wire(
        "length-beside-chunks",
        "says a length beside chunks",
        framed(b"content-length: 1\r\ntransfer-encoding: chunked\r\n", b"0\r\n\r\n"),
        NOT_HTTP,
    ),
    Wire("chunk-size-no-number", "has a chunk size that is no number", in_chunks(size=b"zz"), NOT_HTTP),
    Wire("chunk-size-overflow", "has a chunk size above 2^64", in_chunks(size=b"ffffffffffffffff1"), NOT_HTTP),
    Wire("chunk-size-negative", "has a chunk size below zero", in_chunks(size=b"-1"), NOT_HTTP),
    Wire("chunk-size-too-small", "has a chunk that is longer than it says", in_chunks(size=b"0"), NO_USE),
    Wire("chunk-extensions", "has chunk extensions", in_chunks(after=b';x="y"'), NOT_HTTP, harmless=True),
    Wire(
        "chunked-twice",
        "is chunked twice",
        framed(b"transfer-encoding: chunked, chunked\r\n", b"0\r\n\r\n"),
        (*NOT_HTTP, MalformedError),
    ),
    Wire(
        "transfer-gzip",
        "has another transfer encoding",
        framed(b"transfer-encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
        (*NOT_HTTP, MalformedError),
    ),
    Wire(
        "transfer-encoding-unknown",
        "has an unknown transfer encoding",
        framed(b"transfer-encoding: x\r\n"),
        NOT_HTTP,
        harmless=True,
    ),
    Wire("gzip", "is compressed unasked", encoded("gzip"), (UnexpectedResponse,)),
    Wire("gzip-bomb", "is compressed and 50 MB long", encoded("gzip", bomb=True), (UnexpectedResponse,)),
    Wire("deflate", "says it is deflated", encoded("deflate"), (UnexpectedResponse,)),
    Wire(
        "encoding-list", "has a list of content encodings", encoded("identity, " * 99 + "gzip"), (UnexpectedResponse,)
    ),
]
