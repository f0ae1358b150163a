"""The table of answers that are none: floods, drips, lies about lengths, other protocols, statuses."""

from __future__ import annotations

import itertools

from imagesig.errors import (
    DeadlineExceeded,
    LimitExceeded,
    MalformedError,
    Unauthorized,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.testing.hostile.wire import (
    HEAD,
    LATE,
    NO_USE,
    NOT_HTTP,
    PAUSE,
    Wire,
    after_interim,
    announced,
    as_http_1_0,
    dripping,
    encoded,
    forever,
    framed,
    in_chunks,
    numbered,
    plays,
    says,
    silent,
    slowly,
    status,
)
from imagesig.testing.registry import Answer

_ENDLESS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
WIRES = (
    # floods
    Wire(
        "endless-body",
        "never ends",
        lambda _r, own: Answer(own.status, headers=own.headers, pieces=forever(b" " * 65536)),
        NO_USE,
    ),
    Wire(
        "endless-json",
        "is a string that never ends",
        lambda _r, own: Answer(own.status, headers=own.headers, pieces=forever(b"x" * 65536, b'{"a":"')),
        NO_USE,
    ),
    Wire(
        "endless-tiny-chunks",
        "never ends and comes byte by byte",
        lambda _r, own: Answer(own.status, headers=own.headers, pieces=forever(b" ")),
        (*NO_USE, DeadlineExceeded),
        waits=True,
    ),
    Wire("endless-until-closed", "never ends and has no length", plays(forever(b" " * 65536, HEAD + b"\r\n")), NO_USE),
    Wire("endless-headers", "has headers without end", plays(numbered(b"y" * 1000)), NOT_HTTP),
    Wire("endless-small-headers", "has small headers without end", plays(numbered(b"")), NOT_HTTP),
    Wire(
        "endless-header-line", "has one header that never ends", plays(forever(b"y" * 65536, HEAD + b"x: ")), NOT_HTTP
    ),
    Wire("endless-header-name", "has a header whose name never ends", plays(forever(b"y" * 65536, HEAD)), NOT_HTTP),
    Wire(
        "endless-status-line",
        "has a status line that never ends",
        plays(forever(b"y" * 65536, b"HTTP/1.1 200 ")),
        NOT_HTTP,
    ),
    Wire(
        "endless-interim-answers",
        "is preceded by interim answers without end",
        plays(forever(b"HTTP/1.1 100 Continue\r\n\r\n" * 999)),
        NOT_HTTP,
    ),
    Wire(
        "endless-early-hints",
        "is preceded by early hints without end",
        plays(forever(b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n" * 99)),
        NOT_HTTP,
    ),
    Wire(
        "endless-trailers", "has trailers without end", plays(forever(b"x: y\r\n" * 999, _ENDLESS + b"0\r\n")), NOT_HTTP
    ),
    Wire(
        "endless-chunk-extension",
        "has a chunk extension that never ends",
        plays(forever(b"y" * 65536, _ENDLESS + b"1;x=")),
        NOT_HTTP,
    ),
    Wire("endless-chunk-size", "has a chunk size that never ends", plays(forever(b"0" * 65536, _ENDLESS)), NOT_HTTP),
    Wire("endless-blank-lines", "is preceded by blank lines without end", plays(forever(b"\r\n" * 9999)), NOT_HTTP),
    # drips
    Wire("silent", "never comes", plays(silent()), LATE, waits=True),
    Wire("silent-after-status", "stops after the status line", plays(silent(b"HTTP/1.1 200 OK\r\n")), LATE, waits=True),
    Wire(
        "silent-after-headers",
        "stops after the headers",
        plays(silent(HEAD + b"content-length: 9\r\n\r\n")),
        LATE,
        waits=True,
    ),
    Wire(
        "dripping-status",
        "comes byte by byte, slowly, from the status line on",
        plays(dripping(b"HTTP/1.1 200 O")),
        LATE,
        waits=True,
    ),
    Wire(
        "dripping-headers",
        "has headers that come slowly and without end",
        plays(dripping(HEAD + b"x: y")),
        LATE,
        waits=True,
    ),
    Wire(
        "dripping-interim-answers",
        "is preceded by interim answers that come slowly",
        plays(lambda: itertools.cycle((b"HTTP/1.1 100 Continue\r\n\r\n", PAUSE))),
        LATE,
        waits=True,
    ),
    Wire("dripping-body", "has a body that comes slowly and without end", slowly, LATE, waits=True),
    Wire(
        "dripping-announced-body",
        "has a body that comes slowly and stays within its length",
        announced,
        (*LATE, LimitExceeded),
        waits=True,
    ),
    # lies about the length
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
    # chunks and encodings
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
    # other protocols
    Wire("http-1.0", "is HTTP/1.0 without a length", as_http_1_0, (), harmless=True),
    Wire("http-0.9", "is a body alone", lambda _r, own: Answer(raw=lambda: (own.body,)), NOT_HTTP),
    Wire(
        "http-1.9",
        "is of a version that nobody knows",
        says(b"HTTP/1.9 200 OK\r\ncontent-length: 0\r\n\r\n"),
        (*NOT_HTTP, MalformedError),
    ),
    Wire("http-2", "is an HTTP/2 preface", says(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), NOT_HTTP),
    Wire(
        "http-2-frames",
        "is an HTTP/2 settings frame",
        says(bytes.fromhex("00000c04000000000000030000006400040000ffff")),
        NOT_HTTP,
    ),
    Wire("ssh", "is a banner of SSH", says(b"SSH-2.0-OpenSSH_9.9\r\n"), NOT_HTTP),
    Wire("tls", "is a TLS alert", says(bytes.fromhex("15030100020228")), NOT_HTTP),
    Wire("nul", "is a NUL byte", says(b"\0"), NOT_HTTP),
    Wire("request", "is a request", says(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"), NOT_HTTP),
    Wire(
        "upgrade",
        "switches to another protocol",
        says(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
        NOT_HTTP,
    ),
    Wire("status-of-two-digits", "has a status of two digits", says(b"HTTP/1.1 20 OK\r\n\r\n"), NOT_HTTP),
    Wire("status-of-five-digits", "has a status of five digits", says(b"HTTP/1.1 20000 OK\r\n\r\n"), NOT_HTTP),
    Wire("status-no-number", "has a status that is no number", says(b"HTTP/1.1 OK OK\r\n\r\n"), NOT_HTTP),
    Wire(
        "header-folded",
        "has a folded header",
        framed(b"x: a\r\n b\r\ncontent-length: 0\r\n", b""),
        (*NOT_HTTP, MalformedError),
    ),
    Wire("header-with-nul", "has a NUL in a header", framed(b"x: a\0b\r\n"), NOT_HTTP),
    Wire("header-without-colon", "has a header without a colon", framed(b"x\r\n"), NOT_HTTP),
    Wire("header-bare-line-feed", "has a bare line feed in its headers", framed(b"x: y\nz: w\r\n"), NOT_HTTP),
    Wire(
        "header-blank-before-colon", "has a blank before a header's colon", framed(b"content-length : 0\r\n"), NOT_HTTP
    ),
    Wire("interim-answers", "is preceded by 500 interim answers", after_interim(500), (), harmless=True),
    # statuses
    Wire(
        "login-page",
        "is a login page with status 200",
        status(200, b"<!doctype html><title>Log in</title>", content_type="text/html"),
        NO_USE,
    ),
    Wire("empty-object", "is an empty JSON object", status(200, b"{}", content_type="application/json"), NO_USE),
    Wire("empty-200", "is empty with status 200", status(200), NO_USE),
    *(
        Wire(f"status-{number}", f"has status {number}", status(number, b"x"), (UnexpectedResponse,))
        for number in (
            201,
            202,
            203,
            206,
            226,
            300,
            304,
            305,
            306,
            402,
            409,
            412,
            413,
            416,
            418,
            422,
            423,
            426,
            428,
            431,
            451,
            499,
            501,
            505,
            507,
            511,
            599,
            600,
            999,
        )
    ),
    Wire("status-204", "has status 204", status(204), (UnexpectedResponse,)),
    Wire("status-401", "has status 401 without a challenge", status(401), (UnexpectedResponse, Unauthorized)),
    Wire("status-403", "has status 403", status(403), (Unauthorized,)),
    Wire("status-407", "has status 407", status(407, b"", proxy_authenticate="Basic realm=x"), (UnexpectedResponse,)),
    Wire(
        "partial-206",
        "is a part of the bytes, as nobody asked for",
        lambda _r, own: Answer(206, own.body, {**own.headers, "content-range": "bytes 0-9/10"}),
        (UnexpectedResponse,),
    ),
    # busy for ever
    *(
        Wire(
            f"status-{number}",
            f"has status {number} for ever",
            status(number, b"busy"),
            (Unreachable, DeadlineExceeded),
            waits=True,
        )
        for number in (500, 502, 504)
    ),
    *(
        Wire(
            f"{number}-{name}",
            f"has status {number} for ever and asks to wait {name}",
            status(number, b"", retry_after=text),
            (Unreachable, DeadlineExceeded),
            waits=True,
        )
        for number in (429, 503)
        for name, text in {
            "nothing": "",
            "0": "0",
            "a-million-seconds": "1000000",
            "below-zero": "-1",
            "1e9": "1e9",
            "infinitely": "inf",
            "not-a-number": "nan",
            "until-tomorrow": "tomorrow",
            "5000-digits": "9" * 5000,
            "until-9999": "Fri, 31 Dec 9999 23:59:59 GMT",
            "until-1970": "Thu, 01 Jan 1970 00:00:00 GMT",
            "until-year-99999": "Fri, 31 Dec 99999 23:59:59 GMT",
            "other-digits": "\u0663".encode().decode("latin-1"),
            "half-a-second": "0.5",
            "twice": "1, 2",
        }.items()
    ),
)
