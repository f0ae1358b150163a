"""What each refusal of Vault becomes: its class, whether trying again helps, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig.errors import (
    AccessDenied,
    InvalidArgument,
    KeyNotFound,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
)
from imagesig.keys import KeySettings, open_key, resolve_key
from imagesig.keys.vault.provider import VaultProvider
from imagesig.testing import Answer, Request, ScriptedVault
from tests.makers import private_key

TOKEN = "hvs.s3cret-token"


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedVault]:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    with ScriptedVault({"app": [private_key()]}, token=TOKEN) as running:
        yield running


def refusal(vault: ScriptedVault, answer: Answer, name: str = "app") -> KeyProviderError:
    """The error for this answer to the first request of a key."""
    vault.faults.append(lambda _request: answer)
    with pytest.raises(KeyProviderError) as refused:
        open_key(f"hashivault://{name}", settings=settings(vault))
    assert TOKEN not in f"{refused.value!r} {refused.value.hint}"
    return refused.value


def settings(vault: ScriptedVault, **more: str) -> KeySettings:
    return KeySettings({"VAULT_ADDR": vault.address, "VAULT_TOKEN": TOKEN, **more})


def because(status: int, *reasons: str) -> Answer:
    body = json.dumps({"errors": reasons}).encode()
    return Answer(status, body, {"content-type": "application/json", "retry-after": "0"})


STATUSES: dict[int, tuple[type[KeyProviderError], bool, str]] = {
    400: (KeyUnusable, False, ""),
    401: (AccessDenied, False, "token"),
    403: (AccessDenied, False, "capabilities"),
    404: (KeyNotFound, False, "name"),
    405: (KeyNotFound, False, "transit"),
    408: (KeyProviderUnavailable, True, "again"),
    412: (KeyProviderUnavailable, True, "again"),
    413: (KeyProviderError, False, "max_request_size"),
    418: (KeyProviderError, False, "VAULT_ADDR"),
    425: (KeyProviderUnavailable, True, "again"),
    429: (KeyProviderUnavailable, True, "again"),
    472: (KeyProviderError, False, "primary"),
    473: (KeyProviderUnavailable, True, "active node"),
    500: (KeyProviderUnavailable, True, "log"),
    501: (KeyProviderUnavailable, True, "operator init"),
    502: (KeyProviderUnavailable, True, "load balancer"),
    503: (KeyProviderUnavailable, True, "status"),
    504: (KeyProviderUnavailable, True, "load balancer"),
}


@pytest.mark.parametrize("form", ["JSON", "HTML"])
def test_every_status_is_in_the_message_and_explained(vault: ScriptedVault, form: str) -> None:
    provider, _ = resolve_key("hashivault://", settings(vault))
    wrong = []
    for status in range(400, 600):
        kind, retryable, hint = STATUSES.get(
            status, (KeyProviderUnavailable, True, "") if status >= 500 else (KeyProviderError, False, "")
        )
        page = Answer(status, b"<html>s3cret</html>", {"retry-after": "0"})
        answer = because(status, "some reason") if form == "JSON" else page
        vault.faults[:] = [lambda _, answer=answer: answer]
        with pytest.raises(KeyProviderError) as refused:
            provider.open("app")
        error = refused.value
        right = (type(error), error.retryable) == (kind, retryable) and str(status) in str(error) and error.hint
        if not right or hint not in error.hint or "html" in str(error) or TOKEN in repr(error):
            wrong.append(f"{status}: {error!r} {error.hint}")
    provider.close()
    assert not wrong


@pytest.mark.parametrize(
    ("answer", "kind", "retryable", "says", "hint"),
    [
        (because(403, "permission denied"), AccessDenied, False, "permission denied", '"transit/keys/app"'),
        (
            because(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"),
            AccessDenied,
            False,
            "invalid token",
            "log in again",
        ),
        (because(403, "bad token"), AccessDenied, False, "bad token", "log in again"),
        (because(400, "missing client token"), AccessDenied, False, "missing client token", "VAULT_TOKEN"),
        (because(404, 'no handler for route "x".'), KeyNotFound, False, "no handler", "?mount="),
        (because(400, "signing key not found"), KeyNotFound, False, "signing key not found", "name"),
        (because(503, "Vault is sealed"), KeyProviderUnavailable, True, "sealed", "unseal"),
        (because(500, "local node not active but active cluster node not found"), KeyProviderUnavailable, True, "", ""),
        (
            Answer(400, b"Client sent an HTTP request to an HTTPS server.\n"),
            KeyProviderUnavailable,
            False,
            "HTTPS server",
            "https://",
        ),
        (
            Answer(400, b"<p>The plain HTTP request was sent to HTTPS port", {"content-type": "text/html"}),
            KeyProviderUnavailable,
            False,
            "TLS",
            "https://",
        ),
    ],
)  # fmt: skip
def test_what_vault_says_leads_to_what_to_do(
    vault: ScriptedVault, answer: Answer, kind: type[KeyProviderError], retryable: bool, says: str, hint: str
) -> None:
    error = refusal(vault, answer)
    assert (type(error), error.retryable) == (kind, retryable), error
    assert says in str(error)
    assert hint in error.hint
    assert "\\n" not in str(error)


@pytest.mark.parametrize(
    ("refuses", "act", "path", "capabilities"),
    [
        (("GET", "/v1/transit/keys/app"), "open", "transit/keys/app", '["read"]'),
        (("POST", "/v1/transit/sign/app/sha2-256"), "sign", "transit/sign/app/sha2-256", '["update"]'),
        (("LIST", "/v1/transit/keys"), "list", "transit/keys", '["list"]'),
        (("POST", "/v1/transit/keys/new"), "generate", "transit/keys/new", '["create", "update"]'),
        (("GET", "/v1/auth/token/lookup-self"), "facts", "auth/token/lookup-self", '["read"]'),
    ],
    ids=["open", "sign", "list", "generate", "facts"],
)
def test_the_hint_names_the_capability_that_is_missing(
    vault: ScriptedVault, refuses: tuple[str, str], act: str, path: str, capabilities: str
) -> None:
    from imagesig.crypto.algorithms import KeyType

    def refuse(request: Request) -> Answer | None:
        return because(403, "permission denied") if (request.method, request.path) == refuses else None

    vault.faults.append(refuse)
    provider, _ = resolve_key("hashivault://", settings(vault))
    assert isinstance(provider, VaultProvider)
    acts = {
        "open": lambda: provider.open("app"),
        "sign": lambda: provider.open("app").sign(b"m"),
        "list": lambda: list(provider.list()),
        "generate": lambda: provider.generate("new", KeyType.ECDSA_P256),
        "facts": lambda: next(value for _, value in provider.facts() if isinstance(value, AccessDenied)),
    }
    if act == "facts":
        denied = acts[act]()
        assert isinstance(denied, AccessDenied)
    else:
        with provider, pytest.raises(AccessDenied) as refused:
            acts[act]()
        denied = refused.value
    assert f'path "{path}" {{ capabilities = {capabilities} }}' in denied.hint


@pytest.mark.parametrize("status", [412, 429, 502, 503, 504])
def test_what_passes_is_asked_again(vault: ScriptedVault, status: int) -> None:
    left = [because(status, "later")] * 2
    vault.faults.append(lambda _request: left.pop() if left else None)
    with open_key("hashivault://app", settings=settings(vault)) as key:
        assert key.sign(b"message")


def test_a_key_that_may_not_be_read_is_listed_with_the_missing_capability(vault: ScriptedVault) -> None:
    vault.keys["other"] = [private_key(number=1)]
    vault.faults.append(lambda request: because(403, "permission denied") if request.path.endswith("/other") else None)
    provider, _ = resolve_key("hashivault://", settings(vault))
    assert isinstance(provider, VaultProvider)
    app, other = provider.list()
    assert app.key_type is not None
    assert other.key_type is None
    assert 'path "transit/keys/other" { capabilities = ["read"] }' in other.detail


def test_the_errors_in_a_batch_are_the_reason(vault: ScriptedVault) -> None:
    """Vault refuses a batch in which every item fails with the items' errors alone."""
    body = {"data": {"batch_results": [{"error": "requested version is too old"}] * 2}}
    with open_key("hashivault://app", settings=settings(vault)) as key:
        vault.faults.append(
            lambda request: Answer(400, json.dumps(body).encode()) if "/sign/" in request.path else None
        )
        with pytest.raises(KeyUnusable, match="'requested version is too old'"):
            key.sign(b"message")


