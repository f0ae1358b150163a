"""Key files as OpenSSL writes them, in every form and encryption, and ours read by OpenSSL."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.errors import SecretRequired, WrongSecret
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.secrets import fixed
from tests.peers import RUN_SECONDS, binary

pytestmark = pytest.mark.interop

_SECRET = ("-passout", "pass:swordfish")
_ENCRYPTED = {
    "PKCS#8 with AES-256": ("pkcs8", "-topk8", "-v2", "aes-256-cbc", *_SECRET),
    "PKCS#8 with AES-128 and SHA-512": ("pkcs8", "-topk8", "-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512", *_SECRET),
    "PKCS#8 with 3DES": ("pkcs8", "-topk8", "-v2", "des3", *_SECRET),
    "PKCS#8 with scrypt": ("pkcs8", "-topk8", "-scrypt", *_SECRET),
    "PKCS#8 version 1": ("pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", *_SECRET),
    "SEC1 or PKCS#1 with AES": ("{type}", "-aes256", "{traditional}", *_SECRET),
}
_PKCS12 = {"PKCS#12": (), "PKCS#12 as before OpenSSL 3": ("-legacy",)}
_TYPES = {
    KeyType.ECDSA_P256: ("EC", "ec_paramgen_curve:P-256"),
    KeyType.ECDSA_P384: ("EC", "ec_paramgen_curve:P-384"),
    KeyType.ECDSA_P521: ("EC", "ec_paramgen_curve:P-521"),
    KeyType.ED25519: ("ED25519", ""),
    KeyType.RSA_2048: ("RSA", "rsa_keygen_bits:2048"),
}


def openssl(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(binary("openssl")), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for path in folder.iterdir():
        path.chmod(0o600)
    return done.stdout


@pytest.fixture(params=list(_TYPES), ids=lambda key_type: key_type.value)
def plain(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A key in PKCS#8, which OpenSSL made."""
    name, option = _TYPES[request.param]
    options = ["-pkeyopt", option] if option else []
    openssl(tmp_path, "genpkey", "-algorithm", name, *options, "-out", "plain.pem")
    return tmp_path / "plain.pem"


def public_half(plain: Path) -> str:
    return openssl(plain.parent, "pkey", "-in", plain.name, "-pubout")


def opens(path: Path, public: str) -> None:
    with FileProvider(path.parent, secrets=fixed("swordfish")) as provider, provider.open(path.name) as key:
        assert key.info.public_key.pem == public
        assert key.sign(b"message")


def test_plain_keys_are_read(plain: Path) -> None:
    opens(plain, public_half(plain))


@pytest.mark.parametrize("form", _ENCRYPTED)
def test_encrypted_keys_are_read_with_their_passphrase_only(plain: Path, form: str) -> None:
    text = plain.read_text()
    with FileProvider(plain.parent) as provider:
        key_type = provider.open(plain.name).info.public_key.key_type
    if form.startswith("SEC1") and key_type is KeyType.ED25519:
        words = ["pkcs8", "-topk8", *_SECRET]  # Ed25519 has no form but PKCS#8
    else:
        names = {"type": "rsa" if key_type.is_rsa else "ec", "traditional": "-traditional" if key_type.is_rsa else ""}
        words = [word for word in (part.format(**names) for part in _ENCRYPTED[form]) if word]
    openssl(plain.parent, *words, "-in", plain.name, "-out", "encrypted.pem")
    encrypted = plain.parent / "encrypted.pem"
    assert text not in encrypted.read_text()
    opens(encrypted, public_half(plain))
    with FileProvider(plain.parent, secrets=fixed("sturgeon")) as provider, pytest.raises(WrongSecret):
        provider.open(encrypted.name)
    with FileProvider(plain.parent) as provider, pytest.raises(SecretRequired):
        provider.open(encrypted.name)


@pytest.mark.parametrize("form", _PKCS12)
def test_pkcs12_files_are_read_with_their_passphrase_only(plain: Path, form: str) -> None:
    openssl(plain.parent, "req", "-x509", "-key", plain.name, "-subj", "/CN=signer", "-days", "2", "-out", "signer.crt")
    words = ["pkcs12", "-export", "-inkey", plain.name, "-in", "signer.crt", "-out", "app.p12"]
    openssl(plain.parent, *words, *_PKCS12[form], *_SECRET)
    opens(plain.parent / "app.p12", public_half(plain))
    with FileProvider(plain.parent, secrets=fixed("sturgeon")) as provider, pytest.raises(WrongSecret):
        provider.open("app.p12")


@pytest.mark.parametrize("key_type", list(_TYPES), ids=lambda key_type: key_type.value)
def test_openssl_reads_the_key_pair_that_we_write(key_type: KeyType, tmp_path: Path) -> None:
    with FileProvider(tmp_path) as provider:
        provider.generate("app.key", key_type)
    assert openssl(tmp_path, "pkey", "-in", "app.key", "-pubout") == (tmp_path / "app.pub").read_text()
