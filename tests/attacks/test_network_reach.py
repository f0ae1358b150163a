"""What a registry names leads nowhere that the registry itself is not, and loopback is what has such an address."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from imagesig import ImagesigError, SigningKey, registry, sign, verify
from imagesig.errors import AttachIncomplete, TransportError, UnexpectedResponse
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.testing import Answer, InMemoryRegistry
from imagesig.witnesses import Query, online
from tests.attacks.network import OUTSIDE, Network

pytestmark = pytest.mark.usefixtures("quick_retries", "no_proxies")

LOGIN = ("user", "s3cret")
INSIDE = ["127.0.0.1", "10.1.2.3", "192.168.0.9", "100.64.0.1", "0.0.0.0", "169.254.169.254", "100.100.100.200"]
INSIDE += ["::1", "fd00::1", "fe80::1", "fd00:ec2::254", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1"]
INSIDE += ["2002:7f00:1::", "2001:0:5db8:d70e:0:0:80ff:fffe", "::7f00:1", "224.0.0.1", "ff02::1", "fec0::1"]


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


@pytest.fixture
def inside() -> Iterator[InMemoryRegistry]:
    """A service inside the network, that nobody from outside may have us call."""
    with InMemoryRegistry() as running:
        running.faults.append(lambda _request: Answer(200, b'{"token": "t"}'))
        yield running


def image_of(server: InMemoryRegistry, login: tuple[str, str] = LOGIN) -> Image:
    return registry("registry.example/team/app:1.0", plain_http=True, credentials=login, timeout=20)


def everywhere(server: InMemoryRegistry, inside: InMemoryRegistry, *addresses: str, **names: object) -> Network:
    """`registry.example` is outside; `inside.example` has these addresses, and all inside is one server."""
    places = {OUTSIDE: server.host, **dict.fromkeys(INSIDE, inside.host)}
    return Network({"registry.example": [OUTSIDE], "inside.example": addresses, **names}, places)  # type: ignore[arg-type]


def challenged(server: InMemoryRegistry, realm: str) -> None:
    answer = Answer(401, headers={"www-authenticate": f'Bearer realm="{realm}"'})
    server.faults.append(lambda _request: answer)


def moved(server: InMemoryRegistry, to: str) -> None:
    server.faults.append(lambda _request: Answer(302, headers={"location": to}))


# --- 6e: names that lead inside ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", INSIDE)
@pytest.mark.parametrize("named", ["realm", "redirect", "upload"])
def test_a_name_that_leads_inside_is_not_asked(
    server: InMemoryRegistry,
    inside: InMemoryRegistry,
    key: SigningKey,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    named: str,
) -> None:
    network = everywhere(server, inside, address).installed(monkeypatch)
    image = image_of(server)
    with pytest.raises(ImagesigError) as refused:
        _follow(server, image, key, named, "http://inside.example/x")
    assert not inside.requests
    assert all(place[0] == OUTSIDE for place in network.tried)
    assert isinstance(refused.value, UnexpectedResponse | AttachIncomplete)
    assert "inside a network" in str(refused.value) or "own link" in str(refused.value)


@pytest.mark.parametrize("address", INSIDE)
@pytest.mark.parametrize("named", ["realm", "redirect", "upload"])
def test_an_address_inside_is_not_asked(
    server: InMemoryRegistry,
    inside: InMemoryRegistry,
    key: SigningKey,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    named: str,
) -> None:
    network = everywhere(server, inside).installed(monkeypatch)
    written = f"[{address}]" if ":" in address else address
    with pytest.raises(ImagesigError) as refused:
        _follow(server, image_of(server), key, named, f"http://{written}:5001/x")
    assert not inside.requests
    assert all(place[0] == OUTSIDE for place in network.tried)
    assert isinstance(refused.value, UnexpectedResponse | AttachIncomplete)
    assert "inside a network" in str(refused.value) or "own link" in str(refused.value)


@pytest.mark.parametrize("host", ["\xb927.0.0.1", "\xb9\xb27.1", "loc\xaalhost", "127.1", "2130706433", "0x7f.1"])
@pytest.mark.parametrize("named", ["realm", "redirect", "upload"])
def test_characters_that_become_an_address_inside_are_refused(
    server: InMemoryRegistry,
    inside: InMemoryRegistry,
    key: SigningKey,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    named: str,
) -> None:
    names = {"2130706433": ["127.0.0.1"], "127.1": ["127.0.0.1"], "0x7f.1": ["127.0.0.1"], "localhost": ["127.0.0.1"]}
    everywhere(server, inside, **names).installed(monkeypatch)
    with pytest.raises(ImagesigError) as refused:
        _follow(server, image_of(server), key, named, f"http://{host}/x")
    assert not inside.requests
    assert isinstance(refused.value, UnexpectedResponse | AttachIncomplete)


def test_the_address_that_was_judged_is_the_one_that_is_connected(
    server: InMemoryRegistry, inside: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is outside for the first look-up and inside for the second."""
    looked_up: list[str] = []

    def answers() -> list[str]:
        looked_up.append("x")
        return [OUTSIDE] if len(looked_up) % 2 else ["127.0.0.1"]

    everywhere(server, inside, **{"token.example": answers}).installed(monkeypatch)
    challenged(server, "http://token.example/token")
    with pytest.raises(ImagesigError):
        verify(image_of(server), key)
    assert looked_up == ["x"]
    assert not inside.requests


