"""Key files as notary and docker write them, read through the functions for every key."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from contextlib import suppress

import pytest
from asn1crypto import keys, pem
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from imagesig import key_from_pem
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import ImagesigError, InvalidArgument, KeyUnusable, SecretRequired, WrongSecret
from imagesig.keys.file.notary_key import Attributes, attributes_of, notary_pem, to_notary_pem
from tests.makers import private_key

PASSPHRASE = "correct horse battery"
GUN = "registry.example:5000/team/app"
ROLES = [Attributes(), Attributes("alice"), Attributes("targets", GUN)]
OF_DOCKER = """-----BEGIN ENCRYPTED PRIVATE KEY-----
role: releases

MIHuMEkGCSqGSIb3DQEFDTA8MBsGCSqGSIb3DQEFDDAOBAjIUmxHIGJDTwICCAAw
HQYJYIZIAWUDBAEqBBCKxDJoHgXIlkeyQoTeMga9BIGg4aHSaHIO+DU6bUOaqaZF
6bO+2pyz02vJo9GLaS7uBeCHsOAWzffAjqWD5cCwWgPy2wUbcB5j+iDRxowoHGdp
mJChUBgNJGXD77QWu34zPINc0WwsIZibADVhIxJ4rEij7D7wyRwy01N0RCLMww+H
EsPxWKCC3Xhe2rBTdPUtQx9VgQ+zCfcItOx88NV2Z1hD8DoBFpyQa539ruqZwcPe
8A==
-----END ENCRYPTED PRIVATE KEY-----
"""
"""A file that docker 28.5 wrote; its passphrase is `repopass1`."""


def read(content: bytes | str, passphrase: str | None = None) -> str:
    """The fingerprint of the key, which signed and verified a message."""
    with key_from_pem(content, passphrase=passphrase) as key:
        key.check()
        return key.info.public_key.fingerprint


def test_a_file_of_docker_is_read() -> None:
    assert read(OF_DOCKER, "repopass1")
    assert attributes_of(OF_DOCKER.encode()) == Attributes("releases")
    assert read(OF_DOCKER.replace("\n", "\r\n"), "repopass1") == read(OF_DOCKER, "repopass1")


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
@pytest.mark.parametrize("attributes", ROLES, ids=["no header", "role", "role and gun"])
def test_what_is_written_is_read(key_type: KeyType, passphrase: str, attributes: Attributes) -> None:
    content = to_notary_pem(private_key(key_type), passphrase.encode(), attributes)
    assert attributes_of(content) == attributes
    assert read(content, passphrase or None) == private_key(key_type).public_key.fingerprint
    assert (b"ENCRYPTED" in content) is bool(passphrase)


def test_a_key_is_encrypted_as_notary_encrypts_it() -> None:
    first, second = (to_notary_pem(private_key(), PASSPHRASE.encode(), Attributes("alice")) for _ in range(2))
    _, headers, der = pem.unarmor(first)
    assert headers == {"role": "alice"}
    algorithm = keys.EncryptedPrivateKeyInfo.load(der, strict=True)["encryption_algorithm"]["parameters"]
    derivation = algorithm["key_derivation_func"]
    assert derivation["algorithm"].native == "pbkdf2"
    parameters = derivation["parameters"].native
    assert (len(parameters["salt"]), parameters["iteration_count"]) == (8, 2048)
    assert parameters["prf"]["algorithm"] == "sha1"
    assert algorithm["encryption_scheme"]["algorithm"].native == "aes256_cbc"
    assert first != second, "salt and vector are random"


@pytest.mark.parametrize("key_type", KeyType)
def test_a_wrong_passphrase_is_an_error_of_its_own(key_type: KeyType) -> None:
    content = to_notary_pem(private_key(key_type), PASSPHRASE.encode(), Attributes("alice"))
    with pytest.raises(SecretRequired):
        key_from_pem(content)
    for wrong in ("", "wrong", PASSPHRASE + " "):
        with pytest.raises(WrongSecret, match=r"the passphrase is wrong, or the file is damaged") as caught:
            key_from_pem(content, passphrase=wrong)
        assert PASSPHRASE not in str(caught.value)


def test_no_wrong_passphrase_opens_a_key_by_its_padding() -> None:
    content = to_notary_pem(private_key(), PASSPHRASE.encode(), Attributes("alice"))
    for number in range(600):  # one in 256 has right padding by chance
        with pytest.raises(WrongSecret):
            key_from_pem(content, passphrase=f"wrong {number}")


def _legacy(label: str, der: bytes, passphrase: str, vector: bytes = bytes(range(16))) -> str:
    first = hashlib.md5(passphrase.encode() + vector[:8], usedforsecurity=False).digest()
    key = first + hashlib.md5(first + passphrase.encode() + vector[:8], usedforsecurity=False).digest()
    padder, encryptor = PKCS7(128).padder(), Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    text = base64.encodebytes(encryptor.update(padder.update(der) + padder.finalize())).decode()
    headers = f"Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,{vector.hex()}\nrole: targets\n"
    return f"-----BEGIN {label}-----\n{headers}\n{text}-----END {label}-----\n"


def _ed25519() -> bytes:
    loaded = private_key(KeyType.ED25519).loaded
    public = loaded.public_key().public_bytes_raw()  # type: ignore[union-attr]
    return public + loaded.private_bytes_raw() + public  # type: ignore[union-attr, no-any-return]


def test_the_legacy_form_of_ed25519_is_read() -> None:
    fingerprint = private_key(KeyType.ED25519).public_key.fingerprint
    assert read(notary_pem("ED25519 PRIVATE KEY", _ed25519(), {"role": "targets"})) == fingerprint
    encrypted = _legacy("ED25519 PRIVATE KEY", _ed25519(), PASSPHRASE)
    assert read(encrypted, PASSPHRASE) == fingerprint
    assert attributes_of(encrypted.encode()) == Attributes("targets")
    with pytest.raises(WrongSecret):
        key_from_pem(encrypted, passphrase="wrong")


def _swap(der: bytes, old: str, new: str) -> bytes:
    assert bytes.fromhex(old) in der
    return der.replace(bytes.fromhex(old), bytes.fromhex(new))


@pytest.mark.parametrize(
    ("key_type", "change"),
    [
        (KeyType.ED25519, lambda der: der[:-1] + bytes([der[-1] ^ 1])),
        (KeyType.ED25519, lambda der: der[:20] + bytes([der[20] ^ 1]) + der[21:]),
        (KeyType.ED25519, lambda der: der[:-1]),
        (KeyType.ECDSA_P256, lambda der: der + b"\0"),
        (KeyType.ECDSA_P256, lambda der: der[:-1] + bytes([der[-1] ^ 1])),
        (KeyType.ECDSA_P256, lambda der: _swap(der, "020101301306072a8648ce3d0201", "020102301306072a8648ce3d0201")),
        (
            KeyType.ECDSA_P384,
            lambda der: _swap(der, "06072a8648ce3d020106052b81040022", "06072a8648ce3d020106052b81040023"),
        ),
    ],
    ids=["public key twice", "public key", "short", "more after it", "point", "version 2", "curve"],
)
def test_a_damaged_key_is_refused(key_type: KeyType, change: Callable[[bytes], bytes]) -> None:
    _, _, der = pem.unarmor(to_notary_pem(private_key(key_type), b"", Attributes()))
    with pytest.raises(KeyUnusable):
        key_from_pem(notary_pem("PRIVATE KEY", change(der), {"role": "alice"}))


def test_the_work_for_a_passphrase_is_limited() -> None:
    _, _, der = pem.unarmor(to_notary_pem(private_key(), PASSPHRASE.encode(), Attributes()))
    info = keys.EncryptedPrivateKeyInfo.load(der)
    derivation = info["encryption_algorithm"]["parameters"]["key_derivation_func"]
    derivation["parameters"]["iteration_count"] = 2**31 - 1
    costly = notary_pem("ENCRYPTED PRIVATE KEY", info.dump(force=True), {"role": "alice"})
    with pytest.raises(KeyUnusable, match="2147483647 rounds, at most"):
        key_from_pem(costly, passphrase=PASSPHRASE)


@pytest.mark.parametrize("value", ["a b", "a\nMII=", "a\r", "\u00e4", "a" * 256], ids=ascii)
def test_no_value_breaks_out_of_its_header(value: str) -> None:
    for attributes in (Attributes(value), Attributes("alice", value)):
        with pytest.raises(InvalidArgument, match="of ASCII are needed"):
            to_notary_pem(private_key(), b"", attributes)


@pytest.mark.parametrize(
    "text",
    ["role: " + "x" * 60_000, "role", ": x", "role: a\nrole: b", "x:"],
    ids=["long", "word", "no name", "twice", "empty"],
)
def test_odd_headers_are_no_crash(text: str) -> None:
    content = OF_DOCKER.replace("role: releases", text).encode()
    attributes_of(content)
    with suppress(ImagesigError):
        key_from_pem(content, passphrase="repopass1")
