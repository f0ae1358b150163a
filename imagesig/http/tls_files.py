"""The contexts of TLS, and the client's own certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.external import external_call

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


def client_context(*, cafile: str | None = None, cadata: str | None = None) -> ssl.SSLContext:
    """A context for a client that trusts these certificates; without any, those of the system.

    As in Go's clients, each certificate of a file is an anchor, also one of an intermediate authority, and in every
    version of Python an authority needs no more than what RFC 5280 wants of every reader: 3.13 and later refuse
    private authorities that leave out a key identifier.
    """
    # speed: a registry on this machine needs no TLS (benchmarks/test_cli.py)
    import ssl

    context = ssl.create_default_context(cafile=cafile, cadata=cadata)
    flags = context.verify_flags & ~ssl.VERIFY_X509_STRICT
    named = cafile is not None or cadata is not None
    context.verify_flags = flags | ssl.VERIFY_X509_PARTIAL_CHAIN if named else flags
    return context


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
