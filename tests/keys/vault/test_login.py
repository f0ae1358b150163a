"""Long lives: tokens that are revoked, expire and change, and servers that are sealed and restarted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import hvac
import pytest

from imagesig import diagnose
from imagesig.crypto.algorithms import ECDSA_SHA256
from imagesig.errors import AccessDenied, KeyProviderUnavailable
from imagesig.keys import KeySettings, open_key
from imagesig.keys.provider import SigningKey
from imagesig.testing import Answer, ScriptedVault
from imagesig.testing.vault import refused
from tests.makers import private_key
from tests.peers.servers import VaultServer, unused_ports, vault_server

TOKEN, NEXT = "hvs.s3cret-token", "s3cret-next-token"


@pytest.fixture
def scripted() -> Iterator[ScriptedVault]:
    with ScriptedVault({"app": [private_key()]}, token=TOKEN) as running:
        yield running


def test_a_token_file_that_an_agent_rewrote_is_read_again(scripted: ScriptedVault, tmp_path: Path) -> None:
    file = tmp_path / ".vault-token"
    file.write_text(TOKEN)
    settings = KeySettings({"VAULT_ADDR": scripted.address, "HOME": str(tmp_path)})
    with open_key("hashivault://app", settings=settings) as key:
        scripted.tokens = {NEXT}
        denied(key)
        file.write_text(NEXT + "\n")
        assert key.sign(b"message")
        scripted.tokens = {"another"}
        file.unlink()
        denied(key)


def test_a_variable_that_changed_is_read_again(scripted: ScriptedVault) -> None:
    environ = {"VAULT_ADDR": scripted.address, "VAULT_TOKEN": TOKEN}
    with open_key("hashivault://app", settings=KeySettings(environ)) as key:
        scripted.tokens = {NEXT}
        denied(key)
        environ["VAULT_TOKEN"] = "two words"
        denied(key)
        environ["VAULT_TOKEN"] = NEXT
        assert key.sign(b"message")


def denied(key: SigningKey) -> None:
    with pytest.raises(AccessDenied, match="invalid token") as found:
        key.sign(b"message")
    assert "log in again" in found.value.hint
    assert "s3cret" not in f"{found.value!r} {found.value.hint}"


# --- doctor --------------------------------------------------------------------------------------------------------


def listed(uri: str, environ: dict[str, str]) -> list[tuple[str, str]]:
    found = diagnose(uri, settings=KeySettings(environ))
    return [(item.area, f"{item.state.value} {item.detail} {item.hint}") for item in found]


@pytest.mark.parametrize("scheme", ["hashivault", "openbao"])
def test_doctor_lists_the_keys_without_a_name(scripted: ScriptedVault, scheme: str) -> None:
    scripted.keys["other"] = [private_key(number=1)]
    prefix = {"hashivault": "VAULT", "openbao": "BAO"}[scheme]
    found = listed(f"{scheme}://", {f"{prefix}_ADDR": scripted.address, f"{prefix}_TOKEN": TOKEN})
    keys = [detail for area, detail in found if area == "key"]
    assert [detail.split(": ")[0] for detail in keys] == [f"ok {scheme}://app", f"ok {scheme}://other"]


def test_doctor_says_in_words_how_it_logged_in_and_how_many_versions_a_key_has(scripted: ScriptedVault) -> None:
    scripted.keys["app"].append(private_key(number=2))
    scripted.keys["other"] = [private_key(number=1)]
    found = listed("hashivault://", {"VAULT_ADDR": scripted.address, "VAULT_TOKEN": TOKEN})
    (login,) = [detail for area, detail in found if area == "Vault login"]
    assert login.startswith("ok with a token: ")
    keys = [detail.strip() for area, detail in found if area == "key"]
    assert [detail.partition(": ")[2] for detail in keys] == ["ecdsa-p256 2 versions", "ecdsa-p256 1 version"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v1/sys/seal-status", "sys/seal-status"),
        ("/v1/auth/token/lookup-self", 'path "auth/token/lookup-self" { capabilities = ["read"] }'),
        ("/v1/transit/keys", 'path "transit/keys" { capabilities = ["list"] }'),
        ("/v1/transit/keys/app", 'path "transit/keys/app" { capabilities = ["read"] }'),
    ],
)
@pytest.mark.parametrize(
    "answer",
    [refused(403, "permission denied"), Answer(200, b"<html>"), Answer(404)],
    ids=["denied", "html", "missing"],
)
def test_every_step_of_doctor_runs_regardless_of_the_others(
    scripted: ScriptedVault, path: str, says: str, answer: Answer
) -> None:
    scripted.faults.append(lambda request: answer if request.path == path else None)
    found = listed("hashivault://", {"VAULT_ADDR": scripted.address, "VAULT_TOKEN": TOKEN})
    text = str(found)
    asked = {request.path for request in scripted.requests}
    assert {"/v1/sys/seal-status", "/v1/auth/token/lookup-self", "/v1/transit/keys"} <= asked
    if answer.status == 403:
        assert says in text
    assert TOKEN not in text


# --- real servers --------------------------------------------------------------------------------------------------


def prepared(server: VaultServer) -> hvac.Client:
    client = hvac.Client(url=server.address, token=server.root_token)
    client.sys.enable_secrets_engine("transit")
    client.auth.token.create(id=NEXT, policies=["root"])
    return client


@pytest.mark.interop
def test_a_token_that_expired_or_was_revoked_is_said_to_be_invalid(tmp_path: Path) -> None:
    with vault_server(tmp_path) as server:
        client = prepared(server)
        client.secrets.transit.create_key("app", key_type="ecdsa-p256")
        for ends in ("expires", "is revoked"):
            token = client.auth.token.create(policies=["root"], ttl="1h")["auth"]["client_token"]
            environ = {"VAULT_ADDR": server.address, "VAULT_TOKEN": token}
            with open_key("hashivault://app", settings=KeySettings(environ)) as key:
                key.sign(b"message")
                if ends == "expires":
                    client.auth.token.renew(token, increment="1s")
                    time.sleep(1.5)
                else:
                    client.auth.token.revoke(token)
                denied(key)
                environ["VAULT_TOKEN"] = NEXT
                assert key.sign(b"message")


@pytest.mark.interop
def test_a_restarted_vault_signs_again_with_the_key_that_was_open(tmp_path: Path) -> None:
    address = f"127.0.0.1:{unused_ports()}"
    with vault_server(tmp_path, address=address) as server:
        client = prepared(server)
        client.secrets.transit.create_key("app", key_type="ecdsa-p256", exportable=True, allow_plaintext_backup=True)
        backup = client.secrets.transit.backup_key("app")["data"]["backup"]
        key = open_key("hashivault://app", settings=KeySettings({"VAULT_ADDR": server.address, "VAULT_TOKEN": NEXT}))
        first = key.sign(b"message")
    with pytest.raises(KeyProviderUnavailable, match="refused") as down:
        key.sign(b"message")
    assert down.value.retryable
    with vault_server(tmp_path, address=address) as again:
        with pytest.raises(AccessDenied, match="invalid token"):
            key.sign(b"message")  # its state is gone
        client = prepared(again)
        client.secrets.transit.restore_key(backup=backup, name="app")
        key.info.public_key.verify(key.sign(b"message"), b"message", ECDSA_SHA256)
        key.info.public_key.verify(first, b"message", ECDSA_SHA256)
        client.sys.seal()
        with pytest.raises(KeyProviderUnavailable, match="sealed") as sealed:
            key.sign(b"message")
        assert "unseal" in sealed.value.hint
        client.sys.submit_unseal_key(again.unseal_key)
        assert key.sign(b"message")
    key.close()
