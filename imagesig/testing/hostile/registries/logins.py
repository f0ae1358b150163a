"""Challenges and token servers that attack."""

from __future__ import annotations

from imagesig.errors import DeadlineExceeded, MalformedError, Unauthorized, UnexpectedResponse, Unreachable
from imagesig.testing.hostile.kinds import Errors, Hostility, Script
from imagesig.testing.hostile.registries.addresses import ADDRESSES, REFUSED, errors_for
from imagesig.testing.hostile.registries.endpoints import token
from imagesig.testing.hostile.registries.stage import Stage
from imagesig.testing.loopback_server import Answer, Request


def challenged(challenge: str, answer: Answer | None = None) -> Script:
    """A request without a token gets this challenge; `answer` is the token server's."""

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
LOGINS = [
    *(
        Hostility(
            f"realm-{name}",
            f"The token server is at an address that nobody may be led to: {name}.",
            challenged(f'Bearer realm="{place}"'),
            (*errors_for(name), Unauthorized),
        )
        for name, place in ADDRESSES.items()
        if name not in ("backslash",)
    ),
    *(
        Hostility(
            f"challenge-{name}",
            f"The registry asks for a login with {sentence}.",
            challenged(text),
            (*_NO_LOGIN, *errors_for(name)),
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
    ),
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
