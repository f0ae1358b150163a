"""Logging in to registries: what a token server is told and believed, and for how long its tokens serve."""

from __future__ import annotations

import base64
import json
import os
import threading
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs

import pytest

from imagesig import inspect
from imagesig.errors import MalformedError, Unauthorized, UnexpectedResponse
from imagesig.http.client import HttpClient, Response
from imagesig.http.proxies import Proxies
from imagesig.images.registry.auth import RegistryLogin, TokenRequest
from imagesig.images.registry.challenges import Challenge, granted_scopes, parse_challenges
from imagesig.images.registry.connect import RegistryClient, registry, registry_client
from imagesig.images.registry.credential import ANONYMOUS, Credential
from imagesig.images.registry.credentials import CredentialFiles
from imagesig.oci.reference import parse_reference
from imagesig.testing import Answer, InMemoryRegistry, Request

REGISTRY = "https://registry.example"
BEARER = 'Bearer realm="https://auth.example/token",service="registry.example"'


class TokenServer:
    """An HTTP client that answers every request alike, and keeps what it was asked."""

    def __init__(self, status: int = 200, **answer: Any) -> None:
        self.body = answer.pop("body", json.dumps({"token": "t0ken", **answer}).encode())
        self.status = status
        self.urls: list[str] = []

    def request(self, _method: str, url: str, **_more: object) -> Response:
        self.urls.append(url)
        return Response(self.status, {}, self.body, url)


def login(server: TokenServer) -> RegistryLogin:
    return RegistryLogin(cast("HttpClient", server), lambda _host: Credential("user", "s3cret"))


def log_in(to: RegistryLogin, *, repository: str = "team/app", actions: str = "pull", refused: str = "") -> str:
    return to.answer(BEARER, REGISTRY, repository, actions, refused)


@pytest.mark.parametrize("realm", ["https://127.0.0.2:1/token", "http://auth.example/token", "https://u:p@x.example/"])
def test_a_token_server_that_may_not_be_asked_sees_no_request(realm: str) -> None:
    server = TokenServer()
    with pytest.raises(UnexpectedResponse):
        login(server).answer(f'Bearer realm="{realm}"', REGISTRY, "team/app", "pull", "")
    assert not server.urls


def test_a_registry_cannot_send_the_password_to_a_token_server_of_its_choice() -> None:
    with InMemoryRegistry() as server, InMemoryRegistry() as thief:
        challenge = {"www-authenticate": f'Bearer realm="http://user@{thief.host}/token"'}
        server.faults.append(lambda _: Answer(401, headers=challenge))
        image = registry(f"{server.host}/team/app:1.0", credentials=("user", "s3cret"))
        with pytest.raises(UnexpectedResponse, match="token server"):
            image.home.resolve("1.0")
        assert not thief.requests


@pytest.mark.parametrize(
    ("header", "parameters"),
    [
        ("Bearer realm=https,service=registry", {"realm": "https", "service": "registry"}),
        ('Bearer realm="https://x/y",service=registry', {"realm": "https://x/y", "service": "registry"}),
        ('Bearer service=registry , realm="a,b"', {"service": "registry", "realm": "a,b"}),
    ],
)
def test_parameters_of_a_challenge_are_tokens_or_quoted(header: str, parameters: dict[str, str]) -> None:
    assert parse_challenges(header) == (Challenge("bearer", parameters),)


def seconds_that_a_token_serves(monkeypatch: pytest.MonkeyPatch, **answer: Any) -> float:
    """By asking the login for its header at later and later times."""
    now = 1000.0
    monkeypatch.setattr("imagesig.images.registry.auth.time.monotonic", lambda: now)
    to = login(TokenServer(**answer))
    log_in(to)
    while to.header(REGISTRY, "team/app", "pull") and now < 10_000:
        now += 0.5
    return now - 1000.0


@pytest.mark.parametrize(("stated", "serves"), [(3600, 3595), (300.5, 295.5), (6, 1), (1, 1)])
def test_a_token_serves_until_shortly_before_it_expires(
    monkeypatch: pytest.MonkeyPatch, stated: float, serves: float
) -> None:
    assert seconds_that_a_token_serves(monkeypatch, expires_in=stated) == serves


