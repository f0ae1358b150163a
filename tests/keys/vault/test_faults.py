"""What a Vault that redirects, throttles, floods or lies does to us. The double is strict: unknown paths fail."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import trustme
from urllib3 import Retry

from imagesig import limits
from imagesig.crypto.algorithms import ECDSA_SHA256, ToSign
from imagesig.deadlines import deadline
from imagesig.errors import (
    AccessDenied,
    BadSignature,
    DeadlineExceeded,
    InvalidArgument,
    KeyProviderError,
    KeyProviderUnavailable,
    SecretRequired,
    WrongSecret,
)
from imagesig.keys import KeySettings, open_key, resolve_key
from imagesig.keys.vault.connection import VaultConnection
from imagesig.keys.vault.login import TokenLogin, kubernetes
from imagesig.keys.vault.provider import VaultProvider
from imagesig.testing.loopback_server import ThreadedServer
from tests.makers import private_key
from tests.tls import server_context

TOKEN = "hvs.s3cret-token"
Reply = tuple[int, dict[str, str], bytes]


class Double:
    """Answers `keys/app` and `sign/app/sha2-256` as Vault does, signing with `version`'s key; `fault` goes first."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.fault: Callable[[str, str], Reply | None] = lambda _method, _path: None
        self.version = 1
        self.breaks = 0
        self.holds: threading.Event | None = None
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                double.requests.append((self.command, self.path, dict(self.headers.items())))
                if double.breaks:
                    double.breaks -= 1
                    self.close_connection = True
                    return
                if double.holds is not None:
                    double.holds.wait(30)
                    self.close_connection = True
                    return
                status, headers, content = double.fault(self.command, self.path) or double.answer(self.path, body)
                self.send_response(status)
                fixed = {"content-length": str(len(content)), "content-type": "application/json"}
                for name, value in {**fixed, **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = handle_any

            def log_message(self, *_: object) -> None:
                """Keeps quiet."""

        self.server = ThreadedServer(("127.0.0.1", 0), Handler)
        self.server.start()
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, path: str, body: bytes) -> Reply:
        if path == "/v1/transit/keys/app":
            keys = {str(n): {"public_key": private_key(number=n).public_key.pem} for n in range(1, self.version + 1)}
            return ok({"type": "ecdsa-p256", "keys": keys, "min_decryption_version": 1})
        if path == "/v1/transit/sign/app/sha2-256":
            return self.sign(json.loads(body))
        if path == "/v1/auth/kubernetes/login":
            assert json.loads(body) == {"role": "signer", "jwt": "pod-token"}
            auth = {"client_token": TOKEN, "lease_duration": 600, "renewable": True}
            return 200, {}, json.dumps({"auth": auth}).encode()
        return 404, {}, b'{"errors":["no handler for route"]}'

    def sign(self, body: dict[str, Any]) -> Reply:
        version = body["key_version"] or self.version
        results = []
        for item in body["batch_input"]:
            from cryptography.hazmat.primitives.asymmetric import ec
            from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
            from cryptography.hazmat.primitives.hashes import SHA256

            loaded = private_key(number=version).loaded
            assert isinstance(loaded, ec.EllipticCurvePrivateKey)
            made = loaded.sign(base64.b64decode(item["input"]), ec.ECDSA(Prehashed(SHA256())))
            results.append({"signature": f"vault:v{version}:{base64.b64encode(made).decode()}"})
        return ok({"batch_results": results})


def ok(data: dict[str, Any]) -> Reply:
    return 200, {"content-type": "application/json"}, json.dumps({"data": data}).encode()


@pytest.fixture
def double() -> Iterator[Double]:
    running = Double()
    yield running
    running.server.stop()


@pytest.fixture
def provider(double: Double) -> Iterator[VaultProvider]:
    with VaultProvider(VaultConnection(double.address), TokenLogin(TOKEN)) as opened:
        yield opened


