"""Where an address is, and what may be asked by who named it."""

from __future__ import annotations

import pytest

from imagesig.http.reach import ANYWHERE, LOOPBACK_ONLY, NOT_LINK_LOCAL, Network, like, network_of, written_network

OUTSIDE = ["8.8.8.8", "93.184.215.14", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
OUTSIDE += ["2001:0:808:808:0:0:f7f7:f7f7"]
LINK = ["169.254.1.1", "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192"]
LINK += [
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2001:0:808:808:0:0:5601:5601",
]
HERE = ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"]
INSIDE = ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1"]
INSIDE += ["198.18.0.1", "192.0.2.1", "fd00::1", "fec0::1", "ff02::1", "::", "2001:db8::1", "64:ff9b:1::808:a00"]
INSIDE += ["64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1", "2001:0:5db8:d70e:0:0:80ff:fffe"]


@pytest.mark.parametrize(
    ("network", "addresses"),
    [
        (Network.GLOBAL, OUTSIDE),
        (Network.LINK_LOCAL, LINK),
        (Network.LOOPBACK, HERE),
        (Network.INTERNAL, INSIDE),
    ],
)
def test_an_address_belongs_to_its_network(network: Network, addresses: list[str]) -> None:
    assert {address: network_of(address) for address in addresses} == dict.fromkeys(addresses, network)


def test_a_name_is_taken_as_global_unless_it_is_one_of_this_machine() -> None:
    assert written_network("registry.example") is Network.GLOBAL
    assert {written_network(name) for name in ("localhost", "a.localhost", "LOCALHOST.")} == {Network.LOOPBACK}
    assert written_network("10.0.0.1") is Network.INTERNAL


@pytest.mark.parametrize("name", ["ip6-localhost", "ip6-loopback", "localhost4", "localhost6", "a.localdomain"])
@pytest.mark.parametrize("written", ["{}", "{}.", "{}.."])
def test_each_name_of_loopback_is_one_of_this_machine(name: str, written: str) -> None:
    assert written_network(written.format(name)) is Network.LOOPBACK
    assert written_network(written.format(name.upper())) is Network.LOOPBACK
    assert written_network(f"x{name}.example") is Network.GLOBAL


@pytest.mark.parametrize(
    "name", ["metadata", "metadata.goog", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"]
)
def test_each_name_of_a_metadata_service_is_on_the_link(name: str) -> None:
    assert written_network(name) is written_network(f"{name.upper()}.") is Network.LINK_LOCAL


REGISTRY = like(("https", "registry.example", 443))


@pytest.mark.parametrize(
    ("reach", "home", "refused"),
    [
        (ANYWHERE, Network.GLOBAL, set()),
        (NOT_LINK_LOCAL, Network.GLOBAL, {Network.LINK_LOCAL}),
        (LOOPBACK_ONLY, Network.LOOPBACK, {Network.GLOBAL, Network.INTERNAL, Network.LINK_LOCAL}),
        (REGISTRY, Network.GLOBAL, {Network.INTERNAL, Network.LINK_LOCAL, Network.LOOPBACK}),
        (REGISTRY, Network.INTERNAL, {Network.LINK_LOCAL}),
        (REGISTRY, Network.LOOPBACK, {Network.LINK_LOCAL}),
        (REGISTRY, Network.LINK_LOCAL, set()),
    ],
)
def test_who_named_it_decides_what_may_be_asked(reach: object, home: Network, refused: set[Network]) -> None:
    assert {network for network in Network if reach.refuses(network, home)} == refused  # type: ignore[attr-defined]
