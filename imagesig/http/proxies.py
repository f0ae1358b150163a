"""Which proxy a request goes through, by the rules of Go's golang.org/x/net/http/httpproxy, which the other tools use.

Unlike Go, imagesig refuses a setting that cannot be read instead of using no proxy. Loopback addresses are always
reached directly, also in upper case or with a trailing dot.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from msgspec import Struct, field

from imagesig.errors import InvalidArgument
from imagesig.patterns import regex
from imagesig.redacted import RedactedStruct
from imagesig.text import quote
from imagesig.url import Url, is_loopback, parse_url

_SCHEMES = ("http", "https")
_BLANKS = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
"""The characters that Go's `strings.TrimSpace` removes."""
_LOGIN = regex(r"(?:[A-Za-z0-9._:~!$&'()*+,;=@-]|%[0-9A-Fa-f]{2})*")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxy(RedactedStruct, frozen=True):
    """One proxy. `url` is its address without a login, `login` is user and password as written."""

    hidden = ("login",)

    url: Url
    login: str = ""

    @property
    def authorization(self) -> str:
        """The value of `Proxy-Authorization`, empty without a login."""
        if not self.login:
            return ""
        user, _, password = self.login.partition(":")
        secret = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
        return "Basic " + base64.b64encode(secret).decode("ascii")

    def __str__(self) -> str:
        return f"{self.url.scheme}://{self.url.netloc}"


class ProxyDecision(RedactedStruct, frozen=True):
    """The proxy for a URL, None if it is reached directly, and the reason, for people. Nothing in it is secret."""

    hidden = ("proxy",)

    proxy: Proxy | None
    reason: str


class Proxies(RedactedStruct, frozen=True):
    """Proxy URLs by the target's scheme, and the hosts that are reached directly, as in `NO_PROXY`.

    `cgi` says that this process answers a web request: `HTTP_PROXY` may then be the client's `Proxy` header.
    `lower` are the settings that come from variables in lower case: schemes, and `no`. `named_by` is another variable
    that names the proxies, such as `VAULT_PROXY_ADDR`.
    """

    hidden = ("urls",)

    urls: Mapping[str, str] = field(default_factory=dict)
    bypass: str = ""
    cgi: bool = False
    lower: frozenset[str] = frozenset()
    named_by: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Proxies:
        """The settings in `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`; lower case names are the fallback.

        `ALL_PROXY` is not read, as in Go.
        """
        found = {
            name: environ.get(f"{name.upper()}_PROXY") or environ.get(f"{name}_proxy") or ""
            for name in (*_SCHEMES, "no")
        }
        lower = frozenset(name for name, value in found.items() if value and not environ.get(f"{name.upper()}_PROXY"))
        urls = {scheme: found[scheme] for scheme in _SCHEMES if found[scheme]}
        return cls(urls, found["no"], bool(environ.get("REQUEST_METHOD")), lower)

    def find(self, target: Url) -> Proxy | None:
        """The proxy for this URL; None if it is reached directly. Raises as `decide` does."""
        # speed: most processes have no proxy, and no use for a reason
        return self.decide(target).proxy if self.urls.get(target.scheme) else None

    def decide(self, target: Url) -> ProxyDecision:
        """The proxy for this URL, and why.

        Raises:
            InvalidArgument: the setting cannot be read. The error does not show it.
        """
        variable, text = self._variable(target.scheme), self.urls.get(target.scheme)
        if not text:
            return ProxyDecision(None, f"{variable} is not set")
        if is_loopback(target.host):
            return ProxyDecision(None, f"{target.host} is this machine, which is always reached directly")
        if self.cgi and target.scheme == "http":
            raise InvalidArgument(
                "the proxy in HTTP_PROXY: not used, for REQUEST_METHOD is set and HTTP_PROXY may be a client's header",
                hint="unset REQUEST_METHOD or HTTP_PROXY",
            )
        entry = _listed(self.bypass).entry_for(target.host, str(target.port))
        if entry:
            return ProxyDecision(None, f"{quote(entry)} in {self._variable('no')} names {target.host}:{target.port}")
        why = f"{variable} is set" + ("" if self.named_by else ", and no entry of NO_PROXY names the host")
        return ProxyDecision(_parsed(text, variable), why)

    def for_url(self, url: str) -> str:
        """The proxy's URL for this URL, with its login, for other clients; empty for none. Raises as `find` does."""
        proxy = self.find(parse_url(url)) if any(self.urls.values()) else None
        if proxy is None:
            return ""
        login = proxy.login.replace("@", "%40")
        return f"{proxy.url.scheme}://{login}{'@' if login else ''}{proxy.url.netloc}"

    def _variable(self, name: str) -> str:
        return self.named_by or self._usual_variable(name)

    def _usual_variable(self, name: str) -> str:
        return f"{name}_proxy" if name in self.lower else f"{name.upper()}_PROXY"


