"""Sessions that outlive tokens, passwords, connections, servers and certificates."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

import pytest
import trustme

from imagesig import InvalidArgument, Session, SigningKey, Transport, aio, registry
from imagesig.errors import ImagesigError, Unauthorized, Unreachable
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.credentials import CredentialFiles
from imagesig.testing import Answer, InMemoryRegistry, Request
from imagesig.testing.connections import served_by
from imagesig.testing.loopback_server import LoopbackServer
from tests.attacks.network import connected, pass_on
from tests.peers.servers import distribution, unused_ports

Act = Callable[..., Any]


class Guard:
    """A registry's logins: `password` is accepted, and the tokens made with it. `by` is how logins work.

    All tokens expire at the request with the number `expires_at`, of those with a token that worked. A login that
    expired is answered with the status `expired`.
    """

    def __init__(self, server: InMemoryRegistry, by: str, *, expires_at: int = -1) -> None:
        self.server, self.by, self.expires_at = server, by, expires_at
        self.password = "first"
        self.expired = 401
        self.requests = self._made = 0
        self._tokens, self._used = set[str](), set[str]()
        self._lock = threading.Lock()
        server.faults.append(self)

    def __call__(self, request: Request) -> Answer | None:
        given = request.headers.get("authorization", "")
        with self._lock:
            if request.path == "/token":
                return self._token(request, given)
            if self.by == "basic" and given == _basic(self.password):
                return None
            if self.by == "registry token" and given == f"Bearer {self.password}":
                return None
            if given in self._used:
                self.requests += 1
                if self.requests == self.expires_at:
                    self._tokens.clear()
            if given in self._tokens:
                self._used.add(given)
                return None
        scheme = "Basic" if self.by == "basic" else f'Bearer realm="http://{self.server.host}/token",service="s"'
        body = b'{"errors": [{"code": "DENIED", "message": "Your authorization token has expired."}]}'
        if given and self.expired == 403:
            return Answer(403, body)
        return Answer(401, body, {"www-authenticate": scheme})

    def rotate(self, password: str) -> None:
        """Accepts this password only, and no token so far."""
        self.password = password
        self._tokens.clear()

    def _token(self, request: Request, given: str) -> Answer:
        refreshed = f"refresh_token={self.password}".encode() in request.body
        if not refreshed and given != _basic(self.password):
            return Answer(401)
        token, self._made = f"t{self._made}", self._made + 1
        self._tokens.add(f"Bearer {token}")
        return Answer(200, json.dumps({"token": token, "expires_in": 3600}).encode())


def _basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"user:{password}".encode()).decode()


def with_session(work: Callable[[Act], Any], transport: Transport | None, kind: str) -> Any:
    """Runs `work(act)` with one session; `act("verify", …)` calls its method, of the session or that of asyncio."""
    if kind == "sync":
        with Session(transport) as session:
            return work(lambda name, *given, **more: getattr(session, name)(*given, **more))
    with asyncio.Runner() as runner:
        session = aio.Session(transport)

        async def call(name: str, given: tuple[Any, ...], more: dict[str, Any]) -> Any:
            return await getattr(session, name)(*given, **more)

        try:
            return work(lambda name, *given, **more: runner.run(call(name, given, more)))
        finally:
            runner.run(session.__aexit__(None, None, None))


KINDS = ("sync", "aio")


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


# --- tokens ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "step"), [("sync", 3), ("aio", 5)])
@pytest.mark.parametrize("expired", [401, 403])
@pytest.mark.usefixtures("quick_retries")
def test_a_token_that_expires_at_any_request_is_replaced(
    server: InMemoryRegistry, key: SigningKey, expired: int, kind: str, step: int
) -> None:
    guard = Guard(server, "bearer")
    guard.expired = expired

    def work(act: Act, number: int) -> None:
        image, there = server.add_image(f"app{number}:1"), f"{server.host}/copy{number}:1"
        act("sign", image, key)
        assert act("verify", image, key).verified
        act("copy", image, there)
        assert act("verify", there, key).verified
        assert len(act("remove", there, all=True).removed) == 2

    def all_of_them(act: Act) -> None:
        work(act, 0)
        for number in range(1, guard.requests, step):
            guard.requests, guard.expires_at = 0, number
            work(act, number)

    with_session(all_of_them, Transport(credentials=("user", "first")), kind)
    assert guard.expires_at > 15


# --- credentials -----------------------------------------------------------------------------------------------------


def write_credentials(folder: Path, host: str, by: str, password: str) -> None:
    """docker's file with this password, for a registry that takes it in this way."""
    entry = {"auth": base64.b64encode(f"user:{password}".encode()).decode()}
    entry = {"identitytoken": password, "auth": "dXNlcjo="} if by == "identity token" else entry
    entry = {"registrytoken": password} if by == "registry token" else entry
    document: dict[str, Any] = {"auths": {host: entry}}
    if by == "helper":
        document = {"credHelpers": {host: "rotating"}}
        program = folder / "docker-credential-rotating"
        program.write_text(f"#!/bin/sh\necho '{json.dumps({'Username': 'user', 'Secret': password})}'\n")
        program.chmod(0o755)
    (folder / "config.json").write_text(json.dumps(document))


