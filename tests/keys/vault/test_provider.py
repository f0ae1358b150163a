"""Transit keys on a real Vault."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hvac
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from imagesig.crypto.algorithms import (
    ECDSA_SHA256,
    RSA_PKCS1V15_SHA256,
    RSA_PSS_SHA256,
    RSA_PSS_SHA512,
    Algorithm,
    KeyType,
    ToSign,
)
from imagesig.errors import (
    AccessDenied,
    KeyMismatch,
    KeyNotFound,
    KeyProviderError,
    KeyProviderUnavailable,
    KeyUnusable,
    WrongSecret,
)
from imagesig.images.build import build_image
from imagesig.images.registry.connect import registry
from imagesig.keys import KeySettings, open_key, open_public_keys, resolve_key
from imagesig.keys.vault.connection import VaultConnection
from imagesig.keys.vault.login import MethodLogin, TokenLogin, app_role, jwt, userpass
from imagesig.keys.vault.provider import MESSAGE_BYTES, VaultKey, VaultProvider
from imagesig.oci.platform import Platform
from imagesig.testing import ProviderContract
from tests.commands import run_here
from tests.peers import binary
from tests.peers.servers import RegistryServer, VaultServer, openbao_server, vault_server

pytestmark = pytest.mark.interop

POLICY = """
path "transit/keys/{name}" {{ capabilities = ["read"] }}
path "transit/sign/{name}/*" {{ capabilities = ["update"] }}
"""


@pytest.fixture(scope="module")
def root(vault: VaultServer) -> hvac.Client:
    return prepared(vault)


def prepared(vault: VaultServer) -> hvac.Client:
    client = hvac.Client(url=vault.address, token=vault.root_token, verify=str(vault.ca_file or True))
    if "transit/" not in client.sys.list_mounted_secrets_engines()["data"]:
        client.sys.enable_secrets_engine("transit")
    return client


@pytest.fixture
def provider(vault: VaultServer, root: hvac.Client) -> Iterator[VaultProvider]:
    with VaultProvider(VaultConnection(vault.address), TokenLogin(vault.root_token)) as opened:
        yield opened


def fresh() -> str:
    return f"key-{uuid.uuid4().hex[:10]}"


class TestContract(ProviderContract):
    key_types = tuple(KeyType)

    def max_message(self, algorithm: Algorithm) -> int:
        return super().max_message(algorithm) if algorithm.hash else MESSAGE_BYTES

    @pytest.fixture
    def provider(self, vault: VaultServer, root: hvac.Client) -> Iterator[VaultProvider]:
        self.secrets = (vault.root_token,)
        with VaultProvider(VaultConnection(vault.address), TokenLogin(vault.root_token)) as opened:
            self.address = vault.address
            yield opened

    def unreachable(self) -> VaultProvider:
        return VaultProvider(VaultConnection("http://127.0.0.1:1"), TokenLogin("any"))

    def wrong_login(self) -> VaultProvider:
        return VaultProvider(VaultConnection(self.address), TokenLogin("hvs.wrong"))


@pytest.fixture(scope="module")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultServer]:
    with openbao_server(tmp_path_factory.mktemp("openbao")) as server:
        prepared(server)
        yield server


@pytest.mark.campaign
class TestOpenBao(ProviderContract):
    key_types = tuple(KeyType)

    def max_message(self, algorithm: Algorithm) -> int:
        return super().max_message(algorithm) if algorithm.hash else MESSAGE_BYTES

    @pytest.fixture
    def provider(self, openbao: VaultServer) -> Iterator[VaultProvider]:
        self.secrets = (openbao.root_token,)
        with VaultProvider(VaultConnection(openbao.address), TokenLogin(openbao.root_token)) as opened:
            self.address = openbao.address
            yield opened

    def unreachable(self) -> VaultProvider:
        return VaultProvider(VaultConnection("http://127.0.0.1:1"), TokenLogin("any"))

    def wrong_login(self) -> VaultProvider:
        return VaultProvider(VaultConnection(self.address), TokenLogin("s.wrong"))


@pytest.mark.campaign
@pytest.mark.parametrize(
    "key_type", [KeyType.ECDSA_P256, KeyType.RSA_2048, KeyType.ED25519], ids=lambda kind: kind.value
)
def test_cosign_verifies_what_a_key_of_openbao_signs(
    openbao: VaultServer,
    registry_referrers: RegistryServer,
    key_type: KeyType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, image = fresh(), f"{registry_referrers.host}/openbao-{key_type.value}:1.0"
    build_image(registry(image).home, {"a": b"b"}, Platform("linux", "amd64"), "1.0")
    with VaultProvider(VaultConnection(openbao.address), TokenLogin(openbao.root_token)) as provider:
        (tmp_path / "k.pub").write_text(provider.generate(name, key_type).info.public_key.pem)
    monkeypatch.setenv("BAO_ADDR", openbao.address)
    monkeypatch.setenv("BAO_TOKEN", openbao.root_token)
    done = run_here("sign", "--format", "cosign", "--key", f"openbao://{name}", image)
    assert done.exit_code == 0, done.output
    command = [binary("cosign3"), "verify", "--key", tmp_path / "k.pub", "--insecure-ignore-tlog=true", image]
    seen = subprocess.run(command, capture_output=True, text=True, check=False)
    assert seen.returncode == 0, seen.stderr


def test_after_a_rotation_the_latest_version_signs_and_every_version_verifies(
    provider: VaultProvider, root: hvac.Client
) -> None:
    key = provider.generate(fresh(), KeyType.ECDSA_P256)
    name = key.info.key_id.removeprefix("hashivault://").partition("?")[0]
    first, old = key.sign(b"message"), key.info
    root.secrets.transit.rotate_key(name)
    second = key.sign(b"message")
    assert key.info.key_id == f"hashivault://{name}?version=2"
    public_keys = provider.public_keys(name)
    assert public_keys == (key.info.public_key, old.public_key)
    public_keys[0].verify(second, b"message", ECDSA_SHA256)
    public_keys[1].verify(first, b"message", ECDSA_SHA256)


def test_versions_are_ordered_as_numbers(provider: VaultProvider, root: hvac.Client) -> None:
    name = fresh()
    provider.generate(name, KeyType.ED25519)
    for _ in range(9):
        root.secrets.transit.rotate_key(name)
    assert provider.open(name).info.key_id.endswith("?version=10")
    assert len(provider.public_keys(name)) == 10


def test_a_pinned_version_goes_on_signing_after_a_rotation(provider: VaultProvider, root: hvac.Client) -> None:
    name = fresh()
    provider.generate(name, KeyType.ECDSA_P256)
    root.secrets.transit.rotate_key(name)
    with provider.open(f"{name}?version=1") as key:
        key.sign(b"message")
        assert key.info.key_id.endswith("?version=1")
        assert key.public_keys == (key.info.public_key,)


def test_versions_that_vault_retired_verify_no_more(provider: VaultProvider, root: hvac.Client) -> None:
    name = fresh()
    provider.generate(name, KeyType.ECDSA_P256)
    root.secrets.transit.rotate_key(name)
    root.secrets.transit.update_key_configuration(name, min_decryption_version=2)
    assert len(provider.public_keys(name)) == 1


def test_a_hundred_signatures_take_two_requests(
    vault: VaultServer, root: hvac.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VaultProvider(VaultConnection(vault.address), TokenLogin(vault.root_token)) as provider:
        name = fresh()
        provider.generate(name, KeyType.ECDSA_P256)
        asked: list[str] = []
        call = provider._client.request
        monkeypatch.setattr(provider._client, "request", lambda *a, **k: asked.append(a[1]) or call(*a, **k))
        with provider.open(name) as key:
            key.sign_batch([ToSign(b"%d" % number, ECDSA_SHA256) for number in range(100)])
    assert asked == [f"transit/keys/{name}", f"transit/sign/{name}/sha2-256"]


def test_a_batch_of_several_algorithms_takes_one_request_for_each(
    provider: VaultProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = fresh()
    key = provider.generate(name, KeyType.RSA_2048)
    asked: list[str] = []
    call = provider._client.request
    monkeypatch.setattr(provider._client, "request", lambda *a, **k: asked.append(a[1]) or call(*a, **k))
    chosen = (RSA_PKCS1V15_SHA256, RSA_PSS_SHA256, RSA_PSS_SHA512)
    requests = [ToSign(b"%d" % number, chosen[number % 3]) for number in range(30)]
    for request, signature in zip(requests, key.sign_batch(requests), strict=True):
        key.info.public_key.verify(signature, request.message, request.algorithm)
    assert asked == [f"transit/sign/{name}/{name_of_hash}" for name_of_hash in ("sha2-256", "sha2-256", "sha2-512")]


def test_a_rotation_in_the_middle_is_noticed_by_a_pinned_public_key(provider: VaultProvider, root: hvac.Client) -> None:
    name = fresh()
    key = provider.generate(name, KeyType.ECDSA_P256)
    key.expect(key.info.public_key).sign(b"message")
    root.secrets.transit.rotate_key(name)
    with pytest.raises(KeyMismatch, match="was pinned"):
        key.sign(b"message")


def test_a_key_checked_by_uri_after_a_rotation_is_held_to_its_pin(vault: VaultServer, root: hvac.Client) -> None:
    name = fresh()
    root.secrets.transit.create_key(name, key_type="ecdsa-p256")
    settings = KeySettings({"VAULT_ADDR": vault.address, "VAULT_TOKEN": vault.root_token})
    (public_key,) = open_public_keys(f"hashivault://{name}", settings=settings)
    with open_key(f"hashivault://{name}", expect=public_key, settings=settings) as key:
        key.check()
        root.secrets.transit.rotate_key(name)
        with pytest.raises(KeyMismatch):
            key.check()


def test_the_least_privilege_that_the_documentation_names_is_enough(vault: VaultServer, root: hvac.Client) -> None:
    name = fresh()
    root.secrets.transit.create_key(name, key_type="ecdsa-p256")
    root.sys.create_or_update_policy(name, POLICY.format(name=name))
    token = root.auth.token.create(policies=[name])["auth"]["client_token"]
    with VaultProvider(VaultConnection(vault.address), TokenLogin(token)) as provider:
        provider.open(name).sign(b"message")
        with pytest.raises(AccessDenied, match="permission denied") as denied:
            provider.open("another")
    assert 'path "transit/keys/another"' in denied.value.hint


def test_a_missing_mount_is_reported(vault: VaultServer, root: hvac.Client) -> None:
    login = TokenLogin(vault.root_token)
    with VaultProvider(VaultConnection(vault.address), login, mount="nowhere") as provider:
        with pytest.raises(KeyNotFound) as missing:
            provider.open("app")
        assert "mount" in missing.value.hint


@pytest.mark.parametrize(("kind", "expected"), [("aes256-gcm96", "aes256"), ("chacha20-poly1305", "chacha20")])
def test_a_key_that_cannot_sign_is_refused(
    provider: VaultProvider, root: hvac.Client, kind: str, expected: str
) -> None:
    name = fresh()
    root.secrets.transit.create_key(name, key_type=kind)
    with pytest.raises(KeyUnusable, match=expected):
        provider.open(name)
    assert any(info.key_type is None and name in info.uri for info in provider.list())


def test_a_derived_key_is_refused(provider: VaultProvider, root: hvac.Client) -> None:
    name = fresh()
    root.secrets.transit.create_key(name, key_type="ed25519", derived=True)
    with pytest.raises(KeyUnusable, match="derived"):
        provider.open(name)


def test_a_bad_token_is_a_clear_error_without_the_token(vault: VaultServer, root: hvac.Client) -> None:
    with VaultProvider(VaultConnection(vault.address), TokenLogin("hvs.WRONG")) as provider:
        with pytest.raises(AccessDenied) as denied:
            provider.open("app")
        assert "hvs.WRONG" not in f"{denied.value!r} {denied.value} {denied.value.hint} {provider!r}"


@pytest.mark.parametrize("token", ["header.payload.signature", "hvs.a.b", "'s.quoted'", "WRONG"])
def test_a_text_that_is_no_token_is_answered_with_a_login(vault: VaultServer, root: hvac.Client, token: str) -> None:
    """Vault itself answers some of them with status 500."""
    with (
        VaultProvider(VaultConnection(vault.address), TokenLogin(token)) as provider,
        pytest.raises(KeyProviderError) as denied,
    ):
        provider.open("app")
    hint = "log in again" if isinstance(denied.value, AccessDenied) else "the token is one of Vault"
    assert hint in denied.value.hint
    assert token not in f"{denied.value} {denied.value.hint}"


def test_a_version_that_may_not_sign_says_which_setting_decides(provider: VaultProvider, root: hvac.Client) -> None:
    name = fresh()
    provider.generate(name, KeyType.ECDSA_P256)
    root.secrets.transit.rotate_key(name)
    root.secrets.transit.update_key_configuration(name, min_encryption_version=2)
    with provider.open(f"{name}?version=1") as key, pytest.raises(KeyUnusable) as refused:
        key.sign(b"message")
    assert "min_encryption_version" in refused.value.hint
    with pytest.raises(KeyNotFound) as missing:
        provider.open(f"{name}?version=3")
    assert "min_decryption_version" in missing.value.hint


def test_a_sealed_vault_is_unavailable_and_works_again_when_unsealed(tmp_path: Path) -> None:
    with vault_server(tmp_path) as server:
        client = prepared(server)
        with VaultProvider(VaultConnection(server.address), TokenLogin(server.root_token)) as provider:
            key = provider.generate("app", KeyType.ECDSA_P256)
            client.sys.seal()
            with pytest.raises(KeyProviderUnavailable, match="sealed"):
                key.sign(b"message")
            client.sys.submit_unseal_key(server.unseal_key)
            assert key.sign(b"message")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultServer]:
    """A Vault over TLS."""
    with vault_server(tmp_path_factory.mktemp("vault-tls"), tls=True) as server:
        prepared(server).secrets.transit.create_key("app", key_type="ecdsa-p256")
        yield server


def signs_with(settings: dict[str, str]) -> None:
    with open_key("hashivault://app", settings=KeySettings(settings)) as key:
        assert key.sign(b"message")


def test_tls_is_checked_against_the_given_authority(secure: VaultServer) -> None:
    reach = {"VAULT_ADDR": secure.address, "VAULT_TOKEN": secure.root_token}
    signs_with(reach | {"VAULT_CACERT": str(secure.ca_file)})
    with open_key(f"hashivault://app?ca={secure.ca_file}", settings=KeySettings(reach)) as key:
        assert key.sign(b"message")
    with pytest.raises(KeyProviderUnavailable, match="unable to get local issuer"):
        signs_with(reach)


def test_tls_goes_unchecked_only_where_that_is_asked_for(secure: VaultServer) -> None:
    reach = {"VAULT_ADDR": secure.address, "VAULT_TOKEN": secure.root_token}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # urllib3 warns of each such request, as it should
        signs_with(reach | {"VAULT_SKIP_VERIFY": "true"})
    with pytest.raises(KeyProviderUnavailable, match="unable to get local issuer"):
        signs_with(reach | {"VAULT_SKIP_VERIFY": "false"})


def test_the_name_in_the_certificate_may_be_another_than_the_address(secure: VaultServer) -> None:
    reach = {"VAULT_ADDR": secure.address, "VAULT_TOKEN": secure.root_token, "VAULT_CACERT": str(secure.ca_file)}
    signs_with(reach | {"VAULT_TLS_SERVER_NAME": "localhost"})
    with pytest.raises(KeyProviderUnavailable):
        signs_with(reach | {"VAULT_TLS_SERVER_NAME": "vault.example"})


def test_authorities_may_be_a_folder(secure: VaultServer, tmp_path: Path) -> None:
    assert secure.ca_file is not None
    command = [str(binary("openssl")), "x509", "-in", str(secure.ca_file), "-noout", "-subject_hash"]
    hashed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / f"{hashed}.0").write_bytes(secure.ca_file.read_bytes())
    signs_with({"VAULT_ADDR": secure.address, "VAULT_TOKEN": secure.root_token, "VAULT_CAPATH": str(tmp_path)})


def test_variables_of_requests_do_not_get_in(
    secure: VaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(secure.ca_file))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("VAULT_TOKEN", "hvs.ANOTHER")
    reach = {"VAULT_ADDR": secure.address, "VAULT_TOKEN": secure.root_token}
    with pytest.raises(KeyProviderUnavailable):
        signs_with(reach)
    signs_with(reach | {"VAULT_CACERT": str(secure.ca_file)})


def test_an_injected_client_is_used_and_left_open(vault: VaultServer, root: hvac.Client) -> None:
    name = fresh()
    client = hvac.Client(url=vault.address, token=vault.root_token)
    with VaultProvider(client=client) as provider:
        provider.generate(name, KeyType.ECDSA_P256).sign(b"message")
    assert client.is_authenticated()


# --- logins ----------------------------------------------------------------------------------------------------------


def signs(vault: VaultServer, login: MethodLogin, name: str) -> VaultKey:
    provider = VaultProvider(VaultConnection(vault.address), login)
    key = provider.open(name)
    key.sign(b"message")
    return key


@pytest.fixture(scope="module")
def signer(root: hvac.Client) -> str:
    """A key, and a policy of the same name that may sign with it."""
    name = fresh()
    root.secrets.transit.create_key(name, key_type="ecdsa-p256")
    root.sys.create_or_update_policy(name, POLICY.format(name=name))
    return name


def enabled(root: hvac.Client, method: str) -> None:
    if f"{method}/" not in root.sys.list_auth_methods()["data"]:
        root.sys.enable_auth_method(method)


def test_approle_logs_in(vault: VaultServer, root: hvac.Client, signer: str) -> None:
    enabled(root, "approle")
    root.auth.approle.create_or_update_approle(signer, token_policies=[signer])
    role_id = root.auth.approle.read_role_id(signer)["data"]["role_id"]
    secret_id = root.auth.approle.generate_secret_id(signer)["data"]["secret_id"]
    signs(vault, app_role(role_id, lambda: secret_id), signer)
    with pytest.raises(WrongSecret) as wrong:
        signs(vault, app_role(role_id, lambda: "no-such-secret"), signer)
    assert "no-such-secret" not in str(wrong.value)


def test_userpass_logs_in(vault: VaultServer, root: hvac.Client, signer: str) -> None:
    enabled(root, "userpass")
    root.auth.userpass.create_or_update_user("signer", password="s3cret", policies=[signer])
    signs(vault, userpass("signer", lambda: "s3cret"), signer)


def test_jwt_logs_in(vault: VaultServer, root: hvac.Client, signer: str) -> None:
    enabled(root, "jwt")
    token = jwt_of_a_role(root, "jwt", signer)
    signs(vault, jwt("signer", lambda: token), signer)


def jwt_of_a_role(root: hvac.Client, mount: str, policy: str) -> str:
    """A token that the role `signer` of that mount, made here, takes."""
    private = rsa.generate_private_key(65537, 2048)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    root.write_data(f"auth/{mount}/config", data={"jwt_validation_pubkeys": [pem]})
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["imagesig"], "token_policies": [policy]}
    root.write_data(f"auth/{mount}/role/signer", data=role)
    return _jws(private, {"sub": "ci", "aud": "imagesig", "exp": int(time.time()) + 60})


def _jws(key: rsa.RSAPrivateKey, claims: dict[str, Any]) -> str:
    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    text = encoded(b'{"alg":"RS256"}') + "." + encoded(json.dumps(claims).encode())
    return text + "." + encoded(key.sign(text.encode(), PKCS1v15(), SHA256()))


@dataclass(frozen=True, slots=True)
class Reach:
    """A Vault, the variables that lead to it, and its root's client."""

    server: VaultServer
    environ: dict[str, str]
    root: hvac.Client
    folder: Path

    def secret(self, text: str) -> str:
        path = self.folder / uuid.uuid4().hex
        path.write_text(text + "\n")
        return str(path)


