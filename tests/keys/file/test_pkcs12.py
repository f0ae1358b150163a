from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from asn1crypto import pkcs12 as asn1_pkcs12
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, pkcs12
from cryptography.x509.oid import NameOID

from imagesig.errors import KeyUnusable, SecretRequired, UnsupportedAlgorithm, WrongSecret
from imagesig.keys.file.form import Form, form_of, has_private_key
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.reading import read_private_key
from imagesig.keys.secrets import SecretRequest, fixed, no_secrets

_VALID = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class _Party:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def _party(name: str, issuer: _Party | None = None) -> _Party:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_VALID[0])
        .not_valid_after(_VALID[1])
        .sign(issuer.key if issuer else key, hashes.SHA256())
    )
    return _Party(key, certificate)


_ROOT = _party("root")
_FORMER_ROOT = _party("root")
_INTERMEDIATE = _party("intermediate", _ROOT)
_SIGNER = _party("signer", _INTERMEDIATE)
_STRANGER = _party("stranger")


def _file(signer: _Party = _SIGNER, others: Sequence[_Party] = (), passphrase: bytes | None = b"swordfish") -> bytes:
    return pkcs12.serialize_key_and_certificates(
        b"app",
        signer.key,
        signer.certificate,
        [other.certificate for other in others],
        BestAvailableEncryption(passphrase) if passphrase else NoEncryption(),
    )


def _der(key: PrivateKey) -> tuple[bytes, ...]:
    return tuple(certificate.der for certificate in key.chain)


def test_the_key_is_read_and_the_chain_is_ordered_leaf_first() -> None:
    key = read_private_key(_file(others=(_ROOT, _INTERMEDIATE)), "app.p12", fixed("swordfish"))
    assert key.public_key == PrivateKey.of(_SIGNER.key).public_key
    assert _der(key) == (_SIGNER.der, _INTERMEDIATE.der, _ROOT.der)


def test_certificates_that_are_not_of_the_chain_are_left_out() -> None:
    # The former root has the very name of the root, and another key.
    key = read_private_key(_file(others=(_STRANGER, _FORMER_ROOT, _ROOT, _INTERMEDIATE)), "a", fixed("swordfish"))
    assert _der(key) == (_SIGNER.der, _INTERMEDIATE.der, _ROOT.der)


def test_a_self_signed_certificate_is_a_chain_of_one() -> None:
    assert _der(read_private_key(_file(_ROOT, others=(_ROOT,)), "a", fixed("swordfish"))) == (_ROOT.der,)


def test_a_file_without_certificates_has_no_chain() -> None:
    data = pkcs12.serialize_key_and_certificates(b"app", _SIGNER.key, None, None, BestAvailableEncryption(b"x"))
    assert read_private_key(data, "app.p12", fixed("x")).chain == ()


def test_a_file_without_a_passphrase_does_not_ask_for_one() -> None:
    def never(request: SecretRequest) -> str:
        raise AssertionError(f"asked for {request}")

    assert _der(read_private_key(_file(passphrase=None), "app.p12", never)) == (_SIGNER.der,)


def test_a_passphrase_is_needed_where_the_file_has_one() -> None:
    with pytest.raises(SecretRequired, match=r"^app\.p12: "):
        read_private_key(_file(), "app.p12", no_secrets)


def test_a_wrong_passphrase_is_refused() -> None:
    with pytest.raises(WrongSecret, match=r"^app\.p12: "):
        read_private_key(_file(), "app.p12", fixed("sturgeon"))


def test_a_damaged_file_is_refused() -> None:
    data = bytearray(_file())
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(WrongSecret, match="or the file is damaged"):
        read_private_key(bytes(data), "app.p12", fixed("swordfish"))


def test_a_file_with_certificates_only_is_unusable() -> None:
    data = pkcs12.serialize_key_and_certificates(None, None, _ROOT.certificate, None, BestAvailableEncryption(b"x"))
    with pytest.raises(KeyUnusable, match="no private key"):
        read_private_key(data, "app.p12", fixed("x"))


def test_a_weak_key_is_refused_by_the_name_of_its_file() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    data = pkcs12.serialize_key_and_certificates(b"app", weak, None, None, BestAvailableEncryption(b"x"))
    with pytest.raises(UnsupportedAlgorithm, match=r"^app\.p12: "):
        read_private_key(data, "app.p12", fixed("x"))


def test_the_file_is_recognised_by_its_contents() -> None:
    assert form_of(_file()) is Form.PKCS12
    assert has_private_key(_file())


# --- one private key, and no other ------------------------------------------------------------------------------------


def _merged(*files: bytes) -> bytes:
    """One file with the contents of several, without a MAC."""
    contents = [item for data in files for item in asn1_pkcs12.Pfx.load(data).authenticated_safe]
    safe = asn1_pkcs12.AuthenticatedSafe(contents).dump()
    return bytes(asn1_pkcs12.Pfx({"version": 3, "auth_safe": {"content_type": "data", "content": safe}}).dump())


@pytest.mark.parametrize("passphrase", [None, b"swordfish"], ids=["plain", "encrypted"])
def test_a_file_with_two_private_keys_is_refused(passphrase: bytes | None) -> None:
    one = _file(passphrase=passphrase)
    both = _merged(one, _file(_STRANGER, passphrase=passphrase))
    secrets = fixed("swordfish")
    assert read_private_key(_merged(one), "app.p12", secrets).public_key == PrivateKey.of(_SIGNER.key).public_key
    with pytest.raises(KeyUnusable, match=r"^app\.p12: .*has 2 private keys, exactly one is needed"):
        read_private_key(both, "app.p12", secrets)


def test_a_key_that_is_there_twice_is_one_key() -> None:
    twice = _merged(_file(passphrase=None), _file(passphrase=None))
    assert read_private_key(twice, "app.p12", no_secrets).public_key == PrivateKey.of(_SIGNER.key).public_key
