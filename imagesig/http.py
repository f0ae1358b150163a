"""One small HTTP client: deadlines, bounded bodies, redirects by hand, bounded retries, redaction.

`http_direct` gives connections and urllib3 what goes through a proxy; everything that decides whether a request is made
or an answer is believed is here. Logs go to `imagesig.http`, with method, redacted
URL and status, and never a header.
"""

from __future__ import annotations

import contextlib
import contextvars
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote as percent_encoded
from urllib.parse import urljoin, urlsplit

from imagesig import limits
from imagesig.deadlines import attempts_allowed, deadline, growing_pause, remaining, seconds_left, until_set, wait
from imagesig.discreet import Discreet
from imagesig.errors import ImagesigError, LimitExceeded, UnexpectedResponse, Unreachable
from imagesig.http_answer import Answer, NotHttp
from imagesig.http_direct import Direct, NotConnected
from imagesig.http_pools import Pools, Proxies, check_authorities, origin, redact
from imagesig.logs import logger_named
from imagesig.text import quote

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

__all__ = [
    "HttpClient",
    "Proxies",
    "Response",
    "deadline",
    "growing_pause",
    "origin",
    "redact",
    "remaining",
    "until_set",
    "wait",
]

logger = logger_named("imagesig.http")

_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAFE = frozenset({"GET", "HEAD"})
_CHUNK_BYTES = 64 * 1024
_CONNECTIONS = 16
_ALLOWED = "!#$%&'()*+,/:;=?@[]~"
_LOOK = "look at the host name, the network and the proxy settings"
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})

_patience: contextvars.ContextVar[float] = contextvars.ContextVar("imagesig_patience", default=0.0)
"""Seconds that an answer may take longer than usual: a registry hashes what was uploaded first."""


def _read_seconds() -> float:
    return min(limits.READ_SECONDS + _patience.get(), seconds_left())


class Response(Discreet, frozen=True):
    """An answer, read whole. Header names are lower case. `url` is where it came from after redirects."""

    hidden = ("body",)

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


_Once = Callable[[str, Mapping[str, str]], Response]
"""One request to this URL with these headers."""