@pytest.fixture(params=["HTTP", "TLS"])
def reach(
    request: pytest.FixtureRequest, vault: VaultServer, secure: VaultServer, signer: str, tmp_path: Path
) -> Reach:
    server = vault if request.param == "HTTP" else secure
    environ = {"VAULT_ADDR": server.address, "HOME": str(tmp_path)}
    if server.ca_file:
        environ["VAULT_CACERT"] = str(server.ca_file)
    root = prepared(server)
    root.secrets.transit.create_key("app", key_type="ecdsa-p256")
    root.sys.create_or_update_policy("app", POLICY.format(name="app"))
    return Reach(server, environ, root, tmp_path)


def logged_in_by_token(reach: Reach) -> dict[str, str]:
    return {"VAULT_TOKEN": reach.root.auth.token.create(policies=["app"])["auth"]["client_token"]}


def logged_in_by_token_file(reach: Reach) -> dict[str, str]:
    token = reach.root.auth.token.create(policies=["app"])["auth"]["client_token"]
    (reach.folder / ".vault-token").write_text(token)
    return {}


def logged_in_by_approle(reach: Reach) -> dict[str, str]:
    enabled(reach.root, "approle")
    reach.root.auth.approle.create_or_update_approle("app", token_policies=["app"])
    role_id = reach.root.auth.approle.read_role_id("app")["data"]["role_id"]
    secret_id = reach.root.auth.approle.generate_secret_id("app")["data"]["secret_id"]
    return {
        "IMAGESIG_VAULT_AUTH": "approle",
        "IMAGESIG_VAULT_ROLE_ID": role_id,
        "IMAGESIG_VAULT_SECRET_ID_FILE": reach.secret(secret_id),
    }


