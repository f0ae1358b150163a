"""A registry on this machine: TLS where it speaks TLS, plain HTTP where it does not, and never a guess with a CA."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from imagesig import ImagesigError, SigningKey, copy, inspect, registry, sign, verify
from imagesig.errors import NoSignatures, Unreachable
from imagesig.http.client import HttpClient, Response
from imagesig.http.reach import ANYWHERE, LOOPBACK_ONLY, Reach
from imagesig.images.registry.auth import RegistryLogin
from imagesig.images.registry.connect import registry_client
from imagesig.images.registry.credential import Credential
from imagesig.images.registry.place import Place, Whereabouts
from imagesig.images.registry.session import PULL, RegistrySession
from imagesig.oci.reference import parse_reference
from imagesig.testing import InMemoryRegistry
from tests.attacks.network import Network, head_of, scripted
from tests.commands import run_here
from tests.peers import binary
from tests.tls import TlsFront, tls_front, trusted

pytestmark = pytest.mark.usefixtures("quick_retries", "no_proxies")

LOGIN = ("user", "s3cret")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry(basic=LOGIN) as running:
        running.add_image("team/app:1.0")
        yield running


@pytest.fixture
def front(server: InMemoryRegistry, authority: trustme.CA) -> Iterator[TlsFront]:
    with tls_front(server.host, authority) as running:
        yield running


@pytest.fixture
def trust(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system trusts the authority."""
    file = trusted(authority, tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    return file


# --- TLS on this machine ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "127.1.2.3"])
def test_a_port_that_speaks_tls_gets_nothing_in_clear(
    server: InMemoryRegistry,
    authority: trustme.CA,
    key: SigningKey,
    trust: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    names = (name, "127.0.0.1")
    with tls_front(server.host, authority, *names, name=name) as front:
        place = f"127.0.0.1:{front.host.rpartition(':')[2]}"
        Network({}, {"127.1.2.3": place, "127.0.0.1": place}).installed(monkeypatch)
        image = registry(f"{front.host}/team/app:1.0", credentials=LOGIN)
        sign(image, key)
        assert verify(image, key).digest
        assert server.requests
        assert not front.plain


def test_the_command_signs_and_verifies_over_tls_on_this_machine(
    front: TlsFront, key: SigningKey, key_folder: Path, trust: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".docker").mkdir()
    auths = f'{{"auths": {{"{front.host}": {{"username": "user", "password": "s3cret"}}}}}}'
    (tmp_path / ".docker/config.json").write_text(auths)
    image = f"{front.host}/team/app:1.0"
    for arguments in (["sign", "--key", key_folder / "k.key"], ["verify", "--key", key_folder / "k.pub"]):
        done = run_here(*arguments, image)
        assert done.exit_code == 0, done.output
    assert not front.plain


def test_a_certificate_that_is_not_trusted_does_not_lead_to_plain_http(front: TlsFront) -> None:
    with pytest.raises(Unreachable, match="no trusted TLS connection") as refused:
        inspect(registry(f"{front.host}/team/app:1.0", credentials=LOGIN))
    assert "--registry-ca" in refused.value.hint
    assert not front.plain


def test_a_server_that_wants_a_clients_certificate_gets_nothing_in_clear(
    server: InMemoryRegistry, authority: trustme.CA, trust: Path
) -> None:
    with tls_front(server.host, authority, clients=trustme.CA()) as front:
        with pytest.raises(Unreachable) as refused:
            inspect(registry(f"{front.host}/team/app:1.0", credentials=LOGIN))
        assert "https://" in str(refused.value)
        assert not front.plain
    assert not server.requests


def test_a_name_below_localhost_speaks_tls_too(
    server: InMemoryRegistry, authority: trustme.CA, trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_front(server.host, authority, "app.localhost") as front:
        Network({"app.localhost": ["127.0.0.1"]}, {"127.0.0.1": front.host}).installed(monkeypatch)
        assert inspect(registry("app.localhost/team/app:1.0", credentials=LOGIN)).digest
        assert not front.plain


def test_a_name_without_a_port_is_asked_at_the_port_of_tls_first(
    server: InMemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network({}, {"127.0.0.1": server.host}).installed(monkeypatch)
    assert inspect(registry("localhost/team/app:1.0", credentials=LOGIN)).digest
    assert network.tried[0] == ("127.0.0.1", 443)
    assert {port for _, port in network.tried[1:]} == {80}


# --- plain HTTP on this machine ---------------------------------------------------------------------------------------


def test_a_port_without_tls_is_asked_once_whether_it_speaks_it(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network({}, {"127.0.0.1": server.host}).installed(monkeypatch)
    with registry_client(credentials=LOGIN) as client:
        for _ in range(3):
            with pytest.raises(NoSignatures):
                verify(registry("127.0.0.1:5000/team/app:1.0", client=client), key)
    assert len(network.tried) == 2
    assert all("HTTP" not in request.path for request in server.requests)


def test_with_plain_http_nobody_is_asked_about_tls(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network({}, {"127.0.0.1": server.host}).installed(monkeypatch)
    image = registry("127.0.0.1:5000/team/app:1.0", plain_http=True, credentials=LOGIN)
    with pytest.raises(NoSignatures):
        verify(image, key)
    assert len(network.tried) == 1


def test_with_authorities_plain_http_is_never_used(
    server: InMemoryRegistry, authority: trustme.CA, front: TlsFront, tmp_path: Path
) -> None:
    file = trusted(authority, tmp_path)
    assert inspect(registry(f"{front.host}/team/app:1.0", ca_file=file, credentials=LOGIN)).digest
    asked = len(server.requests)
    with pytest.raises(Unreachable, match="TLS") as refused:
        inspect(registry(f"{server.host}/team/app:1.0", ca_file=file, credentials=LOGIN))
    assert len(server.requests) == asked
    assert "--plain-http" in refused.value.hint


OTHERS: dict[str, Callable[[socket.socket], None]] = {
    "a banner": lambda connection: connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "nothing": lambda _connection: None,
    "zeros": lambda connection: connection.sendall(bytes(100)),
    "text": lambda connection: (head_of(connection), connection.sendall(b"-ERR unknown command\r\n"))[1],
    "frames of HTTP/2": lambda connection: connection.sendall(
        bytes.fromhex("00000c04000000000000030000006400040000ffff")
    ),
}


@pytest.mark.parametrize("serve", OTHERS.values(), ids=OTHERS)
def test_a_port_that_speaks_neither_is_an_error_that_names_it(serve: Callable[[socket.socket], None]) -> None:
    with scripted(serve) as place, pytest.raises(Unreachable) as refused:
        inspect(registry(f"{place}/team/app:1.0", credentials=LOGIN))
    assert place in str(refused.value)
    assert "TLS" in refused.value.hint


def test_nothing_is_remembered_of_a_port_where_nobody_listens(
    server: InMemoryRegistry, authority: trustme.CA, trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Network({}, {}).installed(monkeypatch)
    image = registry("127.0.0.1:5000/team/app:1.0", credentials=LOGIN)
    with pytest.raises(Unreachable, match="no connection"):
        inspect(image)
    with tls_front(server.host, authority) as front:
        network.places["127.0.0.1"] = front.host
        assert inspect(image).digest
        assert not front.plain


@pytest.mark.parametrize("first", ["https", "http"])
@pytest.mark.parametrize("work", ["sign", "copy"])
def test_a_port_that_begins_or_ends_to_speak_tls_is_asked_again(
    server: InMemoryRegistry,
    authority: trustme.CA,
    trust: Path,
    key: SigningKey,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    work: str,
    first: str,
) -> None:
    """One client lives through both changes, with the connections and logins that it has."""
    network = Network({}, {}).installed(monkeypatch)
    with tls_front(server.host, authority) as front, registry_client(credentials=LOGIN) as client:
        image = registry("127.0.0.1:5000/team/app:1.0", client=client)
        places = [front.host, server.host] if first == "https" else [server.host, front.host]
        for number, place in enumerate([*places, *places]):
            network.places["127.0.0.1"] = place
            client.close()  # as a restarted server ends the connections
            if work == "copy":
                assert copy(image, f"oci:{tmp_path / str(number)}:1.0").digest
                assert copy(f"oci:{tmp_path / str(number)}:1.0", image).digest
            else:
                sign(image, key)
                assert verify(image, key).digest
        assert len(front.first) > 0


# --- the hint names TLS -----------------------------------------------------------------------------------------------

WORDS = {
    "Go": "Client sent an HTTP request to an HTTPS server.\n",
    "nginx": "<center>The plain HTTP request was sent to HTTPS port</center>",
    "Apache": "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_plain_http_to_a_port_of_tls_is_said(words: str) -> None:
    def serve(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(f"HTTP/1.1 400 Bad Request\r\ncontent-length: {len(words)}\r\n\r\n{words}".encode())

    with scripted(serve) as place, pytest.raises(Unreachable, match="the server speaks TLS") as refused:
        inspect(registry(f"{place}/team/app:1.0", plain_http=True, credentials=LOGIN))
    assert "--plain-http" in refused.value.hint
    assert not refused.value.retryable


def test_plain_http_to_another_port_of_tls_has_the_same_hint(front: TlsFront) -> None:
    with pytest.raises(ImagesigError) as refused:
        inspect(registry(f"{front.host}/team/app:1.0", plain_http=True, credentials=LOGIN))
    assert "leave out --plain-http" in refused.value.hint


# --- peers ------------------------------------------------------------------------------------------------------------


@pytest.mark.interop
@pytest.mark.parametrize("tls", [True, False])
def test_cosign_reaches_the_same_registries(
    server: InMemoryRegistry, authority: trustme.CA, trust: Path, key_folder: Path, key: SigningKey, tls: bool
) -> None:
    with tls_front(server.host, authority, name="localhost") as front:
        host = front.host if tls else server.host
        image = f"{host}/team/app:1.0"
        sign(registry(image, credentials=LOGIN), key, formats=["cosign"])
        command = [str(binary("cosign3")), "verify", "--key", str(key_folder / "k.pub"), "--insecure-ignore-tlog=true"]
        command += ["--registry-username=user", "--registry-password=s3cret", image]
        environ = {"SSL_CERT_FILE": str(trust), "HOME": str(trust.parent), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert not front.plain


@pytest.mark.parametrize("asked", range(1, 9))
def test_a_registry_that_another_thread_finds_elsewhere_gets_no_login_in_clear_outside_this_machine(asked: int) -> None:
    host = "registry.localhost:5000"
    sent: list[tuple[str, Reach, dict[str, str]]] = []
    places = [Place.of("http", host, LOOPBACK_ONLY)] * asked + [Place.of("https", host, ANYWHERE)] * 20

    class Http(HttpClient):
        def request(self, _method: str, url: str, **given: Any) -> Response:
            sent.append((url, given["reach"], given["headers"]))
            return Response(200, {}, b"", url)

    http = Http(user_agent="test")
    login = RegistryLogin(http, lambda _host: Credential("user", "s3cret"))
    login.answer('Basic realm="x"', f"http://{host}", "app", PULL, "")
    whereabouts = Whereabouts(lambda: places.pop(0), lambda _used: False)
    RegistrySession(http, login, whereabouts, parse_reference(f"{host}/app:1.0")).request("GET", "tags/list", limit=9)
    ((url, reach, headers),) = sent
    if url.startswith("http:") and "authorization" in headers:
        assert reach.loopback_only or reach.has_login
