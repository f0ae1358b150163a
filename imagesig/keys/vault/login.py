"""Vault tokens: given, or by AppRole, JWT, userpass or Kubernetes, with renewal.

Each call asks the login for the token. The login renews after two thirds of the lease, and logs in again if it cannot
renew. All times are seconds of the monotonic clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote as escape

from msgspec import Struct

from imagesig.arguments import checks_arguments
from imagesig.errors import AccessDenied, ImagesigError, InvalidArgument, KeyProviderError, SecretRequired, WrongSecret
from imagesig.external import external_call
from imagesig.keys.vault.client import unreadable
from imagesig.keys.vault.connection import header_text
from imagesig.text import redact_keys

if TYPE_CHECKING:
    from imagesig.keys.vault.client import VaultClient

_RENEW_AFTER = 2 / 3
_LOOK_AFTER_SECONDS = 60.0
"""A given token is looked up only after this time, so that short programs save the request."""


class TokenLogin:
    """A token that the user gives; renewed if possible. Thread-safe.

    `again` reads the token once more after Vault refused it: a file may have a new one meanwhile. An `optional` token
    may be empty: an agent adds its own.
    """

    def __init__(
        self,
        token: str,
        what: str = "Vault token",
        *,
        again: Callable[[], str] | None = None,
        optional: bool = False,
    ) -> None:
        if not token and not optional:
            raise SecretRequired(
                "Vault: no token",
                hint="set VAULT_TOKEN, write ~/.vault-token (vault login), or set IMAGESIG_VAULT_AUTH",
            )
        self._token = header_text(token, what)
        self._what = what
        self._again = again
        self._due = time.monotonic() + _LOOK_AFTER_SECONDS
        self._lock = threading.Lock()

    def __call__(self, client: VaultClient) -> str:
        with self._lock:
            if self._token and time.monotonic() >= self._due:
                self._renew(client)
        return self._token

    def forget(self) -> bool:
        """Drops a token that Vault refused. Returns whether there is another one."""
        if self._again is None:
            return False
        with self._lock:
            try:
                token = header_text(self._again(), self._what)
            except ImagesigError:
                return False
            if not token or token == self._token:
                return False
            self._token = token
            self._due = time.monotonic() + _LOOK_AFTER_SECONDS
            return True

    def _renew(self, client: VaultClient) -> None:
        """Renews a token that has a lease. Failures are ignored: the following call reports them."""
        self._due = float("inf")
        try:
            with external_call("Vault token", unreadable("Vault token")):
                data = client.request("GET", "auth/token/lookup-self", token=self._token).get("data", {})
                if data.get("renewable") and data.get("ttl"):
                    answer = client.request("POST", "auth/token/renew-self", {}, token=self._token)
                    self._due = time.monotonic() + _RENEW_AFTER * float(answer["auth"]["lease_duration"])
        except KeyProviderError:
            self._due = time.monotonic() + _LOOK_AFTER_SECONDS

    def __repr__(self) -> str:
        return "TokenLogin()" if self._token else "TokenLogin(of the agent)"

    def __str__(self) -> str:
        return "with a token" if self._token else "with the token of the agent"


class Method(Struct, frozen=True):
    """One auth method: its login path, and the function that makes the request body for each login."""

    name: str
    path: str
    body: Callable[[], Mapping[str, str]]


@checks_arguments
def app_role(role_id: str, secret_id: Callable[[], str], mount: str = "approle") -> MethodLogin:
    """A login by AppRole. `secret_id` is called for each login. Spec: Vault's AppRole auth method, API."""
    body = lambda: {"role_id": role_id, "secret_id": secret_id()}  # noqa: E731
    return MethodLogin(Method("AppRole", f"auth/{mount}/login", body))


@checks_arguments
def jwt(role: str, token: Callable[[], str], mount: str = "jwt") -> MethodLogin:
    """A login with a JWT. `token` is called for each login. Spec: Vault's JWT/OIDC auth method, API, "JWT login"."""
    return MethodLogin(Method("JWT", f"auth/{mount}/login", lambda: {"role": role, "jwt": token()}))


@checks_arguments
def kubernetes(role: str, token: Callable[[], str], mount: str = "kubernetes") -> MethodLogin:
    """A login of a pod. `token` gives its service account token. Spec: Vault's Kubernetes auth method, API, "Login"."""
    return MethodLogin(Method("Kubernetes", f"auth/{mount}/login", lambda: {"role": role, "jwt": token()}))


@checks_arguments
def userpass(username: str, password: Callable[[], str], mount: str = "userpass") -> MethodLogin:
    """A login with a user name. `password` is called for each login. Spec: Vault's userpass auth method, API."""
    path = f"auth/{mount}/login/{escape(username, safe='')}"
    return MethodLogin(Method("userpass", path, lambda: {"password": password()}))


class MethodLogin:
    """A token from an auth method. Thread-safe: one thread logs in, the others wait."""

    def __init__(self, method: Method) -> None:
        self._method = method
        self._token = ""
        self._due = 0.0
        self._renewable = False
        self._lock = threading.Lock()

    def __call__(self, client: VaultClient) -> str:
        with self._lock:
            if not self._token or (time.monotonic() >= self._due and not (self._renewable and self._renew(client))):
                self._log_in(client)
            return self._token

    def forget(self) -> bool:
        """Drops a token that Vault refused; the next call logs in again."""
        with self._lock:
            self._token = ""
        return True

    def _log_in(self, client: VaultClient) -> None:
        try:
            body = dict(self._method.body())
            for name, value in body.items():
                if name != "role":
                    redact_keys(value)
            answer = client.request("POST", self._method.path, body)
        except (AccessDenied, KeyProviderError) as error:
            if error.retryable:
                raise
            raise WrongSecret(
                f"Vault {client.address}: {self._method.name} login failed: {error}",
                hint="check the role, its secret and the mount of the auth method",
            ) from None
        self._keep(answer)

    def _renew(self, client: VaultClient) -> bool:
        before = self._due
        try:
            self._keep(client.request("POST", "auth/token/renew-self", {}, token=self._token))
        except KeyProviderError:
            return False
        # Near its maximum lifetime Vault "renews" a token without extending it: then log in again.
        return self._due > before

    def _keep(self, answer: Mapping[str, Any]) -> None:
        auth = answer.get("auth")
        if not isinstance(auth, dict) or not isinstance(auth.get("client_token"), str):
            raise KeyProviderError(f"Vault: {self._method.name} login: the answer has no token")
        what = f"Vault: {self._method.name} login"
        with external_call(what, unreadable(what)):
            lease = float(auth.get("lease_duration") or 0)
        try:
            self._token = header_text(auth["client_token"], "token")
        except InvalidArgument as error:
            raise KeyProviderError(f"{what}: the answer has no usable token: {error}") from None
        self._renewable = bool(auth.get("renewable"))
        self._due = time.monotonic() + _RENEW_AFTER * lease if lease else float("inf")

    def __repr__(self) -> str:
        return f"MethodLogin({self._method.name})"

    def __str__(self) -> str:
        return f"with the method {self._method.name}"