def logged_in_by_jwt(reach: Reach) -> dict[str, str]:
    mount = fresh()
    reach.root.sys.enable_auth_method("jwt", path=mount)
    token = jwt_of_a_role(reach.root, mount, "app")
    return {
        "IMAGESIG_VAULT_AUTH": "jwt",
        "IMAGESIG_VAULT_AUTH_MOUNT": mount,
        "IMAGESIG_VAULT_ROLE": "signer",
        "IMAGESIG_VAULT_JWT_FILE": reach.secret(token),
    }


def logged_in_by_userpass(reach: Reach) -> dict[str, str]:
    enabled(reach.root, "userpass")
    reach.root.auth.userpass.create_or_update_user("app", password="s3cret", policies=["app"])
    return {
        "IMAGESIG_VAULT_AUTH": "userpass",
        "IMAGESIG_VAULT_USERNAME": "app",
        "IMAGESIG_VAULT_PASSWORD_FILE": reach.secret("s3cret"),
    }


@pytest.mark.parametrize(
    "log_in",
    [
        logged_in_by_token,
        logged_in_by_token_file,
        logged_in_by_approle,
        logged_in_by_jwt,
        logged_in_by_userpass,
    ],
)
def test_every_login_is_chosen_by_the_environment(reach: Reach, log_in: Callable[[Reach], dict[str, str]]) -> None:
    signs_with(reach.environ | log_in(reach))


