"""Functions and objects that a program gives: what they raise, and what they give back, is explained as theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagesig import (
    ContentTrust,
    ImagesigError,
    Policy,
    Session,
    SigningKey,
    Transport,
    TrustServers,
    copy,
    explain,
    open_key,
    sign,
    sign_blob,
    verify,
    verify_many,
)
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import AttachIncomplete, InvalidArgument, KeyProviderError, TransportError, Unauthorized
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.secrets import fixed
from imagesig.testing import InMemoryRegistry
from imagesig.witnesses import Query, RevocationChecker
from imagesig.witnesses.web import fetch

Raises = Callable[..., object]


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry(basic=("me", "s3cret-of-me")) as running:
        for tag in ("1", "2"):
            running.add_image(f"app:{tag}")
        yield running


@pytest.fixture(params=[ValueError, StopIteration, KeyError, OSError, RecursionError], ids=lambda kind: kind.__name__)
def fails(request: pytest.FixtureRequest) -> Raises:
    def raises(*_: object, **__: object) -> object:
        raise request.param("t0p-s3cret")

    return raises


LOGIN = Transport(credentials=("me", "s3cret-of-me"))


class Gives:
    """An object whose methods are all the same function."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __getattr__(self, _name: str) -> Callable[..., object]:
        return self._function


def refused(action: Callable[[], object], kind: type[ImagesigError], said: str) -> ImagesigError:
    with pytest.raises(kind) as caught:
        action()
    assert said in str(caught.value)
    assert "t0p-s3cret" not in str(caught.value) + str(caught.value.hint)
    return caught.value


def test_credentials(server: InMemoryRegistry, key: SigningKey, fails: Raises) -> None:
    name, transport = f"{server.host}/app:1", Transport(credentials=fails)  # type: ignore[arg-type]
    said = f"{server.host}: the function for credentials: failed with"
    for action in (lambda: verify(name, key, transport=transport), lambda: sign(name, key, transport=transport)):
        error = refused(action, Unauthorized, said)
        assert error.__cause__ is not None
    (outcome,) = verify_many([name], key, transport=transport)
    assert isinstance(outcome.error, Unauthorized)


@pytest.mark.parametrize("answer", [None, ("me", "s3cret"), "me"], ids=["none", "tuple", "text"])
def test_credentials_that_are_none(server: InMemoryRegistry, key: SigningKey, answer: object) -> None:
    transport = Transport(credentials=lambda _host: answer)  # type: ignore[arg-type, return-value]
    said = f"returned {type(answer).__name__}, a Credential is needed"
    refused(lambda: verify(f"{server.host}/app:1", key, transport=transport), InvalidArgument, said)


def test_openers_of_keys(server: InMemoryRegistry, key: SigningKey, fails: Raises) -> None:
    name, said = f"{server.host}/app:1", "open_keys for my.pub: failed with"
    sign(name, key, transport=LOGIN)
    refused(lambda: verify(name, "my.pub", transport=LOGIN, open_keys=fails), KeyProviderError, said)  # type: ignore[arg-type]
    with Session(transport=LOGIN, open_keys=fails) as session:  # type: ignore[arg-type]
        refused(lambda: session.verify(name, "my.pub"), KeyProviderError, said)
    explained = explain(name, Policy.any_of("my.pub"), transport=LOGIN, open_keys=fails)  # type: ignore[arg-type]
    assert said in str(explained)


def test_sources_of_secrets(tmp_path: Path, fails: Raises) -> None:
    FileProvider(tmp_path, secrets=fixed("pass")).generate("k.key", KeyType.ECDSA_P256)
    refused(lambda: open_key(tmp_path / "k.key", secrets=fails), KeyProviderError, "failed")  # type: ignore[arg-type]


def test_streams(key: SigningKey, fails: Raises) -> None:
    class Stream:
        def read(self, size: int = -1) -> bytes:
            return bytes(fails(size))  # type: ignore[call-overload]

    refused(lambda: sign_blob(Stream(), key), InvalidArgument, "the stream cannot be read")  # type: ignore[arg-type]


def test_memories_of_trust(fails: Raises) -> None:
    trust = ContentTrust("https://127.0.0.1:1", "00" * 32)
    servers = TrustServers(memory=Gives(fails))  # type: ignore[arg-type]
    said = "content trust memory: failed with"
    refused(lambda: verify("127.0.0.1:1/app:1", trust, trust_servers=servers), InvalidArgument, said)


@pytest.mark.parametrize(
    "answer", [None, "text", {"root": "text"}, {1: b""}], ids=["none", "text", "no-bytes", "no-role"]
)
def test_memories_that_remember_no_files(answer: object) -> None:
    trust = ContentTrust("https://127.0.0.1:1", "00" * 32)
    servers = TrustServers(memory=Gives(lambda *_: answer))  # type: ignore[arg-type]
    refused(lambda: verify("127.0.0.1:1/app:1", trust, trust_servers=servers), InvalidArgument, "content trust memory")


def test_fetchers(fails: Raises) -> None:
    query = Query("http://ocsp.example/", "*/*", 10, 1.0)
    refused(lambda: fetch(Gives(fails), query), TransportError, "fetcher for http://ocsp.example/: failed with")
    refused(lambda: fetch(Gives(lambda _: b""), query), InvalidArgument, "returned bytes, a Response is needed")


def test_caches_of_revocation_lists(fails: Raises) -> None:
    checker = RevocationChecker(Gives(lambda _: None), crl_cache=Gives(fails))  # type: ignore[arg-type]
    refused(lambda: list(checker._lists("http://crl.example/", None)), InvalidArgument, "CRL cache: failed with")  # type: ignore[arg-type]


def test_progress_of_signing_says_what_is_attached(server: InMemoryRegistry, key: SigningKey, fails: Raises) -> None:
    names = [f"{server.host}/app:{tag}" for tag in ("1", "2")]
    server.add_image("app:2", platforms=("linux/amd64",))
    error = refused(
        lambda: sign(names, key, formats=["cosign"], transport=LOGIN, progress=fails),  # type: ignore[arg-type]
        AttachIncomplete,
        "progress: failed with",
    )
    assert isinstance(error, AttachIncomplete)
    assert error.attached
    assert verify(error.attached[0].partition(": ")[0], key, transport=LOGIN).verified


def test_progress_of_a_copy(server: InMemoryRegistry, fails: Raises) -> None:
    said = "progress: failed with"
    name = f"{server.host}/app:1"
    refused(lambda: copy(name, f"{server.host}/b:1", transport=LOGIN, progress=fails), InvalidArgument, said)  # type: ignore[arg-type]


def test_executors(server: InMemoryRegistry, key: SigningKey) -> None:
    public = key.info.public_key
    (outcome,) = verify_many([f"{server.host}/app:1"], public, transport=LOGIN, executor=Gives(lambda *_: None))  # type: ignore[arg-type]
    assert "submit returned NoneType, a Future is needed" in str(outcome.error)
