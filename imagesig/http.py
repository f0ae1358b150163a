"""One small HTTP client over urllib3: deadlines, bounded bodies, redirects by hand, bounded retries, redaction.

urllib3 gives connections, TLS and proxies; everything that decides whether a request is made or an answer is believed
is here. Logs go to `imagesig.http`, with method, redacted URL and status, and never a header.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import random
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

from imagesig import limits
from imagesig.errors import (
    DeadlineExceeded,
    ImagesigError,
    InvalidArgument,
    LimitExceeded,
    UnexpectedResponse,
    Unreachable,
    quote,
)

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

logger = logging.getLogger("imagesig.http")

_TRY_AGAIN = frozenset({429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAFE = frozenset({"GET", "HEAD"})
_CHUNK_BYTES = 64 * 1024
_BACKOFF_SECONDS = 0.2
_CONNECTIONS = 16
_LOOK = "look at the host name, the network and the proxy settings"
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})

_ends: contextvars.ContextVar[float | None] = contextvars.ContextVar("imagesig_deadline", default=None)
_stop: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("imagesig_stop", default=None)


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Everything in the block must be done within so many seconds; of two deadlines the nearer holds."""
    end, outer = time.monotonic() + seconds, _ends.get()
    token = _ends.set(end if outer is None else min(end, outer))
    try:
        yield
    finally:
        _ends.reset(token)


@contextlib.contextmanager
def until_set(event: threading.Event) -> Iterator[None]:
    """Everything in the block ends at its next request once the event is set, as if its deadline had passed."""
    token = _stop.set(event)
    try:
        yield
    finally:
        _stop.reset(token)


def remaining(what: str) -> float:
    """Seconds left, infinite without a deadline.

    Raises:
        DeadlineExceeded: none are left.
    """
    stop = _stop.get()
    if stop is not None and stop.is_set():
        raise DeadlineExceeded(f"{what}: cancelled by the caller")
    end = _ends.get()
    if end is None:
        return float("inf")
    left = end - time.monotonic()
    if left <= 0:
        raise DeadlineExceeded(f"{what}: the deadline passed", hint="give more time: --timeout, or timeout=")
    return left


def growing_pause(attempt: int) -> float:
    """Seconds to wait after this attempt, counted from 1: twice as long each time, and never in step with others."""
    factor: float = 2.0**attempt * random.uniform(0.5, 1)  # noqa: S311 - not a secret
    return _BACKOFF_SECONDS * factor


def wait(seconds: float, what: str) -> None:
    """Sleeps so long.

    Raises:
        DeadlineExceeded: at once, if the deadline passes before that.
    """
    left = remaining(what)
    if seconds >= left:
        raise DeadlineExceeded(
            f"{what}: told to wait {seconds:.1f} s with {left:.1f} s left",
            hint="give more time: --timeout, or timeout=",
        )
    time.sleep(seconds)


def _read_seconds() -> float:
    end = _ends.get()
    return limits.READ_SECONDS if end is None else min(limits.READ_SECONDS, end - time.monotonic())


@dataclass(frozen=True, slots=True)
class Response:
    """An answer, read whole. Header names are lower case. `url` is where it came from after redirects."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: str


def redact(url: str) -> str:
    """The URL without user information, query and fragment: what may be shown."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: credentials never leave the origin that they were given for."""
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        raise UnexpectedResponse(f"URL {quote(redact(url))}: its port is no number from 0 to 65535") from None
    return parts.scheme, (parts.hostname or "").lower(), port


@dataclass(frozen=True, slots=True)
class Proxies:
    """Proxy URLs by scheme of the target, and the hosts that are reached without one, as in NO_PROXY."""

    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    bypass: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Proxies:
        """Those that `http_proxy`, `https_proxy` and `no_proxy` name, in lower or upper case."""
        urls = {
            scheme: environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY") or ""
            for scheme in ("http", "https")
        }
        return cls(urls, environ.get("no_proxy") or environ.get("NO_PROXY") or "")

    def for_url(self, url: str) -> str:
        """The proxy for this URL, empty for none."""
        scheme, host, _ = origin(url)
        proxy = self.urls.get(scheme, "")
        if not proxy:
            return ""
        if "://" not in proxy:
            proxy = f"http://{proxy}"
        from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

        return "" if proxy_bypass_environment(host, {"no": self.bypass}) else proxy