def test_a_wrong_secret_in_the_environment_is_a_clear_error(reach: Reach) -> None:
    environ = reach.environ | logged_in_by_userpass(reach)
    with pytest.raises(WrongSecret, match="userpass login failed") as wrong:
        signs_with(environ | {"IMAGESIG_VAULT_PASSWORD_FILE": reach.secret("sw0rdfish")})
    assert "sw0rdfish" not in f"{wrong.value!r} {wrong.value.hint}"


def test_a_short_lease_is_renewed_and_then_replaced(
    vault: VaultServer, root: hvac.Client, signer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    enabled(root, "userpass")
    root.auth.userpass.create_or_update_user(
        "brief", password="s3cret", policies=[signer], token_ttl="60s", token_max_ttl="90s"
    )
    logins: list[str] = []

    def password() -> str:
        logins.append("asked")
        return "s3cret"

    login = userpass("brief", password)
    key = signs(vault, login, signer)
    login._due = 0.0  # as if two thirds of the lease had passed
    key.sign(b"renewed")
    assert len(logins) == 1
    login._due = 0.0
    login._renewable = False
    key.sign(b"logged in again")
    assert len(logins) == 2


def test_a_revoked_token_is_replaced_by_a_new_login(vault: VaultServer, root: hvac.Client, signer: str) -> None:
    enabled(root, "userpass")
    root.auth.userpass.create_or_update_user("revoked", password="s3cret", policies=[signer])
    login = userpass("revoked", lambda: "s3cret")
    key = signs(vault, login, signer)
    root.auth.token.revoke(login._token)
    key.sign(b"message")


def test_a_given_token_is_renewed_when_it_has_been_in_use_for_long(
    vault: VaultServer, root: hvac.Client, signer: str
) -> None:
    token = root.auth.token.create(policies=[signer], ttl="5m", renewable=True)["auth"]["client_token"]
    login = TokenLogin(token)
    provider = VaultProvider(VaultConnection(vault.address), login)
    login._due = 0.0
    provider.open(signer).sign(b"message")
    assert 60 < login._due - time.monotonic() < 300


def test_eight_threads_log_in_once(vault: VaultServer, root: hvac.Client, signer: str) -> None:
    enabled(root, "userpass")
    root.auth.userpass.create_or_update_user("threads", password="s3cret", policies=[signer])
    asked: list[int] = []
    login = userpass("threads", lambda: asked.append(1) or "s3cret")
    provider = VaultProvider(VaultConnection(vault.address), login)
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(10):
                provider.open(signer).sign(b"message")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert asked == [1]


def test_the_environment_names_server_token_and_mount(vault: VaultServer, root: hvac.Client) -> None:
    mount = fresh()
    root.sys.enable_secrets_engine("transit", path=mount)
    environ = {"VAULT_ADDR": vault.address, "VAULT_TOKEN": vault.root_token, "TRANSIT_SECRET_ENGINE_PATH": mount}
    provider, name = resolve_key("hashivault://app", KeySettings(environ))
    assert isinstance(provider, VaultProvider)
    with provider:
        assert provider.generate(name, KeyType.ECDSA_P256).info.key_id == f"hashivault://app?mount={mount}&version=1"


def test_the_token_file_is_read_from_home(vault: VaultServer, root: hvac.Client, tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text(vault.root_token + "\n")
    provider, _ = resolve_key("hashivault://app", KeySettings({"VAULT_ADDR": vault.address, "HOME": str(tmp_path)}))
    assert isinstance(provider, VaultProvider)
    with provider:
        provider.generate(fresh(), KeyType.ECDSA_P256)
