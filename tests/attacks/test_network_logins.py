"""Plain HTTP: no login leaves this machine with it, and nothing that a registry names is asked with it unasked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from imagesig import ImagesigError, SigningKey, registry, sign, verify
from imagesig.errors import AttachIncomplete, NoSignatures, UnexpectedResponse
from imagesig.images.registry.connect import registry_client
from imagesig.images.registry.credential import Credential
from imagesig.testing import Answer, InMemoryRegistry, Request
from tests.attacks.network import OUTSIDE, Network

pytestmark = pytest.mark.usefixtures("quick_retries", "no_proxies")

LOGIN = Credential("user", "s3cret")
TOKEN = Credential(identity_token="s3cret-refresh-token")
ADDRESSES = ["10.1.2.3", OUTSIDE, "fd00::1", "192.168.0.9"]


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        running.add_image("team/app:1.0")
        yield running


def installed(server: InMemoryRegistry, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"registry.example": [address], "token.example": [address]}
    Network(names, {address: server.host}).installed(monkeypatch)


def asking(server: InMemoryRegistry, challenge: str) -> None:
    def fault(request: Request) -> Answer | None:
        if request.path == "/token":
            return Answer(200, b'{"token": "t0ken"}')
        if "authorization" in request.headers:
            return None
        return Answer(401, headers={"www-authenticate": challenge})

    server.faults.append(fault)


def secrets_of(server: InMemoryRegistry) -> list[str]:
    return [request.path for request in server.requests if "authorization" in request.headers or request.body]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    ("challenge", "credential"),
    [
        ('Basic realm="x"', LOGIN),
        ('Bearer realm="http://registry.example/token"', LOGIN),
        ('Bearer realm="http://registry.example/token"', TOKEN),
        ('Bearer realm="http://token.example/token"', LOGIN),
        ('Bearer realm="http://token.example/token"', TOKEN),
    ],
    ids=["basic", "token", "refresh", "token elsewhere", "refresh elsewhere"],
)
def test_a_login_does_not_leave_this_machine_over_plain_http(
    server: InMemoryRegistry,
    key: SigningKey,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    challenge: str,
    credential: Credential,
) -> None:
    installed(server, address, monkeypatch)
    asking(server, challenge)
    with pytest.raises(UnexpectedResponse, match="a login is sent over plain HTTP to this machine only") as refused:
        verify(registry("registry.example/team/app:1.0", plain_http=True, credentials=lambda _host: credential), key)
    assert not secrets_of(server)
    assert "HTTPS" in refused.value.hint


def test_a_login_that_a_registry_here_took_does_not_leave_this_machine_later(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name leads here at first: the credentials are kept for its other repositories."""
    installed(server, "127.0.0.1", monkeypatch)
    asking(server, 'Basic realm="x"')
    client = registry_client(plain_http=True, credentials=("user", "s3cret"))
    with pytest.raises(NoSignatures):
        verify(registry("registry.example/team/app:1.0", client=client), key)
    client.close()
    asked = len(secrets_of(server))
    installed(server, "10.1.2.3", monkeypatch)
    with pytest.raises(UnexpectedResponse, match="a login is sent"):
        verify(registry("registry.example/team/other:1.0", client=client), key)
    assert len(secrets_of(server)) == asked


def test_a_login_reaches_no_proxy_in_clear(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    with InMemoryRegistry() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
        asking(proxy, 'Basic realm="x"')
        with pytest.raises(UnexpectedResponse, match="a login is sent"):
            verify(registry("registry.example/team/app:1.0", plain_http=True, credentials=("user", "s3cret")), key)
        assert proxy.requests
        assert not secrets_of(proxy)


@pytest.mark.parametrize("challenge", ['Basic realm="x"', 'Bearer realm="http://registry.example/token"'])
def test_plain_http_that_the_user_asked_for_may_need_a_token_that_anybody_gets(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch, challenge: str
) -> None:
    installed(server, "10.1.2.3", monkeypatch)
    if challenge.startswith("Bearer"):
        asking(server, challenge)
    with pytest.raises(NoSignatures):
        verify(registry("registry.example/team/app:1.0", plain_http=True, credentials=("", "")), key)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("named", ["realm", "redirect", "upload", "page"])
def test_what_a_registry_here_names_elsewhere_is_not_asked_over_plain_http(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch, address: str, named: str
) -> None:
    """Nobody asked for plain HTTP: it is used for the registry because that is on this machine."""
    with InMemoryRegistry() as other:
        network = Network({"other.example": [address]}, {"127.0.0.1": server.host, address: other.host})
        network.installed(monkeypatch)
        image = registry(f"{server.host}/team/app:1.0", credentials=("user", "s3cret"))
        name(server, named, "http://other.example/x")
        with pytest.raises(ImagesigError) as refused:
            sign(image, key) if named == "upload" else verify(image, key)
        assert not other.requests
        assert all(place[0] == "127.0.0.1" for place in network.tried)
    assert isinstance(refused.value, UnexpectedResponse | AttachIncomplete)


@pytest.mark.parametrize("named", ["redirect", "upload"])
def test_what_a_registry_here_names_here_is_asked(server: InMemoryRegistry, key: SigningKey, named: str) -> None:
    with InMemoryRegistry() as other:
        name(server, named, f"http://{other.host}/x")
        image = registry(f"{server.host}/team/app:1.0", credentials=("user", "s3cret"))
        with contextlib.suppress(ImagesigError):
            sign(image, key) if named == "upload" else verify(image, key)
        assert other.requests
        assert not any("authorization" in request.headers for request in other.requests)


def name(server: InMemoryRegistry, named: str, url: str) -> None:
    """Has the registry name a URL where a verification or a signing meets it."""
    answers = {
        "realm": (lambda _request: True, Answer(401, headers={"www-authenticate": f'Bearer realm="{url}"'})),
        "redirect": (lambda _request: True, Answer(302, headers={"location": url})),
        "upload": (lambda request: request.method == "POST", Answer(202, headers={"location": url})),
        "page": (
            lambda request: "/referrers/" in request.path,
            Answer(200, b'{"manifests":[]}', {"link": f'<{url}>; rel="next"'}),
        ),
    }
    applies, answer = answers[named]
    server.faults.append(lambda request: answer if applies(request) else None)
