"""Resolves `hashivault://NAME` and `openbao://NAME`, with the environment, to a provider.

Spec: cosign's key references; the query may have `mount`, `version`, `namespace`, `address` and `ca`.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from imagesig import limits
from imagesig.errors import ImagesigError, InvalidArgument, SecretRequired
from imagesig.http.proxies import Proxies
from imagesig.keys.secrets import SecretKind, SecretRequest, from_file
from imagesig.keys.tls_files import authorities_in, checked_authorities, load_client_certificate
from imagesig.keys.uri import KeySettings
from imagesig.keys.vault.connection import VaultConnection, checked_mount, header_text
from imagesig.keys.vault.environment import ADDRESSES, Variables, cleaned, is_true
from imagesig.keys.vault.login import MethodLogin, TokenLogin, app_role, jwt, kubernetes, userpass
from imagesig.keys.vault.provider import DEFAULT_MOUNT, VaultProvider
from imagesig.patterns import regex
from imagesig.reading import Unreadable, home_folder, text_bounded
from imagesig.text import quote
from imagesig.url import parse_url, redact

_URI = regex(r"(hashivault|openbao)://([^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_PARAMETERS = frozenset({"mount", "version", "namespace", "address", "ca"})
_SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - where the token is
_WHERE = ("namespace", "address", "ca")
PLAIN_HTTP = "IMAGESIG_VAULT_PLAIN_HTTP"
_NO_PREFIXES = ("/v1", "/ui", "/ui/vault")
"""Ends of paths in addresses that people copy from a browser or from a request."""
_UNIX = "unix://"
_SOCKET_BYTES = 107
"""The longest path of a Unix socket. Spec: unix(7)."""
_SERVER_NAME = regex(r"[A-Za-z0-9_.:-]*")


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
    scheme, name = match[1].lower(), match[2]
    query = _parse_query(match[3] or "", uri)
    environ = settings.environ
    variables = Variables.of_scheme(scheme, environ)
    mount = query.get("mount") or _setting(environ, "TRANSIT_SECRET_ENGINE_PATH") or DEFAULT_MOUNT
    connection, of_agent = _connection(query, variables)
    login = _login(variables, of_agent)
    parameters = urlencode({item: query[item] for item in _WHERE if query.get(item)}, safe="/:")
    provider = VaultProvider(connection, login, mount=mount, scheme=scheme, parameters=parameters)
    return provider, name + (f"?version={query['version']}" if "version" in query else "")


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


def _connection(query: Mapping[str, str], variables: Variables) -> tuple[VaultConnection, bool]:
    """The connection, and whether it is to an agent, which may add a token of its own."""
    address, named_by = _address(query, variables)
    is_unix = address.startswith(_UNIX)
    namespace, namespace_from = _either(query, "namespace", variables, "NAMESPACE")
    server_name, server_name_from = variables.find("TLS_SERVER_NAME")
    if not _SERVER_NAME.fullmatch(server_name):
        raise InvalidArgument(f"{server_name_from} {quote(server_name)}: a host name is needed")
    ca_pem, ca_from = _authorities(query, variables)
    proxies = _proxies(variables)
    connection = VaultConnection(
        address=address if is_unix else address.rstrip("/"),
        address_from=named_by,
        namespace=header_text(namespace, namespace_from),
        ca_pem=ca_pem,
        ca_from=ca_from,
        client_certificate=_client_certificate(variables),
        verify_tls=not variables.switch("SKIP_VERIFY"),
        server_name=server_name,
        proxies={} if is_unix else _for_requests(proxies, address),
        proxy_from=proxies.named_by,
        plain_http=is_true(_setting(variables.environ, PLAIN_HTTP), PLAIN_HTTP),
    )
    return connection, is_unix or named_by.endswith("AGENT_ADDR")


def _address(query: Mapping[str, str], variables: Variables) -> tuple[str, str]:
    address, named_by = query.get("address", ""), "?address="
    for name in ADDRESSES if not address else ():
        address, named_by = variables.find(name)
        if address:
            break
    if not address:
        raise InvalidArgument("Vault: no address", hint="set VAULT_ADDR, or write hashivault://NAME?address=URL")
    if address.startswith(_UNIX):
        if not 0 < len(os.fsencode(address)) - len(_UNIX) <= _SOCKET_BYTES:
            raise InvalidArgument(
                f"{named_by} {quote(address)}: unix:///PATH/OF/SOCKET is needed, of at most {_SOCKET_BYTES} bytes"
            )
        return address, named_by
    hint = f"write https://HOST:8200 in {named_by}"
    try:
        url = parse_url(address, named_by)
    except InvalidArgument as error:
        raise InvalidArgument(str(error), hint=error.hint or hint) from None
    if url.has_login:
        raise InvalidArgument(
            f"{named_by} {quote(redact(address))}: it has a user or a password, which Vault does not accept"
        )
    if url.target.rstrip("/").endswith(_NO_PREFIXES):
        raise InvalidArgument(
            f"{named_by} {quote(redact(address))}: its path is that of Vault's API or pages, no path is needed",
            hint=hint,
        )
    return address, named_by


def _either(query: Mapping[str, str], parameter: str, variables: Variables, name: str) -> tuple[str, str]:
    """The value in the URI or in the variable, and its source."""
    return (query[parameter], f"?{parameter}=") if query.get(parameter) else variables.find(name)


def _authorities(query: Mapping[str, str], variables: Variables) -> tuple[str, tuple[str, str]]:
    """The authorities to trust, in PEM, empty for the system's; and what named them. Go's client has this order too."""
    file, named_by = _either(query, "ca", variables, "CACERT")
    if file:
        return authorities_in(file, named_by, may_be_folder=named_by == "?ca="), (named_by, file)
    pem, named_by = variables.find("CACERT_BYTES", lines=True)
    if pem:
        return checked_authorities(pem.encode("utf-8", "replace"), named_by), (named_by, "its value")
    folder, named_by = variables.find("CAPATH")
    if folder:
        return authorities_in(folder, named_by, may_be_folder=True), (named_by, folder)
    return "", ("", "")


def _client_certificate(variables: Variables) -> tuple[str, str] | None:
    (certificate, certificate_from), (key, key_from) = variables.find("CLIENT_CERT"), variables.find("CLIENT_KEY")
    if not certificate and not key:
        return None
    if not certificate or not key:
        missing, given = (key_from, certificate_from) if certificate else (certificate_from, key_from)
        raise InvalidArgument(f"{missing} is not set, but {given} is", hint=f"set both, or unset {given}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    load_client_certificate(context, certificate, key, (certificate_from, key_from))
    return certificate, key


def _setting(environ: Mapping[str, str], variable: str) -> str:
    return cleaned(environ.get(variable, ""), variable)


def _proxies(variables: Variables) -> Proxies:
    """The proxies of the environment, or the one of Vault's own variables: as in Vault, NO_PROXY does not matter then.

    Spec: Vault's `api.Config.ReadEnvironment`.
    """
    for name in ("PROXY_ADDR", "HTTP_PROXY"):
        value, named_by = variables.find(name)
        if value:
            return Proxies({"http": value, "https": value}, named_by=named_by)
    return Proxies.from_environment(variables.environ)


def _for_requests(proxies: Proxies, address: str) -> dict[str, str]:
    # `requests` reads NO_PROXY only together with the rest of the environment, which our session ignores.
    proxy = proxies.for_url(address)
    return {address.partition(":")[0].lower(): proxy} if proxy else {}


def _login(variables: Variables, of_agent: bool) -> TokenLogin | MethodLogin:
    environ = variables.environ
    method = _setting(environ, "IMAGESIG_VAULT_AUTH").lower() or "token"
    if method == "token":
        token, named_by = _token(variables)
        return TokenLogin(token, named_by, again=lambda: _token(variables)[0], optional=of_agent)
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


def _token(variables: Variables) -> tuple[str, str]:
    """The token and its source; empty if there is none. cosign takes OpenBao's variable for Vault, too."""
    for found in (variables, Variables(variables.environ, ("BAO_",))):
        token, named_by = found.find("TOKEN")
        if token:
            return token, named_by
    path = home_folder(variables.environ) / ".vault-token"
    try:
        text = text_bounded(path, limits.SECRET_FILE_BYTES, "~/.vault-token:", explain=_token_missing)
    except SecretRequired:
        return "", "~/.vault-token"
    return cleaned(text, "~/.vault-token"), "~/.vault-token"


