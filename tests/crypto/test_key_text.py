"""Public keys in other forms than PEM: the error says how to convert them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.chains import root
from tests.commands import run_here
from tests.makers import private_key

LOADED = private_key().public_key._loaded
FORMS: dict[str, tuple[bytes, str]] = {
    "DER": (private_key().public_key.spki, "openssl pkey -pubin -inform DER"),
    "a certificate in DER": (root().certificate.der, "openssl x509 -inform DER"),
    "OpenSSH": (LOADED.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH), "ssh-keygen -e -m PKCS8"),
    "JWK": (b'{"kty":"EC"}', "JWK"),
    "UTF-16": (private_key().public_key.pem.encode("utf-16"), "UTF-8"),
    "minisign": (b"untrusted comment: minisign public key\nRWQ", "minisign"),
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