class HttpClient:
    """A pool of connections. Safe to use from several threads.

    `ca_file` names a PEM file of the authorities to trust instead of the system's.
    """

    def __init__(self, *, ca_file: Path | None = None, proxies: Proxies | None = None, user_agent: str) -> None:
        self._proxies = proxies or Proxies()
        self._own = {"user-agent": user_agent, "accept-encoding": "identity"}
        if ca_file is not None:
            check_authorities(ca_file)
        self._direct = Direct(str(ca_file) if ca_file else None, _CONNECTIONS, _read_seconds)
        self._pools = Pools(ca_file, _read_seconds)

    def request(
        self,
        method: str,
        url: str,
        *,
        limit: int,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        follow: bool = True,
        attempts: int = limits.HTTP_ATTEMPTS,
    ) -> Response:
        """The answer, whatever its status is, but for 429 and 5xx, which are tried again until `attempts` are made.

        Redirects of GET and HEAD are followed unless told otherwise, without credentials once the origin changes and
        never from HTTPS to HTTP. Every request is repeated after a lost connection: make none that must happen once.

        Raises:
            LimitExceeded: the body has more than `limit` bytes.
            Unreachable: no connection, no valid certificate, or 429 or 5xx to the end.
            DeadlineExceeded: the deadline of the caller passed.
            UnexpectedResponse: a redirect that is not followed.
        """

        def once(url: str, headers: Mapping[str, str]) -> Response:
            return self._once(method, url, headers, body, limit)

        return self._follow(method, url, headers or {}, once, follow=follow, attempts=attempts)

    @contextlib.contextmanager
    def stream(
        self, url: str, *, headers: Mapping[str, str] | None = None
    ) -> Iterator[tuple[Response, Iterator[bytes]]]:
        """The answer to a GET and, if its status is 200, its body in pieces; otherwise the body is in the answer.

        Opening is retried and redirected as in `request`. A body that breaks off raises `Unreachable`: start again.
        """
        with contextlib.ExitStack() as stack:
            bodies: list[Iterator[bytes]] = [iter(())]

            def once(url: str, headers: Mapping[str, str]) -> Response:
                what = _What("GET", url, self._proxies.for_url(url))
                raw = self._open(what, headers, None)
                stack.callback(raw.close)
                content = b"" if raw.status == 200 else b"".join(_pieces(raw, limits.ERROR_BODY_BYTES, what))
                bodies[0] = _pieces(raw, None, what) if raw.status == 200 else iter(())
                return _answer(raw, content, url, what)

            response = self._follow("GET", url, headers or {}, once)
            yield response, bodies[0]

    def upload(
        self, method: str, url: str, chunks: Iterable[bytes], size: int, *, limit: int, headers: Mapping[str, str]
    ) -> Response:
        """The answer to one request whose body is `size` bytes that come in pieces. It is made once: never retried.

        What the pieces raise goes through unchanged.
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
            return self._once(method, url, sent, watched(), limit)
        except Unreachable:
            if failed:  # a failing source looks like a lost connection to urllib3
                raise failed[0] from None
            raise
        finally:
            _patience.reset(patience)

    def close(self) -> None:
        """Closes idle connections."""
        self._direct.close()
        self._pools.clear()

    def _follow(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        once: _Once,
        *,
        follow: bool = True,
        attempts: int = limits.HTTP_ATTEMPTS,
    ) -> Response:
        sent = {**self._own, **headers}
        for _ in range(limits.REDIRECTS + 1):
            response = self._with_retries(method, url, sent, once, attempts)
            if response.status not in _REDIRECTS or not follow:
                return response
            target = _redirect_target(method, response)
            if origin(target) != origin(url):
                sent = {name: value for name, value in sent.items() if name.lower() not in _SECRET_HEADERS}
            url = target
        raise UnexpectedResponse(f"{redact(url)}: more than {limits.REDIRECTS} redirects")

    def _with_retries(self, method: str, url: str, headers: Mapping[str, str], once: _Once, attempts: int) -> Response:
        attempts = attempts_allowed(attempts)
        for attempt in range(1, attempts + 1):
            pause = growing_pause(attempt)
            try:
                response = once(url, headers)
            except Unreachable as error:
                if attempt == attempts or not error.retryable:
                    raise
            else:
                if response.status not in _TRY_AGAIN:
                    return response
                pause = _retry_after(response.headers.get("retry-after", ""), pause)
                if attempt == attempts:
                    raise _busy(f"{method} {redact(url)}: status {response.status}, after {attempt} attempts", pause)
            wait(pause, f"{method} {redact(url)}")
        raise AssertionError("the last attempt returns or raises")

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None, limit: int
    ) -> Response:
        what = _What(method, url, self._proxies.for_url(url))
        raw = self._open(what, headers, body)
        try:
            content = b"" if method == "HEAD" else b"".join(_pieces(raw, limit, what))
            raw.release_conn()
        finally:
            raw.close()
        return _answer(raw, content, url, what)

    def _open(
        self, what: _What, headers: Mapping[str, str], body: bytes | Iterable[bytes] | None
    ) -> Answer | BaseHTTPResponse:
        left = remaining(what)
        connect_seconds = min(limits.CONNECT_SECONDS, left)
        if not what.proxy:
            with _Translated(what):
                place = origin(what.url)
                return self._direct.open(what.method, place, _target(what.url), headers, body, connect_seconds)
        import urllib3

        timeout = urllib3.Timeout(connect_seconds, min(limits.READ_SECONDS + _patience.get(), left))
        with _of_urllib3(what):
            return self._pools.pool(what.proxy).urlopen(
                what.method,
                what.url,
                body=body,
                headers=dict(headers),
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )


class _What:
    """One request, for people; its text is made only where somebody reads it."""

    __slots__ = ("method", "proxy", "url")

    def __init__(self, method: str, url: str, proxy: str) -> None:
        self.method, self.url, self.proxy = method, url, proxy

    def __str__(self) -> str:
        return f"{self.method} {redact(self.url)}" + (f" through the proxy {redact(self.proxy)}" if self.proxy else "")


class _Translated(contextlib.AbstractContextManager[None]):
    """The exceptions of sockets, TLS and HTTP stop here."""

    __slots__ = ("_what",)

    def __init__(self, what: _What) -> None:
        self._what = what

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ImagesigError):
            return  # what was refused here; some of our errors are ValueErrors too
        if isinstance(error, NotConnected):
            remaining(self._what)
            raise Unreachable(f"{self._what}: no connection: {_reason(error)}", hint=_LOOK) from error
        if isinstance(error, TimeoutError):
            remaining(self._what)
            raise Unreachable(f"{self._what}: no answer in time", hint=_LOOK) from error
        if isinstance(error, OSError | NotHttp | ValueError):
            if _is_of_tls(error):
                raise _no_tls(self._what, error) from error
            raise Unreachable(f"{self._what}: {_reason(error)}", hint=_LOOK) from error


@contextlib.contextmanager
def _of_urllib3(what: _What) -> Iterator[None]:
    """`_Translated` for what goes through a proxy."""
    from http.client import HTTPException

    import urllib3.exceptions

    with _Translated(what):
        try:
            yield
        except urllib3.exceptions.NewConnectionError as error:  # a kind of TimeoutError, which it is not
            raise NotConnected from error
        except urllib3.exceptions.TimeoutError as error:
            raise TimeoutError from error
        except urllib3.exceptions.SSLError as error:
            raise _no_tls(what, error) from error
        except (urllib3.exceptions.HTTPError, HTTPException) as error:
            raise Unreachable(f"{what}: {_reason(error)}", hint=_LOOK) from error


def _is_of_tls(error: Exception) -> bool:
    ssl = sys.modules.get("ssl")  # which is loaded for HTTPS only
    return ssl is not None and isinstance(error, ssl.SSLError)


def _answer(raw: Answer | BaseHTTPResponse, content: bytes, url: str, what: _What) -> Response:
    logger.debug("%s: %d, %d bytes", what, raw.status, len(content))
    headers = raw.headers if isinstance(raw, Answer) else {name.lower(): text for name, text in raw.headers.items()}
    return Response(raw.status, headers, content, url)


def _pieces(raw: Answer | BaseHTTPResponse, limit: int | None, what: _What) -> Iterator[bytes]:
    """The body as it comes; `limit` bytes of it at most, None where whoever reads it counts."""
    encoding = raw.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnexpectedResponse(f"{what}: content encoding {quote(encoding)}, none was asked for")
    announced = raw.headers.get("content-length", "")
    if limit is not None and announced.isdecimal() and int(announced) > limit:
        raise LimitExceeded(f"{what}: {announced} bytes announced, at most {limit} are read")
    length = 0
    # The reader's own exceptions do not come through here: a generator sees only what its own reads raise.
    with _Translated(what) if isinstance(raw, Answer) else _of_urllib3(what):
        while chunk := raw.read1(_CHUNK_BYTES):
            length += len(chunk)
            if limit is not None and length > limit:
                raise LimitExceeded(f"{what}: more than {limit} bytes")
            yield chunk
            remaining(what)


def _target(url: str) -> str:
    """Path and query as they go over the line: what is not ASCII, and blanks, percent-encoded."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return target if target.isascii() and " " not in target else percent_encoded(target, safe=_ALLOWED)


