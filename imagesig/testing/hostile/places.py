"""Redirects, logins and the addresses that a registry names."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from imagesig.errors import (
    AttachIncomplete,
    DeadlineExceeded,
    MalformedError,
    Unauthorized,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.testing.hostile.kinds import Hostility, Script, Work
from imagesig.testing.hostile.stage import (
    NAME,
    Stage,
    blob,
    image_manifest,
    referrers,
    token,
    upload,
)
from imagesig.testing.hostile.wire import LATE, Errors, dripping
from imagesig.testing.registry import Answer, Request

REFUSED: Errors = (UnexpectedResponse,)
_GARBLED: Errors = (UnexpectedResponse, Unreachable, DeadlineExceeded)
"""Where the header itself is no HTTP."""
CLOUD = "169.254.169.254"
ADDRESSES = {
    "file": "file:///etc/passwd",
    "ftp": "ftp://127.0.0.1/",
    "data": "data:application/json,{}",
    "javascript": "javascript:alert(1)",
    "gopher": "gopher://127.0.0.1:6379/_INFO",
    "unix": "http+unix://%2Frun%2Fdocker.sock/",
    "metadata-service": f"http://{CLOUD}/latest/meta-data/",
    "metadata-service-ipv6": "http://[fd00:ec2::254]/latest/",
    "metadata-service-mapped": f"http://[::ffff:{CLOUD}]/",
    "metadata-service-nat64": "http://[64:ff9b::a9fe:a9fe]/",
    "metadata-service-decimal": "http://2852039166/",
    "metadata-service-hexadecimal": "http://0xa9fea9fe/",
    "metadata-service-octal": "http://0251.0376.0251.0376/",
    "metadata-service-short": "http://169.254.43518/",
    "metadata-of-another-cloud": "http://100.100.100.200/latest/meta-data/",
    "link-local": "http://[fe80::1]/",
    "link-local-zone": "http://[fe80::1%25eth0]/",
    "open-bracket": "http://[::1",
    "bracket-inside": "http://a[::1]b/",
    "no-host": "http:///v2/",
    "port-too-large": "http://127.0.0.1:99999/",
    "port-zero": "http://127.0.0.1:0/",
    "port-no-number": "http://127.0.0.1:x/",
    "port-of-5000-digits": "http://127.0.0.1:" + "9" * 5000 + "/",
    "control": "http://127.0.0.1/\x01\x1b[2J",
    "tab": "http://127.0.0.1/\ta",
    "not-ascii": "http://127.0.0.1/\u00e9".encode().decode("latin-1"),
    "full-width": "http://\uff11\uff12\uff17.0.0.1/".encode().decode("latin-1"),
    "backslash": "http:\\\\127.0.0.1\\",
    "long": "http://127.0.0.1/" + "a" * 20_000,
    "with-a-login": "http://user:password@127.0.0.1/",
    "empty": "",
    "slashes": "//",
    "question-mark": "http://?",
}
"""Addresses that nobody may be led to by a registry, by name."""


def _of(name: str) -> Errors:
    return _GARBLED if name == "control" else REFUSED


def _redirects(endpoint: Callable[[Request], bool], place: str, status: int = 307) -> Script:
    return lambda stage: (stage.signed(), stage.answer(endpoint, Answer(status, headers={"location": place})))[1]


def _ping_pong(stage: Stage) -> None:
    stage.signed()
    other = stage.another()
    other.faults.append(lambda request: Answer(307, headers={"location": f"{stage.url}{request.path}"}))
    stage.fault(
        lambda request: (
            Answer(307, headers={"location": f"http://{other.host}{request.path}"}) if image_manifest(request) else None
        )
    )


def _ever_new(stage: Stage) -> None:
    stage.signed()
    count = itertools.count()
    stage.fault(lambda _request: Answer(302, headers={"location": f"/v2/{NAME}/manifests/{next(count)}"}))


def _to_tls(content: Callable[[], Any]) -> Script:
    def script(stage: Stage) -> None:
        stage.signed()
        listener = stage.listener(content)
        stage.fault(
            lambda request: (
                Answer(307, headers={"location": f"https://{listener}/"}) if image_manifest(request) else None
            )
        )

    return script


def _silent_place(stage: Stage) -> None:
    stage.signed()
    listener = stage.listener(lambda: (3600.0,))
    stage.answer(blob, Answer(307, headers={"location": f"http://{listener}/"}))


def _next_page_elsewhere(stage: Stage) -> None:
    stage.signed()
    other = stage.another()
    stage.twist(
        referrers, lambda _r, own: Answer(200, own.body, {**own.headers, "link": f'<http://{other.host}/>; rel="next"'})
    )


def _redirect_hostilities() -> list[Hostility]:
    made = [
        Hostility(
            f"redirect-{where}-to-{name}",
            f"The {where} is redirected to an address that nobody may be led to: {name}.",
            _redirects(endpoint, place),
            _of(name),
        )
        for where, endpoint in {"manifest": image_manifest, "blob": blob}.items()
        for name, place in ADDRESSES.items()
    ]
    made += [
        Hostility(
            f"redirect-{status}-loop",
            f"The manifest is redirected to itself with status {status}.",
            _redirects(image_manifest, f"/v2/{NAME}/manifests/1.0", status),
            REFUSED,
        )
        for status in (301, 302, 303, 307, 308)
    ]
    return [
        *made,
        Hostility("redirect-between-two-servers", "Two servers redirect to each other.", _ping_pong, REFUSED),
        Hostility("redirect-to-ever-new-places", "Every answer is a redirect to a new place.", _ever_new, REFUSED),
        Hostility(
            "redirect-without-location",
            "A redirect names no place.",
            lambda stage: (stage.signed(), stage.answer(image_manifest, Answer(307)))[1],
            REFUSED,
        ),
        Hostility(
            "redirect-to-tls-that-drips",
            "A redirect leads to a server whose TLS comes byte by byte.",
            _to_tls(dripping(bytes.fromhex("16030340000200"))),
            LATE,
            waits=True,
        ),
        Hostility(
            "redirect-to-tls-that-is-silent",
            "A redirect leads to a server that never begins TLS.",
            _to_tls(lambda: (3600.0,)),
            LATE,
            waits=True,
        ),
        Hostility(
            "redirect-to-tls-that-is-none",
            "A redirect leads to a server that answers TLS with HTTP.",
            _to_tls(lambda: (b"HTTP/1.1 400 no\r\n\r\n",)),
            LATE,
            waits=True,
        ),
        Hostility(
            "redirect-to-a-silent-server",
            "The blob is redirected to a server that never answers.",
            _silent_place,
            LATE,
            waits=True,
        ),
        Hostility(
            "next-page-on-another-server",
            "The next page of referrers is on another server.",
            _next_page_elsewhere,
            REFUSED,
        ),
        *(
            Hostility(
                f"next-page-{name}",
                f"The next page of referrers is at an address that nobody may be led to: {name}.",
                _next_page(place),
                _of(name),
            )
            for name, place in ADDRESSES.items()
            if name != "empty"
        ),
    ]


def _next_page(place: str) -> Script:
    def script(stage: Stage) -> None:
        stage.signed()
        stage.twist(referrers, lambda _r, own: Answer(200, own.body, {**own.headers, "link": f'<{place}>; rel="next"'}))

    return script


# --- logins ----------------------------------------------------------------------------------------------------------


def challenged(challenge: str, answer: Answer | None = None) -> Script:
    """Whoever comes without a token gets this challenge; `answer` is what the token server says."""

    def script(stage: Stage) -> None:
        stage.signed()
        own = challenge.replace("{host}", stage.host)

        def fault(request: Request) -> Answer | None:
            if token(request):
                return answer
            if request.headers.get("authorization", "").startswith("Bearer good"):
                return None
            return Answer(401, b"", {"www-authenticate": own})

        stage.fault(fault)

    return script


OURS = 'Bearer realm="http://{host}/token",service="s",scope="repository:team/app:pull"'


def _tokens(name: str, sentence: str, body: bytes, expected: Errors, *, harmless: bool = False) -> Hostility:
    return Hostility(
        f"token-{name}",
        f"The token server answers {sentence}.",
        challenged(OURS, Answer(200, body)),
        expected,
        harmless=harmless,
    )


_NO_LOGIN: Errors = (UnexpectedResponse, Unauthorized, MalformedError)


def _login_hostilities() -> list[Hostility]:
    made = [
        Hostility(
            f"realm-{name}",
            f"The token server is at an address that nobody may be led to: {name}.",
            challenged(f'Bearer realm="{place}"'),
            (*_of(name), Unauthorized),
        )
        for name, place in ADDRESSES.items()
        if name not in ("backslash",)
    ]
    made += [
        Hostility(
            f"challenge-{name}",
            f"The registry asks for a login with {sentence}.",
            challenged(text),
            (*_NO_LOGIN, *_of(name)),
        )
        for name, (sentence, text) in {
            "basic": ("Basic, and nobody has one", 'Basic realm="x"'),
            "digest": ("Digest", 'Digest realm="x",nonce="y"'),
            "negotiate": ("Negotiate", "Negotiate"),
            "empty": ("nothing", ""),
            "no-realm": ("Bearer without a realm", "Bearer"),
            "two-realms": ("two realms", 'Bearer realm="http://{host}/token",realm="file:///etc/passwd"'),
            "open-quote": ("a quote that does not end", 'Bearer realm="http://{host}/token'),
            "thousands": ("thousands of challenges", ", ".join(f'X{n} realm="y"' for n in range(2000))),
            "commas": ("60,000 commas", "," * 60_000),
            "backslashes": ("60,000 backslashes", 'Bearer realm="' + "\\" * 60_000),
            "blanks": ("60,000 blanks", "Bearer" + " " * 60_000 + "x"),
            "control": ("control characters", 'Bearer realm="\x1b[2J"'),
        }.items()
    ]
    return [
        *made,
        Hostility(
            "token-is-never-enough",
            "A token is given and refused for ever.",
            challenged(OURS, Answer(200, b'{"token":"bad"}')),
            _NO_LOGIN,
        ),
        Hostility(
            "token-server-redirects",
            "The token server redirects.",
            challenged(OURS, Answer(307, headers={"location": "/token"})),
            _NO_LOGIN,
        ),
        Hostility(
            "token-server-challenges",
            "The token server asks for a token itself.",
            challenged(OURS, Answer(401, headers={"www-authenticate": OURS})),
            _NO_LOGIN,
        ),
        Hostility(
            "token-server-is-unknown",
            "The token server has a name that does not exist.",
            challenged('Bearer realm="http://token.invalid/"'),
            (Unreachable, DeadlineExceeded, *REFUSED),
            waits=True,
        ),
        _tokens("empty", "an empty token", b'{"token":""}', _NO_LOGIN),
        _tokens("null", "null for a token", b'{"token":null}', _NO_LOGIN),
        _tokens("number", "a number for a token", b'{"token":1}', _NO_LOGIN),
        _tokens("list", "a list", b"[]", _NO_LOGIN),
        _tokens("twice", "two tokens", b'{"token":"good","token":"bad"}', _NO_LOGIN),
        _tokens("twins", "two tokens in two cases", b'{"token":"good","Token":"bad"}', _NO_LOGIN, harmless=True),
        _tokens("header-injection", "a token with line breaks", b'{"token":"good\\r\\nx: y"}', _NO_LOGIN),
        _tokens("control", "a token with control characters", b'{"token":"good\\u0000\\u001b"}', _NO_LOGIN),
        _tokens("not-ascii", "a token that is not ASCII", '{"token":"good\u0436"}'.encode(), _NO_LOGIN),
        _tokens("lone-surrogate", "a token with half a character", b'{"token":"good\\ud800"}', _NO_LOGIN),
        _tokens(
            "megabyte",
            "a token of nearly a MiB",
            b'{"token":"good' + b"x" * 1_000_000 + b'"}',
            (*_NO_LOGIN, Unreachable, DeadlineExceeded),
        ),
        _tokens("deep", "JSON of 100,000 levels", b'{"token":' + b"[" * 100_000, _NO_LOGIN),
        _tokens("nodes", "half a million JSON values", b'{"token":"good","x":[' + b"1," * 450_000 + b"1]}", _NO_LOGIN),
        _tokens(
            "long-number",
            "a number of 900,000 digits",
            b'{"token":"good","expires_in":' + b"9" * 900_000 + b"}",
            _NO_LOGIN,
        ),
        *(
            _tokens(
                f"expires-{name}",
                f"a token whose life is {text.decode()} seconds",
                b'{"token":"good","expires_in":' + text + b"}",
                _NO_LOGIN,
                harmless=True,
            )
            for name, text in {
                "at-once": b"0",
                "before": b"-1",
                "at-infinity": b"1e400",
                "never": b"null",
                "text": b'"x"',
                "huge": b"9" * 400,
                "nan": b"NaN",
                "true": b"true",
            }.items()
        ),
    ]


# --- uploads ---------------------------------------------------------------------------------------------------------


def _uploads_to(place: str) -> Script:
    def script(stage: Stage) -> None:
        stage.push()
        stage.answer(upload, Answer(202, headers={"location": place}))

    return script


def _upload_hostilities() -> list[Hostility]:
    return [
        Hostility(
            f"upload-to-{name}",
            f"A blob is to be uploaded to an address that nobody may be led to: {name}.",
            _uploads_to(place),
            (AttachIncomplete, *_of(name)),
            Work.SIGNING,
        )
        for name, place in ADDRESSES.items()
    ]


PLACES = [*_redirect_hostilities(), *_login_hostilities(), *_upload_hostilities()]
