"""The files of TLS: the authorities to trust, and the client's own certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.external import external_call

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


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


def check_authorities(file: Path) -> None:
    """Raises `InvalidArgument` unless the file has certificates in PEM."""
    import ssl

    def explain(error: Exception) -> InvalidArgument | None:
        if isinstance(error, ssl.SSLError):
            return InvalidArgument(f"certificate authorities: {file} has no certificate in PEM form")
        if isinstance(error, FileNotFoundError):
            return InvalidArgument(f"certificate authorities: there is no file {file}")
        if isinstance(error, OSError | ValueError):
            reason = getattr(error, "strerror", None) or "not a file name"
            return InvalidArgument(f"certificate authorities: {file} cannot be read ({reason})")
        return None

    with external_call("certificate authorities", explain):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
