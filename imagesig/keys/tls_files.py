"""Reads TLS files before a library does, so that errors name the variable with the file's path."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator

from imagesig import limits
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.external import external_call
from imagesig.reading import is_folder, read_bounded

_FILES = 2_000
"""The most files that are read in a folder of authorities."""


def authorities_in(path: str, variable: str, *, may_be_folder: bool) -> str:
    """The certificates in a PEM file, or in all PEM files below a folder; other files of a folder are skipped.

    Raises:
        InvalidArgument: it has no certificate, or is something else.
    """
    if may_be_folder and is_folder(path):
        return _in_folder(path, variable)
    return checked_authorities(read_bounded(path, limits.CERTIFICATE_FILE_BYTES, variable), variable)


def checked_authorities(data: bytes, variable: str) -> str:
    """The same text. Raises `InvalidArgument` unless it has certificates in PEM."""
    text = data.decode("ascii", "ignore")
    with external_call(variable, lambda error: _no_certificate(variable, error)):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    return text


def _in_folder(path: str, variable: str) -> str:
    found = []
    for file in _files_below(path):
        try:
            found.append(checked_authorities(read_bounded(file, limits.CERTIFICATE_FILE_BYTES, variable), variable))
        except ImagesigError:
            continue  # a README, a private key, a file of another form
    if not found:
        raise InvalidArgument(f"{variable} {path}: no file in this folder is a PEM file with certificates")
    return "\n".join(found)


def _files_below(path: str) -> Iterator[str]:
    count = 0
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > _FILES:
                return
            yield os.path.join(folder, name)  # noqa: PTH118 - `os.walk` gives text


def load_client_certificate(
    context: ssl.SSLContext, certificate: str, key: str, variables: tuple[str, str] = ("client certificate", "its key")
) -> None:
    """Loads a client certificate and its private key, both PEM. `variables` name the two files in errors.

    Raises:
        InvalidArgument: these are other files, or the key is encrypted.
    """
    for path, variable in zip((certificate, key), variables, strict=True):
        read_bounded(path, limits.CERTIFICATE_FILE_BYTES, variable)

    def no_passphrase() -> str:
        raise InvalidArgument(
            f"{variables[1]}: the key is encrypted", hint="decrypt a copy: openssl pkey -in FILE -out FILE.pem"
        )

    def explain(error: Exception) -> ImagesigError | None:
        if isinstance(error, OSError | ValueError):
            return InvalidArgument(f"{variables[0]}: not a PEM certificate for the private key in {variables[1]}")
        return None

    with external_call(variables[0], explain):
        # Without this function OpenSSL asks the terminal for the passphrase of an encrypted key.
        context.load_cert_chain(certificate, key, no_passphrase)


def _no_certificate(variable: str, error: Exception) -> ImagesigError | None:
    if isinstance(error, OSError | ValueError):  # `ssl.SSLError` is an OSError
        return InvalidArgument(f"{variable}: not a PEM file with certificates")
    return None
