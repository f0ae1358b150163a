"""TLS to Vault: the context of a connection, and what to do about a failure."""

from __future__ import annotations

import ssl

from imagesig.http.tls_files import client_context
from imagesig.keys.tls_faults import TlsHints
from imagesig.keys.tls_files import authorities_in, checked_authorities, load_client_certificate
from imagesig.keys.vault.connection import VaultConnection

HINTS = TlsHints(
    authority="name the authority of Vault's certificate: VAULT_CACERT=FILE, or ?ca=FILE",
    host="correct VAULT_ADDR, or set VAULT_TLS_SERVER_NAME",
    client="set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY to a certificate that Vault's authority issued",
    plain="the port speaks HTTP without TLS: correct the port, or use http:// in VAULT_ADDR",
)


def tls_context(connection: VaultConnection) -> ssl.SSLContext:
    """The context for this connection. Raises `InvalidArgument` for unusable files."""
    context = client_context(cadata=_authorities(connection) or None)
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
