"""Requests and certificates signed by keys in every home, judged and issued for by openssl."""

from __future__ import annotations

from pathlib import Path

import hvac
import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.certificate import parse_certificates
from imagesig.errors import InvalidArgument, KeyMismatch
from imagesig.keys import KeySettings, SigningKey, open_key
from imagesig.keys.certified import CertifiedKey, read_chain
from imagesig.keys.certify import certificate_request, self_signed_certificate
from tests.authority import Authority, authority, openssl
from tests.interop.homes import HOMES, Homes, SharedKey
from tests.peers.servers import VaultServer

pytestmark = pytest.mark.interop

SUBJECT = r"C=US,ST=WA,O=Acme\, Inc.,CN=release"
NAMES = ["email:release@acme.example", "dns:ci.acme.example", "uri:spiffe://acme.example/release"]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=HOMES)
def home(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=list(KeyType), ids=lambda key_type: key_type.value)
def shared(request: pytest.FixtureRequest, home: str, homes: Homes) -> SharedKey:
    return homes.make(home, request.param)


def test_an_authority_issues_for_the_request_of_a_key_in_any_home(shared: SharedKey, issuer: Authority) -> None:
    key = shared.key
    chain = issuer.issue(certificate_request(key, SUBJECT, NAMES))
    (leaf, *_) = parse_certificates(chain.encode(), "issued")
    assert leaf.public_key == key.info.public_key
    assert leaf.x509.subject.rfc4514_string() == SUBJECT
    shown = openssl("x509", "-noout", "-ext", "subjectAltName", folder=issuer.folder, text=chain)
    assert "email:release@acme.example, DNS:ci.acme.example, URI:spiffe://acme.example/release" in shown
    certified = CertifiedKey(key, *read_chain(chain.encode()))
    assert certified.info.chain[0] == leaf
    assert certified.sign(b"message")


def test_the_request_asks_for_the_extensions_of_a_code_signing_leaf(homes: Homes, tmp_path: Path) -> None:
    request = certificate_request(homes.make("file", KeyType.ECDSA_P256).key, SUBJECT, NAMES)
    shown = openssl("req", "-noout", "-text", folder=tmp_path, text=request)
    for wanted in ("CA:FALSE", "Digital Signature", "Code Signing", "email:release@acme.example"):
        assert wanted in shown


def test_openssl_ca_issues_for_it_too(homes: Homes, issuer: Authority, tmp_path: Path) -> None:
    key = homes.make("PKCS#11", KeyType.RSA_2048).key
    (tmp_path / "leaf.csr").write_text(certificate_request(key, SUBJECT))
    (tmp_path / "index.txt").touch()
    (tmp_path / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=it\n[it]\ndatabase={tmp_path}/index.txt\nnew_certs_dir={tmp_path}\npolicy=any\n"
        "default_md=sha256\nrand_serial=yes\n[any]\ncountryName=optional\nstateOrProvinceName=optional\n"
        "organizationName=supplied\ncommonName=supplied\n"
    )
    by = ["-cert", str(issuer.folder / "intermediate.crt"), "-keyfile", str(issuer.folder / "intermediate.key")]
    command = ["ca", "-batch", "-notext", "-config", "ca.cnf", "-days", "2", "-in", "leaf.csr", *by]
    (leaf,) = parse_certificates(openssl(*command, folder=tmp_path).encode(), "issued")
    assert leaf.public_key == key.info.public_key


def test_a_self_signed_certificate_verifies_and_is_a_leaf(shared: SharedKey, tmp_path: Path) -> None:
    certificate = self_signed_certificate(shared.key, SUBJECT, NAMES, days=2)
    (tmp_path / "own.crt").write_text(certificate)
    openssl("verify", "-check_ss_sig", "-x509_strict", "-CAfile", "own.crt", "own.crt", folder=tmp_path)
    shown = openssl("x509", "-noout", "-text", folder=tmp_path, text=certificate)
    assert "CA:FALSE" in shown
    assert "X509v3 Key Usage: critical\n                Digital Signature\n" in shown
    assert "X509v3 Extended Key Usage: \n                Code Signing\n" in shown


@pytest.mark.parametrize("days", [0, -1, 36_501])
def test_a_number_of_days_that_cannot_be_is_refused(homes: Homes, days: int) -> None:
    with pytest.raises(InvalidArgument):
        self_signed_certificate(homes.make("file", KeyType.ED25519).key, SUBJECT, days=days)


class TestRotationInVault:
    """A certificate is for one version of a transit key, and so is every signature that goes with it."""

    def test_the_version_of_the_certificate_signs_after_a_rotation(
        self, homes: Homes, issuer: Authority, vault: VaultServer
    ) -> None:
        key, name = self.made(homes)
        chain = issuer.issue(certificate_request(key, SUBJECT)).encode()
        opened_before = CertifiedKey(key, *read_chain(chain))
        self.rotate(vault, name)
        with open_key(f"hashivault://{name}", chain=chain, settings=settings(homes)) as opened_after:
            for certified in (opened_before, opened_after):
                assert certified.sign(b"message")
                assert certified.info.key_id == f"hashivault://{name}?version=1"

    def test_a_request_made_after_a_rotation_is_for_the_new_version_and_pins_nothing(
        self, homes: Homes, issuer: Authority, vault: VaultServer
    ) -> None:
        key, name = self.made(homes)
        self.rotate(vault, name)
        chain = issuer.issue(certificate_request(key, SUBJECT)).encode()
        with open_key(f"hashivault://{name}", chain=chain, settings=settings(homes)) as certified:
            assert certified.info.key_id == f"hashivault://{name}?version=2"
        self.rotate(vault, name)
        assert key.sign(b"message")

    def test_a_certificate_of_a_version_that_is_gone_is_refused(
        self, homes: Homes, issuer: Authority, vault: VaultServer
    ) -> None:
        key, name = self.made(homes)
        chain = issuer.issue(certificate_request(key, SUBJECT)).encode()
        self.rotate(vault, name)
        client = hvac.Client(url=vault.address, token=vault.root_token)
        client.secrets.transit.update_key_configuration(name, min_decryption_version=2)
        with pytest.raises(KeyMismatch):
            open_key(f"hashivault://{name}", chain=chain, settings=settings(homes))

    def test_a_pinned_version_that_is_not_the_certificates_is_refused(
        self, homes: Homes, issuer: Authority, vault: VaultServer
    ) -> None:
        key, name = self.made(homes)
        chain = issuer.issue(certificate_request(key, SUBJECT)).encode()
        self.rotate(vault, name)
        with pytest.raises(KeyMismatch):
            open_key(f"hashivault://{name}?version=2", chain=chain, settings=settings(homes))

    def made(self, homes: Homes) -> tuple[SigningKey, str]:
        shared = homes.make("Vault", KeyType.ECDSA_P256)
        return shared.key, shared.peer_uri.removeprefix("hashivault://")

    def rotate(self, vault: VaultServer, name: str) -> None:
        hvac.Client(url=vault.address, token=vault.root_token).secrets.transit.rotate_key(name)


def settings(homes: Homes) -> KeySettings:
    return KeySettings(homes.environ)