@pytest.mark.parametrize(
    "data",
    [None, [], "x", {"batch_results": None}, {"batch_results": [1, None, {"error": 1}, {}]}, {"batch_results": {}}],
    ids=repr,
)
def test_a_batch_without_errors_has_no_reason(vault: ScriptedVault, data: object) -> None:
    answer = Answer(400, json.dumps({"data": data}).encode(), {"content-type": "application/json"})
    assert "(status 400)" in str(refusal(vault, answer))


def test_a_refusal_without_a_reason_is_not_of_vault(vault: ScriptedVault) -> None:
    refused = refusal(vault, Answer(403, b"<html>Access denied</html>", {"content-type": "text/html"}))
    assert isinstance(refused, AccessDenied)
    assert "gateway" in refused.hint


def test_a_licence_that_ended_is_not_tried_again(vault: ScriptedVault) -> None:
    refused = refusal(vault, because(500, "license is expired"))
    assert "vault license get" in refused.hint
    assert not refused.retryable


def test_an_answer_without_a_type_of_key_is_said_to_be_one(vault: ScriptedVault) -> None:
    refused = refusal(vault, Answer(200, b'{"data":{"keys":{}}}', {"content-type": "application/json"}))
    assert "names no type of key" in str(refused)
    assert "mount" in refused.hint


