"""`imagesig doctor` and `key list` over Vault and KMS, without the name of a key."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from imagesig.cli.main import cli
from imagesig.testing import Answer, ScriptedKms, ScriptedVault
from tests.makers import private_key

SECRET = "s3cret-0f-the-user"
NOWHERE = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}


@pytest.mark.parametrize("command", ["doctor", "key list"])
@pytest.mark.parametrize("scheme", ["hashivault", "openbao"])
def test_the_keys_of_a_vault_are_listed(command: str, scheme: str) -> None:
    with ScriptedVault({"app": [private_key()], "web": [private_key()]}, token=SECRET) as vault:
        prefix = {"hashivault": "VAULT", "openbao": "BAO"}[scheme]
        environ = {f"{prefix}_ADDR": vault.address, f"{prefix}_TOKEN": f"{SECRET}\n", "VAULT_NAMESPACE": ""}
        done = CliRunner().invoke(cli, [*command.split(), f"{scheme}://"], env=environ)
    assert done.exit_code == 0, done.output
    assert f"{scheme}://app" in done.output
    assert f"{scheme}://web" in done.output
    assert SECRET not in done.output


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_missing_permission_of_vault_is_named_and_other_steps_run(output: str) -> None:
    with ScriptedVault({"app": [private_key()]}, token=SECRET) as vault:
        refusal = Answer(403, b'{"errors":["permission denied: ' + SECRET.encode() + b'"]}')
        vault.faults.append(lambda request: None if "seal-status" in request.path else refusal)
        environ = {"VAULT_ADDR": vault.address, "VAULT_TOKEN": SECRET}
        done = CliRunner().invoke(cli, ["doctor", "hashivault://", "--output", output], env=environ)
    assert done.exit_code == 1
    text = done.output.replace('\\"', '"')
    assert 'path "auth/token/lookup-self" { capabilities = ["read"] }' in text
    assert 'path "transit/keys" { capabilities = ["list"] }' in text
    assert "unsealed" in text
    assert SECRET not in text


@pytest.mark.parametrize("command", ["doctor", "key list"])
def test_the_keys_of_kms_are_listed(command: str) -> None:
    with ScriptedKms({"app": private_key(), "web": private_key()}) as kms:
        environ = {
            "AWS_ENDPOINT_URL_KMS": kms.address,
            "AWS_REGION": f" {kms.region}\n",
            "AWS_ACCESS_KEY_ID": "AKIASCRIPTED",
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }
        done = CliRunner().invoke(cli, [*command.split(), "awskms://"], env=environ | NOWHERE)
    assert done.exit_code == 0, done.output
    assert "awskms:///alias/app" in done.output
    assert "awskms:///alias/web" in done.output
    assert SECRET not in done.output