class HttpClient:
    """A pool of connections. Safe to use from several threads.

    `ca_file` names a PEM file of the authorities to trust instead of the system's.
    """

    def __init__(self, *, ca_file: Path | None = None, proxies: Proxies | None = None, user_agent: str) -> None:
        self._ca_file = ca_file
        self._proxies = proxies or Proxies()
        self._user_agent = user_agent
        self._pools: dict[str, PoolManager] = {}
        if ca_file is not None:
            _check_authorities(ca_file)

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
        sent = {"user-agent": self._user_agent, "accept-encoding": "identity", **(headers or {})}
        for _ in range(limits.REDIRECTS + 1):
            response = self._with_retries(method, url, sent, body, limit, attempts)
            if response.status not in _REDIRECTS or not follow:
                return response
            target = _redirect_target(method, response)
            if origin(target) != origin(url):
                sent = {name: value for name, value in sent.items() if name.lower() not in _SECRET_HEADERS}
            url = target
        raise UnexpectedResponse(f"{redact(url)}: more than {limits.REDIRECTS} redirects")

    def close(self) -> None:
        """Closes idle connections."""
        for pool in self._pools.values():
            pool.clear()

    def _with_retries(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, limit: int, attempts: int
    ) -> Response:
        for attempt in range(1, attempts + 1):
            pause = growing_pause(attempt)
            try:
                response = self._once(method, url, headers, body, limit)
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

    def _once(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, limit: int) -> Response:
        import urllib3

        proxy = self._proxies.for_url(url)
        what = f"{method} {redact(url)}" + (f" through the proxy {redact(proxy)}" if proxy else "")
        left = remaining(what)
        timeout = urllib3.Timeout(min(limits.CONNECT_SECONDS, left), min(limits.READ_SECONDS, left))
        try:
            raw = self._pool(proxy).urlopen(
                method,
                url,
                body=body,
                headers=dict(headers),
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            with contextlib.closing(raw):
                content = b"" if method == "HEAD" else _read(raw, limit, what)
                raw.release_conn()
        except ImagesigError:
            raise  # what `_read` refused; some of our errors are ValueErrors too
        except urllib3.exceptions.NewConnectionError as error:  # a kind of TimeoutError, which it is not
            remaining(what)
            raise Unreachable(f"{what}: no connection: {_reason(error)}", hint=_LOOK) from error
        except urllib3.exceptions.TimeoutError as error:
            remaining(what)
            raise Unreachable(f"{what}: no answer in time", hint=_LOOK) from error
        except urllib3.exceptions.SSLError as error:
            raise _no_tls(what, error) from error
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise Unreachable(f"{what}: {_reason(error)}", hint=_LOOK) from error
        logger.debug("%s: %d, %d bytes", what, raw.status, len(content))
        return Response(raw.status, {name.lower(): value for name, value in raw.headers.items()}, content, url)

    def _pool(self, proxy: str) -> PoolManager:
        if proxy not in self._pools:
            self._pools[proxy] = self._new_pool(proxy)
        return self._pools[proxy]

    def _new_pool(self, proxy: str) -> PoolManager:
        import urllib3

        from imagesig.http_connection import timely

        settings: dict[str, Any] = {"maxsize": _CONNECTIONS, "ca_certs": str(self._ca_file) if self._ca_file else None}
        if not proxy:
            return timely(urllib3.PoolManager(_CONNECTIONS, **settings), _read_seconds)
        parts = urlsplit(proxy)
        _check_proxy(proxy, parts)
        host = parts.netloc.rpartition("@")[2]
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        headers = urllib3.make_headers(proxy_basic_auth=secret) if secret else None
        through = urllib3.ProxyManager(f"{parts.scheme}://{host}", _CONNECTIONS, proxy_headers=headers, **settings)
        return timely(through, _read_seconds)


def _check_authorities(file: Path) -> None:
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except ssl.SSLError:
        raise InvalidArgument(f"certificate authorities: {file} holds no certificate in PEM form") from None
    except FileNotFoundError:
        raise InvalidArgument(f"certificate authorities: there is no file {file}") from None
    except OSError as error:
        raise InvalidArgument(f"certificate authorities: {file} cannot be read ({error.strerror})") from None


def _check_proxy(proxy: str, parts: SplitResult) -> None:
    try:
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise InvalidArgument(
            f"proxy {quote(redact(proxy))}: http://HOST:PORT or https://HOST:PORT is needed",
            hint="look at the environment variables HTTP_PROXY and HTTPS_PROXY",
        )


def _read(raw: BaseHTTPResponse, limit: int, what: str) -> bytes:
    encoding = raw.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnexpectedResponse(f"{what}: content encoding {quote(encoding)}, none was asked for")
    announced = raw.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise LimitExceeded(f"{what}: {announced} bytes announced, at most {limit} are read")
    chunks, length = [], 0
    while chunk := raw.read1(_CHUNK_BYTES):
        length += len(chunk)
        if length > limit:
            raise LimitExceeded(f"{what}: more than {limit} bytes")
        chunks.append(chunk)
        remaining(what)
    return b"".join(chunks)


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


def _no_tls(what: str, error: Exception) -> Unreachable:
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
