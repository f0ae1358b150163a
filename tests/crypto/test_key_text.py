"""Keys in other forms than PEM: the error says how to convert them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from imagesig.errors import KeyUnusable, UnsupportedAlgorithm, WrongSecret
from imagesig.keys import open_key
from imagesig.keys.secrets import from_file
from tests.chains import root
from tests.commands import run_here
from tests.makers import private_key

LOADED = private_key().public_key._loaded
PEM = private_key().public_key.pem.encode()
PRIVATE_PEM = private_key().to_pem(None)
FORMS: dict[str, tuple[bytes, str]] = {
    "DER": (private_key().public_key.spki, "openssl pkey -pubin -inform DER"),
    "a certificate in DER": (root().certificate.der, "openssl x509 -inform DER"),
    "OpenSSH": (LOADED.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH), "ssh-keygen -e -m PKCS8"),
    "JWK": (b'{"kty":"EC"}', "JWK"),
    "UTF-16": (private_key().public_key.pem.encode("utf-16"), "UTF-8"),
    "minisign": (b"untrusted comment: minisign public key\nRWQ", "minisign"),
    "SSH2": (b"---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n", "ssh-keygen -i"),
    "OpenPGP": (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ\n-----END PGP PUBLIC KEY BLOCK-----\n", "OpenPGP"),
    "a request for a certificate": (
        b"-----BEGIN CERTIFICATE REQUEST-----\nMII=\n-----END CERTIFICATE REQUEST-----\n",
        "request for a certificate",
    ),
    "base64 of PEM": (base64.b64encode(PEM), "base64 -d"),
    "escaped line breaks": (PEM.replace(b"\n", b"\\n"), "printf"),
    "a JSON string": (json.dumps(PEM.decode()).encode(), "printf"),
    "cut off": (PEM[:-30], "cut off"),
    "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
    "nothing": (b"", "-----BEGIN PUBLIC KEY-----"),
    "other text": (b"hello", "-----BEGIN PUBLIC KEY-----"),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_key_in_another_form_says_how_to_convert_it(name: str, tmp_path: Path) -> None:
    content, hint = FORMS[name]
    (tmp_path / "key.pub").write_bytes(content)
    done = run_here("verify", "--key", tmp_path / "key.pub", "localhost:1/app:1")
    assert done.exit_code == 1
    assert hint in getattr(done.exception, "hint", "")


PRIVATE_FORMS: dict[str, tuple[bytes, str]] = {
    "UTF-16": (PRIVATE_PEM.decode().encode("utf-16"), "UTF-8"),
    "base64 of PEM": (base64.b64encode(PRIVATE_PEM), "base64 -d"),
    "escaped line breaks": (PRIVATE_PEM.replace(b"\n", b"\\n"), "printf"),
    "cut off": (PRIVATE_PEM[:-30], "cut off"),
    "a JWK": (b'{"kty":"EC","d":"AA"}', "JWK"),
    "a Java key store": (b"\xfe\xed\xfe\xed\2", "keytool"),
    "PuTTY": (b"PuTTY-User-Key-File-3: ssh-ed25519\n", "PuTTY"),
    "OpenPGP": (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ\n-----END PGP PRIVATE KEY BLOCK-----\n", "OpenPGP"),
    "a key of a TPM": (b"-----BEGIN TSS2 PRIVATE KEY-----\nMII=\n-----END TSS2 PRIVATE KEY-----\n", "pkcs11:"),
    "DSA": (b"-----BEGIN DSA PRIVATE KEY-----\nMII=\n-----END DSA PRIVATE KEY-----\n", "PKCS#8"),
    "a certificate": (root().certificate.pem.encode(), "this is a certificate"),
    "a public key of OpenSSH": (b"ssh-ed25519 AAAA me@here\n", "this is a public key"),
    "a pointer of Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
    "several keys": (PRIVATE_PEM * 2, "another file"),
    "damage": (PRIVATE_PEM.replace(b"\nM", b"\n*", 1), "copy the key again"),
    "nothing": (b"", "it is empty"),
    "other text": (b"hello", "PKCS#8"),
}


def refused_key(name: str | Path) -> KeyUnusable:
    with pytest.raises(KeyUnusable) as refused:
        open_key(name)
    assert PRIVATE_PEM.decode()[40:60] not in f"{refused.value} {refused.value.hint}"
    return refused.value


@pytest.mark.parametrize("name", PRIVATE_FORMS)
def test_a_private_key_in_another_form_says_what_to_do(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, hint = PRIVATE_FORMS[name]
    (tmp_path / "k.key").write_bytes(content)
    (tmp_path / "k.key").chmod(0o600)
    assert hint in refused_key(tmp_path / "k.key").hint
    if b"\0" not in content:
        monkeypatch.setenv("K", content.decode("utf-8", "surrogateescape"))
        assert hint in refused_key("env://K").hint


def test_a_wrong_passphrase_says_what_is_left_out_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "k.key").write_bytes(private_key().to_pem("right"))
    (tmp_path / "k.key").chmod(0o600)
    (tmp_path / "passphrase").write_text("right\n\n")
    with pytest.raises(WrongSecret) as refused:
        open_key(tmp_path / "k.key", secrets=from_file(tmp_path / "passphrase"))
    assert "line break" in refused.value.hint


@pytest.mark.parametrize(("curve", "said"), [("SECP256K1", "secp256k1"), ("SECP224R1", "secp224r1")])
def test_a_key_of_another_curve_says_which_keys_are_used(curve: str, said: str, tmp_path: Path) -> None:
    key = ec.generate_private_key(getattr(ec, curve)())
    (tmp_path / "k.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "k.key").chmod(0o600)
    with pytest.raises(UnsupportedAlgorithm, match=said) as refused:
        open_key(tmp_path / "k.key")
    assert "imagesig key generate" in refused.value.hint
