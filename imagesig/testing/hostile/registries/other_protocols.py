"""Answers in another protocol than HTTP/1.1, and invalid headers."""

from __future__ import annotations

from imagesig.errors import MalformedError
from imagesig.testing.hostile.registries.wire import NOT_HTTP, Wire, after_interim, as_http_1_0, framed, says
from imagesig.testing.loopback_server import Answer

OTHER_PROTOCOLS = [
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
]
