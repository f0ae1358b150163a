"""Keys of docker's folder by name, and key files of docker with its passphrases, for commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagesig.cli.commands.trust.docker_keys import named_key_file
from imagesig.errors import InvalidArgument
from imagesig.testing import InMemoryRegistry
from tests.commands import run_here


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's folder of private keys with that of my-key; the current folder has its public half."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", "correct horse battery")
    monkeypatch.chdir(tmp_path)
    assert run_here("trust", "key", "generate", "my-key").exit_code == 0
    return tmp_path / "docker" / "trust" / "private"


def test_a_name_and_an_id_mean_the_key_in_the_folder(keys: Path) -> None:
    (path,) = keys.iterdir()
    assert named_key_file("my-key") == named_key_file(path.stem) == path


@pytest.mark.parametrize("name", ["other", "My-key", "./my-key", "hashivault://my-key", "pkcs11:object=a", "0" * 64])
def test_other_names_mean_no_key_there(keys: Path, name: str) -> None:
    assert named_key_file(name) is None


def test_a_file_of_that_name_has_priority(keys: Path) -> None:
    Path("my-key").write_text("")
    assert named_key_file("my-key") is None


def test_a_name_of_two_keys_is_refused(keys: Path) -> None:
    Path("my-key.pub").unlink()
    assert run_here("trust", "key", "generate", "my-key").exit_code == 0
    with pytest.raises(InvalidArgument, match="2 keys have this name"):
        named_key_file("my-key")


def test_a_key_file_of_docker_is_opened_with_dockers_passphrase(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = keys.iterdir()
    with InMemoryRegistry() as registry:
        registry.add_image("app:1")
        image = f"{registry.host}/app:1"
        assert run_here("sign", "--key", path, image).exit_code == 0
        assert run_here("verify", "--key", "my-key.pub", image).exit_code == 0
        monkeypatch.delenv("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE")
        refused = run_here("sign", "--key", path, image)
    assert "the key is encrypted and no passphrase was given" in refused.stderr


def test_a_private_key_in_place_of_an_id_is_not_shown(keys: Path) -> None:
    done = run_here("trust", "key", "export", "ab" * 32)
    assert done.exit_code != 0
    assert "ab" * 32 not in done.stderr
