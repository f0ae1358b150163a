"""The client's own certificate for TLS."""

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
