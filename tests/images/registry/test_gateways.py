"""Gateways and registries of the field: logins without a challenge, refused uploads, other names of encodings."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagesig import ImagesigError, copy, inspect, sign, verify
from imagesig.errors import ImageNotFound, Unauthorized, UnexpectedResponse, Unreachable
from imagesig.images.registry.connect import registry, registry_client
from imagesig.images.registry.credential import Credential, anonymous
from imagesig.testing import Answer, InMemoryRegistry, Request
from tests.makers import signing_key

pytestmark = pytest.mark.usefixtures("quick_retries", "no_proxies")

LOGIN = ("me", "s3cret")
BOTH = ["cosign", "bundle"]
REFUSED = json.dumps({"errors": [{"code": "DENIED", "message": "no"}]}).encode()


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def with_refusals(server: InMemoryRegistry, change: Callable[[Request, Answer], Answer]) -> None:
    """Changes the registry's answer 401 to each request of its API."""

    def changed(request: Request) -> Answer | None:
        own = server.own_answer(request) if request.path.startswith("/v2/") else Answer()
        return change(request, own) if own.status == 401 else None

    server.faults.append(changed)


def greetings(server: InMemoryRegistry) -> int:
    return sum(item.path == "/v2/" for item in server.requests)


# --- logins -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_a_challenge_for_the_version_of_the_api_is_answered(kind: str, status: int) -> None:
    login = {kind: LOGIN}
    with InMemoryRegistry(**login) as server:  # type: ignore[arg-type]
        image = server.add_image()
        challenge = 'Basic realm="x"' if kind == "basic" else f'Bearer realm="http://{server.host}/token"'

        def first_for_the_api(request: Request, own: Answer) -> Answer:
            if request.path == "/v2/":
                return Answer(401, own.body, {"www-authenticate": challenge})
            return Answer(status, REFUSED)

        with_refusals(server, first_for_the_api)
        made = sign(registry(image, credentials=LOGIN), signing_key(), formats=BOTH)
        assert {item.state for item in made.signatures} == {"attached"}
        assert verify(registry(image, credentials=LOGIN), signing_key()).verified
        with pytest.raises((Unauthorized, ImageNotFound)):
            inspect(registry(image, credentials=("me", "wrong")))


def test_basic_is_sent_where_a_registry_names_no_login() -> None:
    with InMemoryRegistry(basic=LOGIN) as server:
        image = server.add_image()
        with_refusals(server, lambda request, own: Answer(401))
        assert sign(registry(image, credentials=LOGIN), signing_key()).signatures
        with pytest.raises(Unauthorized, match="status 401, the login is me"):
            inspect(registry(image, credentials=("me", "wrong")))


