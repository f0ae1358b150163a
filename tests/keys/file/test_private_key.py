from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest
from asn1crypto import keys
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from imagesig import key_from_pem
from imagesig.crypto.algorithms import ECDSA_SHA256, ED25519, ED25519PH, RSA_PSS_SHA384, KeyType, ToSign
from imagesig.crypto.algorithms import signing_algorithms as algorithms_of
from imagesig.errors import KeyProviderError, KeyUnusable, SecretRequired, UnsupportedAlgorithm, WrongSecret
from imagesig.keys.file.form import Form, form_of, has_private_key
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.reading import read_private_key
from imagesig.keys.secrets import SecretKind, SecretRequest, fixed, no_secrets

_PASSPHRASE = "pässphrase"
_ENCRYPTION = BestAvailableEncryption(_PASSPHRASE.encode())
_EC = ec.generate_private_key(ec.SECP256R1())
_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_ED = ed25519.Ed25519PrivateKey.generate()


def _pem(key: Any, form: PrivateFormat, *, encrypted: bool = False) -> bytes:
    pem: bytes = key.private_bytes(Encoding.PEM, form, _ENCRYPTION if encrypted else NoEncryption())
    return pem


def _never_asked(request: SecretRequest) -> str:
    raise AssertionError(f"asked for {request}")


_PLAIN: dict[str, tuple[Any, bytes]] = {
    "PKCS#8 EC": (_EC, _pem(_EC, PrivateFormat.PKCS8)),
    "PKCS#8 RSA": (_RSA, _pem(_RSA, PrivateFormat.PKCS8)),
    "PKCS#8 Ed25519": (_ED, _pem(_ED, PrivateFormat.PKCS8)),
    "SEC1": (_EC, _pem(_EC, PrivateFormat.TraditionalOpenSSL)),
    "PKCS#1": (_RSA, _pem(_RSA, PrivateFormat.TraditionalOpenSSL)),
}
_ENCRYPTED: dict[str, tuple[Any, bytes]] = {
    "PKCS#8 EC": (_EC, _pem(_EC, PrivateFormat.PKCS8, encrypted=True)),
    "PKCS#8 Ed25519": (_ED, _pem(_ED, PrivateFormat.PKCS8, encrypted=True)),
    "legacy SEC1": (_EC, _pem(_EC, PrivateFormat.TraditionalOpenSSL, encrypted=True)),
    "legacy PKCS#1": (_RSA, _pem(_RSA, PrivateFormat.TraditionalOpenSSL, encrypted=True)),
    "cosign": (_EC, PrivateKey.of(_EC).to_pem(_PASSPHRASE)),
}


@pytest.mark.parametrize("name", _PLAIN)
def test_a_plain_key_is_read_without_asking_for_a_passphrase(name: str) -> None:
    key, pem = _PLAIN[name]
    assert form_of(pem) is Form.PLAIN
    assert read_private_key(pem, "app.key", _never_asked).public_key == PrivateKey.of(key).public_key


@pytest.mark.parametrize("name", _ENCRYPTED)
def test_an_encrypted_key_asks_once_for_its_passphrase_by_name(name: str) -> None:
    key, pem = _ENCRYPTED[name]
    asked = []

    def source(request: SecretRequest) -> str:
        asked.append(request)
        return _PASSPHRASE

    assert read_private_key(pem, "app.key", source).public_key == PrivateKey.of(key).public_key
    assert asked == [SecretRequest(SecretKind.PASSPHRASE, "app.key")]


@pytest.mark.parametrize("name", _ENCRYPTED)
def test_an_encrypted_key_without_a_passphrase_says_that_one_is_needed(name: str) -> None:
    with pytest.raises(SecretRequired, match=r"^app\.key: "):
        read_private_key(_ENCRYPTED[name][1], "app.key", no_secrets)


@pytest.mark.parametrize("name", _ENCRYPTED)
@pytest.mark.parametrize("wrong", ["", "swordfish"])
def test_a_wrong_passphrase_is_a_wrong_secret_and_is_not_shown(name: str, wrong: str) -> None:
    with pytest.raises(WrongSecret, match=r"^app\.key: ") as caught:
        read_private_key(_ENCRYPTED[name][1], "app.key", fixed(wrong))
    assert "swordfish" not in repr(caught.value) + caught.value.hint


def test_a_passphrase_whose_bytes_are_not_utf_8_reaches_the_key_as_they_are() -> None:
    passphrase = b"sword\xfffish"
    pem = _EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))
    as_environ_gives_it = passphrase.decode("utf-8", "surrogateescape")
    assert read_private_key(pem, "app.key", fixed(as_environ_gives_it)).public_key == PrivateKey.of(_EC).public_key


def test_curve_parameters_certificates_and_prose_around_the_key_are_skipped() -> None:
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    certificate = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    pem = b"Bag Attributes: none\n" + parameters + _PLAIN["SEC1"][1] + certificate
    assert read_private_key(pem, "app.key", no_secrets).public_key == PrivateKey.of(_EC).public_key


