"""The server that a provider asks over HTTP, as `imagesig doctor` looks at it."""

from __future__ import annotations

import ssl
from typing import Protocol, runtime_checkable

from imagesig.http.proxies import Proxies
from imagesig.redacted import RedactedStruct


class Endpoint(RedactedStruct, frozen=True):
    """One server. `url` is asked without a login. Nothing in it is secret.

    `name` is that of the service. `context` is the TLS context of its connections; `authorities` are what names the
    certificate authorities in it, and their file. `server_name` is the name to look for in
    the certificate, if it is not the host. `proxies` are None for those of the environment.
    """

    hidden = ("context", "proxies")

    name: str
    url: str
    context: ssl.SSLContext | None
    authorities: tuple[str, str] = ("", "")
    server_name: str = ""
    proxies: Proxies | None = None


@runtime_checkable
class HasEndpoint(Protocol):
    """Optional: providers that ask a server over HTTP."""

    def endpoint(self) -> Endpoint | None:
        """The server; None if it is reached in another way, such as a socket.

        Raises:
            KeyProviderError: the settings are not usable.
        """
        ...
