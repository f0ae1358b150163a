"""Keys in real modules beside SoftHSM."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.errors import UnsupportedAlgorithm
from imagesig.keys.pkcs11.provider import Pkcs11Provider
from imagesig.keys.secrets import fixed
from imagesig.testing import ProviderContract
from tests.peers.pkcs11_modules import ModuleToken, kryoptic_token, nss_token, p11_kit_token, tpm_token
from tests.peers.servers import SoftHsmToken

pytestmark = pytest.mark.interop

QUICK = (KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.ECDSA_P521, KeyType.RSA_2048)


@pytest.fixture(scope="module")
def nss(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleToken]:
    with nss_token(tmp_path_factory.mktemp("nss"), "s3cret-pin") as token:
        yield token


@pytest.fixture(scope="module")
def p11_kit(softhsm: SoftHsmToken, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleToken]:
    behind = softhsm.add("behind", softhsm.pin)
    environ = {"SOFTHSM2_CONF": str(softhsm.config)}
    named = ModuleToken(behind.module, behind.label, behind.pin)
    with p11_kit_token(tmp_path_factory.mktemp("p11-kit"), named, environ) as token:
        yield token


@pytest.fixture(scope="module")
def tpm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleToken]:
    with tpm_token(tmp_path_factory.mktemp("tpm"), "s3cret-pin") as token:
        yield token


@pytest.fixture(scope="module")
def kryoptic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleToken]:
    with kryoptic_token(tmp_path_factory.mktemp("kryoptic"), "s3cret-pin") as token:
        yield token


def opened(token: ModuleToken) -> Pkcs11Provider:
    return Pkcs11Provider(token.module, token=token.label, secrets=fixed(token.pin))


class TestNss(ProviderContract):
    key_types = (*QUICK, KeyType.ED25519)

    @pytest.fixture
    def provider(self, nss: ModuleToken) -> Iterator[Pkcs11Provider]:
        self.secrets = (nss.pin,)
        with opened(nss) as provider:
            yield provider


class TestP11KitClient(ProviderContract):
    key_types = (KeyType.ECDSA_P256, KeyType.RSA_2048)

    @pytest.fixture
    def provider(self, p11_kit: ModuleToken) -> Iterator[Pkcs11Provider]:
        self.secrets = (p11_kit.pin,)
        with opened(p11_kit) as provider:
            yield provider


@pytest.mark.campaign
class TestKryoptic(ProviderContract):
    key_types = (KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.ECDSA_P521, KeyType.ED25519)

    @pytest.fixture
    def provider(self, kryoptic: ModuleToken) -> Iterator[Pkcs11Provider]:
        self.secrets = (kryoptic.pin,)
        with opened(kryoptic) as provider:
            yield provider


class TestTpm(ProviderContract):
    key_types = (KeyType.ECDSA_P256,)
    signatures_per_thread = 3

    @pytest.fixture
    def provider(self, tpm: ModuleToken) -> Iterator[Pkcs11Provider]:
        self.secrets = (tpm.pin,)
        with opened(tpm) as provider:
            yield provider


def test_a_tpm_makes_an_rsa_key_though_it_refuses_to_be_told_what_the_key_may_not_do(tpm: ModuleToken) -> None:
    with opened(tpm) as provider:
        key = provider.generate("rsa", KeyType.RSA_2048)
        assert key.sign(b"message")


def test_a_mechanism_that_the_client_does_not_pass_on_is_explained(p11_kit: ModuleToken) -> None:
    with opened(p11_kit) as provider, pytest.raises(UnsupportedAlgorithm) as refused:
        provider.generate("edwards", KeyType.ED25519)
    assert "p11-kit" in refused.value.hint