@pytest.mark.parametrize("stated", [True, "3600", None, -5, 0, 10**400, 10**9, [3600]])
def test_an_invalid_lifetime_is_the_protocols_minute(monkeypatch: pytest.MonkeyPatch, stated: object) -> None:
    assert seconds_that_a_token_serves(monkeypatch, expires_in=stated) == 55


def test_a_token_without_a_lifetime_serves_the_protocols_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seconds_that_a_token_serves(monkeypatch) == 55


def test_a_token_serves_the_actions_that_it_is_for() -> None:
    to = login(TokenServer())
    log_in(to, actions="pull")
    assert to.header(REGISTRY, "team/app", "pull") == "Bearer t0ken"
    assert not to.header(REGISTRY, "team/app", "pull,push")
    assert not to.header(REGISTRY, "team/app", "pull", "team/other")
    assert not to.header(REGISTRY, "team/other", "pull")


def test_a_token_that_may_push_serves_a_pull_too_but_not_a_deletion() -> None:
    to = login(TokenServer())
    log_in(to, actions="pull,push")
    assert to.header(REGISTRY, "team/app", "pull") == "Bearer t0ken"
    assert not to.header(REGISTRY, "team/app", "pull,delete")


def test_a_token_is_asked_for_once_and_again_when_it_was_refused() -> None:
    server = TokenServer()
    to = login(server)
    assert log_in(to) == log_in(to) == "Bearer t0ken"
    assert len(server.urls) == 1
    log_in(to, refused="Bearer t0ken")
    assert len(server.urls) == 2


def test_tokens_are_kept_for_a_bounded_number_of_repositories() -> None:
    to = login(TokenServer())
    for number in range(1025):
        log_in(to, repository=f"team/app{number}")
    assert not to.header(REGISTRY, "team/app0", "pull")
    assert all(to.header(REGISTRY, f"team/app{number}", "pull") for number in range(1, 1025))


def test_a_token_that_was_renewed_is_forgotten_last() -> None:
    to = login(TokenServer())
    for number in range(1024):
        log_in(to, repository=f"team/app{number}")
    log_in(to, repository="team/app0", refused="Bearer t0ken")
    log_in(to, repository="team/more")
    assert to.header(REGISTRY, "team/app0", "pull")
    assert not to.header(REGISTRY, "team/app1", "pull")


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_token_server_that_refuses_is_a_refused_login(status: int) -> None:
    with pytest.raises(Unauthorized, match="does not accept"):
        log_in(login(TokenServer(status)))


@pytest.mark.parametrize("status", [201, 204, 302, 404, 418])
def test_a_token_server_that_answers_otherwise_is_named(status: int) -> None:
    with pytest.raises(UnexpectedResponse, match=f"status {status}"):
        log_in(login(TokenServer(status)))


def test_basic_credentials_that_were_refused_are_not_sent_again() -> None:
    to = login(TokenServer())
    header = to.answer('Basic realm="x"', REGISTRY, "team/app", "pull", "")
    assert header == "Basic dXNlcjpzM2NyZXQ="
    with pytest.raises(Unauthorized, match="does not accept"):
        to.answer('Basic realm="x"', REGISTRY, "team/app", "pull", header)


def test_a_registry_that_takes_basic_credentials_gets_them_for_every_repository() -> None:
    to = login(TokenServer())
    assert not to.header(REGISTRY, "team/other", "pull")
    to.answer('Basic realm="x"', REGISTRY, "team/app", "pull", "")
    assert to.header(REGISTRY, "team/other", "pull") == "Basic dXNlcjpzM2NyZXQ="
    assert not to.header("https://other.example", "team/app", "pull")


def test_tokens_go_before_basic_credentials_in_any_order() -> None:
    assert login(TokenServer()).answer(f'Basic realm="x", {BEARER}', REGISTRY, "a", "pull", "") == "Bearer t0ken"


def test_a_login_by_anything_else_is_refused_with_its_name() -> None:
    with pytest.raises(UnexpectedResponse, match="negotiate"):
        login(TokenServer()).answer("Negotiate", REGISTRY, "a", "pull", "")
    with pytest.raises(UnexpectedResponse, match="by 'none'"):
        login(TokenServer()).answer("", REGISTRY, "a", "pull", "")


