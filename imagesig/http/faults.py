"""Translates errors of sockets, TLS, its files and HTTP, and unexpected ones, to `ImagesigError`."""

from __future__ import annotations

import sys

from msgspec import Struct

from imagesig.deadlines import remaining
from imagesig.errors import ImagesigError, InvalidArgument, Unreachable
from imagesig.external import external_call
from imagesig.http.answer import NotHttp
from imagesig.patterns import regex
from imagesig.text import printable, quote
from imagesig.url import Url, redact

_LOOK = "check the host name, the network and the proxy settings"
_OF_TLS_PORT = regex(rb"(?i)HTTP request (?:was sent )?to (?:an )?HTTPS|plain HTTP to an SSL")
"""Words of Go, nginx and Apache."""


class ServerHints(Struct, frozen=True):
    """What to do about TLS with one kind of server.

    `authority` names the authorities, `plain` is for a port without TLS, `tls` for a port with it, `client` for a
    server that may ask for a client's certificate.
    """

    authority: str
    plain: str
    tls: str
    client: str


REGISTRY_HINTS = ServerHints(
    authority="--registry-ca FILE, or ca_file=",
    plain="if the server speaks HTTP without TLS and you accept that: --plain-http, or plain_http=",
    tls="if the port speaks TLS, leave out --plain-http, or plain_http=",
    client="use another address, because imagesig sends none to registries",
)
_CERTIFICATE = "a client's certificate"
_PLAIN = ("wrong version", "record layer", "packet length")
_CLIENT = ("certificate required", "alert bad certificate", "alert unknown ca")
_TLS_HINTS = (
    (("alert",), "ask the administrator which versions of TLS the server accepts"),
    (("expired", "not yet valid"), "renew the server's certificate, or correct this machine's clock"),
    (("mismatch", "doesn't match"), "use a host name that the server's certificate has, or renew the certificate"),
)
"""Words of OpenSSL, in lower case, and what to do."""


class NotConnected(Exception):
    """There is no connection to the server; the cause says why."""


class What:
    """The description of one request, built only when it is needed. `proxy` is shown, so it must not hold a login.

    `hints` are for this kind of server.
    """

    __slots__ = ("hints", "method", "proxy", "url")

    def __init__(self, method: str, url: Url, proxy: object, hints: ServerHints = REGISTRY_HINTS) -> None:
        self.method, self.url, self.proxy, self.hints = method, url, proxy, hints

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
            reason, secure = _reason(error), self.url.scheme == "https"
            # Python 3.13 and newer say that the connection was reset where older ones say EOF.
            ended = "EOF occurred" in reason or (secure and isinstance(error, ConnectionResetError | BrokenPipeError))
            hint = _LOOK if secure else f"{_LOOK}; {self.hints.tls}"
            if ended:  # It passes where a server restarts.
                hint = f"the server ended the connection: if it asks for {_CERTIFICATE}, {self.hints.client}; {_LOOK}"
            return Unreachable(f"{self}: {reason}", hint=hint)
        return None


def check_port(status: int, body: bytes, what: What) -> None:
    """Returns unless this is the answer of a server that speaks TLS to a request without it. Raises `Unreachable`."""
    if status == 400 and what.url.scheme == "http" and _OF_TLS_PORT.search(body):
        failure = Unreachable(f"{what}: the server speaks TLS, and the request was plain HTTP", hint=what.hints.tls)
        failure.retryable = False
        raise failure


def not_sent(what: object, why: str) -> InvalidArgument:
    """The error for a request that cannot be written."""
    return InvalidArgument(f"{what}: not sent: {why}")


def _is_of_tls(error: Exception) -> bool:
    """Whether there was no TLS connection for a reason that stays. A server that stops ends handshakes too."""
    ssl = sys.modules.get("ssl")  # loaded for HTTPS only
    if ssl is None or not isinstance(error, ssl.SSLError | ssl.CertificateError):
        return False
    passes = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    return not passes and "ALERT_INTERNAL_ERROR" not in str(error)


def _no_tls(what: What, error: Exception) -> Unreachable:
    reason = _reason(error)
    words = reason.lower().replace("_", " ")
    other = f"name the authority that signed the certificate: {what.hints.authority}"
    known = (
        (_PLAIN, what.hints.plain),
        (_CLIENT, f"the server asks for {_CERTIFICATE}: {what.hints.client}"),
        *_TLS_HINTS,
    )
    hint = next((hint for texts, hint in known if any(text in words for text in texts)), other)
    failure = Unreachable(f"{what}: no trusted TLS connection: {reason}", hint=hint)
    failure.retryable = False
    return failure


def _inner(error: BaseException) -> BaseException | None:
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _reason(error: Exception) -> str:
    # The innermost cause has the most precise words.
    innermost: BaseException = error
    while (inner := _inner(innermost)) is not None:
        innermost = inner
    if refused := getattr(innermost, "verify_message", None):
        return f"certificate verify failed: {printable(str(refused))}"
    text = getattr(innermost, "strerror", None)
    if not text and not isinstance(innermost, OSError):
        text = str(innermost)
    return quote(text).strip("'\"") if text else type(innermost).__name__
