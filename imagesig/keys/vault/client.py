"""The calls that transit keys need, over an hvac client with our session.

No redirect is followed, the type and size of every answer is checked, and every call has a deadline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from imagesig import limits
from imagesig.deadlines import remaining
from imagesig.errors import DeadlineExceeded, ImagesigError, KeyProviderError, KeyProviderUnavailable
from imagesig.external import Explain, external_call
from imagesig.keys.in_time import in_time
from imagesig.keys.tls_faults import cause_of, system_reason, tls_failure
from imagesig.keys.vault.refusals import PROXY, reasons_in, refusal
from imagesig.keys.vault.tls import HINTS
from imagesig.text import quote, redact_keys
from imagesig.url import redact

if TYPE_CHECKING:
    import hvac

    from imagesig.keys.vault.connection import VaultConnection

_NOT_VAULT = "check that VAULT_ADDR is the address of Vault"
_STATUSES = {
    "InvalidRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "InvalidPath": 404,
    "UnsupportedOperation": 405,
    "PreconditionFailed": 412,
    "RateLimitExceeded": 429,
    "InternalServerError": 500,
    "VaultNotInitialized": 501,
    "BadGateway": 502,
    "VaultDown": 503,
}
"""The statuses of hvac's exceptions, for a user's own client that raises them."""


class VaultClient:
    """Calls Vault with the token that `token` returns for each call. Thread-safe."""

    def __init__(
        self, client: hvac.Client, token: Callable[[VaultClient], str], connection: VaultConnection | None = None
    ) -> None:
        self._client = client
        self._token = token
        self.address: str = connection.address if connection else client.url
        self._address_from = connection.address_from if connection else "the address of the hvac client"

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The `data` of Vault's answer, which may be empty. Logs in first. Raises as `request` does."""
        return self._data(self.request(method, path, body, token=self._token(self)), path)

    def request(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, token: str = ""
    ) -> dict[str, Any]:
        """Vault's whole answer to one request with this token.

        Raises:
            KeyProviderError: a refusal (see `refusals`), a redirect, or an answer that is not a JSON object.
            KeyProviderUnavailable: Vault is not reachable.
        """
        what = f"Vault {self.address}: {method} {path}"
        left = remaining(what)
        options: dict[str, Any] = {
            "timeout": (min(limits.CONNECT_SECONDS, left), min(limits.READ_SECONDS, left)),
            "raise_exception": False,  # hvac's exceptions do not have the status
        }
        if body is not None:
            options["json"] = body
        if token:
            redact_keys(token)
            options["headers"] = {"X-Vault-Token": token}
        try:
            with external_call(what, lambda error: _explained(what, method, path, error)):
                answer = in_time(what, lambda: self._client.adapter.request(method.lower(), f"/v1/{path}", **options))
                return _checked(answer, what, method, path)
        except ImagesigError as error:
            error.hint = self._in_use(error.hint)
            raise

    def _in_use(self, hint: str) -> str:
        """The hint with the variables that name this server."""
        hint = hint.replace("VAULT_ADDR", self._address_from)
        return hint.replace("VAULT_", "BAO_") if self._address_from.startswith("BAO_") else hint

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


def _checked(answer: object, what: str, method: str, path: str) -> dict[str, Any]:
    if isinstance(answer, dict):
        return answer
    status = int(getattr(answer, "status_code", 200))  # hvac gives the JSON alone
    if status == 204:
        return {}
    if 300 <= status < 400:
        location = getattr(answer, "headers", {}).get("location", "")
        # Following would send the token to a place that the answer chooses.
        raise KeyProviderError(
            f"{what}: status {status}, redirected to {quote(redact(str(location)) or 'nowhere')}: not followed",
            hint="point VAULT_ADDR at the active node or its load balancer",
        )
    if status >= 400:
        raise refusal(what, method, path, status, reasons_in(bytes(getattr(answer, "content", b""))))
    raise KeyProviderError(f"{what}: status {status}, but its answer is not a JSON object", hint=_NOT_VAULT)


def _explained(what: str, method: str, path: str, error: Exception) -> ImagesigError | None:
    """Explains exceptions of hvac, requests and the JSON reader. Shows only their types: texts may have the token."""
    import hvac.exceptions
    import requests

    if isinstance(error, hvac.exceptions.VaultError):
        reasons = "; ".join(text for text in (getattr(error, "errors", None) or []) if isinstance(text, str))
        return refusal(what, method, path, _STATUSES.get(type(error).__name__, 0), reasons)
    if isinstance(error, requests.exceptions.JSONDecodeError):
        return KeyProviderError(f"{what}: its answer is not JSON", hint=_NOT_VAULT)
    if isinstance(error, requests.exceptions.RequestException | OSError):
        # Our `DeadlineExceeded` is an OSError, and `requests` wraps OSErrors.
        if isinstance(late := cause_of(error, DeadlineExceeded), DeadlineExceeded):
            return late
        remaining(what)
        by_proxy = isinstance(error, requests.exceptions.ProxyError)
        return tls_failure(what, error, HINTS) or _no_answer(what, error, by_proxy=by_proxy)
    if isinstance(error, ValueError | RecursionError):
        return KeyProviderError(f"{what}: its answer is not JSON", hint=_NOT_VAULT)
    return None


def _no_answer(what: str, error: Exception, *, by_proxy: bool) -> KeyProviderUnavailable:
    reason = system_reason(error) or type(error).__name__
    if by_proxy:
        return KeyProviderUnavailable(f"{what}: the proxy makes no connection ({reason})", hint=PROXY)
    hint = "check VAULT_ADDR and the network"
    if "unix://" in what:
        hint = "check VAULT_ADDR, and that the agent listens on this socket"
    return KeyProviderUnavailable(f"{what}: no answer ({reason})", hint=hint)


def unreadable(what: str) -> Explain:
    """Explains exceptions of code that reads an answer: the answer does not follow Vault's API."""

    def explain(error: Exception) -> ImagesigError | None:
        if not isinstance(error, ValueError | TypeError | LookupError | AttributeError | ArithmeticError):
            return None
        return KeyProviderError(f"{what}: its answer does not follow Vault's API ({type(error).__name__})")

    return explain
