"""Checks of TLS files before a library reads them, so that errors name the variable with the file's path."""

from __future__ import annotations

from imagesig import limits
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.external import external_call
from imagesig.reading import is_folder, read_bounded


def check_authorities(path: str, variable: str, *, may_be_folder: bool) -> None:
    """Raises `InvalidArgument` unless this is a PEM file with certificates or, with `may_be_folder`, a folder."""
    if may_be_folder and is_folder(path):
        return
    data = read_bounded(path, limits.CERTIFICATE_FILE_BYTES, variable)
    with external_call(variable, lambda error: _no_certificate(variable, error)):
        import ssl

        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=data.decode("ascii", "ignore"))


def check_client_certificate(certificate: str, key: str) -> None:
    """Raises `InvalidArgument` unless these are a client certificate and its private key, both PEM."""
    for path, variable in ((certificate, "VAULT_CLIENT_CERT"), (key, "VAULT_CLIENT_KEY")):
        read_bounded(path, limits.CERTIFICATE_FILE_BYTES, variable)
    with external_call("VAULT_CLIENT_CERT", _no_client_certificate):
        import ssl

        # Without this function OpenSSL asks the terminal for the passphrase of an encrypted key.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, _no_passphrase)


def _no_passphrase() -> str:
    raise InvalidArgument(
        "VAULT_CLIENT_KEY: the key is encrypted", hint="decrypt a copy: openssl pkey -in FILE -out FILE.pem"
    )


def _no_certificate(variable: str, error: Exception) -> ImagesigError | None:
    if isinstance(error, OSError | ValueError):  # `ssl.SSLError` is an OSError
        return InvalidArgument(f"{variable}: not a PEM file with certificates")
    return None


def _no_client_certificate(error: Exception) -> ImagesigError | None:
    if isinstance(error, OSError | ValueError):
        return InvalidArgument("VAULT_CLIENT_CERT: not a PEM certificate for the private key in VAULT_CLIENT_KEY")
    return None
