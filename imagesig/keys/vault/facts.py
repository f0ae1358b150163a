"""What `imagesig doctor` shows of a Vault: its state, the login, and how it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from imagesig.errors import ImagesigError
from imagesig.http.proxies import Proxies
from imagesig.keys.endpoint import Endpoint
from imagesig.keys.vault.client import VaultClient
from imagesig.keys.vault.connection import VaultConnection
from imagesig.text import quote

Call = Callable[[str, str], Mapping[str, Any]]
"""The data of Vault's answer to a request with the token, from method and path."""


def facts(client: VaultClient, call: Call, login: object, mount: str) -> Iterator[tuple[str, str | ImagesigError]]:
    """See `TellsFacts.facts`."""
    yield "Vault address", client.address
    yield "Vault", _fact(lambda: _state(client))
    yield "Vault login", _fact(lambda: f"{login or 'of your hvac client'}: {_logged_in(call)}")
    yield "transit mount", mount


def endpoint_of(connection: VaultConnection) -> Endpoint | None:
    """See `HasEndpoint.endpoint`."""
    if connection.unix_socket:
        return None
    from imagesig.keys.vault.tls import tls_context

    context = tls_context(connection) if connection.address.lower().startswith("https:") else None
    url = f"{connection.address}/v1/sys/seal-status"
    proxies = Proxies(connection.proxies, named_by=connection.proxy_from) if connection.proxy_from else None
    return Endpoint("Vault", url, context, connection.ca_from, connection.server_name, proxies)


def _fact(ask: Callable[[], str]) -> str | ImagesigError:
    try:
        return ask()
    except ImagesigError as error:
        return error


def _state(client: VaultClient) -> str:
    state = client.request("GET", "sys/seal-status")
    return f"version {state.get('version')}, {'sealed' if state.get('sealed') else 'unsealed'}"


def _logged_in(call: Call) -> str:
    token = call("GET", "auth/token/lookup-self")
    seconds = token.get("ttl")
    lifetime = f"{seconds} s left" if seconds else "does not expire"
    policies = token.get("policies")
    named = ", ".join(map(str, policies)) if isinstance(policies, list) else ""
    return f"{lifetime}, policies {quote(named or 'none')}"
