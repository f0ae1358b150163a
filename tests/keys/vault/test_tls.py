"""TLS to Vault: which certificates are trusted, and that an error says OpenSSL's own reason."""

from __future__ import annotations

import datetime
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from imagesig.errors import InvalidArgument, KeyProviderUnavailable
from imagesig.keys import KeySettings, open_key
from imagesig.testing import ScriptedVault
from tests.makers import private_key

TOKEN = "hvs.s3cret-token"
DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def vault(authority: trustme.CA) -> Iterator[ScriptedVault]:
    with serving(authority, "127.0.0.1", "localhost") as running:
        yield running


def serving(authority: trustme.CA, *names: str, **options: object) -> ScriptedVault:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **options).configure_cert(context)  # type: ignore[arg-type]
    return ScriptedVault({"app": [private_key()]}, token=TOKEN, tls=context)


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def signs(vault: ScriptedVault, **environ: str) -> None:
    settings = KeySettings({"VAULT_ADDR": vault.address, "VAULT_TOKEN": TOKEN, **environ})
    with open_key("hashivault://app", settings=settings) as key:
        assert key.sign(b"message")


def refused(vault: ScriptedVault, **environ: str) -> KeyProviderUnavailable:
    with pytest.raises(KeyProviderUnavailable) as failed:
        signs(vault, **environ)
    assert not failed.value.retryable
    assert TOKEN not in f"{failed.value!r}"
    return failed.value


def test_a_folder_of_authorities_needs_no_hashed_names(
    vault: ScriptedVault, authority: trustme.CA, tmp_path: Path
) -> None:
    (tmp_path / "other.pem").write_text(pem(trustme.CA()))
    (tmp_path / "company.crt").write_text("a comment\n" + pem(authority))
    (tmp_path / "README").write_text("not a certificate")
    (tmp_path / "ca.der").write_bytes(b"0\x82\xff\xff")
    (tmp_path / "dangling").symlink_to("/nonexistent")
    (tmp_path / "sub").mkdir()
    signs(vault, VAULT_CAPATH=str(tmp_path))


