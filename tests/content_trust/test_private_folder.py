from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagesig.content_trust.key import canonical_id
from imagesig.content_trust.keyring import TrustKeys
from imagesig.content_trust.private_folder import PrivateKeyFolder
from imagesig.content_trust.role import Role
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import AccessDenied, InvalidArgument, KeyExists, KeyMismatch, SecretRequired, WrongSecret
from tests.makers import private_key

ENVIRON = {
    "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE": "passphrase of the root",
    "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE": "passphrase of others",
}


def folder(path: Path, **environ: str) -> PrivateKeyFolder:
    return PrivateKeyFolder.of_docker({**ENVIRON, "DOCKER_CONFIG": str(path), **environ})


def test_a_key_is_stored_for_its_owner_only_and_found_again(tmp_path: Path) -> None:
    keys = folder(tmp_path)
    made = keys.generate("alice")
    (path,) = (tmp_path / "trust" / "private").iterdir()
    assert path.name == f"{made.key.canonical_id}.key"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    found = keys.find(made.key.id)
    assert found is not None
    signature = found.sign(b"message")
    made.key.verify(signature.method, signature.value, b"message")
    assert keys.roles() == {made.key.id: "alice"}


@pytest.mark.parametrize("mask", [0, 0o002, 0o077])
def test_no_folder_above_the_keys_is_made_for_others(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        folder(tmp_path / "docker").generate("alice")
    finally:
        os.umask(before)
    for made in ("docker", "docker/trust", "docker/trust/private"):
        assert (tmp_path / made).stat().st_mode & 0o777 == 0o700


def test_each_role_has_its_passphrase(tmp_path: Path) -> None:
    keys = folder(tmp_path)
    root, other = keys.generate("root"), keys.generate("targets", "registry.example/app")
    swapped = dict(zip(ENVIRON, reversed(ENVIRON.values()), strict=True))
    for made in (root, other):
        assert keys.find(made.key.id)
        with pytest.raises(WrongSecret):
            folder(tmp_path, **swapped).find(made.key.id)
        with pytest.raises(SecretRequired):
            folder(tmp_path, **dict.fromkeys(ENVIRON, "")).find(made.key.id)


def test_a_key_is_never_written_without_a_passphrase_or_with_a_short_one(tmp_path: Path) -> None:
    with pytest.raises(SecretRequired, match="no passphrase was given"):
        folder(tmp_path, **dict.fromkeys(ENVIRON, "")).generate("alice")
    with pytest.raises(InvalidArgument, match="7 characters, at least 8 are needed") as caught:
        folder(tmp_path, **dict.fromkeys(ENVIRON, "short-1")).generate("alice")
    assert "short-1" not in str(caught.value)
    assert not list(tmp_path.rglob("*.key"))


def test_a_file_with_another_key_than_its_name_says_is_refused(tmp_path: Path) -> None:
    keys = folder(tmp_path)
    path, other = (keys.store(private_key(number=number), "alice") for number in range(2))
    path.write_bytes(other.read_bytes())
    with pytest.raises(KeyMismatch):
        keys.find(path.stem)


@pytest.mark.parametrize("key_id", ["", "../x", "A" * 64, "0" * 63, "0" * 64])
def test_no_other_name_leads_to_a_file(tmp_path: Path, key_id: str) -> None:
    (tmp_path / "trust" / "private").mkdir(parents=True)
    assert folder(tmp_path).find(key_id) is None
    assert folder(tmp_path / "missing").roles() == {}


def test_a_key_keeps_its_role(tmp_path: Path) -> None:
    keys = folder(tmp_path)
    path = keys.store(private_key(), "root")
    assert keys.store(private_key(), "root") == path
    with pytest.raises(KeyExists, match="for 'root'"):
        keys.store(private_key(), "signer")


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    keys = folder(tmp_path)
    path = keys.store(private_key(KeyType.ED25519), "alice")
    path.chmod(0o644)
    with pytest.raises(AccessDenied, match="mode 0644"):
        keys.find(path.stem)


def test_the_folders_of_old_versions_of_notary_are_read(tmp_path: Path) -> None:
    keys = folder(tmp_path)
    path = keys.store(private_key(), "targets")
    key_id = canonical_id(private_key().public_key)
    text = path.read_text()
    old = path.parent / "tuf_keys" / "registry.example" / "app" / f"{key_id}_targets.key"
    old.parent.mkdir(parents=True)
    path.rename(old)
    old.write_text(text.replace("role: targets\n\n", ""))
    assert keys.roles() == {key_id: "targets"}
    assert keys.find(key_id)


def test_an_exported_file_names_its_place_and_stays_encrypted(tmp_path: Path) -> None:
    keys = folder(tmp_path)
    path = keys.store(private_key(), "alice")
    expected = path.read_text().replace("role: alice", f"path: {path.stem}\nrole: alice")
    assert keys.export(path.stem).decode() == expected


def test_a_key_of_a_repository_signs_only_there_and_only_for_its_role(tmp_path: Path) -> None:
    keys = folder(tmp_path)
    for kind, repository, places in (("targets", "registry.example/app", 1), ("root", "", 2), ("alice", "", 2)):
        key = keys.generate(kind, repository).key
        for name in (kind, "targets/alice"):
            role = Role(name, (key,), 1)
            able = [TrustKeys(folder=keys).within(f"registry.example/{place}").able(role) for place in ("app", "b")]
            assert sum(able) == (places if name == kind or kind == "alice" else 0)
