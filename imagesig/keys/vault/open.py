"""Resolves `hashivault://NAME` and `openbao://NAME`, with the environment, to a provider.

Spec: cosign's key references; the query may have `mount`, `version`, `namespace`, `address` and `ca`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qsl

from imagesig import limits
from imagesig.errors import ImagesigError, InvalidArgument, SecretRequired
from imagesig.http.proxies import Proxies
from imagesig.keys.secrets import SecretKind, SecretRequest, from_file
from imagesig.keys.tls_files import check_authorities, check_client_certificate
from imagesig.keys.uri import KeySettings
from imagesig.keys.vault.connection import VaultConnection, header_text
from imagesig.keys.vault.login import MethodLogin, TokenLogin, app_role, jwt, kubernetes, userpass
from imagesig.keys.vault.provider import DEFAULT_MOUNT, VaultProvider
from imagesig.reading import Unreadable, text_bounded
from imagesig.text import quote
from imagesig.url import parse_url, redact

_URI = re.compile(r"(?:hashivault|openbao)://([^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_PARAMETERS = frozenset({"mount", "version", "namespace", "address", "ca"})
_SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - where the token is
_TRUE = frozenset({"1", "t", "true"})


def provider_from_uri(uri: str, settings: KeySettings) -> tuple[VaultProvider, str]:
    """See `imagesig.keys.uri.ProviderFactory`.

    Raises:
        InvalidArgument: another URI, or an invalid setting.
        SecretRequired: no token and no login method in the environment.
        MissingExtra: hvac is not installed.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise InvalidArgument(f"key URI {quote(uri)}: hashivault://NAME is needed")
    query = _parse_query(match[2] or "", uri)
    environ = settings.environ
    mount = query.get("mount") or environ.get("TRANSIT_SECRET_ENGINE_PATH") or DEFAULT_MOUNT
    provider = VaultProvider(_connection(query, environ), _login(environ), mount=mount)
    return provider, match[1] + (f"?version={query['version']}" if "version" in query else "")


def _parse_query(text: str, uri: str) -> dict[str, str]:
    pairs = parse_qsl(text, keep_blank_values=True)
    query = dict(pairs)
    unknown = query.keys() - _PARAMETERS
    if unknown or len(query) != len(pairs):
        shown = quote(uri.partition("?")[0])
        raise InvalidArgument(
            f"key URI {shown}: its query has {quote(sorted(unknown)[0]) if unknown else 'a parameter twice'}",
            hint=f"use each of these at most once: {', '.join(sorted(_PARAMETERS))}",
        )
    return query


def _connection(query: Mapping[str, str], environ: Mapping[str, str]) -> VaultConnection:
    address, named_by = _first(query, environ, "address", "VAULT_ADDR", "BAO_ADDR")
    if not address:
        raise InvalidArgument("Vault: no address", hint="set VAULT_ADDR, or write hashivault://NAME?address=URL")
    url = parse_url(address, named_by)
    if url.has_login:
        raise InvalidArgument(
            f"{named_by} {quote(redact(address))}: it has a user or a password, which Vault does not accept"
        )
    namespace, namespace_from = _first(query, environ, "namespace", "VAULT_NAMESPACE")
    ca, ca_from = _first(query, environ, "ca", "VAULT_CACERT", "VAULT_CAPATH")
    if ca:
        check_authorities(ca, ca_from, may_be_folder=ca_from != "VAULT_CACERT")
    certificate, key = environ.get("VAULT_CLIENT_CERT"), environ.get("VAULT_CLIENT_KEY")
    if certificate and key:
        check_client_certificate(certificate, key)
    return VaultConnection(
        address=address.rstrip("/"),
        namespace=header_text(namespace, namespace_from),
        ca=Path(ca) if ca else None,
        client_certificate=(certificate, key) if certificate and key else None,
        verify_tls=environ.get("VAULT_SKIP_VERIFY", "").lower() not in _TRUE,
        server_name=environ.get("VAULT_TLS_SERVER_NAME", ""),
        proxies=_proxies(environ, address),
        plain_http=environ.get("IMAGESIG_VAULT_PLAIN_HTTP", "").lower() in _TRUE,
    )


def _first(query: Mapping[str, str], environ: Mapping[str, str], parameter: str, *variables: str) -> tuple[str, str]:
    """The value in the URI or in the first of these variables that is set, and its source."""
    if query.get(parameter):
        return query[parameter], f"?{parameter}="
    return next(((environ[name], name) for name in variables if environ.get(name)), ("", ""))


def _proxies(environ: Mapping[str, str], address: str) -> dict[str, str]:
    # `requests` reads NO_PROXY only together with the rest of the environment, which our session ignores.
    proxy = Proxies.from_environment(environ).for_url(address)
    return {address.partition(":")[0].lower(): proxy} if proxy else {}


def _login(environ: Mapping[str, str]) -> TokenLogin | MethodLogin:
    method = environ.get("IMAGESIG_VAULT_AUTH", "token").lower()
    if method == "token":
        token, named_by = _first({}, environ, "", "VAULT_TOKEN", "BAO_TOKEN")
        return TokenLogin(token, named_by) if token else TokenLogin(_token_file(environ), "~/.vault-token")
    makers: dict[str, Callable[[], MethodLogin]] = {
        "approle": lambda: app_role(
            _needed(environ, "ROLE_ID"), _file(environ, "SECRET_ID_FILE"), _mount(environ, "approle")
        ),
        "jwt": lambda: jwt(_needed(environ, "ROLE"), _file(environ, "JWT_FILE"), _mount(environ, "jwt")),
        "kubernetes": lambda: kubernetes(
            _needed(environ, "ROLE"), _file(environ, "JWT_FILE", _SERVICE_ACCOUNT_TOKEN), _mount(environ, "kubernetes")
        ),
        "userpass": lambda: userpass(
            _needed(environ, "USERNAME"), _file(environ, "PASSWORD_FILE"), _mount(environ, "userpass")
        ),
    }
    if method not in makers:
        raise InvalidArgument(f"IMAGESIG_VAULT_AUTH is {quote(method)}, one of token, {', '.join(makers)} is needed")
    return makers[method]()


def _token_file(environ: Mapping[str, str]) -> str:
    path = Path(environ.get("HOME") or "/nonexistent") / ".vault-token"
    try:
        return text_bounded(path, limits.SECRET_FILE_BYTES, "~/.vault-token:", explain=_token_missing).strip()
    except SecretRequired:
        return ""


def _token_missing(reason: Unreadable, sentence: str) -> ImagesigError:
    if reason is Unreadable.MISSING:
        return SecretRequired("Vault: no token")
    return InvalidArgument(f"Vault token file ~/.vault-token: {sentence}", hint="remove it, or set VAULT_TOKEN")


def _needed(environ: Mapping[str, str], name: str) -> str:
    variable = f"IMAGESIG_VAULT_{name}"
    if not environ.get(variable):
        raise SecretRequired(f"Vault login: {variable} is not set", hint=f"set {variable}")
    return environ[variable]


def _file(environ: Mapping[str, str], name: str, default: str = "") -> Callable[[], str]:
    """A function that reads the file for each login: projected tokens change."""
    path = Path(environ.get(f"IMAGESIG_VAULT_{name}") or default or _needed(environ, name))
    read = from_file(path, f"IMAGESIG_VAULT_{name}")
    return lambda: (read(SecretRequest(SecretKind.PASSPHRASE, str(path))) or "").strip()


def _mount(environ: Mapping[str, str], default: str) -> str:
    return environ.get("IMAGESIG_VAULT_AUTH_MOUNT", default).strip("/")
