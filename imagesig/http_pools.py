"""Where requests go: origins, proxies, and pools of connections that keep to deadlines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from msgspec import field

from imagesig.discreet import Discreet
from imagesig.errors import InvalidArgument, UnexpectedResponse
from imagesig.text import quote

if TYPE_CHECKING:
    from urllib3 import PoolManager

_CONNECTIONS = 16


def redact(url: str) -> str:
    """The URL without user information, query and fragment: what may be shown."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


@lru_cache(maxsize=1024)
def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: credentials never leave the origin that they were given for."""
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        raise UnexpectedResponse(f"URL {quote(redact(url))}: its port is no number from 0 to 65535") from None
    return parts.scheme, (parts.hostname or "").lower(), port


class Proxies(Discreet, frozen=True):
    """Proxy URLs by scheme of the target, and the hosts that are reached without one, as in NO_PROXY."""

    hidden = ("urls",)

    urls: Mapping[str, str] = field(default_factory=dict)
    bypass: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Proxies:
        """Those that `http_proxy`, `https_proxy` and `no_proxy` name, in lower or upper case."""
        urls = {
            scheme: environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY") or ""
            for scheme in ("http", "https")
        }
        return cls(urls, environ.get("no_proxy") or environ.get("NO_PROXY") or "")

    def for_url(self, url: str) -> str:
        """The proxy for this URL, empty for none."""
        scheme, host, _ = origin(url)
        proxy = self.urls.get(scheme, "")
        if not proxy:
            return ""
        if "://" not in proxy:
            proxy = f"http://{proxy}"
        from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

        return "" if proxy_bypass_environment(host, {"no": self.bypass}) else proxy


class Pools:
    """A pool of connections for each proxy. `read_seconds` is how long one read may take now."""

    def __init__(self, ca_file: Path | None, read_seconds: Callable[[], float]) -> None:
        self._ca_file = ca_file
        self._read_seconds = read_seconds
        self._pools: dict[str, PoolManager] = {}

    def pool(self, proxy: str) -> PoolManager:
        """The pool of connections through this proxy."""
        if proxy not in self._pools:
            self._pools[proxy] = self._new_pool(proxy)
        return self._pools[proxy]

    def clear(self) -> None:
        """Closes idle connections."""
        for pool in self._pools.values():
            pool.clear()

    def _new_pool(self, proxy: str) -> PoolManager:
        import urllib3

        from imagesig.http_connection import timely

        settings: dict[str, Any] = {"maxsize": _CONNECTIONS, "ca_certs": str(self._ca_file) if self._ca_file else None}
        parts = urlsplit(proxy)
        _check_proxy(proxy, parts)
        host = parts.netloc.rpartition("@")[2]
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        headers = urllib3.make_headers(proxy_basic_auth=secret) if secret else None
        through = urllib3.ProxyManager(f"{parts.scheme}://{host}", _CONNECTIONS, proxy_headers=headers, **settings)
        return timely(through, self._read_seconds)


def check_authorities(file: Path) -> None:
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except ssl.SSLError:
        raise InvalidArgument(f"certificate authorities: {file} holds no certificate in PEM form") from None
    except FileNotFoundError:
        raise InvalidArgument(f"certificate authorities: there is no file {file}") from None
    except OSError as error:
        raise InvalidArgument(f"certificate authorities: {file} cannot be read ({error.strerror})") from None


def _check_proxy(proxy: str, parts: SplitResult) -> None:
    try:
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise InvalidArgument(
            f"proxy {quote(redact(proxy))}: http://HOST:PORT or https://HOST:PORT is needed",
            hint="look at the environment variables HTTP_PROXY and HTTPS_PROXY",
        )