def test_a_folder_below_the_folder_is_read_too(vault: ScriptedVault, authority: trustme.CA, tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/ca").write_text(pem(authority))
    signs(vault, VAULT_CAPATH=str(tmp_path))


def test_a_folder_without_certificates_is_refused(vault: ScriptedVault, tmp_path: Path) -> None:
    (tmp_path / "README").write_text("nothing")
    with pytest.raises(InvalidArgument, match="VAULT_CAPATH"):
        signs(vault, VAULT_CAPATH=str(tmp_path))


def test_authorities_may_be_in_the_variable_itself(vault: ScriptedVault, authority: trustme.CA) -> None:
    signs(vault, VAULT_CACERT_BYTES=pem(authority))
    signs(vault, VAULT_CACERT_BYTES="\n\n" + pem(trustme.CA()) + pem(authority))
    refused(vault, VAULT_CACERT_BYTES=pem(trustme.CA()))


def test_the_first_of_file_bytes_and_folder_decides(
    vault: ScriptedVault, authority: trustme.CA, tmp_path: Path
) -> None:
    """The order of Go's client."""
    (tmp_path / "good.pem").write_text(pem(authority))
    bad = tmp_path / "folder/bad.pem"
    bad.parent.mkdir()
    bad.write_text(pem(trustme.CA()))
    signs(vault, VAULT_CACERT=str(tmp_path / "good.pem"), VAULT_CACERT_BYTES=bad.read_text())
    signs(vault, VAULT_CACERT_BYTES=pem(authority), VAULT_CAPATH=str(bad.parent))
    refused(vault, VAULT_CACERT=str(bad), VAULT_CACERT_BYTES=pem(authority))


@pytest.mark.parametrize("value", ["1", "t", "T", "true", "TRUE", "True"])
def test_the_switch_wins_over_an_authority(vault: ScriptedVault, value: str, tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_text(pem(trustme.CA()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signs(vault, VAULT_SKIP_VERIFY=value, VAULT_CACERT=str(tmp_path / "other.pem"))


@pytest.mark.parametrize("value", ["0", "f", "F", "false", "FALSE", "False"])
def test_the_switch_may_be_off(vault: ScriptedVault, value: str) -> None:
    refused(vault, VAULT_SKIP_VERIFY=value)


def test_an_unknown_issuer_is_said(vault: ScriptedVault) -> None:
    error = refused(vault)
    assert "unable to get local issuer certificate" in str(error)
    assert "VAULT_CACERT" in error.hint


def test_a_self_signed_chain_is_said(authority: trustme.CA) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = authority.issue_cert("127.0.0.1")
    issued.configure_cert(context)
    with ScriptedVault({"app": [private_key()]}, token=TOKEN, tls=context) as vault:
        assert "certificate" in str(refused(vault))


def test_another_host_name_is_said(authority: trustme.CA) -> None:
    with serving(authority, "vault.example") as vault:
        error = refused(vault, VAULT_CACERT_BYTES=pem(authority))
        assert "127.0.0.1" in str(error)
        assert "mismatch" in str(error)
        assert "VAULT_TLS_SERVER_NAME" in error.hint
        signs(vault, VAULT_CACERT_BYTES=pem(authority), VAULT_TLS_SERVER_NAME="vault.example")
        error = refused(vault, VAULT_CACERT_BYTES=pem(authority), VAULT_TLS_SERVER_NAME="other.example")
        assert "other.example" in str(error)


@pytest.mark.parametrize(
    ("from_day", "to_day", "says"), [(-9, -1, "expired"), (1, 9, "not yet valid")], ids=["expired", "early"]
)
def test_a_certificate_outside_its_time_is_said(authority: trustme.CA, from_day: int, to_day: int, says: str) -> None:
    times = {"not_before": NOW + from_day * DAY, "not_after": NOW + to_day * DAY}
    with serving(authority, "127.0.0.1", **times) as vault:
        error = refused(vault, VAULT_CACERT_BYTES=pem(authority))
        assert says in str(error)
        assert "clock" in error.hint


@pytest.fixture(params=["TLSv1_2", "TLSv1_3"])
def demanding(request: pytest.FixtureRequest, authority: trustme.CA) -> Iterator[ScriptedVault]:
    """A Vault that wants a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, request.param)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    with ScriptedVault({"app": [private_key()]}, token=TOKEN, tls=context) as running:
        yield running


def client(authority: trustme.CA, folder: Path) -> dict[str, str]:
    own = authority.issue_cert("signer@example.org")
    own.cert_chain_pems[0].write_to_path(folder / "own.pem")
    own.private_key_pem.write_to_path(folder / "own.key")
    return {"VAULT_CLIENT_CERT": str(folder / "own.pem"), "VAULT_CLIENT_KEY": str(folder / "own.key")}


def test_a_missing_client_certificate_is_said(demanding: ScriptedVault, authority: trustme.CA, tmp_path: Path) -> None:
    signs(demanding, VAULT_CACERT_BYTES=pem(authority), **client(authority, tmp_path))
    error = refused(demanding, VAULT_CACERT_BYTES=pem(authority))
    assert "VAULT_CLIENT_CERT" in error.hint, error


def test_a_client_certificate_of_another_authority_is_said(
    demanding: ScriptedVault, authority: trustme.CA, tmp_path: Path
) -> None:
    error = refused(demanding, VAULT_CACERT_BYTES=pem(authority), **client(trustme.CA(), tmp_path))
    assert "unknown ca" in str(error).lower()
    assert "VAULT_CLIENT_CERT" in error.hint


def test_https_to_a_port_without_tls_is_said() -> None:
    with ScriptedVault({"app": [private_key()]}, token=TOKEN) as vault:
        vault.address = vault.address.replace("http:", "https:")
        error = refused(vault)
        assert "wrong version number" in str(error) or "record layer" in str(error)
        assert "http://" in error.hint
        assert not vault.requests


def test_a_missing_server_is_no_fault_of_tls() -> None:
    settings = KeySettings({"VAULT_ADDR": "https://127.0.0.1:1", "VAULT_TOKEN": TOKEN})
    with pytest.raises(KeyProviderUnavailable, match="Connection refused") as failed:
        open_key("hashivault://app", settings=settings)
    assert failed.value.retryable
    assert "VAULT_ADDR" in failed.value.hint


@pytest.mark.interop
def test_http_to_the_tls_port_of_a_real_vault_is_said(tmp_path: Path) -> None:
    from tests.peers.servers import vault_server

    with vault_server(tmp_path, tls=True) as real:
        environ = {"VAULT_ADDR": real.address.replace("https:", "http:"), "VAULT_TOKEN": real.root_token}
        with pytest.raises(KeyProviderUnavailable, match="HTTPS") as failed:
            open_key("hashivault://app", settings=KeySettings(environ))
        assert "https://" in failed.value.hint
        assert not failed.value.retryable