def _token_missing(reason: Unreadable, sentence: str) -> ImagesigError:
    if reason is Unreadable.MISSING:
        return SecretRequired("Vault: no token")
    return InvalidArgument(f"Vault token file ~/.vault-token: {sentence}", hint="remove it, or set VAULT_TOKEN")


def _needed(environ: Mapping[str, str], name: str) -> str:
    variable = f"IMAGESIG_VAULT_{name}"
    if not (value := _setting(environ, variable)):
        raise SecretRequired(f"Vault login: {variable} is not set", hint=f"set {variable}")
    return value


def _file(environ: Mapping[str, str], name: str, default: str = "") -> Callable[[], str]:
    """A function that reads the file for each login: projected tokens change."""
    path = Path(_setting(environ, f"IMAGESIG_VAULT_{name}") or default or _needed(environ, name))
    read = from_file(path, f"IMAGESIG_VAULT_{name}")
    return lambda: (read(SecretRequest(SecretKind.PASSPHRASE, str(path))) or "").strip()


def _mount(environ: Mapping[str, str], default: str) -> str:
    variable = "IMAGESIG_VAULT_AUTH_MOUNT"
    given = _setting(environ, variable).lstrip("/")
    # Vault's policies and its agent write auth/approle for the mount approle/.
    return checked_mount(given.removeprefix("auth/"), variable) if given else default
