"""What a TLS failure of a key service means, with OpenSSL's own reason, and what to do."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from msgspec import Struct

from imagesig.errors import KeyProviderUnavailable
from imagesig.text import quote


class TlsHints(Struct, frozen=True):
    """What to do about an unknown issuer, another host name, a refused client certificate, and a port without TLS."""

    authority: str
    host: str
    client: str
    plain: str


_CLOCK = "renew the server's certificate, or correct this machine's clock"
_EXPIRED = ("expired", "not yet valid")
_HOST = ("hostname mismatch", "ip address mismatch", "doesn't match")
_ISSUER = ("issuer", "self-signed", "self signed", "verify failed")
_PLAIN = ("wrong version number", "record layer", "http request", "packet length")


def tls_failure(what: str, error: Exception, hints: TlsHints) -> KeyProviderUnavailable | None:
    """The error for a failure of TLS, with OpenSSL's reason; None for other failures."""
    reason = _reason(error)
    if not reason:
        return None
    failure = KeyProviderUnavailable(
        f"{what}: no trusted TLS connection: {quote(reason)[1:-1]}", hint=_hint(reason.lower(), hints)
    )
    failure.retryable = False
    return failure


def _reason(error: Exception) -> str:
    cause = cause_of(error, ssl.SSLError)
    if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return ""
    if isinstance(cause, ssl.SSLError):
        return getattr(cause, "verify_message", "") or (cause.reason or type(cause).__name__).lower().replace("_", " ")
    # urllib3 compares host names itself if OpenSSL is set not to.
    return next((str(item) for item in causes(error) if type(item).__name__ == "CertificateError"), "")


def _hint(reason: str, hints: TlsHints) -> str:
    if "alert" in reason:  # what the server says of us
        return hints.client
    rows = ((_HOST, hints.host), (_EXPIRED, _CLOCK), (_ISSUER, hints.authority), (_PLAIN, hints.plain))
    return next((hint for words, hint in rows if any(word in reason for word in words)), "check the TLS settings")


def cause_of(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """The first exception of this kind among `causes`."""
    return next((item for item in causes(error) if isinstance(item, kind)), None)


def causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, and those that it wraps: its causes, and its arguments, where urllib3 and `requests` put them."""
    queue, seen = [error], set[int]()
    while queue:
        item = queue.pop(0)
        if id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        inner = getattr(item, "kwargs", None)
        parts = (*item.args, getattr(item, "reason", None), item.__cause__, item.__context__)
        parts += tuple(inner.values()) if isinstance(inner, dict) else ()  # where botocore puts them
        queue += [part for part in parts if isinstance(part, BaseException)]


def system_reason(error: BaseException) -> str:
    """The system's words for the failure of a connection; empty if there are none. Other texts may have secrets."""
    words = next((item.strerror for item in causes(error) if isinstance(item, OSError) and item.strerror), "")
    return quote(words)[1:-1] if words else ""