def test_windows_line_ends_are_read() -> None:
    for _, pem in _PLAIN.values():
        read_private_key(pem.replace(b"\n", b"\r\n"), "app.key", no_secrets)


def _ed25519_version_2(key: ed25519.Ed25519PrivateKey, public: bytes) -> bytes:
    der = bytes.fromhex("3051020101300506032b657004220420") + key.private_bytes_raw() + b"\x81\x21\x00" + public
    return b"-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n" % base64.b64encode(der)


def test_an_ed25519_key_in_pkcs8_version_2_is_read() -> None:
    pem = _ed25519_version_2(_ED, _ED.public_key().public_bytes_raw())
    assert read_private_key(pem, "app.key", no_secrets).public_key == PrivateKey.of(_ED).public_key


def _encrypted(pkcs8_pem: bytes) -> bytes:
    """The same PKCS#8 in PBES2 with the passphrase of these tests: the parameters are those of another key."""
    info = keys.EncryptedPrivateKeyInfo.load(
        _ED.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(_PASSPHRASE.encode()))
    )
    algorithm = info["encryption_algorithm"]
    derivation = algorithm["parameters"]["key_derivation_func"]["parameters"]
    salt, rounds = derivation["salt"].native, derivation["iteration_count"].native
    secret = hashlib.pbkdf2_hmac(algorithm.kdf_hmac, _PASSPHRASE.encode(), salt, rounds, 32)
    padder = PKCS7(128).padder()
    padded = padder.update(base64.b64decode(b"".join(pkcs8_pem.splitlines()[1:-1]))) + padder.finalize()
    encryptor = Cipher(AES(secret), CBC(algorithm.encryption_iv)).encryptor()
    info["encrypted_data"] = encryptor.update(padded) + encryptor.finalize()
    label = "ENCRYPTED PRIVATE KEY"
    return f"-----BEGIN {label}-----\n{base64.encodebytes(info.dump()).decode()}-----END {label}-----\n".encode()


def test_an_encrypted_ed25519_key_in_pkcs8_version_2_is_read() -> None:
    """Rust's ed25519-dalek writes such keys."""
    pem = _encrypted(_ed25519_version_2(_ED, _ED.public_key().public_bytes_raw()))
    key = key_from_pem(pem, passphrase=_PASSPHRASE)
    assert key.info.public_key == PrivateKey.of(_ED).public_key
    assert key.sign(b"message")
    with pytest.raises(WrongSecret):
        key_from_pem(pem, passphrase="swordfish")
    other = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with pytest.raises((KeyUnusable, WrongSecret)):
        key_from_pem(_encrypted(_ed25519_version_2(_ED, other)), passphrase=_PASSPHRASE)


def test_a_public_key_in_pkcs8_version_2_that_is_not_the_private_keys_own_is_refused() -> None:
    other = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    for public in (other, b"", _ED.public_key().public_bytes_raw() + b"\0"):
        with pytest.raises(KeyUnusable):
            read_private_key(_ed25519_version_2(_ED, public), "app.key", no_secrets)


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(public_exponent=65537, key_size=1024),
        rsa.generate_private_key(public_exponent=65537, key_size=2056),
        ec.generate_private_key(ec.SECP256K1()),
        ec.generate_private_key(ec.SECP224R1()),
        ed448.Ed448PrivateKey.generate(),
        dsa.generate_private_key(1024),
    ],
    ids=["RSA-1024", "RSA-2056", "secp256k1", "P-224", "Ed448", "DSA"],
)
def test_weak_and_foreign_keys_are_refused_by_the_name_of_their_file(key: Any) -> None:
    with pytest.raises(UnsupportedAlgorithm, match=r"^app\.key: "):
        read_private_key(_pem(key, PrivateFormat.PKCS8), "app.key", no_secrets)


_PKCS8 = _PLAIN["PKCS#8 EC"][1]
# 32 bytes where an Ed448 key has 57: `cryptography` answers with an InternalError.
_SHORT_ED448 = _PLAIN["PKCS#8 Ed25519"][1].replace(b"MC4CAQAwBQYDK2Vw", b"MC4CAQAwBQYDK2Vx")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "not a private key"),
        (b"hello", "not a private key"),
        (_PKCS8[:-10], "not a private key"),
        (_PKCS8 + _PLAIN["SEC1"][1], "several private keys"),
        (_PKCS8 + _PKCS8, "several private keys"),
        (_PKCS8.replace(b"\nM", b"\n*", 1), "an invalid or damaged private key"),
        (_PKCS8[:60] + _PKCS8[124:], "an invalid or damaged private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "an invalid or damaged private key"),
        (_SHORT_ED448, "an invalid or damaged private key"),
        (b"-----BEGIN RSA PRIVATE KEY-----\n-----END RSA PRIVATE KEY-----\n", "an invalid or damaged private key"),
        (_EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "not a private key"),
        (_EC.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), "not a private key"),
        (_EC.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), "not a private key"),
    ],
    ids=[
        "empty", "prose", "cut", "two keys", "one key twice", "not base64", "a line missing", "three bytes",
        "short Ed448", "no bytes", "public key", "OpenSSH", "DER",
    ],
)  # fmt: skip
def test_another_file_than_a_private_key_is_unusable(data: bytes, expected: str) -> None:
    with pytest.raises(KeyUnusable, match=rf"^app\.key: .*{expected}"):
        read_private_key(data, "app.key", no_secrets)


