"""TLS to Vault: the context of a connection, and what a TLS failure means."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from imagesig.errors import KeyProviderUnavailable
from imagesig.keys.tls_files import authorities_in, checked_authorities, load_client_certificate
from imagesig.keys.vault.connection import VaultConnection
from imagesig.text import quote

_AUTHORITY = "name the authority of Vault's certificate: VAULT_CACERT=FILE, or ?ca=FILE"
_PLAIN = "the port speaks HTTP without TLS: correct the port, or use http:// in VAULT_ADDR"
_CLIENT = "set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY to a certificate that Vault's authority issued"
_HINTS = (
    (("hostname mismatch", "ip address mismatch", "doesn't match"), "correct VAULT_ADDR, or set VAULT_TLS_SERVER_NAME"),
    (("expired", "not yet valid"), "renew Vault's certificate, or correct this machine's clock"),
    (("issuer", "self-signed", "self signed", "verify failed"), _AUTHORITY),
    (("wrong version number", "record layer", "http request", "packet length"), _PLAIN),
)
"""Words of OpenSSL's reasons, each with what to do. The first line that matches is used."""


def tls_context(connection: VaultConnection) -> ssl.SSLContext:
    """The context for this connection. Raises `InvalidArgument` for unusable files."""
    context = ssl.create_default_context(cadata=_authorities(connection) or None)
    if connection.client_certificate is not None:
        load_client_certificate(context, *connection.client_certificate)
    if not connection.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _authorities(connection: VaultConnection) -> str:
    if connection.ca is not None:
        return authorities_in(str(connection.ca), "Vault CA", may_be_folder=True)
    return checked_authorities(connection.ca_pem.encode(), "Vault CA") if connection.ca_pem else ""


def tls_failure(what: str, error: Exception) -> KeyProviderUnavailable | None:
    """The error for a failure of TLS, with OpenSSL's reason; None for other failures."""
    cause = cause_of(error, ssl.SSLError)
    if cause is None or isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return None
    assert isinstance(cause, ssl.SSLError)
    reason = getattr(cause, "verify_message", "") or (cause.reason or type(cause).__name__).lower().replace("_", " ")
    failure = KeyProviderUnavailable(f"{what}: no trusted TLS connection: {_shown(reason)}", hint=_hint(reason))
    failure.retryable = False
    return failure


def _hint(reason: str) -> str:
    low = reason.lower()
    if "alert" in low:  # what the server says of us
        return _CLIENT
    return next((hint for words, hint in _HINTS if any(word in low for word in words)), "check Vault's TLS settings")


def _shown(reason: str) -> str:
    return quote(reason)[1:-1]


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
        parts = (*item.args, getattr(item, "reason", None), item.__cause__, item.__context__)
        queue += [part for part in parts if isinstance(part, BaseException)]
