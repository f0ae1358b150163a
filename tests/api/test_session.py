"""`Session` and the options `transport`, `timeout` and `open_keys`: what is opened once, and what is refused."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import imagesig
from imagesig import (
    InvalidArgument,
    KeyProviderUnavailable,
    KeyType,
    NoSignatureAccepted,
    PublicKey,
    Session,
    SigningKey,
    Transport,
    VerificationError,
    WrongSecret,
    registry,
    registry_client,
)
from imagesig.errors import DeadlineExceeded, Unreachable
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.credential import ANONYMOUS, Credential
from imagesig.keys import FileProvider
from imagesig.testing import Answer, InMemoryRegistry, Request

NOBODY = Transport(credentials=lambda _host: ANONYMOUS)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return FileProvider(tmp_path_factory.mktemp("keys")).generate("release.key", KeyType.ECDSA_P256)


@pytest.fixture
def public_file(key: SigningKey, tmp_path: Path) -> Path:
    (tmp_path / "release.pub").write_text(key.info.public_key.pem)
    return tmp_path / "release.pub"


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry(bearer=("user", "password")) as running:
        home = registry(f"{running.host}/app:1", credentials=("user", "password")).home
        build_image(home, {"a": b"b"}, PLATFORMS[0], tag="1")
        yield running


def with_login(asked: list[str] | None = None) -> Transport:
    def credentials(host: str) -> Credential:
        if asked is not None:
            asked.append(host)
        return Credential("user", "password")

    return Transport(credentials=credentials)


def test_a_session_logs_in_and_opens_a_policy_key_once(
    server: InMemoryRegistry, key: SigningKey, public_file: Path
) -> None:
    opened: list[str] = []

    def open_keys(text: str) -> tuple[PublicKey, ...]:
        opened.append(text)
        return (key.info.public_key,)

    name = f"{server.host}/app:1"
    with Session(with_login(), open_keys=open_keys) as session:
        session.sign(name, key)
        server.requests.clear()
        for _ in range(3):
            assert session.verify(name, "some://key").verified
        assert [outcome.ok for outcome in session.verify_many([name], "some://key")] == [True]
        assert session.explain(name, "some://key").is_met
        assert len(session.inspect(name).signatures) == 2

    assert server.asked(containing="/token") <= 1
    assert opened == ["some://key"]


def test_a_session_does_everything_with_its_login(server: InMemoryRegistry, key: SigningKey) -> None:
    name, there = f"{server.host}/app:1", f"{server.host}/copy:1"
    with Session(with_login()) as session:
        assert [outcome.ok for outcome in session.sign_many([name], key)] == [True]
        assert session.copy(name, there).digest
        assert session.verify(there, imagesig.Policy.any_of(key, identity=name)).verified
        assert len(session.remove(there, key=key).removed) == 2
        with pytest.raises(VerificationError):
            session.verify(there, key)


def test_a_session_is_used_by_many_threads(server: InMemoryRegistry, key: SigningKey, public_file: Path) -> None:
    name, results = f"{server.host}/app:1", []
    with Session(with_login()) as session:
        session.sign(name, key)
        threads = [
            threading.Thread(target=lambda: results.append(session.verify(name, public_file).verified))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == [True] * 8


def test_a_wrong_secret_is_not_tried_again_and_an_unavailable_store_is(
    server: InMemoryRegistry, key: SigningKey
) -> None:
    name, tried = f"{server.host}/app:1", []

    def open_keys(text: str) -> tuple[PublicKey, ...]:
        tried.append(text)
        if text == "wrong://pin":
            raise WrongSecret("wrong PIN")
        raise KeyProviderUnavailable("sealed")

    session = Session(with_login(), open_keys=open_keys, key_seconds=1e-9)
    for policy in ("wrong://pin", "sealed://key") * 2:
        with pytest.raises(imagesig.KeyProviderError):
            session.verify(name, policy)
    assert tried == ["wrong://pin", "sealed://key", "sealed://key"]


def test_a_key_is_opened_again_once_it_is_old(server: InMemoryRegistry, key: SigningKey, tmp_path: Path) -> None:
    name = f"{server.host}/app:1"
    other = FileProvider(tmp_path).generate("other.key", KeyType.ECDSA_P256)
    keys = [other.info.public_key, key.info.public_key]
    with Session(with_login(), open_keys=lambda _text: (keys.pop(0),), key_seconds=0.001) as session:
        session.sign(name, key)
        with pytest.raises(NoSignatureAccepted):
            session.verify(name, "rotated://key")
        time.sleep(0.005)
        assert session.verify(name, "rotated://key").verified


def test_every_function_takes_a_transport_and_a_client(server: InMemoryRegistry, key: SigningKey) -> None:
    name = f"{server.host}/app:1"
    with registry_client(credentials=("user", "password")) as client:
        for transport in (with_login(), client):
            imagesig.sign(name, key, transport=transport)
            assert imagesig.verify(name, key, transport=transport).verified
            assert imagesig.inspect(name, transport=transport).signatures
            assert imagesig.explain(name, imagesig.Policy.any_of(key), transport=transport).is_met
            assert imagesig.copy(name, f"{server.host}/b:1", transport=transport).digest
            assert all(outcome.ok for outcome in imagesig.sign_many([name], key, transport=transport))
            assert all(outcome.ok for outcome in imagesig.verify_many([name], key, transport=transport))
            assert imagesig.remove(name, key=key, transport=transport).removed
        assert imagesig.inspect(name, transport=client).digest  # the functions have not closed it


def test_each_side_of_a_copy_has_a_transport_of_its_own(server: InMemoryRegistry, key: SigningKey) -> None:
    with InMemoryRegistry(bearer=("other", "secret")) as destination:
        there = f"{destination.host}/app:1"
        copied = imagesig.copy(
            f"{server.host}/app:1",
            there,
            source_transport=with_login(),
            destination_transport=Transport(credentials=("other", "secret")),
        )
        assert copied.destination == there


@pytest.mark.parametrize("call", ["verify", "inspect", "sign", "remove", "explain"])
def test_a_timeout_is_that_of_the_call(server: InMemoryRegistry, key: SigningKey, call: str) -> None:
    hold = threading.Event()

    def hang(_request: Request) -> Answer:
        hold.wait(20)
        return Answer(500)

    server.faults.append(hang)
    image = registry(f"{server.host}/app:1", timeout=60)
    policy = imagesig.Policy.any_of(key)
    calls = {
        "verify": lambda given: imagesig.verify(given, policy, timeout=0.3),
        "inspect": lambda given: imagesig.inspect(given, timeout=0.3),
        "sign": lambda given: imagesig.sign(given, key, timeout=0.3),
        "remove": lambda given: imagesig.remove(given, all=True, timeout=0.3),
        "explain": lambda given: imagesig.explain(given, policy, timeout=0.3),
    }
    started = time.monotonic()
    for given in (image, f"{server.host}/app:1"):
        if call == "explain":
            assert calls[call](given).is_met is None
        else:
            with pytest.raises((DeadlineExceeded, Unreachable)):
                calls[call](given)
    assert time.monotonic() - started < 5
    hold.set()


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "3", []], ids=str)
def test_a_timeout_that_is_not_a_positive_number_is_refused(key: SigningKey, timeout: object) -> None:
    with pytest.raises(InvalidArgument, match="timeout"):
        imagesig.verify("oci:nowhere", key, timeout=timeout)


@pytest.mark.parametrize("transport", [{}, "http", 7, {"credentials": ("a", "b")}], ids=str)
def test_a_transport_of_another_kind_is_refused(key: SigningKey, transport: object) -> None:
    with pytest.raises(InvalidArgument, match="a Transport or a registry client is needed"):
        imagesig.verify("registry.example/app:1", key, transport=transport)


@pytest.mark.parametrize(
    "settings", [{"plain_http": True}, {"ca_file": Path("ca.pem")}, {"credentials": ("a", "b")}], ids=str
)
def test_a_client_is_not_combined_with_settings_of_its_own(settings: dict[str, object]) -> None:
    with registry_client() as client, pytest.raises(InvalidArgument, match="cannot be combined with client"):
        registry("registry.example/app:1", client=client, **settings)


def test_open_connections_are_not_sent_to_other_processes(key: SigningKey) -> None:
    from concurrent.futures import ProcessPoolExecutor

    with (
        registry_client() as client,
        ProcessPoolExecutor(1) as executor,
        pytest.raises(InvalidArgument, match="does not pickle"),
    ):
        imagesig.verify_many(["app:1"], key.info.public_key, transport=client, executor=executor)
