"""The files of certificate authorities that a client trusts, and whether a server's certificate was refused."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagesig.errors import InvalidArgument
from imagesig.external import external_call

if TYPE_CHECKING:
    import ssl


class TlsContext:
    """The context of TLS for a client, made on first use from files of authorities and our certificate. Thread-safe.

    A context that is given is used as it is.
    """

    def __init__(
        self, ca_files: Sequence[Path], client_certificate: tuple[Path, Path] | None, given: ssl.SSLContext | None
    ) -> None:
        self._ca_files = ca_files
        self._client_certificate = client_certificate
        self._given = given
        self._made: ssl.SSLContext | None = None
        self._state: object = None
        self._lock = threading.Lock()

    def get(self) -> ssl.SSLContext:
        """Raises `InvalidArgument` for a file without certificate authorities, or without a certificate and its key."""
        # speed: a registry on this machine needs no TLS (benchmarks/test_cli.py)
        from imagesig.http.tls_files import client_context
        from imagesig.http.tls_socket import TlsSocket

        if self._given is not None:
            self._given.sslsocket_class = TlsSocket
            return self._given
        with self._lock:
            if self._made is None:
                self._state = _state_of_authorities(self._ca_files)
                check_authorities(*self._ca_files)
                context = client_context(*self._ca_files)
                context.set_alpn_protocols(["http/1.1"])
                context.sslsocket_class = TlsSocket
                if self._client_certificate is not None:
                    from imagesig.http.tls_files import load_client_certificate

                    load_client_certificate(context, *self._client_certificate)
                self._made = context
            return self._made

    def forget_changed(self) -> bool:
        """Whether the files of authorities changed since they were read; the next connection reads them again."""
        with self._lock:
            changed = self._made is not None and self._state != _state_of_authorities(self._ca_files)
            if changed:
                self._made = None
            return changed


def check_authorities(*files: Path) -> None:
    """Raises `InvalidArgument` unless these are PEM files with certificates."""
    for file in files:
        _check_authority(file)


def _check_authority(file: Path) -> None:
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


def _state_of_authorities(ca_files: Sequence[Path]) -> object:
    """A value that changes when a file of authorities does, or the system's file or folder if there are no files."""
    if ca_files:
        return tuple(_state(str(file)) for file in ca_files)
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
