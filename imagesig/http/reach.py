"""Which addresses a request may go to: that depends on who named its URL, and is judged by the address itself.

Whoever names a URL to us chooses which machine of our network we call. The user may name any; a registry, or what is
stored in it, may name what everybody can reach, and what is inside a network only if the registry is inside one too.
Nobody may name the machine's own link, where clouds keep the credentials of virtual machines.
"""

from __future__ import annotations

import ipaddress
from enum import Enum

from msgspec import Struct

from imagesig.url import Origin, is_loopback

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
"""Where clouds answer their virtual machines, outside of the link-local networks."""
_EMBEDDING = tuple(ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "::/96"))
"""IPv6 networks whose last 32 bits are an IPv4 address: NAT64 (RFC 6052), IPv4-compatible (RFC 4291)."""
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")
"""Private networks before RFC 4193; Python takes them to be global."""
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
"""A network's own NAT64 (RFC 8215)."""


_NAMES_OF_LINK = frozenset(
    {"metadata", "metadata.goog", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}
)
"""Names under which clouds have those addresses."""
_NAMES_OF_LOOPBACK = frozenset({"ip6-localhost", "ip6-loopback", "localhost4", "localhost6"})
"""What systems call loopback besides `localhost`."""


class Network(Enum):
    """Who can reach an address; the value is for people."""

    LOOPBACK = "an address inside a network (this machine's own)"
    LINK_LOCAL = "an address of this machine's own link"
    INTERNAL = "an address inside a network"
    GLOBAL = "an address that everybody can reach"


class Reach(Struct, frozen=True):
    """What a request may go to. `like` is the registry that named the URL: only what is as public as it is.

    `link_local` is whether this machine's own link may be asked, `loopback_only` whether nothing but this machine may.
    """

    like: Origin | None = None
    link_local: bool = False
    loopback_only: bool = False

    def refuses(self, network: Network, home: Network) -> bool:
        """Whether an address is out of reach; `home` is where the registry `like` itself is."""
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
"""For a service that the user named, and for what a certificate names whose chain is verified."""
LOOPBACK_ONLY = Reach(loopback_only=True)
"""For what is spoken to in clear, unasked."""


def like(registry: Origin) -> Reach:
    """For a URL that this registry named, or something that is stored there."""
    return Reach(like=registry)


def network_of(address: str) -> Network:
    """Where an IP address is. One that embeds another (IPv4-mapped, NAT64, 6to4, Teredo) is where the inner one is.

    Raises:
        ValueError: no IP address.
    """
    return _network(ipaddress.ip_address(address.partition("%")[0]))


def written_network(host: str) -> Network:
    """Where a host is as far as it can be seen without looking it up: a name is taken to be outside."""
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
    """Where an address leads that others stand in. It is never this machine itself: a gateway is in between."""
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