@pytest.mark.parametrize("name", ["transit/app", "app/", "/app", "transit/keys/app"])
def test_a_name_with_a_mount_is_told_where_the_mount_goes(vault: ScriptedVault, name: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        open_key(f"hashivault://{name}", settings=settings(vault))
    assert "?mount=" in refused.value.hint


@pytest.mark.parametrize(
    ("uri", "variable"),
    [
        ("hashivault://app", "VAULT_ADDR"),
        ("hashivault://app", "VAULT_AGENT_ADDR"),
        ("hashivault://app", "BAO_ADDR"),
        ("openbao://app", "BAO_ADDR"),
        ("openbao://app", "BAO_AGENT_ADDR"),
        ("hashivault://app?address={address}", "?address="),
    ],
)
@pytest.mark.parametrize(
    "answer",
    [Answer(418), Answer(200, b"<html>"), Answer(307, b"", {"location": "http://other.example/"}), Answer(473), None],
    ids=["another service", "a page", "a redirect", "a standby", "none"],
)
def test_the_hint_names_what_named_the_address(
    vault: ScriptedVault, answer: Answer | None, uri: str, variable: str
) -> None:
    address = vault.address if answer else "http://127.0.0.1:1"
    vault.faults.append(lambda _request: answer)
    environ = {"VAULT_TOKEN": TOKEN} | ({} if "?" in variable else {variable: address})
    with pytest.raises(KeyProviderError) as refused:
        open_key(uri.format(address=address), settings=KeySettings(environ))
    assert variable in refused.value.hint
    assert ("VAULT_ADDR" in refused.value.hint) is (variable == "VAULT_ADDR")


@pytest.mark.parametrize("pause", ["soon", "-5", "0.5", "", "Thu, 99 Foo 2026"])
def test_a_pause_that_nobody_can_read_is_no_fault_of_the_network(vault: ScriptedVault, pause: str) -> None:
    busy = Answer(429, b'{"errors":["quota exceeded"]}', {"retry-after": pause})
    vault.faults.append(lambda _request: busy if len(vault.requests) < 2 else None)
    with open_key("hashivault://app", settings=settings(vault)) as key:
        assert key.sign(b"message")
    assert "429" in str(refusal(vault, busy))


@pytest.mark.parametrize("body", [b"null", b"[]", b'"text"', b"1"])
def test_json_that_is_no_object_is_said_to_be_that(vault: ScriptedVault, body: bytes) -> None:
    found = refusal(vault, Answer(200, body, {"content-type": "application/json"}))
    assert "status 200" in str(found)
    assert "VAULT_ADDR" in found.hint


def test_a_proxy_that_makes_no_connection_is_named(vault: ScriptedVault, no_proxies: None) -> None:
    for name, scheme in (("HTTP_PROXY", "http"), ("HTTPS_PROXY", "https"), ("VAULT_PROXY_ADDR", "https")):
        environ = {
            "VAULT_ADDR": f"{scheme}://vault.example:8200",
            "VAULT_TOKEN": TOKEN,
            "IMAGESIG_VAULT_PLAIN_HTTP": "1",
            name: "http://me:pr0xy-pass@127.0.0.1:1",
        }
        with pytest.raises(KeyProviderUnavailable, match="the proxy makes no connection") as refused:
            open_key("hashivault://app", settings=KeySettings(environ))
        assert name in refused.value.hint
        assert "pr0xy-pass" not in f"{refused.value} {refused.value.hint}"
    assert "HTTP_PROXY" in refusal(vault, Answer(407)).hint


MOUNTS = {"auth/approle": "approle", "auth/approle/": "approle", "team/ci/": "team/ci", "/auth/team/ci": "team/ci"}


@pytest.mark.parametrize("written", MOUNTS)
def test_the_mount_of_a_login_may_be_written_as_policies_write_it(
    vault: ScriptedVault, written: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("x")
    login = {
        "IMAGESIG_VAULT_AUTH": "approle",
        "IMAGESIG_VAULT_ROLE_ID": "role",
        "IMAGESIG_VAULT_SECRET_ID_FILE": str(tmp_path / "secret"),
    }
    with pytest.raises(KeyProviderError):
        open_key("hashivault://app", settings=settings(vault, **login, IMAGESIG_VAULT_AUTH_MOUNT=written))
    assert vault.requests[0].path == f"/v1/auth/{MOUNTS[written]}/login"
    with pytest.raises(InvalidArgument, match="IMAGESIG_VAULT_AUTH_MOUNT"):
        open_key("hashivault://app", settings=settings(vault, **login, IMAGESIG_VAULT_AUTH_MOUNT=f"{written}?a b"))


@pytest.mark.parametrize("written", ['"{}"', "'{}'", "{}\nother", "{}\r\nother"])
def test_a_token_file_is_read_as_the_variable_is(vault: ScriptedVault, written: str, tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text(written.format(TOKEN))
    with pytest.raises(InvalidArgument, match="vault-token") as refused:
        open_key("hashivault://app", settings=KeySettings({"VAULT_ADDR": vault.address, "HOME": str(tmp_path)}))
    assert TOKEN not in f"{refused.value} {refused.value.hint}"
    assert vault.requests == []
