"""The HTTP session to Vault: retries, limits, the deadline, TLS by our own context, and Unix sockets.

`requests` would read TLS settings from the environment, retry nothing, and read answers of any size.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

from imagesig import limits
from imagesig.deadlines import remaining, seconds_left
from imagesig.errors import DeadlineExceeded
from imagesig.http.timely import timely

if TYPE_CHECKING:
    import logging

    import requests
    import urllib3
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

_ATTEMPTS = 3
_TRY_AGAIN = (412, 429, 502, 503, 504)
_CHUNK_BYTES = 64 * 1024


def session(what: str, context: ssl.SSLContext, server_name: str, unix: str) -> requests.Session:
    """A session for one server. `unix` is the path of its socket, if it has one; `what` names it in errors."""
    import requests

    made = requests.Session()
    made.trust_env = False  # else `requests` uses REQUESTS_CA_BUNDLE, netrc and proxy variables
    adapter = _adapter(what, context, server_name, unix)
    for scheme in ("https://", "http://"):
        made.mount(scheme, adapter)
    return made


def _adapter(what: str, context: ssl.SSLContext, server_name: str, unix: str) -> HTTPAdapter:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import HTTPError

    tls: dict[str, Any] = {"ssl_context": context} | ({"server_hostname": server_name} if server_name else {})

    class Bounded(HTTPAdapter):
        """Reads each answer, within the limit and the deadline, before it is parsed."""

        def init_poolmanager(self, *arguments: Any, **settings: Any) -> None:
            super().init_poolmanager(*arguments, **(settings | tls))
            _hearing(timely(self.poolmanager, _read_seconds))
            if unix:
                _through(self.poolmanager, unix)

        def proxy_manager_for(self, *arguments: Any, **settings: Any) -> Any:
            return _hearing(timely(super().proxy_manager_for(*arguments, **(settings | tls)), _read_seconds))

        def cert_verify(self, *_: Any, **__: Any) -> None:
            """Changes nothing: the context of the pool decides."""

        def build_connection_pool_key_attributes(self, *arguments: Any, **settings: Any) -> Any:
            return super().build_connection_pool_key_attributes(*arguments, **settings)[0], {}

        def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
            response = super().send(request, **{**options, "stream": True})
            with contextlib.closing(response):
                try:
                    content = _read(response.raw)
                except HTTPError as error:
                    # `requests` does not translate errors while the body is read.
                    raise requests.exceptions.ConnectionError(error, request=request) from error
            response._content, response._content_consumed = content, True  # type: ignore[attr-defined]
            return response

    return Bounded(max_retries=_retry(what))


def _hearing(pool: urllib3.PoolManager) -> urllib3.PoolManager:
    """The same pool; after a request that could not be sent, its TLS connections read why the server closed them.

    In TLS 1.3 a server refuses the client's certificate after the handshake, often while the request is sent.
    """
    made = pool.pool_classes_by_scheme["https"]

    class Hearing(made.ConnectionCls):  # type: ignore[name-defined, misc]
        def send(self, data: Any) -> None:
            try:
                super().send(data)
            except OSError:
                self.sock.recv(1)  # raises the server's alert, if there is one
                raise

    class HearingPool(made):  # type: ignore[valid-type, misc]
        ConnectionCls = Hearing

    pool.pool_classes_by_scheme = {**pool.pool_classes_by_scheme, "https": HearingPool}
    return pool


def _through(pool: urllib3.PoolManager, path: str) -> None:
    """Makes the plain connections of a pool through a Unix socket."""
    made = pool.pool_classes_by_scheme["http"]

    class Local(made.ConnectionCls):  # type: ignore[name-defined, misc]
        def _new_conn(self) -> socket.socket:
            from urllib3.exceptions import NewConnectionError

            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.settimeout(max(_read_seconds(), 0.0))  # 0 after the deadline: a read then raises
                connection.connect(path)
            except BaseException as error:
                connection.close()
                if isinstance(error, OSError):
                    raise NewConnectionError(self, "no connection") from error
                raise
            return connection

    class LocalPool(made):  # type: ignore[valid-type, misc]
        ConnectionCls = Local

    pool.pool_classes_by_scheme = {**pool.pool_classes_by_scheme, "http": LocalPool}


def _retry(what: str) -> Retry:
    import logging

    from urllib3 import BaseHTTPResponse, Retry
    from urllib3.exceptions import InvalidHeader, MaxRetryError

    class Patient(Retry):
        """Waits as long as the server asks, within `limits.RETRY_AFTER_SECONDS` and the deadline."""

        is_ours = True

        def increment(self, method: Any = None, url: Any = None, *arguments: Any, **named: Any) -> Any:
            error = named.get("error")
            if any(_is_final(item) for item in getattr(error, "args", ())):
                raise MaxRetryError(named["_pool"], url, error)
            return super().increment(method, url, *arguments, **named)

        def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
            try:
                return super().get_retry_after(response)
            except InvalidHeader:
                return None  # a gateway's header that nobody can read: the pause is ours

        def sleep(self, response: BaseHTTPResponse | None = None) -> None:
            asked = self.get_retry_after(response) if response is not None else None
            pause = min(self.get_backoff_time() if asked is None else asked, limits.RETRY_AFTER_SECONDS)
            if pause >= (left := remaining(what)):
                raise DeadlineExceeded(f"{what}: busy, asks to wait {pause:.0f} s, {left:.0f} s are left")
            time.sleep(pause)

    logging.getLogger("urllib3.connectionpool").addFilter(_is_not_about_our_retries)
    return Patient(
        total=_ATTEMPTS,
        redirect=0,
        status_forcelist=_TRY_AGAIN,
        allowed_methods=None,  # a second signature costs only a line in the audit log
        backoff_factor=0.2,
        raise_on_status=False,
    )


def _is_not_about_our_retries(record: logging.LogRecord) -> bool:
    """A filter: urllib3 warns of each retry, which the program does not need. The last failure is our error."""
    values = record.args if isinstance(record.args, tuple) else ()
    return not any(getattr(value, "is_ours", False) for value in values)


def _is_final(error: object) -> bool:
    """Whether the other side, or we, refused a certificate: it would be refused again."""
    return isinstance(error, ssl.SSLCertVerificationError) or (
        isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")
    )


def _read_seconds() -> float:
    return min(limits.READ_SECONDS, seconds_left())


def _read(raw: Any) -> bytes:
    """The decoded body. Raises before it reads more than the limit."""
    import requests

    chunks, length = [], 0
    while chunk := raw.read1(_CHUNK_BYTES, decode_content=True):
        length += len(chunk)
        if length > limits.KEY_PROVIDER_BODY_BYTES:
            raise requests.exceptions.ContentDecodingError("the answer is too long")
        chunks.append(chunk)
        remaining("Vault")
    return b"".join(chunks)