def test_without_credentials_a_registry_that_names_no_login_asks_for_one(
    server: InMemoryRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    server.faults.append(lambda request: Answer(401))
    with pytest.raises(Unauthorized, match="there are no credentials") as caught:
        inspect(f"{server.host}/app:1")
    assert "docker login" in caught.value.hint


def test_a_registry_that_refuses_a_stranger_without_a_challenge_is_written_with_a_login() -> None:
    with InMemoryRegistry() as source, InMemoryRegistry(basic=LOGIN) as server:
        image = source.add_image()

        with_refusals(server, lambda request, own: own if request.path == "/v2/" else Answer(403, REFUSED))
        copied = copy(image, registry(f"{server.host}/app:1", credentials=LOGIN))
        assert copied.digest == inspect(image).digest


@pytest.mark.parametrize("status", [403, 404])
def test_a_repository_that_is_read_without_a_login_is_not_hidden(server: InMemoryRegistry, status: int) -> None:
    image = registry(server.add_image(), credentials=LOGIN)
    assert inspect(image).digest
    server.faults.append(lambda request: Answer(status, REFUSED) if "/referrers/" in request.path else None)
    with pytest.raises(ImagesigError, match=r"no signature|403"):
        verify(image, signing_key())
    assert greetings(server) == 0


def test_a_repository_without_credentials_is_not_asked_twice(server: InMemoryRegistry) -> None:
    with pytest.raises(ImageNotFound):
        inspect(registry(f"{server.host}/no:1", credentials=anonymous))
    assert (greetings(server), len(server.requests)) == (0, 1)


def test_the_version_of_the_api_is_asked_for_once(server: InMemoryRegistry) -> None:
    with registry_client(credentials=LOGIN) as client:
        for name in ("no:1", "no:1", "neither:1"):
            with pytest.raises(ImageNotFound):
                inspect(registry(f"{server.host}/{name}", client=client))
    assert greetings(server) == 1


def test_a_registry_that_did_not_answer_is_asked_for_its_version_again(server: InMemoryRegistry) -> None:
    server.faults.append(lambda request: Answer(503) if request.path == "/v2/" else None)
    with registry_client(credentials=LOGIN) as client:
        for _ in range(2):
            with pytest.raises(ImageNotFound):
                inspect(registry(f"{server.host}/no:1", client=client))
    assert greetings(server) == 2


def test_a_login_that_a_greeting_cannot_name_leaves_the_answer(server: InMemoryRegistry) -> None:
    server.faults.append(lambda request: Answer(close=True) if request.path == "/v2/" else None)
    with pytest.raises(ImageNotFound):
        inspect(registry(f"{server.host}/no:1", credentials=LOGIN))


def test_a_greeting_on_another_server_names_no_login(server: InMemoryRegistry) -> None:
    with InMemoryRegistry(basic=LOGIN) as other:
        there = {"location": f"http://{other.host}/v2/"}
        server.faults.append(lambda request: Answer(302, b"", there) if request.path == "/v2/" else None)
        with pytest.raises(ImageNotFound):
            inspect(registry(f"{server.host}/no:1", credentials=LOGIN))
        secret = b64encode(":".join(LOGIN).encode()).decode()
        assert not any(secret in str(item.headers) for item in (*other.requests, *server.requests))


def test_an_identity_token_follows_no_redirect() -> None:
    with InMemoryRegistry(bearer=LOGIN) as server:
        image = server.add_image()
        moved = Answer(307, b"", {"location": "/elsewhere"})
        server.faults.append(lambda request: moved if request.path == "/token" else None)
        source = lambda _host: Credential(identity_token="s3cret-identity")  # noqa: E731
        with pytest.raises(UnexpectedResponse, match="status 307"):
            inspect(registry(image, credentials=source))
        assert [item.method for item in server.requests if item.path == "/token"] == ["POST"]
        assert server.asked(containing="/elsewhere") == 0


@pytest.mark.parametrize("separator", [";", " ; ", ",,", ", ;"])
def test_parameters_of_a_challenge_may_be_separated_by_semicolons(separator: str) -> None:
    with InMemoryRegistry(bearer=LOGIN) as server:
        image = server.add_image()
        challenge = f'Bearer realm="http://{server.host}/token"{separator}service="test"'
        with_refusals(server, lambda request, own: Answer(401, own.body, {"www-authenticate": challenge}))
        assert sign(registry(image, credentials=LOGIN), signing_key()).signatures


@pytest.mark.parametrize(
    "challenge", ["Bearer", 'Bearer realm=""', "Bearer realm=http://r/token", 'Bearer service="x"']
)
def test_a_challenge_without_a_token_server_is_said_to_be_one(server: InMemoryRegistry, challenge: str) -> None:
    server.faults.append(lambda request: Answer(401, b"", {"www-authenticate": challenge}))
    with pytest.raises(UnexpectedResponse, match="names no token server") as caught:
        inspect(registry(f"{server.host}/app:1", credentials=LOGIN))
    assert "WWW-Authenticate" in caught.value.hint


# --- uploads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 404, 405, 411, 413, 415, 416, 422, 429, 500, 501, 502, 301, 307])
def test_an_upload_that_is_refused_in_one_request_is_made_in_two(server: InMemoryRegistry, status: int) -> None:
    image = server.add_image()
    there = {"location": "/elsewhere"} if status in (301, 307) else {}
    at_once = Answer(status, REFUSED, there)
    server.faults.append(lambda request: at_once if request.method == "POST" and "digest" in request.query else None)
    made = sign(image, signing_key(), formats=BOTH)
    assert {item.state for item in made.signatures} == {"attached"}
    assert verify(image, signing_key()).verified


@pytest.mark.parametrize(("status", "kind"), [(403, Unauthorized), (500, Unreachable), (422, UnexpectedResponse)])
def test_an_upload_that_is_refused_in_every_way_is_refused(
    server: InMemoryRegistry, status: int, kind: type[Exception]
) -> None:
    image = server.add_image()
    server.faults.append(lambda request: Answer(status, REFUSED) if request.method == "POST" else None)
    with pytest.raises(kind, match=rf"status {status} \('DENIED': 'no'\)"):
        sign(image, signing_key())


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_write_follows_a_redirect_on_the_same_server(server: InMemoryRegistry, method: str, status: int) -> None:
    image = server.add_image()

    def moved(request: Request) -> Answer | None:
        if request.method != method or "moved" in request.query:
            return None
        query = "&".join(f"{name}={value}" for name, values in request.query.items() for value in values)
        return Answer(status, b"", {"location": f"{request.path}?moved=1&{query}"})

    server.faults.append(moved)
    assert {item.state for item in sign(image, signing_key(), formats=BOTH).signatures} == {"attached"}
    assert verify(image, signing_key()).verified


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_write_follows_no_other_redirect(server: InMemoryRegistry, status: int) -> None:
    image = server.add_image()
    with InMemoryRegistry() as other:
        there = f"http://{other.host}/v2/app/x" if status in (307, 308) else "/v2/app/manifests/x"
        moved = Answer(status, b"", {"location": there})
        server.faults.append(lambda request: moved if request.method == "PUT" else None)
        with pytest.raises(UnexpectedResponse, match=f"status {status}, redirected"):
            sign(image, signing_key())
        assert other.requests == []


def test_a_write_that_is_redirected_for_ever_ends(server: InMemoryRegistry) -> None:
    image = server.add_image()
    server.faults.append(
        lambda request: Answer(307, b"", {"location": request.path}) if request.method == "PUT" else None
    )
    with pytest.raises(UnexpectedResponse, match="redirects"):
        sign(image, signing_key())


# --- encodings ----------------------------------------------------------------------------------------------------


def encoded(server: InMemoryRegistry, name: str) -> None:
    def named(request: Request) -> Answer | None:
        own = server.own_answer(request)
        return Answer(own.status, own.body, {**own.headers, "content-encoding": name})

    server.faults.append(named)


@pytest.mark.parametrize(
    "name", ["", "identity", "Identity", "none", "utf-8", "UTF-8", "aws-chunked", "binary", "8bit"]
)
def test_an_encoding_that_changes_no_bytes_does_not_matter(server: InMemoryRegistry, name: str) -> None:
    image = server.add_image()
    encoded(server, name)
    assert sign(image, signing_key(), formats=BOTH).signatures
    assert verify(image, signing_key()).verified


@pytest.mark.parametrize(
    "name",
    ["gzip", "GZip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress", "identity, gzip", "aws-chunked,gzip"],
)
def test_compressed_answers_are_refused_with_the_place_to_turn_it_off(server: InMemoryRegistry, name: str) -> None:
    image = server.add_image()
    encoded(server, name)
    with pytest.raises(UnexpectedResponse, match="content encoding") as caught:
        inspect(image)
    assert "turn off compression" in caught.value.hint


# --- redirects ----------------------------------------------------------------------------------------------------


def test_a_redirect_may_name_a_file_in_its_query(server: InMemoryRegistry) -> None:
    """Storage is asked to name the download. skopeo and docker follow such redirects."""
    image = server.add_image()
    sign(image, signing_key(), formats=BOTH)

    def redirected(request: Request) -> Answer | None:
        if "/blobs/" not in request.path or request.query:
            return None
        return Answer(307, headers={"location": f'{request.path}?disposition=attachment; filename="a b|{{c}}"'})

    server.faults.append(redirected)
    assert verify(image, signing_key()).verified
    assert any(item.query.get("disposition") for item in server.requests)
