"""The contexts of TLS, and the client's own certificate."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.external import external_call

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


def client_context(*ca_files: Path, cadata: str | None = None) -> ssl.SSLContext:
    """A context for a client that trusts the certificates in PEM files or in text; without any, those of the system.

    As in Go's clients, each of these certificates is an anchor, also one of an intermediate authority, and an authority
    needs no more than what RFC 5280 wants of every reader. Python 3.13 and later do the first by themselves, and refuse
    private authorities that leave out a key identifier. A host is one that the certificate has in subjectAltName: a
    common name is any text, such as a person's name.
    """
    # speed: a registry on this machine needs no TLS (benchmarks/test_cli.py)
    import ssl

    context = ssl.create_default_context(cafile=str(ca_files[0]) if ca_files else None, cadata=cadata)
    for file in ca_files[1:]:
        context.load_verify_locations(cafile=file)
    if not ca_files and cadata is None:
        _load_defaults(context)
    context.verify_flags = context.verify_flags & ~ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.hostname_checks_common_name = False
    return context


def _load_defaults(context: ssl.SSLContext) -> None:
    """Loads the system's authorities where a variable is empty: OpenSSL takes it for set, Go's clients do not."""
    import ssl

    paths = ssl.get_default_verify_paths()
    if os.environ.get("SSL_CERT_FILE") == "" and os.path.isfile(paths.openssl_cafile):  # noqa: PTH113 - speed
        context.load_verify_locations(cafile=paths.openssl_cafile)
    if os.environ.get("SSL_CERT_DIR") == "" and os.path.isdir(paths.openssl_capath):  # noqa: PTH112 - speed
        context.load_verify_locations(capath=paths.openssl_capath)


def load_client_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Makes a context present this certificate, with its private key; both files are PEM.

    Raises:
        InvalidArgument: they are not there, do not belong together, or the key is encrypted.
    """

    def explain(error: Exception) -> ImagesigError | None:
        if isinstance(error, OSError | ValueError):  # `ssl.SSLError` is an OSError
            return InvalidArgument(f"client certificate {certificate}: not a PEM certificate for the key in {key}")
        return None

    def no_passphrase() -> str:
        # Without this function OpenSSL asks the terminal.
        raise InvalidArgument(f"client certificate {certificate}: its key {key} is encrypted, which is not supported")

    with external_call("client certificate", explain):
        context.load_cert_chain(certificate, key, no_passphrase)
