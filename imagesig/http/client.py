"""A small HTTP client with deadlines, bounded bodies, its own redirects, bounded retries and redaction.

`imagesig.http.direct` makes connections. This module decides whether a request is sent and an answer accepted. The
logger `imagesig.http` gets method, redacted URL and status, never a header.
"""

from __future__ import annotations

import contextlib
import contextvars
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from imagesig import limits
from imagesig.deadlines import attempts_allowed, growing_pause, remaining, seconds_left, wait
from imagesig.errors import LimitExceeded, UnexpectedResponse, Unreachable
from imagesig.http.answer import Answer
from imagesig.http.dates import wait_of
from imagesig.http.direct import ClientFiles, Direct
from imagesig.http.faults import REGISTRY_HINTS, What, check_port
from imagesig.http.proxies import Proxies, ProxyDecision
from imagesig.http.reach import Reach
from imagesig.logs import Logger
from imagesig.redacted import RedactedStruct
from imagesig.text import quote
from imagesig.url import Url, parse_url, redact, served_url

logger = Logger("imagesig.http")

_TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD = frozenset({307, 308})
_SAFE = frozenset({"GET", "HEAD"})
_CHUNK_BYTES = 64 * 1024
_CONNECTIONS = 16
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})

_patience: contextvars.ContextVar[float] = contextvars.ContextVar("imagesig_patience", default=0.0)
"""Extra seconds that an answer may take: a registry hashes an upload before it answers."""


def _read_seconds() -> float:
    return min(limits.READ_SECONDS + _patience.get(), seconds_left())


class Response(RedactedStruct, frozen=True):
    """A complete answer. Header names are lower case. `url` is where it came from, after redirects."""

    hidden = ("body",)

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


_Once = Callable[[Url, Mapping[str, str], Reach], Response]