ROTATING = ["basic", "bearer", "identity token", "registry token", "helper", "helper for tokens"]


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of docker's file, and of its helpers."""
    import os

    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def guarded(server: InMemoryRegistry, by: str) -> tuple[Guard, str]:
    """The registry's logins, and how docker's file has them."""
    how = {"helper": "basic", "helper for tokens": "bearer"}.get(by, by)
    return Guard(server, how), by.replace("helper for tokens", "helper")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ROTATING)
def test_credentials_that_were_rotated_in_dockers_file_are_used_by_the_next_call(
    server: InMemoryRegistry, key: SigningKey, docker: Path, by: str, kind: str
) -> None:
    image = server.add_image("app:1")
    guard, entry = guarded(server, by)
    write_credentials(docker, server.host, entry, "first")

    def work(act: Act) -> None:
        act("sign", image, key)
        guard.rotate("second")
        write_credentials(docker, server.host, entry, "second")
        assert act("verify", image, key).verified
        act("sign", image, key)

    with_session(work, None, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ROTATING)
def test_a_refused_login_says_what_to_do_and_the_next_call_after_it_works(
    server: InMemoryRegistry, key: SigningKey, docker: Path, by: str, kind: str
) -> None:
    image = server.add_image("app:1")
    guard, entry = guarded(server, by)
    write_credentials(docker, server.host, entry, "first")

    def work(act: Act) -> None:
        act("sign", image, key)
        guard.rotate("second")
        for _ in range(2):
            with pytest.raises(Unauthorized) as refused:
                act("verify", image, key)
            assert refused.value.hint == f"run: docker login {server.host}"
        write_credentials(docker, server.host, entry, "second")
        assert act("verify", image, key).verified

    with_session(work, None, kind)


@pytest.mark.parametrize("by", ["basic", "bearer", "helper"])
def test_a_login_that_is_made_after_the_first_call_is_found(
    server: InMemoryRegistry, key: SigningKey, docker: Path, by: str
) -> None:
    image = server.add_image("app:1")
    _, entry = guarded(server, by)
    with Session() as session:
        with pytest.raises(Unauthorized, match="no credentials"):
            session.verify(image, key)
        write_credentials(docker, server.host, entry, "first")
        session.sign(image, key)
        assert session.verify(image, key).verified


def test_a_login_that_expired_with_status_403_is_read_again(
    server: InMemoryRegistry, key: SigningKey, docker: Path
) -> None:
    image = server.add_image("app:1")
    guard, _ = guarded(server, "helper")
    guard.expired = 403  # as ECR answers after twelve hours
    write_credentials(docker, server.host, "helper", "first")
    with Session() as session:
        session.sign(image, key)
        guard.rotate("second")
        with pytest.raises(Unauthorized) as refused:
            session.verify(image, key)
        assert "docker login" in refused.value.hint
        write_credentials(docker, server.host, "helper", "second")
        assert session.verify(image, key).verified


def test_many_refused_images_ask_a_helper_once_for_each_and_no_more(
    server: InMemoryRegistry, key: SigningKey, docker: Path
) -> None:
    guard, _ = guarded(server, "helper")
    write_credentials(docker, server.host, "helper", "first")
    guard.rotate("second")
    images = [server.add_image(f"app:{number}") for number in range(4)]
    program = docker / "docker-credential-rotating"
    program.write_text(program.read_text() + f"echo x >> {docker}/asked\n")
    with Session() as session:
        assert not any(outcome.ok for outcome in session.verify_many(images, key))
    assert (docker / "asked").read_text().count("x") <= 1 + len(images)


def test_the_credentials_of_a_bounded_number_of_repositories_are_kept(docker: Path) -> None:
    write_credentials(docker, "registry.example", "basic", "first")
    source = CredentialFiles((docker / "config.json",))
    for number in range(1025):
        assert source.for_repository("registry.example", f"app{number}").password == "first"
    write_credentials(docker, "registry.example", "basic", "second")
    assert source.for_repository("registry.example", "app1024").password == "first"
    assert source.for_repository("registry.example", "app0").password == "second"


# --- connections -----------------------------------------------------------------------------------------------------


