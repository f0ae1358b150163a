"""Private keys of content trust: docker and notary sign with those of imagesig, and the other way round."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from imagesig.content_trust.key import canonical_id
from imagesig.content_trust.private_folder import PrivateKeyFolder
from imagesig.crypto.algorithms import KeyType
from imagesig.keys.secrets import fixed
from tests.commands import run_here
from tests.interop.notary_client import PASSPHRASE
from tests.interop.test_docker_trust import Docker
from tests.makers import private_key
from tests.peers.servers import NotaryServer

pytestmark = pytest.mark.interop


@pytest.fixture
def docker(notary: NotaryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    for role in ("ROOT", "REPOSITORY"):
        monkeypatch.setenv(f"DOCKER_CONTENT_TRUST_{role}_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Docker(notary, tmp_path)


def folder(path: Path) -> PrivateKeyFolder:
    return PrivateKeyFolder(path, lambda _role: fixed(PASSPHRASE))


def test_keys_of_docker_and_notary_sign_here(docker: Docker) -> None:
    docker.run("trust", "key", "generate", "alice", "--dir", ".")
    docker.run("trust", "signer", "add", "--key", "alice.pub", "alice", "registry.example/keys/one")
    keys = folder(docker.folder / "trust" / "private")
    assert sorted(keys.roles().values()) == ["alice", "root", "targets"]
    for key_id in keys.roles():
        key = keys.find(key_id)
        assert key is not None
        signature = key.sign(b"message")
        key.key.verify(signature.method, signature.value, b"message")


def test_docker_and_notary_sign_with_keys_that_were_made_here(docker: Docker) -> None:
    gun = "registry.example/keys/two"
    done = run_here("trust", "key", "generate", "bob")
    assert done.exit_code == 0, done.stderr
    docker.run("trust", "signer", "add", "--key", "bob.pub", "bob", gun)
    docker.notary.add(gun, "1.0", "sha256:" + "ab" * 32, 418, "targets/releases", "targets/bob")
    assert '"bob"' in docker.run("trust", "inspect", f"{gun}:1.0")


@pytest.mark.parametrize("key_type", KeyType, ids=lambda item: item.value)
def test_each_type_of_key_is_taken_by_docker_and_read_back(docker: Docker, key_type: KeyType) -> None:
    own = folder(docker.folder / "own")
    own.store(private_key(key_type), "carl")
    key_id = canonical_id(private_key(key_type).public_key)
    file = docker.folder / "carl.key"
    file.write_bytes(own.export(key_id))
    file.chmod(0o600)
    docker.run("trust", "key", "load", "carl.key")
    assert key_id in docker.notary.run("key", "list")
    assert folder(docker.folder / "trust" / "private").find(key_id)


def test_an_export_is_that_of_notary_byte_for_byte(docker: Docker) -> None:
    docker.run("trust", "key", "generate", "dora", "--dir", ".")
    (key_id,) = folder(docker.folder / "trust" / "private").roles()
    docker.notary.run("key", "export", "--key", key_id, "-o", str(docker.folder / "theirs"))
    assert run_here("trust", "key", "export", "dora", "--private-key", "ours").exit_code == 0
    assert (docker.folder / "ours").read_bytes() == (docker.folder / "theirs").read_bytes()
    shutil.rmtree(docker.folder / "trust")
    assert run_here("trust", "key", "load", "theirs").exit_code == 0
    assert "dora" in docker.notary.run("key", "list")