@pytest.mark.parametrize("token", ["", "two words", "t0ken\r\nx-other: 1", "t\xf6ken", 7, None, ["t0ken"]])
def test_a_token_that_no_header_can_carry_is_refused(token: object) -> None:
    with pytest.raises(MalformedError, match="no valid token"):
        log_in(login(TokenServer(token=token)))


# --- the challenge's own scope ----------------------------------------------------------------------------------------

UPSTREAM = "repository:upstream/app:pull"
OWN = "repository:team/app:pull"


def gateway(server: InMemoryRegistry, challenge: str, grants: str = UPSTREAM) -> list[dict[str, list[str]]]:
    """A gateway that renames repositories: its token server grants its own scope only. Gives what it was asked for."""
    asked: list[dict[str, list[str]]] = []

    def answer(request: Request) -> Answer | None:
        if request.path == "/token":
            asked.append(parse_qs(request.body.decode()) if request.method == "POST" else dict(request.query))
            granted = grants in " ".join(asked[-1].get("scope", [])).split()
            return Answer(200, b'{"access_token": "t0ken", "token": ""}') if granted else Answer(403)
        if request.headers.get("authorization") == "Bearer t0ken":
            return None
        return Answer(401, headers={"www-authenticate": challenge.replace("REALM", f"http://{server.host}/token")})

    server.faults.append(answer)
    return asked


CHALLENGES = {
    "one scope": f'Bearer realm="REALM",service="s",scope="{UPSTREAM}"',
    "a list of scopes": f'Bearer realm="REALM",service="s",scope="repository:x:pull {UPSTREAM}"',
    "blanks around": f'Bearer realm="REALM" , service="s" , scope="  {UPSTREAM} "',
    "no service": f'Bearer scope="{UPSTREAM}",realm="REALM"',
    "an error beside it": f'Bearer realm="REALM",service="s",error="insufficient_scope",scope="{UPSTREAM}"',
    "after Basic": f'Basic realm="s", Bearer realm="REALM",service="s",scope="{UPSTREAM}"',
    "after Negotiate with a token": f'Negotiate YII=, bearer Realm="REALM", SCOPE="{UPSTREAM}"',
    "after Negotiate with another token": f'Negotiate YI/+~==, Bearer realm="REALM",scope="{UPSTREAM}"',
    "after a Bearer without a realm": f'Bearer error="invalid_token", Bearer realm="REALM",scope="{UPSTREAM}"',
}


@pytest.mark.parametrize("challenge", CHALLENGES.values(), ids=CHALLENGES)
@pytest.mark.parametrize("kind", ["password", "identity token", "anonymous"])
def test_a_token_is_asked_for_with_the_challenges_scope_and_ours(challenge: str, kind: str) -> None:
    credentials = {
        "password": Credential("user", "s3cret"),
        "identity token": Credential(identity_token="refresh"),
        "anonymous": ANONYMOUS,
    }
    with InMemoryRegistry() as server:
        image = server.add_image("team/app:1.0")
        asked = gateway(server, challenge)
        assert inspect(registry(image, credentials=lambda _host: credentials[kind])).digest
    scopes = " ".join(asked[0]["scope"]).split()
    assert {UPSTREAM, OWN} <= set(scopes)
    assert scopes.index(UPSTREAM) < scopes.index(OWN)
    assert len(scopes) == len(set(scopes))
    assert len(asked) == 1


@pytest.mark.parametrize("scope", ["", 'scope="",', f'scope="{OWN}",', f'scope="{OWN} {OWN}",'])
def test_a_scope_is_asked_for_once(scope: str) -> None:
    with InMemoryRegistry() as server:
        image = server.add_image("team/app:1.0")
        asked = gateway(server, f'Bearer {scope}realm="REALM"', grants=OWN)
        assert inspect(registry(image, credentials=("user", "s3cret"))).digest
    assert asked[0]["scope"] == [OWN]