def test_of_several_addresses_only_one_outside_is_connected(
    server: InMemoryRegistry, inside: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = everywhere(server, inside, "10.1.2.3", OUTSIDE, "127.0.0.1").installed(monkeypatch)
    moved(server, "http://inside.example/x")
    with pytest.raises(TransportError):
        verify(image_of(server), key)
    assert {place[0] for place in network.tried} == {OUTSIDE}


def test_a_connection_to_a_registry_inside_is_not_lent_to_what_another_registry_names(
    server: InMemoryRegistry, inside: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imagesig.images.registry.connect import registry_client

    everywhere(server, inside, "10.1.2.3").installed(monkeypatch)
    client = registry_client(plain_http=True, credentials=LOGIN)
    with pytest.raises(ImagesigError):
        verify(registry("inside.example/team/app:1.0", client=client), key)
    asked = len(inside.requests)
    moved(server, "http://inside.example/x")
    with pytest.raises(UnexpectedResponse, match="inside a network"):
        verify(registry("registry.example/team/app:1.0", client=client), key)
    assert len(inside.requests) == asked


@pytest.mark.parametrize("named", ["realm", "redirect", "upload"])
def test_a_registry_inside_may_name_what_is_inside(
    server: InMemoryRegistry,
    inside: InMemoryRegistry,
    key: SigningKey,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
) -> None:
    network = Network(
        {"registry.example": ["10.9.9.9"], "inside.example": ["10.1.2.3"]},
        {"10.9.9.9": server.host, "10.1.2.3": inside.host},
    ).installed(monkeypatch)
    with contextlib.suppress(ImagesigError):
        _follow(server, image_of(server, ("", "")), key, named, "http://inside.example/x")
    assert inside.requests
    assert ("10.1.2.3", 80) in network.tried


def test_a_registry_that_moves_inside_stays_a_registry_outside(
    server: InMemoryRegistry, inside: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next address is its own choice: it must not open the network to itself."""
    looked_up: list[str] = []

    def answers() -> list[str]:
        looked_up.append("x")
        return [OUTSIDE] if len(looked_up) == 1 else ["10.1.2.3"]

    network = everywhere(server, inside, "10.1.2.3", **{"registry.example": answers}).installed(monkeypatch)
    network.places["10.1.2.3"] = server.host
    network.places["127.0.0.1"] = inside.host
    server.faults.append(lambda _request: Answer(200, b"x", {"connection": "close"}))
    image = image_of(server)
    with pytest.raises(ImagesigError):
        verify(image, key)
    server.faults[:] = []
    moved(server, "http://127.0.0.1/x")
    with pytest.raises(UnexpectedResponse, match="inside a network"):
        verify(image, key)
    assert not inside.requests


@pytest.mark.parametrize("url", ["http://169.254.169.254/tsa", "http://[fe80::1]/", "http://[fd00:ec2::254]/"])
def test_a_witness_on_this_machines_own_link_is_not_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network({}, {}).installed(monkeypatch)
    with pytest.raises(UnexpectedResponse, match="link"):
        online().fetcher.fetch(Query(url, "*/*", 100, 2))
    assert not network.tried


def test_a_witness_inside_the_network_is_asked(inside: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network({"ocsp.corp.example": ["10.1.2.3"]}, {"10.1.2.3": inside.host}).installed(monkeypatch)
    assert online().fetcher.fetch(Query("http://ocsp.corp.example/", "*/*", 100, 2)).status == 200
    assert network.tried == [("10.1.2.3", 80)]


@pytest.mark.parametrize(("home", "followed"), [("10.9.9.9", True), (OUTSIDE, False)])
def test_a_redirect_of_a_witness_leads_inside_only_from_inside(
    inside: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch, home: str, followed: bool
) -> None:
    with InMemoryRegistry() as witness:
        names = {"ocsp.example": [home], "inside.example": ["10.1.2.3"]}
        Network(names, {home: witness.host, "10.1.2.3": inside.host}).installed(monkeypatch)
        moved(witness, "http://inside.example/x")
        with contextlib.nullcontext() if followed else pytest.raises(UnexpectedResponse, match="inside a network"):
            online().fetcher.fetch(Query("http://ocsp.example/", "*/*", 100, 5))
    assert bool(inside.requests) is followed


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "localhost", "a.localhost", "[::1]", "169.254.169.254"])
def test_through_a_proxy_the_written_address_is_judged(
    inside: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    with InMemoryRegistry() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
        answers = iter([Answer(302, headers={"location": f"http://{host}:5000/x"})])
        proxy.faults.append(lambda _request: next(answers, Answer(200, b"{}")))
        with pytest.raises(UnexpectedResponse, match=r"network|link"):
            verify(registry("registry.example/team/app:1.0", plain_http=True, credentials=LOGIN), key)
        assert proxy.asked() == 1


def test_through_a_proxy_a_name_that_nobody_here_looks_up_is_sent(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network({}, {}).installed(monkeypatch)
    with InMemoryRegistry() as proxy:
        network.places["127.0.0.1"] = proxy.host
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
        proxy.faults.append(
            lambda request: (
                Answer(302, headers={"location": "http://storage.example/x"})
                if request.headers["host"] == "registry.example"
                else None
            )
        )
        with pytest.raises(ImagesigError):
            verify(registry("registry.example/team/app:1.0", plain_http=True, credentials=LOGIN), key)
        assert [request.headers["host"] for request in proxy.requests] == ["registry.example", "storage.example"]
    assert not network.asked


def test_an_upload_to_another_origin_carries_no_login_and_stays_encrypted(
    server: InMemoryRegistry, inside: InMemoryRegistry, key: SigningKey
) -> None:
    image = registry(f"{server.host}/team/app:1.0", credentials=LOGIN)
    with InMemoryRegistry(basic=LOGIN) as ours:
        image = registry(f"{ours.host}/team/app:1.0", credentials=LOGIN)
        build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
        place = Answer(202, headers={"location": f"http://{inside.host}/upload"})
        ours.faults.append(lambda request: place if request.method == "POST" else None)
        with pytest.raises(ImagesigError):
            sign(image, key)
        assert inside.asked("PUT")
        assert all("authorization" not in request.headers for request in inside.requests)


# --- 6b: what is loopback ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.evil.example", "127.0.0.1.evil.example", "localhost.evil.example"])
def test_a_name_that_begins_like_loopback_is_not_spoken_to_in_clear(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    network = Network({host: [OUTSIDE]}, {OUTSIDE: server.host}).installed(monkeypatch)
    with pytest.raises(ImagesigError):
        verify(registry(f"{host}/team/app:1.0", credentials=LOGIN), key)
    assert {port for _, port in network.tried} == {443}
    assert not server.requests


def test_a_name_below_localhost_that_leads_elsewhere_is_not_spoken_to_in_clear(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network({"app.localhost": [OUTSIDE]}, {OUTSIDE: server.host}).installed(monkeypatch)
    with pytest.raises(ImagesigError):
        verify(registry("app.localhost/team/app:1.0", credentials=LOGIN), key)
    assert {port for _, port in network.tried} <= {443}
    assert not server.requests


def test_a_name_below_localhost_that_leads_here_is_and_nowhere_else_later(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network({"app.localhost": ["127.0.0.1"]}, {"127.0.0.1": server.host}).installed(monkeypatch)
    image = registry("app.localhost/team/app:1.0", credentials=LOGIN)
    build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
    sign(image, key)
    assert verify(registry("app.localhost/team/app:1.0", credentials=LOGIN), key)
    later = registry("app.localhost/team/app:1.0", credentials=LOGIN)
    network.names["app.localhost"], network.places = [OUTSIDE], {OUTSIDE: server.host}
    asked = len(server.requests)
    with pytest.raises(UnexpectedResponse, match="plain HTTP"):
        verify(later, key)
    assert len(server.requests) == asked


def test_a_token_server_in_clear_that_is_not_on_this_machine_gets_no_login(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asked for plain HTTP: the registry is on this machine, its token server is not."""
    with InMemoryRegistry() as server, InMemoryRegistry() as thief:
        network = Network({"token.example": ["10.1.2.3"]}, {"127.0.0.1": server.host, "10.1.2.3": thief.host})
        network.installed(monkeypatch)
        challenged(server, "http://token.example/token")
        with pytest.raises(UnexpectedResponse, match="plain HTTP"):
            verify(registry(f"{server.host}/team/app:1.0", credentials=LOGIN), key)
        assert not thief.requests


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.9.1", "[::ffff:7f00:1]"])
def test_a_loopback_registry_is_never_asked_through_a_proxy(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    network = Network({}, {"127.0.0.1": server.host, "127.8.9.1": server.host, "::ffff:7f00:1": server.host})
    network.installed(monkeypatch)
    image = registry(f"{host}:5000/team/app:1.0", credentials=LOGIN)
    with pytest.raises(ImagesigError):
        verify(image, key)
    assert server.requests
    assert all(port == 5000 for _, port in network.tried)


# --- helpers ----------------------------------------------------------------------------------------------------------


def _follow(server: InMemoryRegistry, image: Image, key: SigningKey, named: str, url: str) -> None:
    """Has the registry name the URL where a verification or a signing follows it."""
    if named == "upload":
        build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
        place = Answer(202, headers={"location": url})
        server.faults.append(lambda request: place if request.method == "POST" else None)
        sign(image, key)
    elif named == "realm":
        challenged(server, url)
        verify(image, key)
    else:
        moved(server, url)
        verify(image, key)
