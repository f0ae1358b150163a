"""What each refusal of Vault means: the class of the error, whether trying again helps, and what to do.

Spec: Vault's HTTP API, "HTTP status codes"; `sys/health` for 472 and 473.
"""

from __future__ import annotations

import json

from msgspec import Struct

from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import Shape
from imagesig.errors import (
    AccessDenied,
    KeyNotFound,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
    LimitExceeded,
    MalformedError,
)
from imagesig.text import quote

_TEXT_BYTES = 4096
_REFUSAL = Shape.of("errors warnings data", data=Shape.of("", batch_results=Shape.of("error")))
_LOG_IN = "log in again: run vault login, or set VAULT_TOKEN to a valid token"
_NO_TOKEN = ("missing client token", "failed to look up namespace from the token")
"""What Vault says, with a status of its own, of a text that is not a token: the second of one with a dot inside."""
_PLAIN = ("http request to an https server", "plain http request was sent to https")
"""What Go's server, and nginx, say of HTTP to a port with TLS."""


class _Meaning(Struct, frozen=True):
    kind: type[KeyProviderError]
    says: str
    hint: str


_AGAIN = "try again later"
_FRONT = "try again later; if it stays, check the load balancer in front of Vault, and vault status"
PROXY = "check HTTPS_PROXY, HTTP_PROXY or VAULT_PROXY_ADDR, with its user and password, or add Vault to NO_PROXY"
_BROKEN = "try again later; if it stays, check that the token is one of Vault, and read Vault's log"
_MEANINGS = {
    400: _Meaning(KeyUnusable, "refused", "check the type, the version and the settings of the key"),
    405: _Meaning(KeyNotFound, "no such operation there", "name the mount of a transit engine: ?mount=NAME"),
    407: _Meaning(KeyProviderError, "the proxy wants a login", PROXY),
    408: _Meaning(KeyProviderUnavailable, "timed out", _AGAIN),
    412: _Meaning(KeyProviderUnavailable, "this node does not have the newest state yet", _AGAIN),
    413: _Meaning(KeyProviderError, "the request is too large", "raise max_request_size of Vault's listener"),
    425: _Meaning(KeyProviderUnavailable, "too early", _AGAIN),
    429: _Meaning(KeyProviderUnavailable, "too many requests", "try again later, or raise Vault's rate limit quota"),
    472: _Meaning(
        KeyProviderError,
        "this is a disaster recovery secondary, which has no keys",
        "point VAULT_ADDR at the primary cluster",
    ),
    473: _Meaning(
        KeyProviderUnavailable,
        "this is a performance standby",
        "point VAULT_ADDR at the active node or its load balancer",
    ),
    500: _Meaning(KeyProviderUnavailable, "internal error", _BROKEN),
    501: _Meaning(KeyProviderUnavailable, "not initialised", "initialise it: vault operator init"),
    502: _Meaning(KeyProviderUnavailable, "a server behind it failed", _FRONT),
    503: _Meaning(KeyProviderUnavailable, "not available", _FRONT),
    504: _Meaning(KeyProviderUnavailable, "a server behind it did not answer in time", _FRONT),
}
_OTHER_FAILURE = _Meaning(KeyProviderUnavailable, "failed", _FRONT)
_OTHER_REFUSAL = _Meaning(KeyProviderError, "refused", "check that VAULT_ADDR is the address of Vault")


def refusal(what: str, method: str, path: str, status: int, reasons: str) -> KeyProviderError:
    """The error for one request that was answered with this status. `reasons` are Vault's words."""
    low = reasons.lower()
    text = f"status {status}" + (f", {quote(reasons)}" if reasons else "")
    if any(words in low for words in _PLAIN):
        failure = KeyProviderUnavailable(
            f"{what}: HTTP was sent to a port that speaks TLS ({text})", hint="use https:// in VAULT_ADDR"
        )
        failure.retryable = False
        return failure
    if status in (401, 403) or any(words in low for words in _NO_TOKEN):
        return AccessDenied(f"{what}: permission denied ({text})", hint=_permission(method, path, status, low))
    if status == 404 or "key not found" in low:
        return KeyNotFound(f"{what}: not found ({text})", hint=_missing(low))
    meaning = _MEANINGS.get(status, _OTHER_FAILURE if status >= 500 else _OTHER_REFUSAL)
    if "license" in low:
        meaning = _Meaning(KeyProviderError, "refused", "renew Vault's licence: vault license get")
    if "sealed" in low:
        meaning = _Meaning(KeyProviderUnavailable, "sealed", "unseal Vault: vault operator unseal")
    return meaning.kind(f"{what}: {meaning.says} ({text})", hint=meaning.hint)


def _permission(method: str, path: str, status: int, reasons: str) -> str:
    # Vault says a reason for each refusal.
    other = "" if reasons else "; if a proxy or gateway before Vault refused it, correct VAULT_ADDR or the proxy"
    if (
        status == 401
        or "invalid token" in reasons
        or "bad token" in reasons
        or any(words in reasons for words in _NO_TOKEN)
    ):
        return _LOG_IN + other
    needed = json.dumps(_needed(method, path))
    return f'renew the token, or add to its policy: path "{path}" {{ capabilities = {needed} }}{other}'


def _needed(method: str, path: str) -> tuple[str, ...]:
    """The capabilities that a request needs. Spec: Vault's policies, "Capabilities"."""
    if method in ("GET", "LIST"):
        return ("read",) if method == "GET" else ("list",)
    return ("create", "update") if path.rpartition("/")[0].endswith("keys") else ("update",)


def _missing(reasons: str) -> str:
    if "route" in reasons:
        where = "?mount=NAME&namespace=NAME"
        return f"mount the transit engine: vault secrets enable transit, or give its mount and namespace: {where}"
    return "check the key's name, its mount and its namespace"


def reasons_in(body: bytes) -> str:
    """Vault's reasons in the body of a refusal, on one line; empty for a page of HTML and other documents."""
    text = body[:_TEXT_BYTES].decode("utf-8", "replace")
    try:
        document = parse_object(body, "refusal", _REFUSAL)
    except (MalformedError, LimitExceeded):
        return _line(text) if "<" not in text else next((words for words in _PLAIN if words in text.lower()), "")
    errors = document.get("errors") or _in_batch(document.get("data"))
    return _line("; ".join(item for item in errors if isinstance(item, str))) if isinstance(errors, list) else ""


def _in_batch(data: object) -> object:
    """The errors of the items of a batch: if all of them fail, Vault answers with a refusal that has only these."""
    results = data.get("batch_results") if isinstance(data, dict) else None
    found = [item.get("error") for item in results if isinstance(item, dict)] if isinstance(results, list) else []
    return list(dict.fromkeys(item for item in found if isinstance(item, str)))


def _line(text: str) -> str:
    """On one line: `2 errors occurred: * permission denied * invalid token`."""
    return " ".join(text.split())
