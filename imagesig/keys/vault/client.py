"""The few calls that transit keys need, over an hvac client that cannot leak, hang, follow or flood.

hvac sends the token along with redirects, has no retries, reads TLS settings when it is imported and answers of any
size; here its session is ours, no redirect is followed, every answer's type and size is checked, and every call has a
deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from imagesig import limits
from imagesig.deadlines import remaining
from imagesig.errors import (
    AccessDenied,
    DeadlineExceeded,
    ImagesigError,
    KeyNotFound,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
)
from imagesig.external import Explain, external_call
from imagesig.keys.in_time import in_time
from imagesig.logs import logger_named
from imagesig.text import quote, redact_keys
from imagesig.url import redact

if TYPE_CHECKING:
    import hvac

logger = logger_named("imagesig.keys.vault")


class VaultClient:
    """Calls with the token that `token` gives at that moment. Safe to use from several threads."""

    def __init__(self, client: hvac.Client, token: Callable[[VaultClient], str]) -> None:
        self._client = client
        self._token = token
        self.address: str = client.url

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The `data` of Vault's answer, empty if there is none. Logs in first. Errors as of `request`."""
        return self._data(self.request(method, path, body, token=self._token(self)), path)

    def request(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, token: str = ""
    ) -> dict[str, Any]:
        """Vault's whole answer to one request with this token.

        Raises:
            AccessDenied: 403, or a token that is no longer good.
            KeyNotFound: 404.
            KeyUnusable: 400: Vault refuses to do this with this key.
            KeyProviderUnavailable: sealed, standby, busy, unreachable.
            KeyProviderError: a redirect, or an answer that is none.
        """
        what = f"Vault {self.address}: {method} {path}"
        left = remaining(what)
        options: dict[str, Any] = {"timeout": (min(limits.CONNECT_SECONDS, left), min(limits.READ_SECONDS, left))}
        if body is not None:
            options["json"] = body
        if token:
            redact_keys(token)
            options["headers"] = {"X-Vault-Token": token}
        with external_call(what, lambda error: _explained(what, path, error)):
            answer = in_time(what, lambda: self._client.adapter.request(method.lower(), f"/v1/{path}", **options))
            return _checked(answer, what)

    @staticmethod
    def _data(answer: dict[str, Any], path: str) -> dict[str, Any]:
        data = answer.get("data") or {}
        if not isinstance(data, dict):
            raise KeyProviderError(f"Vault: {path}: its answer has no data object")
        return data

    def close(self) -> None:
        """Closes the session; the token is not revoked, for others may use it."""
        with external_call(f"Vault {self.address}"):
            self._client.adapter.close()


def _checked(answer: object, what: str) -> dict[str, Any]:
    if isinstance(answer, dict):
        return answer
    status = getattr(answer, "status_code", 0)
    if status == 204:
        return {}
    location = getattr(answer, "headers", {}).get("location", "")
    if 300 <= status < 400:
        # Following would carry the token to wherever the answer says.
        raise KeyProviderError(
            f"{what}: redirected to {quote(redact(str(location)) or 'nowhere')}, which is not followed",
            hint="point VAULT_ADDR at the active node or its load balancer",
        )
    raise KeyProviderError(f"{what}: status {status} with no JSON object in it")


def _explained(what: str, path: str, error: Exception) -> ImagesigError | None:
    """What hvac, requests and the JSON reader raise. Their texts may hold the token, so kinds are shown."""
    import hvac.exceptions
    import requests

    if isinstance(error, hvac.exceptions.VaultError):
        return _refusal(what, path, error)
    if isinstance(error, requests.exceptions.JSONDecodeError):
        return KeyProviderError(f"{what}: its answer is not JSON")
    if isinstance(error, requests.exceptions.RequestException):
        # An error of ours is an OSError too, and `requests` wraps those.
        for cause in error.args:
            if isinstance(cause, DeadlineExceeded):
                return cause
        remaining(what)
        return KeyProviderUnavailable(
            f"{what}: no answer ({type(error).__name__})", hint="check VAULT_ADDR, the network and the CA"
        )
    if isinstance(error, OSError):
        # A file of TLS settings that went away, or a socket's error that nobody wrapped.
        return KeyProviderUnavailable(
            f"{what}: no answer ({type(error).__name__})", hint="check the network, and the files of the TLS settings"
        )
    if isinstance(error, ValueError | RecursionError):
        return KeyProviderError(f"{what}: its answer is not JSON")
    return None


def unreadable(what: str) -> Explain:
    """For code that reads an answer: of another shape than Vault's API has."""

    def explain(error: Exception) -> ImagesigError | None:
        if not isinstance(error, ValueError | TypeError | LookupError | AttributeError | ArithmeticError):
            return None
        return KeyProviderError(f"{what}: its answer is not what Vault's API has ({type(error).__name__})")

    return explain


def _refusal(what: str, path: str, error: Exception) -> KeyProviderError:
    import hvac.exceptions as vault

    said = [text for text in (getattr(error, "errors", None) or []) if isinstance(text, str)]
    text = f" ({quote('; '.join(said))})" if said else ""
    if isinstance(error, vault.Forbidden | vault.Unauthorized):
        capability = "read" if path.rpartition("/")[0].endswith("keys") else "update"
        return AccessDenied(
            f"{what}: permission denied{text}",
            hint=f'the token expired, or its policy lacks: path "{path}" {{ capabilities = ["{capability}"] }}',
        )
    if isinstance(error, vault.InvalidPath):
        unmounted = any("no handler for route" in item for item in said)
        hint = "mount the transit engine, or name its mount: ?mount=NAME" if unmounted else "check the key's name"
        return KeyNotFound(f"{what}: not found{text}", hint=hint)
    if isinstance(error, vault.InvalidRequest | vault.ParamValidationError):
        return KeyUnusable(f"{what}: refused{text}")
    if isinstance(error, vault.VaultDown | vault.VaultNotInitialized):
        sealed = any("sealed" in item for item in said)
        return KeyProviderUnavailable(f"{what}: {'sealed' if sealed else 'not available'}{text}", hint="unseal Vault")
    if isinstance(error, vault.RateLimitExceeded | vault.BadGateway | vault.InternalServerError):
        return KeyProviderUnavailable(f"{what}: {type(error).__name__}{text}", hint="try again later")
    return KeyProviderError(f"{what}: {type(error).__name__}{text}")