class HttpClient:
    """A pool of connections for several threads. `own` is our certificate for TLS.

    `ca_files` are PEM files of the authorities to trust instead of the system's."""

    words: Callable[[Response], str] = staticmethod(lambda _: "")
    """The server's own words in the last 408, 429 or 5xx, to add to the error."""
    hints = REGISTRY_HINTS  # They are in errors about TLS.

    def __init__(
        self, *, ca_files: Sequence[Path] = (), own: ClientFiles = None, proxies: Proxies | None = None, user_agent: str
    ) -> None:
        self.ca_files = tuple(ca_files)
        self._proxies = proxies or Proxies()
        self._own = {"user-agent": user_agent, "accept-encoding": "identity"}
        if ca_files:
            from imagesig.http.authorities import check_authorities

            check_authorities(*ca_files)
        self._direct = Direct(self.ca_files, _CONNECTIONS, _read_seconds, own)

    def request(
        self,
        method: str,
        url: str,
        *,
        reach: Reach,
        limit: int,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        follow: bool = True,
        attempts: int = limits.HTTP_ATTEMPTS,
    ) -> Response:
        """The answer, with any status except 408, 429 and 5xx, which are retried up to `attempts` times.

        `reach` says where the request may go. Redirects of GET and HEAD are followed if `follow`: without credentials
        once the origin changes, never from HTTPS to HTTP, and only to hosts as public as the server that redirects.
        Others follow 307 and 308 to the same origin. All must be safe to repeat: a broken connection repeats them.

        Raises:
            LimitExceeded: the body has more than `limit` bytes.
            Unreachable: no connection, no valid certificate, or 408, 429 or 5xx to the end.
            DeadlineExceeded: the caller's deadline passed.
            UnexpectedResponse: a redirect that is not followed, or an address out of reach.
            InvalidArgument: not an HTTP URL, a header that cannot be sent, or unreadable proxy settings.
        """

        def once(url: Url, headers: Mapping[str, str], reach: Reach) -> Response:
            return self._once(method, url, headers, body, limit, reach)

        return self._follow(method, url, headers or {}, once, reach, follow=follow, attempts=attempts)

    @contextlib.contextmanager
    def stream(
        self, url: str, *, reach: Reach, headers: Mapping[str, str] | None = None
    ) -> Iterator[tuple[Response, Iterator[bytes]]]:
        """The answer to a GET with, if its status is 200, the body in pieces; otherwise the body is in the answer.

        Opening is retried and redirected as in `request`. A body that breaks off raises `Unreachable`; open it again.
        """
        with contextlib.ExitStack() as stack:
            bodies: list[Iterator[bytes]] = [iter(())]

            def once(url: Url, headers: Mapping[str, str], reach: Reach) -> Response:
                what, raw = self._open("GET", url, headers, None, reach)
                stack.callback(raw.close)
                content = b"" if raw.status == 200 else b"".join(_pieces(raw, limits.ERROR_BODY_BYTES, what))
                bodies[0] = _pieces(raw, None, what) if raw.status == 200 else iter(())
                return _answer(raw, content, what)

            response = self._follow("GET", url, headers or {}, once, reach)
            yield response, bodies[0]

    def upload(
        self,
        method: str,
        url: str,
        chunks: Iterable[bytes],
        size: int,
        *,
        reach: Reach,
        limit: int,
        headers: Mapping[str, str],
    ) -> Response:
        """The answer to one request with a body of `size` bytes in pieces. It is never retried.

        Errors that the pieces raise are passed on unchanged.
        """
        failed: list[BaseException] = []

        def watched() -> Iterator[bytes]:
            try:
                for chunk in chunks:
                    remaining(f"{method} {redact(url)}")
                    yield chunk
            except BaseException as error:
                failed.append(error)
                raise

        sent = {**self._own, **headers, "content-length": str(size)}
        patience = _patience.set(size / limits.UPLOAD_BYTES_PER_SECOND)
        try:
            return self._once(method, parse_url(url), sent, watched(), limit, reach)
        except Exception:
            if failed:  # an error of the source, not of the connection
                raise failed[0] from None
            raise
        finally:
            _patience.reset(patience)

    def decide_proxy(self, url: Url) -> ProxyDecision:
        """See `Proxies.decide`."""
        return self._proxies.decide(url)

    def speaks_tls(self, url: Url, reach: Reach) -> bool | None:
        """Whether the server of this URL speaks TLS, without a proxy; None if nothing listens there.

        Raises:
            Unreachable: no answer in time.
            UnexpectedResponse: the server is out of reach.
            DeadlineExceeded: the caller's deadline passed.
        """
        what = What("TLS with", url, None)
        remaining(what)
        with what.guarded():
            return self._direct.speaks_tls(url, reach)

    def close(self) -> None:
        """Closes idle connections."""
        self._direct.close()

    def _follow(
        self,
        method: str,
        text: str,
        headers: Mapping[str, str],
        once: _Once,
        reach: Reach,
        *,
        follow: bool = True,
        attempts: int = limits.HTTP_ATTEMPTS,
    ) -> Response:
        sent = {**self._own, **headers}
        url = first = parse_url(text)
        for _ in range(limits.REDIRECTS + 1):
            response = self._with_retries(method, url, sent, once, reach, attempts)
            if response.status not in _REDIRECTS or not follow:
                return response
            target = served_url(response.url, response.headers.get("location", ""), "redirect")
            if method not in _SAFE and (response.status not in _SAME_METHOD or target.origin != first.origin):
                raise UnexpectedResponse(f"{method} {redact(text)}: status {response.status}, redirected: not followed")
            if target.origin != url.origin:
                sent = {name: value for name, value in sent.items() if name.lower() not in _SECRET_HEADERS}
                reach = reach.of_named(first.origin, target)
            url = target
        raise UnexpectedResponse(f"{redact(text)}: more than {limits.REDIRECTS} redirects")

    def _with_retries(
        self, method: str, url: Url, headers: Mapping[str, str], once: _Once, reach: Reach, attempts: int
    ) -> Response:
        attempts, what = attempts_allowed(attempts), What(method, url, None)
        for attempt in range(1, attempts + 1):
            try:
                response = once(url, headers, reach)
            except Unreachable as error:
                if attempt == attempts or not error.retryable:
                    raise
                said, pause = str(error), growing_pause(attempt)
            else:
                if response.status not in _TRY_AGAIN:
                    return response
                asked = wait_of(response.headers.get("retry-after", ""), time.time())
                pause = growing_pause(attempt) if asked is None else min(asked, limits.RETRY_AFTER_SECONDS)
                said = f"{what}: status {response.status}{self.words(response)}"
                if attempt == attempts:
                    raise _busy(f"{said}, after {attempt} attempts", pause)
                if asked is not None and pause >= (left := remaining(what)):
                    raise _busy(
                        f"{said}, the server asks to wait {pause:.0f} s, the deadline is in {left:.1f} s", pause
                    )
            wait(pause, said)  # without time for it, the error has what was seen
        raise AssertionError("the last attempt returns or raises")

    def _once(
        self,
        method: str,
        url: Url,
        headers: Mapping[str, str],
        body: bytes | Iterable[bytes] | None,
        limit: int,
        reach: Reach,
    ) -> Response:
        what, raw = self._open(method, url, headers, body, reach)
        try:
            content = b"" if method == "HEAD" else b"".join(_pieces(raw, limit, what))
            raw.release_conn()
        finally:
            raw.close()
        return _answer(raw, content, what)

    def _open(
        self, method: str, url: Url, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None, reach: Reach
    ) -> tuple[What, Answer]:
        # Plain HTTP that the user did not ask for never goes through a proxy.
        proxy = None if reach.loopback_only else self._proxies.find(url)
        what = What(method, url, proxy, self.hints)
        remaining(what)
        with what.guarded():
            return what, self._direct.open(method, url, headers, body, proxy, reach)


def _answer(raw: Answer, content: bytes, what: What) -> Response:
    logger.debug("%s: %d, %d bytes", what, raw.status, len(content))
    check_port(raw.status, content, what)
    return Response(raw.status, raw.headers, content, str(what.url))


def _pieces(raw: Answer, limit: int | None, what: What) -> Iterator[bytes]:
    """The body as it arrives, at most `limit` bytes; with None, the reader of the pieces limits them."""
    if raw.compression:
        compressed = f"{what}: content encoding {quote(raw.compression)}, none was asked for"
        raise UnexpectedResponse(compressed, hint="turn off compression in the proxy or gateway before the server")
    announced = raw.announced
    if limit is not None and announced is not None and announced > limit:
        raise LimitExceeded(f"{what}: {announced} bytes announced, at most {limit} are read")
    length = 0
    # Exceptions of the code that reads the pieces do not pass through this generator.
    with what.guarded():
        while chunk := raw.read1(_CHUNK_BYTES):
            length += len(chunk)
            if limit is not None and length > limit:
                raise LimitExceeded(f"{what}: more than {limit} bytes")
            yield chunk
            remaining(what)


def _busy(what: str, pause: float) -> Unreachable:
    busy = Unreachable(what, hint="the server is busy or broken: try again later")
    busy.retry_after = pause
    return busy