def _redirect_target(method: str, response: Response) -> str:
    location = response.headers.get("location", "")
    where = redact(response.url)
    if method not in _SAFE:
        raise UnexpectedResponse(f"{method} {where}: redirected, which is followed for reading only")
    target = urljoin(response.url, location)
    scheme = urlsplit(target).scheme
    if not location or scheme not in ("http", "https"):
        raise UnexpectedResponse(f"{method} {where}: redirected to {quote(redact(target))}, an HTTP URL is needed")
    if scheme == "http" and urlsplit(response.url).scheme == "https":
        raise UnexpectedResponse(f"{method} {where}: redirected from HTTPS to HTTP ({quote(redact(target))})")
    return target


def _retry_after(value: str, otherwise: float) -> float:
    """Seconds to wait: what the server asks for, as seconds or as a date, but no longer than we are willing to."""
    if value.isdecimal():
        return min(float(value), limits.RETRY_AFTER_SECONDS)
    with contextlib.suppress(ValueError, TypeError):
        import email.utils

        date = email.utils.parsedate_to_datetime(value)
        return min(max(date.timestamp() - time.time(), 0.0), limits.RETRY_AFTER_SECONDS)
    return otherwise


def _busy(what: str, pause: float) -> Unreachable:
    failure = Unreachable(what, hint="the server is busy or broken: try again later")
    failure.retry_after = pause
    return failure


def _no_tls(what: _What, error: Exception) -> Unreachable:
    reason = _reason(error)
    hint = "name the authority that signed the certificate: --registry-ca FILE, or ca_file="
    if "WRONG_VERSION" in reason or "record layer" in reason:
        hint = "if the server speaks HTTP without TLS and you accept that: --plain-http, or plain_http="
    failure = Unreachable(f"{what}: no trusted TLS connection: {reason}", hint=hint)
    failure.retryable = False
    return failure


def _reason(error: Exception) -> str:
    # urllib3 puts the object's repr and the whole URL into its texts; the innermost cause says it in words.
    innermost: BaseException = error
    while (inner := innermost.__cause__ or innermost.__context__) is not None:
        innermost = inner
    text = getattr(innermost, "strerror", None) or getattr(innermost, "verify_message", None) or str(innermost)
    return quote(text).strip("'\"") or type(error).__name__
