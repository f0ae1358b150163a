"""Translates errors of sockets, TLS and HTTP, and unexpected ones, to `ImagesigError`."""

from __future__ import annotations

import sys

from imagesig.deadlines import remaining
from imagesig.errors import ImagesigError, InvalidArgument, Unreachable
from imagesig.external import external_call
from imagesig.http.answer import NotHttp
from imagesig.text import quote
from imagesig.url import Url, redact

_LOOK = "check the host name, the network and the proxy settings"


class NotConnected(Exception):
    """There is no connection to the server; the cause says why."""


class What:
    """The description of one request, built only when it is needed. `proxy` is shown, so it must not hold a login."""

    __slots__ = ("method", "proxy", "url")

    def __init__(self, method: str, url: Url, proxy: object) -> None:
        self.method, self.url, self.proxy = method, url, proxy

    def __str__(self) -> str:
        return f"{self.method} {redact(str(self.url))}" + (f" through the proxy {self.proxy}" if self.proxy else "")

    def guarded(self) -> external_call:
        """A block in which errors of sockets, TLS and the HTTP parser become `ImagesigError`."""
        return external_call(self, self._explain)

    def _explain(self, error: Exception) -> ImagesigError | None:
        if isinstance(error, NotConnected):
            remaining(self)
            return Unreachable(f"{self}: no connection: {_reason(error)}", hint=_LOOK)
        if isinstance(error, TimeoutError):
            remaining(self)
            return Unreachable(f"{self}: no answer in time", hint=_LOOK)
        if _is_of_tls(error):
            return _no_tls(self, error)
        if isinstance(error, OSError | NotHttp):
            return Unreachable(f"{self}: {_reason(error)}", hint=_LOOK)
        return None


def not_sent(what: object, why: str) -> InvalidArgument:
    """The error for a request that cannot be written."""
    return InvalidArgument(f"{what}: not sent: {why}")


def _is_of_tls(error: Exception) -> bool:
    ssl = sys.modules.get("ssl")  # loaded for HTTPS only
    return ssl is not None and isinstance(error, ssl.SSLError | ssl.CertificateError)


def _no_tls(what: What, error: Exception) -> Unreachable:
    reason = _reason(error)
    hint = "name the authority that signed the certificate: --registry-ca FILE, or ca_file="
    if "WRONG_VERSION" in reason or "record layer" in reason:
        hint = "if the server speaks HTTP without TLS and you accept that: --plain-http, or plain_http="
    failure = Unreachable(f"{what}: no trusted TLS connection: {reason}", hint=hint)
    failure.retryable = False
    return failure


def _reason(error: Exception) -> str:
    # The innermost cause has the most precise words.
    innermost: BaseException = error
    while (inner := innermost.__cause__ or innermost.__context__) is not None:
        innermost = inner
    text = getattr(innermost, "strerror", None) or getattr(innermost, "verify_message", None)
    if not text and not isinstance(innermost, OSError):
        text = str(innermost)
    return quote(text).strip("'\"") if text else type(innermost).__name__