def test_logins_at_the_same_time_go_to_their_own_token_servers() -> None:
    """While one repository waits for its credential, another one of the same registry logs in elsewhere."""
    waiting, go_on = threading.Event(), threading.Event()

    def credentials(_host: str) -> Credential:
        if threading.current_thread().name == "slow":
            waiting.set()
            assert go_on.wait(10)
        return Credential("user", "s3cret")

    with InMemoryRegistry() as server:
        images = {name: server.add_image(f"{name}/app:1.0") for name in ("slow", "fast")}
        asked: dict[str, list[str]] = {}

        def answer(request: Request) -> Answer | None:
            if request.path.startswith("/token-"):
                asked.setdefault(request.path, []).extend(request.query.get("scope", []))
                return Answer(body=b'{"token":"t"}')
            if request.headers.get("authorization"):
                return None
            name = request.path.split("/")[2]
            realm = f"http://{server.host}/token-{name}"
            return Answer(401, headers={"www-authenticate": f'Bearer realm="{realm}",service="{name}"'})

        server.faults.append(answer)
        with registry_client(credentials=credentials) as client:
            slow = threading.Thread(target=lambda: inspect(registry(images["slow"], client=client)), name="slow")
            slow.start()
            assert waiting.wait(10)
            inspect(registry(images["fast"], client=client))
            go_on.set()
            slow.join(10)

    assert {path: set(scopes) for path, scopes in asked.items()} == {
        f"/token-{name}": {f"repository:{name}/app:pull"} for name in ("slow", "fast")
    }


def test_a_scope_of_any_length_is_the_images_error() -> None:
    with InMemoryRegistry() as server:
        image = server.add_image("team/app:1.0")
        asked = gateway(server, f'Bearer realm="REALM",scope="{"x" * 10_000}"')
        with pytest.raises(UnexpectedResponse, match="scope of 10000 characters"):
            inspect(registry(image, credentials=("user", "s3cret")))
    assert not asked


def test_the_login_says_what_it_asked_a_token_server_for() -> None:
    to = login(TokenServer())
    assert to.token_request(REGISTRY) is None
    to.answer(f'{BEARER},scope="{UPSTREAM}"', REGISTRY, "team/app", "pull", "")
    assert to.token_request(REGISTRY) == TokenRequest("https://auth.example/token", "registry.example", (UPSTREAM, OWN))


def test_how_a_repository_is_reached_is_said_for_the_doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://me:pr0xy-s3cret@proxy.example")
    with InMemoryRegistry() as server:
        image = server.add_image("team/app:1.0")
        gateway(server, f'Bearer realm="REALM",service="s",scope="{UPSTREAM}"')
        entry = {"username": "user", "password": "very-s3cret"}
        (tmp_path / "auth.json").write_text(json.dumps({"auths": {f"{server.host}/team": entry}}))
        client = RegistryClient(CredentialFiles([tmp_path / "auth.json"]), proxies=Proxies.from_environment(os.environ))
        home = client.repository(parse_reference(image))
        home.resolve("1.0")
        contact = home.contact()
        client.close()
    assert contact.url == f"http://{server.host}"
    assert contact.proxy.proxy is None
    assert "this machine" in contact.proxy.reason
    assert contact.login.startswith("user, from ")
    assert [(step.key, step.answered) for step in contact.credential_steps] == [(f"{server.host}/team", True)]
    assert contact.token == TokenRequest(f"http://{server.host}/token", "s", (UPSTREAM, OWN))
    assert "s3cret" not in repr(contact)


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ('{"access":[{"type":"repository","name":"team/app","actions":["pull","push"]}]}', [OWN + ",push"]),
        ('{"access":[{"type":"repository","name":"team/app","actions":"pull"}, 1, null]}', []),
        ('{"access":{}}', []),
        ('{"access":null}', []),
        ("[]", []),
        ("no JSON", []),
        ("[" * 100_000, []),
    ],
    ids=range(7),
)
def test_the_scopes_in_a_token_are_read_for_people(claims: str, scopes: list[str]) -> None:
    token = base64.urlsafe_b64encode(claims.encode()).decode().rstrip("=")
    assert list(granted_scopes(f"Bearer e30.{token}.c2ln")) == scopes
    assert granted_scopes(f"Bearer {token}") == ()
    assert granted_scopes("Bearer a.%%%.c") == ()
