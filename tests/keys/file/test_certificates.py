"""Certificates that a key file brings: in its own text, or in a file beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagesig.crypto.certificate import Certificate
from imagesig.keys.file.provider import FileProvider, MemoryProvider
from imagesig.keys.secrets import fixed
from tests.issuers import Issuer, pem
from tests.makers import private_key

ROOT = Issuer("root")
KEY, OTHER = private_key(), private_key(number=1)
CHAIN = ROOT.chain_for(KEY.public_key)


def chain_of(folder: Path, name: str, passphrase: str | None = None) -> tuple[Certificate, ...]:
    path = folder / name
    if not path.exists():
        path.write_bytes(KEY.to_pem(passphrase))
    path.chmod(0o600)
    with FileProvider(folder, secrets=fixed(passphrase or "")) as provider, provider.open(name) as key:
        return key.info.chain


@pytest.mark.parametrize(
    ("name", "beside"),
    [
        ("release.key", "release.crt"),
        ("release.key", "release.pem"),
        ("release.key", "release.key.crt"),
        ("release.pem", "release.crt"),
        ("release", "release.crt"),
        ("release.v2", "release.v2.pem"),
    ],
)
def test_the_chain_beside_a_key_file_is_its_own(tmp_path: Path, name: str, beside: str) -> None:
    (tmp_path / beside).write_bytes(pem(CHAIN))
    assert chain_of(tmp_path, name) == CHAIN


def test_the_encrypted_key_of_cosign_has_one_too(tmp_path: Path) -> None:
    (tmp_path / "cosign.crt").write_bytes(pem(CHAIN))
    assert chain_of(tmp_path, "cosign.key", "swordfish") == CHAIN


def test_certificates_in_the_text_of_the_key_itself_come_first(tmp_path: Path) -> None:
    (tmp_path / "release.key").write_bytes(KEY.to_pem(None) + pem(CHAIN))
    (tmp_path / "release.crt").write_bytes(pem(ROOT.chain_for(KEY.public_key, "another")))
    assert chain_of(tmp_path, "release.key") == CHAIN


def test_a_key_in_memory_may_bring_them_in_its_text() -> None:
    with MemoryProvider({"key": pem(CHAIN) + KEY.to_pem(None)}) as provider, provider.open("key") as key:
        assert key.info.chain == CHAIN


def test_the_certificate_of_another_key_is_left_alone_and_the_next_file_looked_at(tmp_path: Path) -> None:
    (tmp_path / "release.crt").write_bytes(pem(ROOT.chain_for(OTHER.public_key)))
    assert chain_of(tmp_path, "release.key") == ()
    (tmp_path / "release.pem").write_bytes(pem(CHAIN))
    assert chain_of(tmp_path, "release.key") == CHAIN


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nAA", b"x" * 2_000_000])
def test_a_file_beside_the_key_without_certificates_is_ignored(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "release.crt").write_bytes(content)
    (tmp_path / "release.pem").mkdir()
    assert chain_of(tmp_path, "release.key") == ()
