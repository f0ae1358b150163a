"""Encrypted key files between imagesig, both cosigns and skopeo: each opens what another wrote."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from imagesig.crypto.algorithms import (
    ECDSA_SHA256,
    ECDSA_SHA384,
    ECDSA_SHA512,
    ED25519,
    RSA_PKCS1V15_SHA256,
    Algorithm,
    KeyType,
)
from imagesig.errors import WrongSecret
from imagesig.keys.file.disk import write_private_key
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.secrets import fixed
from tests.peers import RUN_SECONDS, binary

pytestmark = pytest.mark.interop

_COSIGNS = ("cosign3", "cosign2")
_PASSPHRASES = ("swordfish", "pässphräse mit Leerzeichen", "")
_FLAGS = {
    "cosign3": ("--use-signing-config=false", "--tlog-upload=false", "--new-bundle-format=false"),
    "cosign2": ("--tlog-upload=false",),
}
_MESSAGE = b"a message"

_CURVES_OWN = {
    KeyType.ECDSA_P256: ECDSA_SHA256,
    KeyType.ECDSA_P384: ECDSA_SHA384,
    KeyType.ECDSA_P521: ECDSA_SHA512,
}
_IMPORTED = [
    *(("cosign3", key_type, PrivateFormat.PKCS8) for key_type in KeyType),
    *(("cosign3", key_type, PrivateFormat.TraditionalOpenSSL) for key_type in (KeyType.ECDSA_P256, KeyType.RSA_2048)),
    # 2.5.0 as Debian builds it refuses to import any ECDSA or RSA key, one made by OpenSSL too.
    ("cosign2", KeyType.ED25519, PrivateFormat.PKCS8),
]


def _algorithm(peer: str, key_type: KeyType) -> Algorithm:
    """What a cosign signs with: the curve's own hash since 2.6, before that SHA-256."""
    if key_type is KeyType.ED25519:
        return ED25519  # of a blob; of an image cosign 3 signs Ed25519ph
    if key_type.is_rsa:
        return RSA_PKCS1V15_SHA256
    return _CURVES_OWN[key_type] if peer == "cosign3" else ECDSA_SHA256


def _run(peer: str, arguments: Sequence[object], folder: Path, passphrase: str) -> str:
    done = subprocess.run(
        [str(binary(peer)), *map(str, arguments)],
        cwd=folder,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "COSIGN_PASSWORD": passphrase},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{peer} {arguments}: {done.stderr}"
    return done.stdout


def _sign(peer: str, folder: Path, passphrase: str) -> bytes:
    """The signature of `_MESSAGE` that the peer makes with app.key."""
    (folder / "message").write_bytes(_MESSAGE)
    arguments = ["sign-blob", "--key", "app.key", *_FLAGS[peer], "--output-signature", "signature", "--yes", "message"]
    _run(peer, arguments, folder, passphrase)
    return base64.b64decode((folder / "signature").read_bytes())


@pytest.mark.parametrize("passphrase", _PASSPHRASES)
@pytest.mark.parametrize("peer", _COSIGNS)
def test_cosign_signs_with_a_key_that_we_generated(peer: str, passphrase: str, tmp_path: Path) -> None:
    with FileProvider(tmp_path, secrets=fixed(passphrase)) as provider:
        public_key = provider.generate("app.key", KeyType.ECDSA_P256).info.public_key
    public_key.verify(_sign(peer, tmp_path, passphrase), _MESSAGE, ECDSA_SHA256)


@pytest.mark.parametrize("key_type", KeyType)
@pytest.mark.parametrize("peer", _COSIGNS)
def test_cosign_signs_with_a_key_of_every_type_that_we_wrote(peer: str, key_type: KeyType, tmp_path: Path) -> None:
    key = PrivateKey.generate(key_type)
    write_private_key(tmp_path / "app.key", key, "swordfish")
    assert _run(peer, ["public-key", "--key", "app.key"], tmp_path, "swordfish") == key.public_key.pem
    key.public_key.verify(_sign(peer, tmp_path, "swordfish"), _MESSAGE, _algorithm(peer, key_type))


@pytest.mark.parametrize("passphrase", _PASSPHRASES)
@pytest.mark.parametrize("peer", _COSIGNS)
def test_we_sign_with_a_key_that_cosign_generated(peer: str, passphrase: str, tmp_path: Path) -> None:
    _run(peer, ["generate-key-pair", "--output-key-prefix", "app"], tmp_path, passphrase)
    (tmp_path / "message").write_bytes(_MESSAGE)
    with FileProvider(tmp_path, secrets=fixed(passphrase)) as provider, provider.open("app.key") as key:
        assert provider.public_keys("app.pub") == (key.info.public_key,)
        (tmp_path / "signature").write_bytes(base64.b64encode(key.sign(_MESSAGE)))
    arguments = [
        "verify-blob",
        "--key",
        "app.pub",
        "--insecure-ignore-tlog=true",
        "--signature",
        "signature",
        "message",
    ]
    _run(peer, arguments, tmp_path, "")


@pytest.mark.parametrize("peer", _COSIGNS)
def test_a_key_that_cosign_generated_opens_with_its_passphrase_only(peer: str, tmp_path: Path) -> None:
    _run(peer, ["generate-key-pair", "--output-key-prefix", "app"], tmp_path, "swordfish")
    with FileProvider(tmp_path, secrets=fixed("sturgeon")) as provider, pytest.raises(WrongSecret):
        provider.open("app.key")


@pytest.mark.parametrize(("peer", "key_type", "form"), _IMPORTED)
def test_we_open_what_cosign_imports(peer: str, key_type: KeyType, form: PrivateFormat, tmp_path: Path) -> None:
    key = PrivateKey.generate(key_type)
    (tmp_path / "plain.pem").write_bytes(key.loaded.private_bytes(Encoding.PEM, form, NoEncryption()))
    (tmp_path / "plain.pem").chmod(0o600)
    _run(peer, ["import-key-pair", "--key", "plain.pem", "--output-key-prefix", "app"], tmp_path, "swordfish")
    with FileProvider(tmp_path, secrets=fixed("swordfish")) as provider:
        for name in ("plain.pem", "app.key"):
            assert provider.open(name).info.public_key == key.public_key
        assert provider.public_keys("app.pub") == (key.public_key,)


def test_we_sign_with_a_key_that_skopeo_generated(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("swordfish")
    arguments = ["generate-sigstore-key", "--output-prefix", "app", "--passphrase-file", "passphrase"]
    _run("skopeo", arguments, tmp_path, "")
    with FileProvider(tmp_path, secrets=fixed("swordfish")) as provider, provider.open("app.private") as key:
        assert provider.public_keys("app.pub") == (key.info.public_key,)
        assert key.sign(_MESSAGE)
