"""Files of TLS settings, looked at before a library reads them: each failure names the variable that named the file."""

from __future__ import annotations

from imagesig import limits
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.external import external_call
from imagesig.reading import is_folder, read_bounded


def check_authorities(path: str, variable: str, *, may_be_folder: bool) -> None:
    """Raises `InvalidArgument` unless this is a PEM file with certificates or, where it may be, a folder."""
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

        # Without a function of ours OpenSSL asks the terminal for the passphrase of an encrypted key.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, _no_passphrase)


def _no_passphrase() -> str:
    raise InvalidArgument(
        "VAULT_CLIENT_KEY: the key is encrypted", hint="decrypt a copy: openssl pkey -in FILE -out FILE.pem"
    )


def _no_certificate(variable: str, error: Exception) -> ImagesigError | None:
    if isinstance(error, OSError | ValueError):  # `ssl.SSLError` is an OSError
        return InvalidArgument(f"{variable}: the file holds no certificate in PEM form")
    return None


def _no_client_certificate(error: Exception) -> ImagesigError | None:
    if isinstance(error, OSError | ValueError):
        return InvalidArgument(
            "VAULT_CLIENT_CERT: with VAULT_CLIENT_KEY no client certificate and its private key in PEM form"
        )
    return None