def test_a_redirect_to_another_host_carries_no_token_and_is_an_error(double: Double, provider: VaultProvider) -> None:
    thief = Double()
    double.fault = lambda _method, path: (307, {"location": f"{thief.address}{path}"}, b"")
    with pytest.raises(KeyProviderError, match="redirected") as refused:
        provider.open("app")
    assert not thief.requests
    assert TOKEN not in f"{refused.value}"
    thief.server.shutdown()
    thief.server.server_close()


def test_an_injected_client_does_not_follow_redirects_either(double: Double) -> None:
    import hvac

    double.fault = lambda _method, path: (307, {"location": f"http://127.0.0.1:1{path}"}, b"")
    with pytest.raises(KeyProviderError, match="redirected"):
        VaultProvider(client=hvac.Client(url=double.address, token=TOKEN)).open("app")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_vault_is_asked_again_also_for_signatures(double: Double, provider: VaultProvider, status: int) -> None:
    key = provider.open("app")
    left = [(status, {"retry-after": "0"}, b'{"errors":["busy"]}')] * 2
    double.fault = lambda method, _path: left.pop() if left and method == "POST" else None
    assert key.sign(b"message")


def test_a_vault_that_stays_busy_is_unavailable_after_a_few_attempts(double: Double, provider: VaultProvider) -> None:
    double.fault = lambda _method, _path: (503, {"retry-after": "0"}, b'{"errors":["Vault is sealed"]}')
    with pytest.raises(KeyProviderUnavailable, match="sealed"):
        provider.open("app")
    assert len(double.requests) <= 4


def test_an_answer_without_end_is_cut(double: Double, provider: VaultProvider) -> None:
    double.fault = lambda _method, _path: (200, {}, b"x" * (limits.KEY_PROVIDER_BODY_BYTES + 2))
    with pytest.raises(KeyProviderUnavailable):
        provider.open("app")


