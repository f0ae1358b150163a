"""How a Vault is reached: an hvac client whose session is ours.

hvac itself has no retries, sends the token along with redirects, reads TLS settings from the environment, and reads
answers of any size. With our session it retries, follows no redirect, ignores the environment, and limits the size and
time of each answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import field

from imagesig import limits
from imagesig.arguments import check_fields
from imagesig.errors import InvalidArgument, MissingExtra
from imagesig.external import external_call
from imagesig.patterns import regex
from imagesig.redacted import RedactedStruct
from imagesig.text import quote
from imagesig.url import parse_url, redact

if TYPE_CHECKING:
    import hvac

_UNIX = "unix://"
_MOUNT = regex(r"[\w.-]+(?:/[\w.-]+)*", re.ASCII)
_SERVER_NAME = regex(r"[A-Za-z0-9_.:-]+")


class VaultConnection(RedactedStruct, frozen=True):
    """Address and TLS settings of a Vault. Plain HTTP is allowed for loopback, and elsewhere with `plain_http`.

    `address` is a URL, or `unix://PATH` for the socket of an agent. `ca` is a PEM file or a folder of PEM files,
    `ca_pem` has certificates itself; with neither, the system's authorities are trusted. Without `verify_tls` every
    certificate is accepted. `client_certificate` are the files of the certificate and its key. `ca_from` is what
    named `ca_pem`, and the file, for people; `address_from` is what named the address. `proxy_from` is Vault's own
    variable that named the proxy, if one did.
    """

    hidden = ("proxies",)

    address: str
    address_from: str = "VAULT_ADDR"
    namespace: str = ""
    ca: Path | None = None
    ca_pem: str = ""
    ca_from: tuple[str, str] = ("", "")
    client_certificate: tuple[str, str] | None = None
    verify_tls: bool = True
    server_name: str = ""
    proxies: Mapping[str, str] = field(default_factory=dict)
    proxy_from: str = ""
    plain_http: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.unix_socket:
            self._check_url()
        header_text(self.namespace, "Vault namespace")
        if self.server_name and not _SERVER_NAME.fullmatch(self.server_name):
            raise InvalidArgument(f"Vault TLS server name {quote(self.server_name)}: a host name is needed")

    @property
    def unix_socket(self) -> str:
        """The path of the socket; empty for a URL."""
        return self.address.removeprefix(_UNIX) if self.address.startswith(_UNIX) else ""

    def _check_url(self) -> None:
        url = parse_url(self.address, "Vault address")
        if url.has_login or "?" in self.address or "#" in self.address:
            raise InvalidArgument(f"Vault address {quote(redact(self.address))}: http(s)://HOST[:PORT] is needed")
        if url.scheme == "http" and not url.is_loopback and not self.plain_http:
            raise InvalidArgument(
                f"Vault address {quote(self.address)}: the token would travel unencrypted",
                hint="use https://, or set IMAGESIG_VAULT_PLAIN_HTTP=1",
            )


def checked_mount(path: str, what: str) -> str:
    """The path of a mount, as Vault's commands print it or without its slash. Raises `InvalidArgument` for others."""
    mount = path.strip("/")  # `vault secrets list` prints transit/
    if not _MOUNT.fullmatch(mount):
        raise InvalidArgument(
            f"{what} {quote(path)}: a path such as transit or team/transit is needed",
            hint="copy it from `vault secrets list` or `vault auth list`",
        )
    return mount


def header_text(value: str, what: str) -> str:
    """The value, if an HTTP header can have it. Raises `InvalidArgument` for other values, without showing them."""
    if not all("!" <= character <= "~" for character in value):
        raise InvalidArgument(
            f"{what}: it has a line break, a blank or another character that HTTP headers cannot have",
            hint="copy it again, without blanks and line breaks",
        )
    return value


def connect(connection: VaultConnection) -> hvac.Client:
    """An hvac client with our session, without a token. It contacts nothing.

    Raises:
        MissingExtra: hvac is not installed.
        InvalidArgument: a TLS file is unusable.
    """
    with external_call(
        "hvac", lambda error: MissingExtra("Vault", "vault") if isinstance(error, ImportError) else None
    ):
        import hvac

        from imagesig.keys.vault import transport
        from imagesig.keys.vault.tls import tls_context

        session = transport.session(
            f"Vault {connection.address}", tls_context(connection), connection.server_name, connection.unix_socket
        )
        session.proxies = dict(connection.proxies)
        return hvac.Client(
            url="http://localhost" if connection.unix_socket else connection.address,
            token="",
            namespace=connection.namespace or None,
            timeout=int(limits.READ_SECONDS),
            allow_redirects=False,
            session=session,
            # None would make hvac read VAULT_CLIENT_CERT. The session's TLS context has the certificate.
            cert=(),  # type: ignore[arg-type]
            verify=True,
        )
