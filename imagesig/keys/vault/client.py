"""The calls that transit keys need, over an hvac client with our session.

No redirect is followed, the type and size of every answer is checked, and every call has a deadline.
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
from imagesig.text import quote, redact_keys
from imagesig.url import redact

if TYPE_CHECKING:
    import hvac


class VaultClient:
    """Calls Vault with the token that `token` returns for each call. Thread-safe."""

    def __init__(self, client: hvac.Client, token: Callable[[VaultClient], str]) -> None:
        self._client = client
        self._token = token
        self.address: str = client.url

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The `data` of Vault's answer, which may be empty. Logs in first. Raises as `request` does."""
        return self._data(self.request(method, path, body, token=self._token(self)), path)

    def request(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, token: str = ""
    ) -> dict[str, Any]:
        """Vault's whole answer to one request with this token.

        Raises:
            AccessDenied: 403, or an expired token.
            KeyNotFound: 404.
            KeyUnusable: 400: Vault refuses this operation with this key.
            KeyProviderUnavailable: Vault is sealed, in standby, busy or not reachable.
            KeyProviderError: a redirect, or an answer that is not a JSON object.
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
        """Closes the session. The token stays valid, because others may use it."""
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
        # Following would send the token to a place that the answer chooses.
        raise KeyProviderError(
            f"{what}: redirected to {quote(redact(str(location)) or 'nowhere')}, which is not followed",
            hint="point VAULT_ADDR at the active node or its load balancer",
        )
    raise KeyProviderError(f"{what}: status {status} without a JSON object")


def _explained(what: str, path: str, error: Exception) -> ImagesigError | None:
    """Explains exceptions of hvac, requests and the JSON reader. Shows only their types: texts may have the token."""
    import hvac.exceptions
    import requests

    if isinstance(error, hvac.exceptions.VaultError):
        return _refusal(what, path, error)
    if isinstance(error, requests.exceptions.JSONDecodeError):
        return KeyProviderError(f"{what}: its answer is not JSON")
    if isinstance(error, requests.exceptions.RequestException):
        # Our `DeadlineExceeded` is an OSError, and `requests` wraps OSErrors.
        for cause in error.args:
            if isinstance(cause, DeadlineExceeded):
                return cause
        remaining(what)
        return KeyProviderUnavailable(
            f"{what}: no answer ({type(error).__name__})", hint="check VAULT_ADDR, the network and the CA"
        )
    if isinstance(error, OSError):
        # A TLS file that was removed, or a socket error that `requests` did not wrap.
        return KeyProviderUnavailable(
            f"{what}: no answer ({type(error).__name__})", hint="check the network and the TLS files"
        )
    if isinstance(error, ValueError | RecursionError):
        return KeyProviderError(f"{what}: its answer is not JSON")
    return None


def unreadable(what: str) -> Explain:
    """Explains exceptions of code that reads an answer: the answer does not follow Vault's API."""

    def explain(error: Exception) -> ImagesigError | None:
        if not isinstance(error, ValueError | TypeError | LookupError | AttributeError | ArithmeticError):
            return None
        return KeyProviderError(f"{what}: its answer does not follow Vault's API ({type(error).__name__})")

    return explain


def _refusal(what: str, path: str, error: Exception) -> KeyProviderError:
    import hvac.exceptions as vault

    reasons = [text for text in (getattr(error, "errors", None) or []) if isinstance(text, str)]
    text = f" ({quote('; '.join(reasons))})" if reasons else ""
    if isinstance(error, vault.Forbidden | vault.Unauthorized):
        capability = "read" if path.rpartition("/")[0].endswith("keys") else "update"
        return AccessDenied(
            f"{what}: permission denied{text}",
            hint=f'renew the token, or add to its policy: path "{path}" {{ capabilities = ["{capability}"] }}',
        )
    if isinstance(error, vault.InvalidPath):
        unmounted = any("no handler for route" in item for item in reasons)
        hint = "mount the transit engine, or give its mount: ?mount=NAME" if unmounted else "check the key's name"
        return KeyNotFound(f"{what}: not found{text}", hint=hint)
    if isinstance(error, vault.InvalidRequest | vault.ParamValidationError):
        return KeyUnusable(f"{what}: refused{text}")
    if isinstance(error, vault.VaultDown | vault.VaultNotInitialized):
        sealed = any("sealed" in item for item in reasons)
        return KeyProviderUnavailable(f"{what}: {'sealed' if sealed else 'not available'}{text}", hint="unseal Vault")
    if isinstance(error, vault.RateLimitExceeded | vault.BadGateway | vault.InternalServerError):
        return KeyProviderUnavailable(f"{what}: {type(error).__name__}{text}", hint="try again later")
    return KeyProviderError(f"{what}: {type(error).__name__}{text}")