def _parsed(text: str, variable: str) -> Proxy:
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "http", text
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    login, _, place = authority.rpartition("@")
    try:
        # An @ after the host means a password with a character that ends the host for every parser.
        if "@" in rest[len(authority) :] or not _LOGIN.fullmatch(login):
            raise InvalidArgument("its login")
        return Proxy(parse_url(f"{scheme}://{place}", "proxy"), login)
    except InvalidArgument:
        # The value is in no message and no cause: any part of it may be a password.
        raise InvalidArgument(
            f"the proxy in {variable}: http://[USER:PASSWORD@]HOST[:PORT], or https://, is needed",
            hint=f"in {variable}, write / ? # and @ of a password as %2F %3F %23 and %40",
        ) from None


class _Direct(Struct, frozen=True):
    """The entries of `NO_PROXY`, each with its text. `names` start with a dot and match hosts that end with them."""

    everything: str = ""
    networks: tuple[tuple[_Network, str], ...] = ()
    addresses: tuple[tuple[_Address, str, str], ...] = ()
    names: tuple[tuple[str, str, bool, str], ...] = ()

    def entry_for(self, host: str, port: str) -> str:
        """The entry that names this host and port; empty if there is none."""
        if self.everything:
            return self.everything
        address = _address(host)
        if address is not None:
            blocks = (text for net, text in self.networks if address.version == net.version and address in net)
            listed = (text for one, wanted, text in self.addresses if address == one and wanted in ("", port))
            return next(blocks, "") or next(listed, "")
        matching = (
            text
            for name, wanted, itself, text in self.names
            if wanted in ("", port) and (host.endswith(name) or (itself and host == name[1:]))
        )
        return next(matching, "")


def unused_entries(bypass: str) -> tuple[str, ...]:
    """The entries of `NO_PROXY` that can name no host: URLs, paths and entries that are separated by blanks."""
    entries = (entry.strip(_BLANKS) for entry in bypass.split(","))
    return tuple(
        entry
        for entry in entries
        if ("/" in entry and _network(entry) is None) or any(char in _BLANKS for char in entry)
    )


@lru_cache(maxsize=64)
def _listed(bypass: str) -> _Direct:
    networks: list[tuple[_Network, str]] = []
    addresses: list[tuple[_Address, str, str]] = []
    names: list[tuple[str, str, bool, str]] = []
    for entry in bypass.split(","):
        text = entry.strip(_BLANKS).lower()
        if text == "*":
            return _Direct(everything=text)
        network = _network(text)
        if network is not None:
            networks.append((network, text))
            continue
        host, port = _split_port(text)
        address = _address(host)
        if address is not None:
            addresses.append((address, port, text))
        elif host:
            name = host.removeprefix("*") if host.startswith("*.") else host
            itself = not name.startswith(".")
            names.append((_in_ascii(f".{name}" if itself else name), port, itself, text))
    return _Direct("", tuple(networks), tuple(addresses), tuple(names))


def _split_port(text: str) -> tuple[str, str]:
    """Host and port as Go's `net.SplitHostPort` splits them; without a port, the whole text is the host."""
    match = re.fullmatch(r"(?:\[([^\[\]]*)\]|([^:\[\]]*)):([^:\[\]]*)", text, re.DOTALL)
    return (match[1] or match[2] or "", match[3]) if match else (text, "")


def _address(text: str) -> _Address | None:
    if "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str) -> _Network | None:
    written, slash, length = text.partition("/")
    if not slash or "%" in written or not re.fullmatch(r"[0-9]{1,20}", length):
        return None
    try:
        address, bits = ipaddress.ip_address(written), int(length)
        mapped = getattr(address, "ipv4_mapped", None)
        if mapped is not None and bits >= 96:
            address, bits = mapped, bits - 96
        return ipaddress.ip_network((address, bits), strict=False)
    except ValueError:
        return None


def _in_ascii(name: str) -> str:
    if name.isascii():
        return name
    try:
        return "." + name.removeprefix(".").encode("idna").decode("ascii")
    except UnicodeError:
        return name
