"""The key files of cosign's and sigstore-rs's own tests."""

from __future__ import annotations

import json

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.errors import KeyProviderError, WrongSecret
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.reading import read_private_key
from imagesig.keys.secrets import fixed
from tests.vectors import report, vectors

_ENCRYPTED = {
    "ecdsa_encrypted_private.key": ("123", KeyType.ECDSA_P256),
    "ed25519_encrypted_private.key": ("123", KeyType.ED25519),
    "rsa_encrypted_private.key": ("123", KeyType.RSA_4096),
    "cosign_generated_encrypted_empty_private.key": ("", KeyType.ECDSA_P256),
}
_PLAIN = {
    "ecdsa_private.key": KeyType.ECDSA_P256,
    "ed25519_private.key": KeyType.ED25519,
    "rsa_private.key": KeyType.RSA_4096,
}


def _read(file: str, passphrase: str) -> PrivateKey:
    return read_private_key((vectors("key-files") / file).read_bytes(), file, fixed(passphrase))


def test_what_cosign_imports_is_read_and_what_it_refuses_is_refused() -> None:
    cases = json.loads((vectors("key-files") / "cases.json").read_bytes())["import"]
    for case in cases:
        if case["err"] is None:
            _read(case["file"], "")
        else:
            with pytest.raises(KeyProviderError):
                _read(case["file"], "")
    report("key-files", len(cases))


@pytest.mark.parametrize("file", sorted(_ENCRYPTED))
def test_an_encrypted_key_opens_with_its_passphrase(file: str) -> None:
    passphrase, key_type = _ENCRYPTED[file]
    report("key-files", 1)
    assert _read(f"sigstore-rs/{file}", passphrase).public_key.key_type is key_type


@pytest.mark.parametrize("file", sorted(_ENCRYPTED))
def test_an_encrypted_key_opens_with_no_other_passphrase(file: str) -> None:
    report("key-files", 1)
    with pytest.raises(WrongSecret):
        _read(f"sigstore-rs/{file}", "1234")


@pytest.mark.parametrize("file", sorted(_PLAIN))
def test_a_plain_key_is_read(file: str) -> None:
    report("key-files", 1)
    assert _read(f"sigstore-rs/{file}", "").public_key.key_type is _PLAIN[file]


def test_every_key_file_of_the_set_is_a_case() -> None:
    folder = vectors("key-files")
    cases = json.loads((folder / "cases.json").read_bytes())["import"]
    tried = {case["file"] for case in cases} | {f"sigstore-rs/{file}" for file in (*_ENCRYPTED, *_PLAIN)}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.[kp]e[ym]")} == tried
