from __future__ import annotations

import pytest

from imagesig.content_trust.key import TrustKey, canonical_id, parse_key, written_key
from imagesig.content_trust.signing_key import signing_key
from imagesig.crypto.algorithms import ECDSA_SHA256, ECDSA_SHA384, RSA_PKCS1V15_SHA256, Algorithm, KeyType, ToSign
from imagesig.crypto.certificate import parse_certificates
from imagesig.errors import FormatViolation, KeyMismatch, SignatureInvalid, UnsupportedAlgorithm
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.provider import FileKey
from imagesig.keys.provider import SigningKey
from imagesig.signature import SignerInfo
from tests.content_trust.repository import certified, p256
from tests.makers import private_key

MESSAGE = b'{"_type":"Targets"}'


class Only(SigningKey):
    """A key of a KMS that signs with these algorithms only."""

    def __init__(self, key_type: KeyType, *algorithms: Algorithm) -> None:
        self._key = private_key(key_type)
        self._info = SignerInfo(self._key.public_key, "kms:key", algorithms)

    @property
    def info(self) -> SignerInfo:
        return self._info

    def _sign(self, request: ToSign) -> bytes:
        return self._key.sign(request)


def key_of(key_type: KeyType) -> SigningKey:
    return FileKey(private_key(key_type), "key")


@pytest.mark.parametrize(
    ("key_type", "method", "size"),
    [
        (KeyType.ECDSA_P256, "ecdsa", 64),
        (KeyType.ECDSA_P384, "ecdsa", 96),
        (KeyType.ECDSA_P521, "ecdsa", 132),
        (KeyType.RSA_2048, "rsapss", 256),
        (KeyType.ED25519, "eddsa", 64),
    ],
)
def test_the_method_and_the_encoding_follow_from_the_type_of_key(key_type: KeyType, method: str, size: int) -> None:
    key = signing_key(key_of(key_type))
    signature = key.sign(MESSAGE)
    assert (signature.key_id, signature.method, len(signature.value)) == (key.key.id, method, size)
    parsed = parse_key(key.key.id, written_key(key.key.public_key), "key")
    assert parsed == key.key
    parsed.verify(signature.method, signature.value, MESSAGE)
    for other in {"ecdsa", "rsapss", "eddsa"} - {method}:
        with pytest.raises(FormatViolation):
            parsed.verify(other, signature.value, MESSAGE)


def test_a_bare_key_has_its_canonical_id_and_a_root_key_that_of_its_certificate() -> None:
    made = certified()
    certificates = parse_certificates(made.certificates, "certificate")
    bare, root = TrustKey.of(made.public), TrustKey.of(made.public, certificates)
    assert bare.id == canonical_id(made.public) == root.canonical_id
    assert root.id == made.id != bare.id
    assert written_key(made.public, certificates) == made.written


@pytest.mark.parametrize(
    ("key", "seen", "needed"),
    [
        (Only(KeyType.ECDSA_P384, ECDSA_SHA384), "ecdsa-sha384", "ecdsa-sha256"),
        (Only(KeyType.RSA_2048, RSA_PKCS1V15_SHA256), "rsa-pkcs1v15-sha256", "rsa-pss-sha256"),
    ],
    ids=["P-384", "PKCS #1 v1.5"],
)
def test_a_key_that_does_not_sign_with_the_algorithm_of_trust_data_is_refused(
    key: SigningKey, seen: str, needed: str
) -> None:
    with pytest.raises(UnsupportedAlgorithm, match=f"kms:key: .* signs {seen}; trust data need {needed}$"):
        signing_key(key)


def test_a_key_that_signs_with_other_algorithms_too_is_used_with_the_one_of_trust_data() -> None:
    key = signing_key(Only(KeyType.ECDSA_P384, ECDSA_SHA384, ECDSA_SHA256))
    signature = key.sign(MESSAGE)
    assert key.key.verify(signature.method, signature.value, MESSAGE) == ECDSA_SHA256


def test_a_root_key_signs_under_the_id_of_its_certificate() -> None:
    made = certified(key=p256())
    certificates = parse_certificates(made.certificates, "certificate")
    key = FileKey(PrivateKey.of(made.private), "root")
    for signer in (signing_key(key, certificates), signing_key(key).named(TrustKey.of(made.public, certificates))):
        signature = signer.sign(MESSAGE)
        assert signature.key_id == made.id
        TrustKey.of(made.public, certificates).verify(signature.method, signature.value, MESSAGE)


def test_a_key_is_not_used_under_the_id_or_certificate_of_another_key() -> None:
    key, other = key_of(KeyType.ECDSA_P256), certified()
    with pytest.raises(KeyMismatch, match=r"the certificate .* is for another key"):
        signing_key(key, parse_certificates(other.certificates, "certificate"))
    with pytest.raises(KeyMismatch):
        signing_key(key).named(TrustKey.of(other.public))


def test_a_signature_over_other_bytes_does_not_verify() -> None:
    key = signing_key(key_of(KeyType.ECDSA_P256))
    signature = key.sign(MESSAGE)
    with pytest.raises(SignatureInvalid):
        key.key.verify(signature.method, signature.value, MESSAGE + b" ")