@pytest.mark.parametrize("vector", [b"", b"00" * 8, b"00" * 14, b"00" * 17, b"zz" * 16])
def test_a_legacy_key_with_a_vector_that_does_not_fit_its_cipher_is_unusable(vector: bytes) -> None:
    # `cryptography` answers some of these with a panic, which is no Exception.
    pem = re.sub(rb"(DEK-Info: [^,]+),\w+", rb"\1," + vector, _ENCRYPTED["legacy SEC1"][1])
    with pytest.raises(KeyUnusable, match="encrypted in a way that is not read"):
        read_private_key(pem, "app.key", fixed(_PASSPHRASE))


def test_a_legacy_cipher_that_is_not_read_is_unusable_and_no_wrong_passphrase() -> None:
    pem = re.sub(rb"DEK-Info: [^,]+", b"DEK-Info: AES-192-CBC", _ENCRYPTED["legacy SEC1"][1])
    with pytest.raises(KeyUnusable) as caught:
        read_private_key(pem, "app.key", fixed(_PASSPHRASE))
    assert "openssl pkcs8 -topk8" in caught.value.hint


def test_a_cosign_key_with_damage_is_unusable_and_named() -> None:
    pem = b"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\ne30=\n-----END ENCRYPTED COSIGN PRIVATE KEY-----\n"
    with pytest.raises(KeyUnusable, match=r"^app\.key: cosign key: kdf"):
        read_private_key(pem, "app.key", fixed(""))


def test_a_cosign_key_with_something_else_in_it_is_unusable() -> None:
    from imagesig.keys.file import cosign_key

    with pytest.raises(KeyUnusable, match=r"^app\.key: "):
        read_private_key(cosign_key.encrypt(b"no key", b""), "app.key", fixed(""))


@pytest.mark.parametrize("end", range(0, 240, 7))
def test_a_cut_key_file_never_raises_anything_but_a_key_provider_error(end: int) -> None:
    for pem in (_PKCS8, _ENCRYPTED["PKCS#8 EC"][1], _ENCRYPTED["legacy SEC1"][1]):
        with pytest.raises(KeyProviderError):
            read_private_key(pem[:end] + pem[end + 16 :], "app.key", fixed(_PASSPHRASE))


@pytest.mark.parametrize("key_type", KeyType)
def test_a_generated_key_is_of_its_type_and_signs_with_all_its_algorithms(key_type: KeyType) -> None:
    key = PrivateKey.generate(key_type)
    assert key.public_key.key_type is key_type
    for algorithm in algorithms_of(key_type):
        key.public_key.verify(key.sign(ToSign(b"message", algorithm)), b"message", algorithm)


@pytest.mark.parametrize(
    ("key", "algorithm"), [(_EC, ED25519), (_RSA, ECDSA_SHA256), (_ED, RSA_PSS_SHA384), (_ED, ED25519PH)]
)
def test_an_algorithm_for_another_type_of_key_is_refused(key: Any, algorithm: Any) -> None:
    with pytest.raises(UnsupportedAlgorithm):
        PrivateKey.of(key).sign(ToSign(b"message", algorithm))


def test_the_salt_of_pss_is_as_long_as_the_hash() -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    signature = PrivateKey.of(_RSA).sign(ToSign(b"message", RSA_PSS_SHA384))
    _RSA.public_key().verify(
        signature, b"message", padding.PSS(padding.MGF1(hashes.SHA384()), salt_length=48), hashes.SHA384()
    )


@pytest.mark.parametrize("key", [_EC, _RSA, _ED], ids=["EC", "RSA", "Ed25519"])
@pytest.mark.parametrize("passphrase", [None, "", _PASSPHRASE])
def test_a_written_key_can_be_read(key: Any, passphrase: str | None) -> None:
    pem = PrivateKey.of(key).to_pem(passphrase)
    assert form_of(pem) is (Form.PLAIN if passphrase is None else Form.COSIGN)
    source = _never_asked if passphrase is None else fixed(passphrase)
    assert read_private_key(pem, "app.key", source).public_key == PrivateKey.of(key).public_key


def test_a_key_written_without_passphrase_is_pkcs8() -> None:
    pem = PrivateKey.of(_EC).to_pem(None)
    assert pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    assert load_pem_private_key(pem, None).public_key() == _EC.public_key()


def test_private_key_material_is_recognised_also_in_forms_that_are_not_read() -> None:
    openssh = _EC.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    assert has_private_key(openssh)
    assert form_of(openssh) is None
    assert not has_private_key(_EC.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def test_a_repr_shows_the_public_key_only() -> None:
    assert repr(PrivateKey.of(_EC)) == f"PrivateKey(public_key={PrivateKey.of(_EC).public_key!r}, chain=())"
