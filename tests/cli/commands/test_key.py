"""`imagesig key` as people and scripts use it, with key files: secrets, pins, permissions."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.keys.file.form import Form, form_of
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.secrets import fixed
from tests.cli.test_commands import imagesig


@pytest.fixture
def key(tmp_path: Path) -> Path:
    with FileProvider(tmp_path) as provider:
        provider.generate("release.key", KeyType.ECDSA_P256)
    return tmp_path / "release.key"


def at_a_terminal(answers: list[str], *arguments: str, cwd: Path) -> tuple[int, str]:
    """Exit status and all that a terminal showed; each answer is typed when a prompt (": ") stands there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "imagesig", *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3])},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,  # so that there is no other terminal to ask on
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
            if shown.endswith(b": ") and answers:
                os.write(ours, answers.pop(0).encode() + b"\n")
    except OSError:
        pass  # Linux says so when the other side is closed
    finally:
        os.close(ours)
    return process.wait(timeout=60), shown.decode()


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize(("passphrase", "warns"), [("", True), ("s3cret-one", False)])
def test_a_new_key_file_that_is_not_encrypted_is_called_that(
    tmp_path: Path, passphrase: str, warns: bool, output: str
) -> None:
    environ = {"IMAGESIG_PASSPHRASE": passphrase} if passphrase else {}
    done = imagesig("key", "generate", "app.key", "--output", output, cwd=tmp_path, **environ)
    assert done.returncode == 0, done.stderr
    assert ("warning: app.key is not encrypted" in done.stderr) is warns
    assert form_of((tmp_path / "app.key").read_bytes()) is (Form.PLAIN if warns else Form.COSIGN)


def test_a_terminal_is_asked_twice_for_a_new_passphrase_and_shows_none(tmp_path: Path) -> None:
    status, shown = at_a_terminal(["swordfish"] * 2, "key", "generate", "app.key", cwd=tmp_path)
    assert status == 0, shown
    assert "swordfish" not in shown
    with FileProvider(tmp_path, secrets=fixed("swordfish")) as provider:
        assert provider.open("app.key").sign(b"message")
    status, shown = at_a_terminal(["swordfish"], "key", "check", "app.key", cwd=tmp_path)
    assert status == 0, shown
    assert "swordfish" not in shown


def test_pressing_enter_at_a_terminal_writes_a_key_that_is_not_encrypted(tmp_path: Path) -> None:
    status, shown = at_a_terminal(["", ""], "key", "generate", "app.key", cwd=tmp_path)
    assert status == 0, shown
    with FileProvider(tmp_path) as provider:
        assert provider.open("app.key").sign(b"message")


def test_two_different_entries_write_nothing(tmp_path: Path) -> None:
    status, shown = at_a_terminal(["swordfish", "swordfisch"], "key", "generate", "app.key", cwd=tmp_path)
    assert (status, list(tmp_path.iterdir())) == (2, [])
    assert "sword" not in shown


@pytest.mark.parametrize("option", ["--passphrase", "--password", "--pin"])
def test_no_option_takes_a_secret(option: str, key: Path) -> None:
    for words in (["sign", "--key", str(key), "oci:image"], ["key", "check", str(key)], ["key", "generate", "b.key"]):
        assert imagesig(*words, option, "swordfish").returncode == 2


@pytest.mark.parametrize("key_type", list(KeyType), ids=lambda key_type: key_type.value)
def test_keys_of_every_type_are_generated_and_checked(key_type: KeyType, tmp_path: Path) -> None:
    path = str(tmp_path / "app.key")
    made = imagesig("key", "generate", path, "--type", key_type.value, "--output", "json")
    checked = imagesig("key", "check", path, "--output", "json")
    made_document, checked_document = json.loads(made.stdout), json.loads(checked.stdout)
    assert made_document["type"] == checked_document["type"] == key_type.value
    assert made_document["key_id"] == checked_document["key_id"]
    assert checked_document["proof"]


def test_a_generated_key_is_encrypted_with_the_passphrase_of_a_file_or_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("swordfish\n")
    imagesig("key", "generate", str(tmp_path / "a.key"), "--passphrase-file", str(tmp_path / "secret"))
    imagesig("key", "generate", str(tmp_path / "b.key"), COSIGN_PASSWORD="swordfish")
    with FileProvider(tmp_path, secrets=fixed("swordfish")) as provider:
        for name in ("a.key", "b.key"):
            form = form_of((tmp_path / name).read_bytes())
            assert form is not None
            assert form.name == "COSIGN"
            assert provider.open(name).sign(b"message")


def test_the_pinned_key_passes_and_another_one_is_refused(key: Path, tmp_path: Path) -> None:
    (tmp_path / "other.pub").write_text(PrivateKey.generate(KeyType.ECDSA_P256).public_key.pem)
    own, other = str(key.with_suffix(".pub")), str(tmp_path / "other.pub")
    layout = Layout.create(tmp_path / "image")
    build_image(layout, {"a": b"b"}, PLATFORMS[0], "1")
    image = f"{layout.name}:1"
    for words in (["key", "check", str(key)], ["sign", "--key", str(key), image]):
        refused = imagesig(*words, "--expect", other)
        assert refused.returncode == 1
        assert "was pinned" in refused.stderr
    assert imagesig("verify", "--key", own, image).returncode == 10
    for words in (["key", "check", str(key)], ["sign", "--key", str(key), image]):
        assert imagesig(*words, "--expect", own).returncode == 0


def test_a_pin_that_is_not_a_public_key_is_an_error(key: Path, tmp_path: Path) -> None:
    (tmp_path / "none.pub").write_text("no key")
    for name in ("none.pub", "missing.pub"):
        done = imagesig("key", "check", str(key), "--expect", str(tmp_path / name))
        assert done.returncode == 1
        assert name in done.stderr


def test_a_key_that_others_can_read_is_refused_unless_told_otherwise(key: Path) -> None:
    key.chmod(0o640)
    for name in ("check", "export"):
        refused = imagesig("key", name, str(key))
        assert refused.returncode == 1
        assert "chmod 600" in refused.stderr
        assert imagesig("key", name, str(key), "--allow-open-permissions").returncode == 0


def test_a_key_in_a_variable_is_checked_and_exported(key: Path) -> None:
    assert imagesig("key", "check", "env://RELEASE", RELEASE=key.read_text()).returncode == 0
    exported = imagesig("key", "export", "env://RELEASE", RELEASE=key.read_text())
    assert exported.stdout == key.with_suffix(".pub").read_text()


@pytest.mark.parametrize("name", ["generate", "list"])
def test_a_place_that_keys_cannot_be_made_or_listed_in_says_so_and_shows_nothing_of_it(name: str, key: Path) -> None:
    done = imagesig("key", name, "env://RELEASE", RELEASE=key.read_text())
    assert done.returncode == 2
    assert "env keys cannot be" in done.stderr


def test_listed_keys_are_json_for_scripts(key: Path) -> None:
    document = json.loads(imagesig("key", "list", str(key.parent), "--output", "json").stdout)
    assert document == {
        "imagesig": 1,
        "command": "key list",
        "keys": [{"uri": str(key), "type": "ecdsa-p256", "detail": "PEM, not encrypted"}],
    }
