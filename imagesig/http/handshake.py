"""One TLS handshake, for people who look for its fault: what the server sends, and why it is not trusted."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from imagesig.errors import ImagesigError, Unreachable
from imagesig.http.authorities import check_authorities
from imagesig.http.connect import Connector, connect_seconds
from imagesig.http.dates import date_of
from imagesig.http.direct import Direct
from imagesig.http.faults import What
from imagesig.http.proxies import Proxy
from imagesig.http.reach import ANYWHERE
from imagesig.http.tls_files import client_context
from imagesig.redacted import RedactedStruct
from imagesig.url import Url

if TYPE_CHECKING:
    from imagesig.http.connect import Line


class Authorities(RedactedStruct, frozen=True):
    """The certificate authorities that a connection trusts: what names them, and their file or folder.

    `context` is the TLS context that trusts them, None for one that reads them from OpenSSL's usual places.
    """

    hidden = ("context",)

    named_by: str
    place: str
    context: ssl.SSLContext | None = None

    @classmethod
    def of(cls, file: Path | None, environ: Mapping[str, str]) -> Authorities:
        """The authorities in a file of the user, else in those that OpenSSL's variables name, else the system's."""
        if file is not None:
            return cls("--registry-ca", str(file), client_context(file))
        for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            if environ.get(variable):
                return cls(variable, environ[variable])
        paths = ssl.get_default_verify_paths()
        return cls("the system", paths.cafile or paths.capath or paths.openssl_cafile)

    @property
    def problem(self) -> str:
        """Why there is no authority in the file or folder; empty if there is one. OpenSSL says nothing about that."""
        if self.context is not None:
            return ""
        if not os.path.exists(self.place):  # noqa: PTH110 - False for what is no path at all
            return "does not exist"
        if os.path.isfile(self.place):  # noqa: PTH113 - the same
            try:
                check_authorities(Path(self.place))
            except ImagesigError:
                return "has no certificate in PEM form"
        return ""

    @property
    def is_anybody(self) -> bool:
        """Whether every certificate is accepted."""
        return self.context is not None and self.context.verify_mode is ssl.CERT_NONE


class Handshake(Struct, frozen=True):
    """The version of TLS, the certificates in DER as the server sent them, and why they are not trusted, or None."""

    version: str
    certificates: tuple[bytes, ...]
    fault: ImagesigError | None = None


def handshake(url: Url, proxy: Proxy | None, authorities: Authorities) -> Handshake:
    """The result of a handshake with the server of this URL. Nothing else is sent.

    Raises:
        Unreachable: there is no connection, or no TLS at all.
    """
    what = What("TLS with", url, proxy)
    try:
        return _seen(url, proxy, what, authorities.context or client_context())
    except Unreachable as error:
        if not isinstance(error.__cause__, ssl.SSLCertVerificationError):
            raise
        seen = _seen(url, proxy, what, any_certificate())
        return Handshake(seen.version, seen.certificates, error.without_frames())


def any_certificate() -> ssl.SSLContext:
    """A context that accepts every certificate: what it reads is proven by nothing."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def server_time(url: Url, proxy: Proxy | None, context: ssl.SSLContext | None) -> datetime | None:
    """The time in the server's answer to one request without a login; None if it sends none. Raises as `handshake`."""
    what = What("GET", url, proxy)
    with what.guarded():
        answer = Direct((), 1, connect_seconds, context=context).open("GET", url, {}, None, proxy, ANYWHERE)
        answer.close()
        return date_of(answer.headers.get("date", ""))


def _seen(url: Url, proxy: Proxy | None, what: What, context: ssl.SSLContext) -> Handshake:
    with what.guarded(), _connected(Connector((), connect_seconds, context=context), url, proxy) as line:
        tls = getattr(line, "_sslobj", None) or getattr(getattr(line, "_tls", None), "_sslobj", None)
        # Public since Python 3.13; before, a method of the object inside.
        chain = tls.get_unverified_chain() if tls is not None else ()
        return Handshake(str(tls.version()) if tls else "", tuple(_der(item) for item in chain or ()))


@contextmanager
def _connected(connector: Connector, url: Url, proxy: Proxy | None) -> Iterator[Line]:
    line = connector.connect(url, proxy, ANYWHERE)
    try:
        yield line
    finally:
        with suppress(OSError):
            line.close()


def _der(certificate: object) -> bytes:
    if isinstance(certificate, bytes):
        return certificate
    # The encoding's constant is in the private module; PEM is the default.
    return ssl.PEM_cert_to_DER_cert(certificate.public_bytes())  # type: ignore[attr-defined]