class ForgetfulNetwork:
    """Passes each connection on for its first `requests`, and drops what comes later without a word, as routers do."""

    def __init__(self, to: str) -> None:
        self._to, self.connections, self._forgotten = to, 0, 0

    def __enter__(self) -> Self:
        self._running = served_by(self._serve)
        self.host = self._running.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._running.__exit__(*error)

    def forget(self) -> None:
        """Drops all that is sent over the connections made so far."""
        self._forgotten = self.connections

    def _serve(self, near: socket.socket) -> None:
        self.connections += 1
        self._pass(near, self.connections)

    def _pass(self, near: socket.socket, number: int) -> None:
        with connected(self._to) as far:
            pass_on(near, far, lambda: number > self._forgotten)


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_that_was_idle_for_long_is_not_used_again(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    server.add_image("app:1")
    later = 0.0
    clock = __import__("time").monotonic
    monkeypatch.setattr("imagesig.http.direct.monotonic", lambda: clock() + later, raising=False)

    def work(act: Act) -> None:
        nonlocal later
        image = f"{network.host}/app:1"
        act("sign", image, key)
        network.forget()
        later = 55.0
        monkeypatch.setattr("imagesig.limits.READ_SECONDS", 1.0)
        before = network.connections
        assert act("verify", image, key).verified
        assert network.connections > before

    with ForgetfulNetwork(server.host) as network:
        with_session(work, Transport(timeout=30), kind)


@pytest.mark.usefixtures("quick_retries")
def test_connections_that_a_router_forgot_cost_one_wait_and_not_one_each(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(16):
        server.add_image(f"app:{number}")
    with ForgetfulNetwork(server.host) as network, Session(Transport(timeout=60)) as session:
        images = [f"{network.host}/app:{number}" for number in range(16)]
        assert all(outcome.ok for outcome in session.sign_many(images, key))
        network.forget()
        monkeypatch.setattr("imagesig.limits.READ_SECONDS", 0.5)
        assert session.verify(images[0], key).verified


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_a_408_of_a_proxy_that_gives_up_an_idle_connection_is_asked_again(
    server: InMemoryRegistry, key: SigningKey, method: str
) -> None:
    image, left = server.add_image("app:1"), [2]

    def give_up(request: Request) -> Answer | None:
        if request.method != method or not left[0]:
            return None
        left[0] -= 1
        return Answer(408, headers={"connection": "close"})

    server.faults.append(give_up)
    with Session() as session:
        session.sign(image, key)
        assert session.verify(image, key).verified
    assert not left[0]


@pytest.mark.interop
@pytest.mark.parametrize("kind", KINDS)
def test_a_registry_that_restarts_at_its_address_is_used_by_the_next_call(
    key: SigningKey, tmp_path: Path, kind: str
) -> None:
    running = contextlib.ExitStack()
    host = running.enter_context(distribution(tmp_path, f"127.0.0.1:{unused_ports()}")).host

    def work(act: Act) -> None:
        build_image(registry(f"{host}/app:1").home, {"a": b"b"}, PLATFORMS[0], tag="1")
        act("sign", f"{host}/app:1", key)
        for outage in (False, True):
            running.close()
            if outage:
                with pytest.raises(Unreachable) as gone:
                    act("verify", f"{host}/app:1", key)
                assert gone.value.retryable
                assert gone.value.hint
            running.enter_context(distribution(tmp_path, host))
            assert act("verify", f"{host}/app:1", key).verified

    with running:
        with_session(work, None, kind)


# --- TLS -------------------------------------------------------------------------------------------------------------


class TlsRegistry:
    """A registry with TLS; `renew` replaces its certificate, for connections that are made later."""

    def __init__(self, server: InMemoryRegistry, authority: trustme.CA) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.renew(authority)
        self._running = LoopbackServer(server.own_answer, tls=self.context)
        self._running.start()
        self.host = self._running.host
        self.stop = self._running.stop

    def renew(self, authority: trustme.CA, *names: str, **options: Any) -> None:
        authority.issue_cert(*(names or ("127.0.0.1",)), **options).configure_cert(self.context)


@pytest.fixture(scope="module")
def authorities() -> tuple[trustme.CA, trustme.CA]:
    return trustme.CA(), trustme.CA()


@pytest.fixture
def secure(server: InMemoryRegistry, authorities: tuple[trustme.CA, trustme.CA]) -> Iterator[TlsRegistry]:
    server.add_image("app:1")
    running = TlsRegistry(server, authorities[0])
    yield running
    running.stop()


def trust(file: Path, authority: trustme.CA) -> Path:
    authority.cert_pem.write_to_path(str(file))
    return file


@pytest.mark.parametrize("named", ["ca_file", "SSL_CERT_FILE"])
def test_a_registry_may_change_its_certificate_and_its_authority(
    secure: TlsRegistry,
    key: SigningKey,
    authorities: tuple[trustme.CA, trustme.CA],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
) -> None:
    file, image = trust(tmp_path / "ca.pem", authorities[0]), f"{secure.host}/app:1"
    if named == "SSL_CERT_FILE":
        monkeypatch.setenv(named, str(file))
    with Session(Transport(ca_file=file if named == "ca_file" else None)) as session:
        session.sign(image, key)
        secure.renew(authorities[0])
        session.close()
        assert session.verify(image, key).verified
        secure.renew(authorities[1])
        session.close()
        with pytest.raises(Unreachable, match="TLS") as refused:
            session.verify(image, key)
        assert "--registry-ca" in refused.value.hint
        trust(file, authorities[1])
        assert session.verify(image, key).verified


def test_a_file_of_authorities_that_is_gone_or_broken_is_named(
    secure: TlsRegistry, key: SigningKey, authorities: tuple[trustme.CA, trustme.CA], tmp_path: Path
) -> None:
    file, image = trust(tmp_path / "ca.pem", authorities[0]), f"{secure.host}/app:1"
    with Session(Transport(ca_file=file)) as session:
        session.sign(image, key)
        secure.renew(authorities[1])
        for spoil in (partial(file.write_text, "nothing"), file.unlink):
            spoil()
            session.close()
            with pytest.raises(InvalidArgument, match=r"ca\.pem"):
                session.verify(image, key)
        trust(file, authorities[1])
        assert session.verify(image, key).verified


FAULTS = {
    "expired": ({"not_after": datetime.now(UTC) - timedelta(days=1)}, (), "renew"),
    "not valid yet": (
        {"not_before": datetime.now(UTC) + timedelta(days=1), "not_after": datetime.now(UTC) + timedelta(days=2)},
        (),
        "clock",
    ),
    "another host": ({}, ("other.example",), "host name that"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_certificate_that_went_wrong_says_what_is_wrong_with_it(
    secure: TlsRegistry, key: SigningKey, authorities: tuple[trustme.CA, trustme.CA], tmp_path: Path, fault: str
) -> None:
    options, names, hint = FAULTS[fault]
    image = f"{secure.host}/app:1"
    with Session(Transport(ca_file=trust(tmp_path / "ca.pem", authorities[0]))) as session:
        session.sign(image, key)
        secure.renew(authorities[0], *names, **options)
        session.close()
        with pytest.raises(Unreachable, match="TLS") as refused:
            session.verify(image, key)
        assert hint in refused.value.hint
        assert "registry-ca" not in refused.value.hint
        secure.renew(authorities[0])
        assert session.verify(image, key).verified


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("answer", ["closes", "resets", "alert"])
def test_a_server_that_ends_a_handshake_is_asked_again_and_not_called_untrusted(
    secure: TlsRegistry, key: SigningKey, authorities: tuple[trustme.CA, trustme.CA], tmp_path: Path, answer: str
) -> None:
    network = ForgetfulNetwork(secure.host)
    file, failing = trust(tmp_path / "ca.pem", authorities[0]), [1]
    passed = network._pass

    def fail(near: socket.socket, number: int) -> None:
        if number > failing[0]:
            passed(near, number)
            return
        if answer == "resets":
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        near.recv(1)
        if answer == "alert":
            near.sendall(b"\x15\x03\x03\x00\x02\x02\x50")  # internal_error

    network._pass = fail  # type: ignore[method-assign]
    with network, Session(Transport(ca_file=file)) as session:
        session.sign(f"{network.host}/app:1", key)
        session.close()
        failing[0] = 1000
        with pytest.raises(Unreachable) as gone:
            session.verify(f"{network.host}/app:1", key)
        assert "trusted" not in str(gone.value)
        assert gone.value.retryable
        assert "proxy" in gone.value.hint


# --- keys of policies ------------------------------------------------------------------------------------------------


def test_a_login_of_a_policys_key_is_tried_again_unless_a_secret_was_wrong(
    server: InMemoryRegistry, key: SigningKey
) -> None:
    from imagesig import AccessDenied, PinLocked, SecretRequired, WrongSecret

    image, tried = server.add_image("app:1"), []
    refusals: dict[str, ImagesigError] = {
        "a://token": AccessDenied("the token expired"),
        "b://token": SecretRequired("no token"),
        "a://pin": WrongSecret("wrong PIN"),
        "b://pin": PinLocked("locked"),
    }

    def open_keys(text: str) -> tuple[Any, ...]:
        tried.append(text)
        if tried.count(text) == 1:
            raise refusals[text]
        return (key.info.public_key,)

    with Session(open_keys=open_keys) as session:
        session.sign(image, key)
        for policy in refusals:
            with pytest.raises(AccessDenied):
                session.verify(image, policy)
        assert session.verify(image, "a://token").verified
        assert session.verify(image, "b://token").verified
        for policy in ("a://pin", "b://pin"):
            with pytest.raises(AccessDenied):
                session.verify(image, policy)
            assert tried.count(policy) == 1
