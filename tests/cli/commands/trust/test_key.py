from __future__ import annotations

from pathlib import Path

import pytest

from imagesig.content_trust.key import canonical_id
from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import InvalidArgument
from tests.commands import run_here
from tests.makers import private_key

PASSPHRASE = "correct horse battery"


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's folder of private keys; the current folder is another one."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for role in ("ROOT", "REPOSITORY"):
        monkeypatch.setenv(f"DOCKER_CONTENT_TRUST_{role}_PASSPHRASE", PASSPHRASE)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "docker" / "trust" / "private"


def test_generate_says_and_writes_what_docker_does(keys: Path, tmp_path: Path) -> None:
    done = run_here("trust", "key", "generate", "alice")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == (
        "Generating key for alice...\n"
        f"Successfully generated and loaded private key. Corresponding public key available: {tmp_path}/alice.pub\n"
    )
    public = (tmp_path / "alice.pub").read_text()
    assert public.startswith("-----BEGIN PUBLIC KEY-----\nrole: alice\n\n")
    (path,) = keys.iterdir()
    assert path.stem == canonical_id(PublicKey.from_pem(public))
    assert "ENCRYPTED PRIVATE KEY-----\nrole: alice\n\n" in path.read_text()


@pytest.mark.parametrize("name", ["Bob", "-x", "a/b", "", "a b"])
def test_a_name_that_docker_refuses_is_refused(keys: Path, name: str) -> None:
    for arguments in (("generate", "--", name), ("load", f"--name={name}", "missing.key")):
        assert run_here("trust", "key", *arguments).exit_code == 2
    assert not keys.exists()


def test_an_existing_public_key_is_kept_and_no_key_is_made(keys: Path, tmp_path: Path) -> None:
    (tmp_path / "alice.pub").write_text("kept")
    assert run_here("trust", "key", "generate", "alice").exit_code != 0
    assert run_here("trust", "key", "generate", "bob", "--dir", "missing").exit_code == 2
    assert (tmp_path / "alice.pub").read_text() == "kept"
    assert not keys.exists()


@pytest.mark.parametrize("key_type", [KeyType.ECDSA_P384, KeyType.ED25519], ids=lambda item: item.value)
def test_a_loaded_key_is_exported_again(keys: Path, tmp_path: Path, key_type: KeyType) -> None:
    file = tmp_path / "my.key"
    file.write_bytes(private_key(key_type).to_pem(None))
    file.chmod(0o644)
    assert "mode 0644" in run_here("trust", "key", "load", "my.key").stderr
    file.chmod(0o600)
    done = run_here("trust", "key", "load", "--name", "bob", "my.key")
    assert done.stdout == 'Loading key from "my.key"...\nSuccessfully imported key from my.key\n'
    key_id = canonical_id(private_key(key_type).public_key)
    assert run_here("trust", "key", "export", "bob").exit_code == 0
    assert PublicKey.from_pem((tmp_path / "bob.pub").read_text()) == private_key(key_type).public_key
    assert run_here("trust", "key", "export", key_id, "--private-key", "out.key").exit_code == 0
    assert f"path: {key_id}\nrole: bob\n" in (tmp_path / "out.key").read_text()
    assert (tmp_path / "out.key").stat().st_mode & 0o777 == 0o600
    assert run_here("trust", "key", "export", "bob", "--private-key", "out.key").exit_code != 0


def test_a_public_key_is_refused_as_such_regardless_of_permissions(keys: Path, tmp_path: Path) -> None:
    file = tmp_path / "my.pub"
    file.write_text(private_key(KeyType.ECDSA_P256).public_key.pem)
    for mode in (0o600, 0o644):
        file.chmod(mode)
        done = run_here("trust", "key", "load", "my.pub")
        assert done.exit_code == 1
        assert "not a private key" in done.stderr
        assert "mode" not in done.stderr


@pytest.mark.parametrize("options", [[], ["--private-key", "out.key"]], ids=["public", "private"])
def test_an_unknown_name_is_said_to_be_unknown(keys: Path, options: list[str]) -> None:
    done = run_here("trust", "key", "export", "nobody", *options)
    assert done.exit_code == 2
    assert "docker's folder has no such key" in done.stderr
    assert isinstance(done.exception, InvalidArgument)
    assert "check the name" in done.exception.hint


def test_a_key_at_a_uri_is_generated_and_exported(keys: Path, tmp_path: Path) -> None:
    done = run_here("trust", "key", "generate", "carl", "--key", tmp_path / "own.key")
    assert done.exit_code == 0, done.stderr
    assert run_here("trust", "key", "export", tmp_path / "own.key").exit_code == 2, "it has no name"
    exported = run_here("trust", "key", "export", tmp_path / "own.key", "--name", "dora")
    assert exported.exit_code == 0, exported.stderr
    first, second = ((tmp_path / f"{name}.pub").read_text() for name in ("carl", "dora"))
    assert first.replace("carl", "dora") == second
    assert not keys.exists()


def test_a_wrong_passphrase_is_said_and_no_secret_is(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_here("trust", "key", "generate", "alice")
    Path("alice.pub").unlink()
    monkeypatch.setenv("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "another passphrase")
    done = run_here("trust", "key", "export", "alice")
    assert "the passphrase is wrong, or the file is damaged" in done.stderr
    assert "another passphrase" not in done.stderr + done.stdout


def test_a_passphrase_file_gives_the_new_passphrase(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("from the file\n")
    assert run_here("trust", "key", "generate", "alice", "--passphrase-file", "secret").exit_code == 0
    Path("alice.pub").unlink()
    assert run_here("trust", "key", "export", "alice").exit_code != 0
    monkeypatch.setenv("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "from the file")
    assert run_here("trust", "key", "export", "alice").exit_code == 0


def test_without_a_passphrase_or_a_terminal_nothing_is_written(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE")
    done = run_here("trust", "key", "generate", "alice")
    assert done.exit_code != 0
    assert "no passphrase was given" in done.stderr
    assert not Path("alice.pub").exists()
    assert not keys.exists()


def test_of_two_keys_with_one_name_the_id_chooses(keys: Path) -> None:
    for number in range(2):
        assert run_here("trust", "key", "generate", "alice").exit_code == 0
        Path("alice.pub").rename(f"{number}.pub")
    done = run_here("trust", "key", "export", "alice")
    assert done.exit_code == 2
    assert "2 keys have this name" in done.stderr
    for path in keys.iterdir():
        assert run_here("trust", "key", "export", path.stem).exit_code == 0
        Path("alice.pub").unlink()


@pytest.mark.parametrize("name", ["nobody", "0" * 64])
def test_a_key_that_is_not_there_is_an_error(keys: Path, name: str) -> None:
    assert run_here("trust", "key", "export", name, "--name", "x").exit_code != 0
    assert run_here("trust", "key", "export", name, "--private-key", "out.key").exit_code != 0
    assert not Path("out.key").exists()
