"""Answers with a wrong status, or with "busy" for ever."""

from __future__ import annotations

from imagesig.errors import DeadlineExceeded, Unauthorized, UnexpectedResponse, Unreachable
from imagesig.testing.hostile.registries.wire import NO_USE, Wire, status
from imagesig.testing.loopback_server import Answer

STATUSES = [
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
]
