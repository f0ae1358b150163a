"""Keys with a chain that was given: what they sign as, and when they refuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from imagesig.crypto.algorithms import ECDSA_SHA256, KeyType, ToSign
from imagesig.errors import InvalidArgument, KeyMismatch, KeyProviderError
from imagesig.keys import SigningKey, open_key
from imagesig.keys.certified import CertifiedKey
from imagesig.keys.certify import certificate_request, self_signed_certificate
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import KeyProvider
from imagesig.signature import SignerInfo
from imagesig.testing import ProviderContract
from tests.issuers import Issuer, pem
from tests.makers import private_key

ROOT = Issuer("root")
FIRST, SECOND = private_key(), private_key(number=1)


class RotatingKey(SigningKey):
    """Signs with its newest version, and can be pinned to none: a home that knows no versions."""

    def __init__(self) -> None:
        self.versions = [FIRST]

    @property
    def info(self) -> SignerInfo:
        return SignerInfo(self.versions[-1].public_key, f"rotating:{len(self.versions)}")

    def _sign(self, request: ToSign) -> bytes:
        return self.versions[-1].sign(request)


class TestCertifiedKeys(ProviderContract):
    key_types = (KeyType.ECDSA_P256, KeyType.RSA_2048)

    @pytest.fixture
    def provider(self, tmp_path: Path) -> Iterator[KeyProvider]:
        with _Certifying(tmp_path) as provider:
            yield provider


class _Certifying(FileProvider):
    def open(self, name: str) -> SigningKey:
        key = super().open(name)
        return CertifiedKey(key, ROOT.chain_for(key.info.public_key))


def test_the_chain_is_part_of_the_signer_and_so_of_every_batch() -> None:
    chain = ROOT.chain_for(FIRST.public_key)
    key = CertifiedKey(RotatingKey(), chain)
    signer, _ = key._sign_all([ToSign(b"message", ECDSA_SHA256)])
    assert key.info.chain == signer.chain == chain


def test_a_key_that_rotated_after_the_certificate_was_issued_never_signs_with_the_new_version() -> None:
    rotating = RotatingKey()
    key = CertifiedKey(rotating, ROOT.chain_for(FIRST.public_key))
    assert key.sign(b"message")
    rotating.versions.append(SECOND)
    with pytest.raises(KeyMismatch):
        key.sign(b"message")
    with pytest.raises(KeyMismatch):
        key.check()


def test_a_request_does_not_pin_the_key_that_signs_it() -> None:
    rotating = RotatingKey()
    assert certificate_request(rotating, "CN=release")
    rotating.versions.append(SECOND)
    assert rotating.sign(b"message")


def test_a_key_that_rotates_with_every_signature_gets_no_certificate() -> None:
    class Restless(RotatingKey):
        def _sign_all(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
            self.versions.append(FIRST if self.versions[-1] is SECOND else SECOND)
            return super()._sign_all(requests)

    with pytest.raises(KeyProviderError, match="rotated 3 times"):
        self_signed_certificate(Restless(), "CN=release")


def test_a_key_opened_by_uri_stays_pinned(tmp_path: Path) -> None:
    path = tmp_path / "release.key"
    path.write_bytes(FIRST.to_pem(None))
    path.chmod(0o600)
    with open_key(str(path)) as key:
        pinned = key.pinned_to(FIRST.public_key)
        with pytest.raises(KeyMismatch):
            key.pinned_to(SECOND.public_key)
        assert pinned._expected == FIRST.public_key


def test_a_certificate_of_another_key_is_refused_before_anything_is_signed() -> None:
    with pytest.raises(KeyMismatch):
        CertifiedKey(RotatingKey(), ROOT.chain_for(SECOND.public_key))


def test_open_key_takes_the_chain_as_bytes_as_a_path_and_parsed(tmp_path: Path) -> None:
    path = tmp_path / "release.key"
    path.write_bytes(FIRST.to_pem(None))
    path.chmod(0o600)
    chain = ROOT.chain_for(FIRST.public_key)
    (tmp_path / "chain.pem").write_bytes(pem(chain))
    for given in (pem(chain), tmp_path / "chain.pem", str(tmp_path / "chain.pem"), chain):
        with open_key(str(path), chain=given) as key:
            assert key.info.chain == chain
            assert key.expect(FIRST.public_key).sign(b"message")


def test_a_chain_file_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "release.key"
    path.write_bytes(FIRST.to_pem(None))
    path.chmod(0o600)
    with pytest.raises(InvalidArgument, match=r"none\.pem: there is no such file"):
        open_key(str(path), chain=tmp_path / "none.pem")
