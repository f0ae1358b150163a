"""Fetches from external services: bounded requests without credentials, or none when offline."""

from __future__ import annotations

from typing import Protocol

from imagesig import limits
from imagesig.deadlines import deadline, remaining
from imagesig.errors import DeadlineExceeded, InvalidArgument, TransportError, UnexpectedResponse, Unreachable
from imagesig.external import given
from imagesig.http.client import HttpClient, Response
from imagesig.http.reach import NOT_LINK_LOCAL, Reach, like
from imagesig.redacted import RedactedStruct
from imagesig.text import quote
from imagesig.url import parse_url, redact, served_url

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ATTEMPTS = 2
_SHOWN = 120


class Query(RedactedStruct, frozen=True):
    """One request: a GET, or a POST if there is a body of `content_type`.

    At most `limit` bytes are read, within `seconds`.
    """

    hidden = ("body",)

    url: str
    accept: str
    limit: int
    seconds: float
    body: bytes | None = None
    content_type: str = ""


class Fetcher(Protocol):
    """Sends requests to external services. Implementations must be thread-safe."""

    def fetch(self, query: Query) -> Response:
        """The answer with status 200.

        Raises:
            TransportError: there is no such answer within `seconds`.
            LimitExceeded: the answer is larger than `limit`.
            DeadlineExceeded: the deadline of the whole operation passed.
        """
        ...


def fetch(fetcher: Fetcher, query: Query) -> Response:
    """The answer of a fetcher. Call fetchers only through this function: they may be the program's.

    Raises:
        InvalidArgument: the fetcher gave no `Response`.
        TransportError: it failed. Otherwise as `Fetcher.fetch`.
    """
    what = f"fetcher for {redact(query.url)}"
    with given(what, TransportError):
        response = fetcher.fetch(query)
    if not isinstance(response, Response):
        raise InvalidArgument(f"{what}: returned {type(response).__name__}, a Response is needed")
    return response


class Web:
    """Sends requests over HTTP or HTTPS. Follows redirects only within the scheme, and never for a POST.

    Internal addresses are allowed, because the user or a trusted authority named the service, but link-local ones are
    not. A redirect may only lead to an address as public as the first.
    """

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def fetch(self, query: Query) -> Response:
        try:
            with deadline(query.seconds):
                return self._follow(query)
        except DeadlineExceeded as error:
            remaining(redact(query.url))  # raises if the deadline of the whole operation passed
            raise Unreachable(f"{redact(query.url)}: no answer within {query.seconds:g} s") from error

    def close(self) -> None:
        """Closes idle connections."""
        self._client.close()

    def _follow(self, query: Query) -> Response:
        url, reach = query.url, NOT_LINK_LOCAL
        for _ in range(limits.REDIRECTS + 1):
            response = self._once(url, query, reach)
            if response.status == 200:
                return response
            if response.status not in _REDIRECTS or query.body is not None:
                raise UnexpectedResponse(f"{redact(url)}: status {response.status}, 200 is needed")
            url = _redirected(url, response.headers.get("location", ""))
            reach = like(parse_url(query.url).origin)
        raise UnexpectedResponse(f"{redact(query.url)}: more than {limits.REDIRECTS} redirects")

    def _once(self, url: str, query: Query, reach: Reach) -> Response:
        headers = {"accept": query.accept}
        if query.body is not None:
            headers["content-type"] = query.content_type
        method = "GET" if query.body is None else "POST"
        return self._client.request(
            method,
            url,
            reach=reach,
            limit=query.limit,
            headers=headers,
            body=query.body,
            follow=False,
            attempts=_ATTEMPTS,
        )


def _redirected(url: str, location: str) -> str:
    target, scheme = served_url(url, location, "redirect"), parse_url(url).scheme
    if target.scheme != scheme:
        raise UnexpectedResponse(f"{redact(url)}: redirected to {quote(location)}, {scheme} is needed")
    return str(target)


class Offline:
    """Sends nothing: every service is unreachable."""

    def fetch(self, query: Query) -> Response:
        raise Unreachable(f"{redact(query.url)}: not requested: imagesig is offline")


def shown(url: str) -> str:
    """An untrusted URL for people, without its password, escaped and cut."""
    text = redact(url)
    return text if text.isprintable() and len(text) <= _SHOWN else quote(text)


def check_url(url: str, schemes: tuple[str, ...] = ("http", "https")) -> None:
    """Returns if this is a URL with one of the schemes, with a host and without credentials.

    Raises:
        InvalidArgument: it is not.
    """
    parsed = parse_url(url)
    if parsed.scheme not in schemes or parsed.has_login:
        raise InvalidArgument(f"URL {quote(redact(url))}: {' or '.join(schemes)} is needed, without credentials")
