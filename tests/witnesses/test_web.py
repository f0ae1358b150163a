"""One bounded request: redirects stay in their scheme, credentials are never sent, slow and large answers fail."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from imagesig.deadlines import deadline
from imagesig.errors import (
    DeadlineExceeded,
    ImagesigError,
    InvalidArgument,
    LimitExceeded,
    UnexpectedResponse,
    Unreachable,
)
from imagesig.http.client import HttpClient
from imagesig.witnesses import Offline, Query, Web
from imagesig.witnesses.web import check_url
from tests.witnesses.loopback import Asked, Said, Server, serving

pytestmark = pytest.mark.usefixtures("quick_retries")


def fetch(url: str, *, limit: int = 100, seconds: float = 30, body: bytes | None = None) -> bytes:
    web = Web(HttpClient(user_agent="test"))
    try:
        return web.fetch(Query(url, "text/plain", limit, seconds, body, "text/x-test" if body else "")).body
    finally:
        web.close()


def fails(kind: type[ImagesigError], reason: str, answer: Callable[[Asked], Said | None], **options: object) -> Server:
    with serving(answer) as server, pytest.raises(kind, match=reason):
        fetch(f"{server.url}/a", **options)  # type: ignore[arg-type]
    return server


def test_the_answer_to_a_get_and_to_a_post() -> None:
    with serving(lambda asked: Said(asked.method.encode() + asked.body)) as server:
        assert fetch(server.url) == b"GET"
        assert fetch(server.url, body=b" this") == b"POST this"

    assert server.asked[1].headers["content-type"] == "text/x-test"
    assert all("authorization" not in {name.lower() for name in asked.headers} for asked in server.asked)


@pytest.mark.parametrize("status", [201, 204, 304, 400, 404])
def test_only_200_is_an_answer(status: int) -> None:
    fails(UnexpectedResponse, f"status {status}, 200 is needed", lambda _: Said(status=status))


def test_a_busy_server_is_asked_twice() -> None:
    server = fails(Unreachable, "503, after 2 attempts", lambda _: Said(status=503))

    assert len(server.asked) == 2


def test_a_server_that_recovers_is_heard() -> None:
    answers = iter([Said(status=503), Said(b"well")])
    with serving(lambda _: next(answers)) as server:
        assert fetch(server.url) == b"well"


def test_a_redirect_in_the_same_scheme_is_followed() -> None:
    with serving(lambda asked: Said(b"there") if asked.path == "/b" else redirect("/b")) as server:
        assert fetch(f"{server.url}/a") == b"there"


def redirect(location: str) -> Said:
    return Said(status=302, headers={"location": location})


@pytest.mark.parametrize(
    "location", ["https://127.0.0.1:1/", "file:///etc/passwd", "ftp://a.example/", "http://user:secret@a.example/", ""]
)
def test_a_redirect_to_another_scheme_or_with_credentials_is_not_followed(location: str) -> None:
    fails(UnexpectedResponse, "redirect", lambda _: redirect(location))


def test_a_post_is_not_redirected() -> None:
    server = fails(UnexpectedResponse, "status 302", lambda _: redirect("/b"), body=b"x")

    assert len(server.asked) == 1


def test_redirects_without_end_end() -> None:
    fails(UnexpectedResponse, "more than 5 redirects", lambda asked: redirect(asked.path + "x"))


def test_an_answer_larger_than_the_limit_is_refused() -> None:
    fails(LimitExceeded, "at most 100", lambda _: Said(b"x" * 101))


def test_a_server_that_is_slow_is_unreachable_within_the_querys_time() -> None:
    release = threading.Event()

    def hang(_: Asked) -> Said:
        release.wait(30)
        return Said()

    with serving(hang) as server:
        try:
            with pytest.raises(Unreachable, match=r"within 0.2 s"):
                fetch(server.url, seconds=0.2)
        finally:
            release.set()


def test_the_deadline_of_the_whole_operation_is_not_mistaken_for_a_slow_server() -> None:
    with serving(lambda _: Said(b"x")) as server, deadline(1e-9), pytest.raises(DeadlineExceeded):
        fetch(server.url, seconds=30)


def test_a_connection_that_breaks_is_unreachable() -> None:
    fails(Unreachable, "GET http", lambda _: None)


def test_offline_sends_nothing() -> None:
    with pytest.raises(Unreachable, match="offline"):
        Offline().fetch(Query("http://a.example", "", 1, 1))


@pytest.mark.parametrize(
    "url",
    ["", "http://", "http:///path", "ldap://a.example", "http://user@a.example", "http://a.example:99999", "http://a\n.b"],
)  # fmt: skip
def test_a_url_must_be_http_without_credentials(url: str) -> None:
    with pytest.raises(InvalidArgument):
        check_url(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x?y=1", "https://tsa.example/", "http://[::1]/"])
def test_every_http_url_without_credentials_is_accepted(url: str) -> None:
    check_url(url)
