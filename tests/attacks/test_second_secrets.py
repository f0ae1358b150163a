"""Private keys in other dresses than PEM, and passwords in names: what nobody asked for comes back nowhere."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

import imagesig
from imagesig import ImagesigError
from imagesig.crypto.algorithms import KeyType
from imagesig.images.open import Transport, open_image
from imagesig.text import holds_key, quote, sentence
from tests.commands import run
from tests.makers import private_key

_TYPES = {"P-256": KeyType.ECDSA_P256, "Ed25519": KeyType.ED25519}


def _der(kind: str) -> bytes:
    return base64.b64decode("".join(private_key(_TYPES[kind]).to_pem(None).decode().splitlines()[1:-1]))


def _pieces(text: str, size: int, joint: str) -> str:
    return joint.join(text[at : at + size] for at in range(0, len(text), size))


DRESSES = {
    "hex": lambda der: der.hex(),
    "upper-case hex": lambda der: der.hex().upper(),
    "hex with colons": lambda der: der.hex(":"),
    "hex with blanks": lambda der: der.hex(" "),
    "hex of C": lambda der: "".join(f"\\x{byte:02x}" for byte in der),
    "a list of bytes": lambda der: ", ".join(f"0x{byte:02x}" for byte in der),
    "base64 in short pieces": lambda der: _pieces(base64.b64encode(der).decode(), 32, " "),
    "base64 with commas": lambda der: _pieces(base64.b64encode(der).decode(), 20, ","),
    "base32": lambda der: base64.b32encode(der).decode(),
    "base32 in lower case": lambda der: base64.b32encode(der).decode().lower(),
}


def assert_unseen(secret: str, text: str) -> None:
    shown = [secret[at : at + 20] for at in range(8, len(secret) - 20) if secret[at : at + 20] in text]
    assert not shown, text


@pytest.mark.parametrize("kind", _TYPES)
@pytest.mark.parametrize("dress", DRESSES)
def test_a_key_in_another_dress_is_not_shown(dress: str, kind: str, tmp_path: Path) -> None:
    secret = DRESSES[dress](_der(kind))
    for arguments in (
        ("verify", "--key", secret, "oci:missing"),
        ("sign", "--key", secret, "oci:missing"),
        ("verify", "--key", "k.pub", "--platform", secret, "oci:missing"),
    ):
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode in (1, 2)
        assert_unseen(secret, (done.stdout + done.stderr).decode())
    with pytest.raises(ImagesigError) as refused:
        imagesig.sign("oci:missing", secret)
    assert_unseen(secret, f"{refused.value} {refused.value.hint}")


@pytest.mark.parametrize("dress", DRESSES)
def test_no_sentence_and_no_quoted_value_shows_it(dress: str) -> None:
    secret = DRESSES[dress](_der("P-256"))
    assert_unseen(secret, quote(secret) + sentence(f"the file {secret}: not found") + quote([secret]))


@pytest.mark.parametrize(
    "text",
    [
        "sha256:" + "3045020100" + "ab" * 27,  # by chance
        "registry.example/team/app@sha256:" + "66" * 32,
        ", ".join(["sha256:" + "5f" * 32] * 3),
        "one two three four five six seven eight nine ten Eleven Twelve 13 14 15",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 3,
        "de:ad:be:ef:" * 20,
    ],
)
def test_digests_and_words_are_shown(text: str) -> None:
    assert not holds_key(text)
    assert sentence(text) == text


PASSWORD = "hunter2-Secret"
NAMES = [
    f"user:{PASSWORD}@registry.example/app:1.0",
    f"user:{PASSWORD}@registry.example/app@sha256:{'ab' * 32}",
    f"docker://user:{PASSWORD}@registry.example/app",
    f"//user:{PASSWORD}@registry.example/app",
    f"registry.example/app?token={PASSWORD}",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_password_in_the_name_of_an_image_is_not_shown(name: str, tmp_path: Path) -> None:
    for arguments in (
        ("verify", "--key", "k.pub", name),
        ("verify", "--key", "k.pub", "--output", "json", name),
        ("verify", "--key", "k.pub", "--output", "junit", name),
        ("sign", "--key", "k", name),
        ("copy", name, "oci:there"),
        ("copy", "oci:there", name),
        ("inspect", name),
        ("verify", "--key", "k.pub", "--signature-repository", name, "registry.example/app:1"),
        ("verify", "--key", "k.pub", "--identity", name, "registry.example/app:1"),
    ):
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode != 0
        assert PASSWORD not in (done.stdout + done.stderr).decode(), arguments
    with pytest.raises(ImagesigError) as refused:
        open_image(name)
    assert PASSWORD not in f"{refused.value} {refused.value.hint}"
    outcomes = list(
        imagesig.verify_many([name], imagesig.Policy.any_of(private_key().public_key), transport=Transport())
    )
    assert PASSWORD not in str(outcomes[0].error)


@pytest.mark.parametrize(
    ("given", "secret"),
    [
        (_der("P-256").hex(), _der("P-256").hex()[20:60]),
        (f"hashivault://user:{PASSWORD}@host/key", PASSWORD),
        (f"pkcs11:token=a;object=b;pin-value={PASSWORD}", PASSWORD),
        (f"pkcs11:token=a?pin-value={PASSWORD}&module-path=/m.so", PASSWORD),
    ],
)
def test_a_policy_does_not_tell_what_was_given_for_the_name_of_a_key(given: str, secret: str) -> None:
    assert secret not in repr(imagesig.Policy.any_of(given))
