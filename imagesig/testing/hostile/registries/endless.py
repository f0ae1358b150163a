"""Answers that never end, or that come too slowly."""

from __future__ import annotations

import itertools

from imagesig.errors import DeadlineExceeded, LimitExceeded
from imagesig.testing.hostile.registries.wire import (
    HEAD,
    LATE,
    NO_USE,
    NOT_HTTP,
    PAUSE,
    Wire,
    announced,
    dripping,
    forever,
    numbered,
    plays,
    silent,
    slowly,
)
from imagesig.testing.loopback_server import Answer

_ENDLESS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
ENDLESS = [
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
]
