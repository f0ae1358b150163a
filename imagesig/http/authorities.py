"""The files of certificate authorities that a client trusts, and whether a server's certificate was refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from imagesig.errors import InvalidArgument
from imagesig.external import external_call


def check_authorities(file: Path) -> None:
    """Raises `InvalidArgument` unless this is a PEM file with certificates."""
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


def state_of_authorities(ca_file: str | None) -> object:
    """A value that changes when the file of authorities does, or the system's file or folder if `ca_file` is None."""
    if ca_file is not None:
        return _state(ca_file)
    import ssl

    system = ssl.get_default_verify_paths()
    return tuple(_state(path) for path in (system.cafile, system.capath) if path)


def _state(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)  # noqa: PTH116 - as OpenSSL opens it
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size


def is_untrusted(error: Exception) -> bool:
    """Whether this error says that the certificate of a server is not trusted."""
    ssl = sys.modules.get("ssl")  # loaded for HTTPS only
    return ssl is not None and isinstance(error, ssl.SSLCertVerificationError | ssl.CertificateError)