def test_a_long_pause_that_is_asked_for_is_cut(
    double: Double, provider: VaultProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RETRY_AFTER_SECONDS", 0.01)
    left: list[Reply] = [(429, {"retry-after": "86400"}, b"{}")]
    double.fault = lambda _method, _path: left.pop() if left else None
    provider.open("app")
    assert len(double.requests) == 2


def test_a_pause_beyond_the_deadline_is_not_begun(double: Double, provider: VaultProvider) -> None:
    double.fault = lambda _method, _path: (503, {"retry-after": "20"}, b"{}")
    with pytest.raises(DeadlineExceeded, match="20 s"), deadline(10):
        provider.open("app")
    assert len(double.requests) == 1


def test_a_connection_that_breaks_is_made_again(double: Double, provider: VaultProvider) -> None:
    key = provider.open("app")
    double.breaks = 2
    assert key.sign(b"message")
    double.breaks = 100
    with pytest.raises(KeyProviderUnavailable, match="no answer"):
        key.sign(b"message")


def test_retries_write_nothing_to_the_log_of_the_program(
    double: Double, provider: VaultProvider, caplog: pytest.LogCaptureFixture
) -> None:
    gone = VaultProvider(VaultConnection("http://127.0.0.1:1"), TokenLogin(TOKEN))
    double.fault = lambda _method, _path: (503, {"retry-after": "0"}, b"{}")
    for unavailable in (gone, provider):
        with unavailable, pytest.raises(KeyProviderUnavailable):
            unavailable.open("app")
    logging.getLogger("urllib3.connectionpool").warning("Retrying (%r)", Retry(1))

    assert [record.getMessage()[:8] for record in caplog.records if record.levelno >= logging.WARNING] == ["Retrying"]


def test_a_truncated_answer_is_an_error(double: Double, provider: VaultProvider) -> None:
    double.fault = lambda _method, _path: (200, {"content-length": "1000", "connection": "close"}, b'{"data":')
    with pytest.raises(KeyProviderUnavailable, match="no answer"):
        provider.open("app")


def test_an_answer_that_does_not_come_ends_at_the_deadline(double: Double, provider: VaultProvider) -> None:
    double.holds = threading.Event()
    with pytest.raises(DeadlineExceeded), deadline(0.3):
        provider.open("app")
    double.holds.set()


@pytest.mark.parametrize("content", [b"not json", b"[]", b'{"data": []}', b'{"data": {"type": "ecdsa-p256"}}', b"{}"])
def test_an_answer_that_is_not_json_is_an_error(double: Double, provider: VaultProvider, content: bytes) -> None:
    double.fault = lambda _method, _path: (200, {"content-type": "application/json"}, content)
    with pytest.raises(KeyProviderError):
        provider.open("app")


@pytest.mark.parametrize("status", [472, 473, 500, 418])
def test_other_statuses_are_errors(double: Double, provider: VaultProvider, status: int) -> None:
    double.fault = lambda _method, _path: (status, {}, b'{"errors":["x"]}')
    with pytest.raises(KeyProviderError):
        provider.open("app")


def test_a_signature_that_does_not_verify_never_leaves(double: Double, provider: VaultProvider) -> None:
    key = provider.open("app")
    wrong = base64.b64encode(private_key(number=9).sign(ToSign(b"message", ECDSA_SHA256))).decode()
    forged = ok({"batch_results": [{"signature": f"vault:v1:{wrong}"}]})
    double.fault = lambda method, _path: forged if method == "POST" else None
    with pytest.raises(BadSignature):
        key.sign(b"message")


@pytest.mark.parametrize(
    "results", [[], [{"signature": "vault:v1:"}], [{"signature": "AAAA"}], [{"error": "no"}], ["x"], None]
)
def test_invalid_batch_answers_are_errors(double: Double, provider: VaultProvider, results: object) -> None:
    key = provider.open("app")
    answer = ok({"batch_results": results})
    double.fault = lambda method, _path: answer if method == "POST" else None
    with pytest.raises(KeyProviderError):
        key.sign(b"message")


def test_a_rotation_between_two_calls_is_followed(double: Double, provider: VaultProvider) -> None:
    key = provider.open("app")
    double.version = 2
    key.sign(b"message")
    assert key.info.key_id == "hashivault://app?version=2"
    assert len(key.public_keys) == 2


def test_kubernetes_logs_in_with_the_token_of_the_pod(double: Double) -> None:
    login = kubernetes("signer", lambda: "pod-token")
    with VaultProvider(VaultConnection(double.address), login) as provider:
        provider.open("app").sign(b"message")
    assert double.requests[1][2]["X-Vault-Token"] == TOKEN


def test_kubernetes_is_chosen_by_the_environment(double: Double, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pod-token\n")
    environ = {
        "VAULT_ADDR": double.address,
        "IMAGESIG_VAULT_AUTH": "kubernetes",
        "IMAGESIG_VAULT_ROLE": "signer",
        "IMAGESIG_VAULT_JWT_FILE": str(tmp_path / "token"),
    }
    with open_key("hashivault://app", settings=KeySettings(environ)) as key:
        assert key.sign(b"message")


def test_a_pod_whose_role_vault_does_not_know_is_refused_without_its_token(double: Double) -> None:
    double.fault = lambda _method, path: (400, {}, b'{"errors":["invalid role name"]}') if "login" in path else None
    provider = VaultProvider(VaultConnection(double.address), kubernetes("signer", lambda: "pod-token"))
    with provider, pytest.raises(WrongSecret, match="invalid role name") as refused:
        provider.open("app")
    assert "pod-token" not in f"{refused.value!r} {refused.value.hint}"


@pytest.mark.parametrize("name", ["ROLE_ID", "ROLE", "USERNAME"])
def test_a_login_that_lacks_a_setting_names_it(name: str) -> None:
    method = {"ROLE_ID": "approle", "ROLE": "jwt", "USERNAME": "userpass"}[name]
    settings = KeySettings({"VAULT_ADDR": "http://127.0.0.1:1", "IMAGESIG_VAULT_AUTH": method})
    with pytest.raises(SecretRequired, match=f"IMAGESIG_VAULT_{name} "):
        resolve_key("hashivault://app", settings)


def test_an_unknown_login_names_those_there_are() -> None:
    settings = KeySettings({"VAULT_ADDR": "http://127.0.0.1:1", "IMAGESIG_VAULT_AUTH": "ldap"})
    with pytest.raises(InvalidArgument, match="approle, jwt, kubernetes, userpass"):
        resolve_key("hashivault://app", settings)


def test_a_proxy_is_used_except_for_hosts_in_no_proxy(double: Double) -> None:
    """By Go's rules: a loopback address needs none."""
    environ = {"VAULT_ADDR": double.address, "VAULT_TOKEN": TOKEN, "HTTP_PROXY": "http://127.0.0.1:9"}
    with open_key("hashivault://app", settings=KeySettings(environ)) as key:
        assert key.sign(b"message")
    double.fault = lambda _method, _path: (403, {}, b'{"errors":["the proxy was asked"]}')
    environ |= {"VAULT_ADDR": "http://vault.invalid", "IMAGESIG_VAULT_PLAIN_HTTP": "1", "HTTP_PROXY": double.address}
    with pytest.raises(AccessDenied, match="the proxy was asked"):
        open_key("hashivault://app", settings=KeySettings(environ))
    double.requests.clear()
    with pytest.raises(KeyProviderUnavailable):
        open_key("hashivault://app", settings=KeySettings(environ | {"NO_PROXY": "vault.invalid"}))
    assert not double.requests


def test_a_client_certificate_is_shown_to_a_vault_that_wants_one(double: Double, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = server_context(authority, "127.0.0.1", clients=authority)
    double.server.socket = context.wrap_socket(double.server.socket, server_side=True)
    own = authority.issue_cert("signer@example.org")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "own.pem"))
    own.private_key_pem.write_to_path(str(tmp_path / "own.key"))
    environ = {
        "VAULT_ADDR": double.address.replace("http:", "https:"),
        "VAULT_TOKEN": TOKEN,
        "VAULT_CACERT": str(tmp_path / "ca.pem"),
    }
    shown = {"VAULT_CLIENT_CERT": str(tmp_path / "own.pem"), "VAULT_CLIENT_KEY": str(tmp_path / "own.key")}
    with open_key("hashivault://app", settings=KeySettings(environ | shown)) as key:
        assert key.sign(b"message")
    with pytest.raises(KeyProviderUnavailable):
        open_key("hashivault://app", settings=KeySettings(environ))


def test_the_namespace_goes_along(double: Double) -> None:
    connection = VaultConnection(double.address, namespace="team-a")
    with VaultProvider(connection, TokenLogin(TOKEN)) as provider:
        provider.open("app")
    assert double.requests[0][2]["X-Vault-Namespace"] == "team-a"


def test_a_refused_token_shows_the_rule_that_is_missing(double: Double, provider: VaultProvider) -> None:
    double.fault = lambda _method, _path: (403, {}, b'{"errors":["permission denied"]}')
    with pytest.raises(AccessDenied) as denied:
        provider.open("app")
    assert 'path "transit/keys/app"' in denied.value.hint


def test_plain_http_beyond_loopback_has_to_be_allowed() -> None:
    with pytest.raises(InvalidArgument, match="unencrypted"):
        VaultConnection("http://vault.example:8200")
    assert VaultConnection("http://vault.example:8200", plain_http=True)


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(InvalidArgument, match="Vault address") as refused:
        VaultConnection("https://user:s3cret@vault.example")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "uri",
    [
        "hashivault://a/b",
        "hashivault://../x",
        "hashivault://a?unknown=1",
        "hashivault://a?version=x",
        "hashivault://-a",
    ],
)
def test_uris_that_name_no_key_are_refused(uri: str) -> None:
    settings = KeySettings({"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": TOKEN})
    with pytest.raises(InvalidArgument):
        open_key(uri, settings=settings)


def test_without_address_or_token_the_hint_says_what_to_set() -> None:
    with pytest.raises(InvalidArgument) as missing:
        resolve_key("hashivault://app", KeySettings({}))
    assert "VAULT_ADDR" in missing.value.hint
    with pytest.raises(SecretRequired) as secret:
        resolve_key("hashivault://app", KeySettings({"VAULT_ADDR": "http://127.0.0.1:1"}))
    assert "VAULT_TOKEN" in secret.value.hint
