"""Which addresses a request may go to. It depends on who named the URL, and is decided by the address itself.

The author of a URL chooses which machine of our network we call. The user may name any machine. A registry, or content
stored in it, may name global addresses, and internal ones only if the registry is internal too. A link-local address,
where clouds keep the credentials of virtual machines, is only contacted as the registry that the user named.
"""

from __future__ import annotations

import ipaddress
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from imagesig.url import Origin, Url, is_loopback

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.100.100.200/32",  # Alibaba Cloud
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle Cloud
        "fd00:c1::a9fe:a9fe/128",  # Oracle Cloud
        "fd00:ec2::/32",  # AWS
        "fd20:ce::254/128",  # Google Cloud
        "fd00:42::42/128",  # Scaleway
    )
)
"""Metadata services of clouds outside of the link-local networks."""
_EMBEDDING = tuple(ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "::/96"))
"""IPv6 networks whose last 32 bits are an IPv4 address: NAT64 (RFC 6052), IPv4-compatible (RFC 4291)."""
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")
"""Private networks before RFC 4193. Python calls them global."""
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
"""A network's own NAT64 (RFC 8215)."""


_NAMES_OF_LINK = frozenset(
    {"metadata", "metadata.goog", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}
)
"""Names of metadata services."""
_NAMES_OF_LOOPBACK = frozenset({"ip6-localhost", "ip6-loopback", "localhost4", "localhost6"})
"""Names of loopback on some systems, besides `localhost`."""


class Network(Enum):
    """From where an address can be reached. The value is shown to people."""

    LOOPBACK = "an address inside a network (this machine's own)"
    LINK_LOCAL = "an address of this machine's own link"
    INTERNAL = "an address inside a network"
    GLOBAL = "an address that everybody can reach"


class Reach(Struct, frozen=True):
    """Where a request may go. `like` is the registry that named the URL: addresses must be as public as its own.

    `link_local` allows link-local addresses; `loopback_only` allows only this machine. `has_login` says that the
    request has a password or a token: over plain HTTP it goes to this machine only.
    """

    like: Origin | None = None
    link_local: bool = False
    loopback_only: bool = False
    has_login: bool = False

    def of_named(self, server: Origin, url: Url) -> Reach:
        """The reach of a URL that this server, or content stored in it, names; this reach is the server's own.

        It is the one rule for redirects, token servers, places of uploads and next pages; `served_url` reads them.
        """
        return Reach(like=self.like or server, loopback_only=self.loopback_only and url.scheme == "http")

    def with_login(self, url: Url) -> Reach:
        """The reach of the same request with a login. For HTTPS and for this machine it is the same one."""
        return self if url.scheme == "https" or url.is_loopback else replace(self, has_login=True)

    def refuses(self, network: Network, home: Network) -> bool:
        """Whether an address is out of reach. `home` is the network of the registry `like`."""
        if self.loopback_only:
            return network is not Network.LOOPBACK
        if network is Network.GLOBAL:
            return False
        if network is Network.LINK_LOCAL:
            return not (self.link_local or (self.like is not None and home is Network.LINK_LOCAL))
        return self.like is not None and home is Network.GLOBAL


ANYWHERE = Reach(link_local=True)
"""For the registry that the user named."""
NOT_LINK_LOCAL = Reach()
"""For a service that the user named, and for a URL in a certificate whose chain is verified."""
LOOPBACK_ONLY = Reach(loopback_only=True)
"""For plain HTTP that the user did not ask for."""


def like(registry: Origin) -> Reach:
    """For a URL that this registry, or content stored in it, named."""
    return Reach(like=registry)


def network_of(address: str) -> Network:
    """The network of an IP address. If it embeds another one (IPv4-mapped, NAT64, 6to4, Teredo), that one decides.

    Raises:
        ValueError: not an IP address.
    """
    return _network(ipaddress.ip_address(address.partition("%")[0]))


def written_network(host: str) -> Network:
    """The network of a host as far as its text shows, without a look-up. A name is assumed to be global."""
    try:
        return network_of(host)
    except ValueError:
        name = host.rstrip(".").lower()
        if name in _NAMES_OF_LINK:
            return Network.LINK_LOCAL
        here = name in _NAMES_OF_LOOPBACK or name.endswith((".localhost", ".localdomain"))
        return Network.LOOPBACK if here or is_loopback(host) else Network.GLOBAL


def _network(address: _Address) -> Network:
    if address.is_loopback:
        return Network.LOOPBACK
    if address.is_link_local or any(address in network for network in _METADATA):
        return Network.LINK_LOCAL
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _network(address.ipv4_mapped)
        if inner := {_network(one) for one in _embedded(address)}:
            return _behind(inner, local=address in _LOCAL_NAT64)
    special = address.is_multicast or address.is_reserved or address.is_unspecified or not address.is_global
    return Network.INTERNAL if special or address in _SITE_LOCAL else Network.GLOBAL


def _behind(inner: set[Network], *, local: bool) -> Network:
    """The network of an address that embeds others. It is never this machine: a gateway is in between."""
    if Network.LINK_LOCAL in inner:
        return Network.LINK_LOCAL
    return Network.GLOBAL if inner == {Network.GLOBAL} and not local else Network.INTERNAL


def _embedded(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if address in _LOCAL_NAT64 or any(address in network for network in _EMBEDDING):
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    return ()
