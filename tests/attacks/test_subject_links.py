"""Links in local homes (6c): a blob of a layout may be one to a file of the same layout; nothing else is followed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagesig import SigningKey, copy, inspect, sign, verify
from imagesig.errors import DigestMismatch, ImagesigError
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from tests.attacks.subject_homes import BLOBS, NAME, LocalHome
from tests.cli.test_commands import imagesig as command

SECRET = b"root:x:0:0:a secret that nobody may see\n"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    return path


def moved(home: LocalHome, name: str, to: Path) -> Path:
    """The file under another name, and a link in its place."""
    at = home.path / name
    at.rename(to)
    at.symlink_to(to)
    return to


@pytest.mark.parametrize("name", ["index.json", "oci-layout", "blobs", "blobs/sha256"])
def test_the_files_and_folders_of_a_layout_are_no_links(name: str, tmp_path: Path, key: SigningKey) -> None:
    home = LocalHome("oci", tmp_path)
    sign(home.destination, key, identity=NAME)
    outside = moved(home, name, tmp_path / "outside")
    before = sorted(outside.iterdir()) if outside.is_dir() else outside.read_bytes()
    for action in (
        lambda: verify(home.destination, key),
        lambda: verify(home.names[1], key),
        lambda: inspect(home.destination),
        lambda: sign(home.destination, key, annotations={"a": "b"}),
        lambda: copy(home.destination, f"oci:{tmp_path / 'there'}:1.0"),
        lambda: copy(f"oci:{tmp_path / 'made'}:1.0", home.destination),
    ):
        with pytest.raises(ImagesigError):
            action()
    assert (sorted(outside.iterdir()) if outside.is_dir() else outside.read_bytes()) == before


@pytest.mark.parametrize("name", ["version", "manifest.json", "signature-1", "layer", "config"])
def test_the_files_of_a_directory_are_no_links(name: str, tmp_path: Path, key: SigningKey) -> None:
    home = LocalHome("dir", tmp_path)
    sign(home.destination, key, formats=["cosign"], identity=NAME)
    if name in ("layer", "config"):
        manifest = home.document()
        name = home.blob(manifest["config"]["digest"] if name == "config" else manifest["layers"][0]["digest"])
        moved(home, name, tmp_path / "outside")
        with pytest.raises(ImagesigError):
            copy(home.destination, f"oci:{tmp_path / 'there'}:1.0")
        return
    moved(home, name, tmp_path / "outside")
    for action in (
        lambda: verify(home.destination, key),
        lambda: copy(home.destination, f"oci:{tmp_path / 'there'}:1.0"),
        lambda: sign(home.destination, key, formats=["cosign"], annotations={"a": "b"}),
    ):
        with pytest.raises(ImagesigError):
            action()


@pytest.mark.parametrize("name", ["version", "signature-1", "manifest.json"])
def test_what_a_link_points_at_is_neither_said_nor_copied(
    name: str, tmp_path: Path, secret: Path, key: SigningKey, key_folder: Path
) -> None:
    home = LocalHome("dir", tmp_path)
    (home.path / name).unlink(missing_ok=True)
    (home.path / name).symlink_to(secret)
    there = tmp_path / "there"
    for words in (
        ("verify", "--key", str(key_folder / "k.pub"), home.destination),
        ("inspect", home.destination),
        ("copy", home.destination, f"dir:{there}"),
    ):
        done = command(*words)
        assert done.returncode != 0 or words[0] == "inspect"
        assert "secret that nobody" not in done.stdout + done.stderr
    assert not any(SECRET in path.read_bytes() for path in there.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", ["dir", "oci"])
def test_what_is_no_version_is_not_quoted(kind: str, tmp_path: Path, key_folder: Path) -> None:
    home = LocalHome(kind, tmp_path)
    # No link: a hard one, or bytes that somebody copied here.
    (home.path / {"dir": "version", "oci": "oci-layout"}[kind]).write_bytes(SECRET)
    done = command("verify", "--key", str(key_folder / "k.pub"), home.destination)
    assert done.returncode != 0
    assert "secret" not in done.stderr.replace(str(home.path), "")


@pytest.mark.parametrize("absolute", [False, True])
def test_a_blob_may_be_a_link_to_a_file_of_the_layout_and_is_hashed(
    absolute: bool, tmp_path: Path, key: SigningKey
) -> None:
    """As debuerreotype writes them."""
    home = LocalHome("oci", tmp_path)
    for number, path in enumerate(list((home.path / BLOBS).iterdir())):
        target = home.path / "blobs" / f"file-{number}"
        path.rename(target)
        path.symlink_to(target if absolute else f"../file-{number}")
    sign(home.destination, key, identity=NAME)
    assert verify(home.destination, key, platform="linux/amd64").signatures
    copy(home.destination, f"oci-archive:{tmp_path / 'a.tar'}:1.0")
    for number in range(3):
        (home.path / "blobs" / f"file-{number}").write_bytes(b"{}")
    with pytest.raises(DigestMismatch):
        verify(home.destination, key)


@pytest.mark.parametrize(
    "target", ["outside", "../../../outside", "chain", "loop", "/dev/zero", "pipe", "folder", "through", "dangling"]
)
def test_a_blob_that_is_any_other_link_is_not_read(target: str, tmp_path: Path, key: SigningKey) -> None:
    home = LocalHome("oci", tmp_path)
    sign(home.destination, key, identity=NAME)
    blob = home.path / home.blob(home.digest)
    outside = tmp_path / "outside"
    blob.rename(outside)
    (home.path / "chain").symlink_to(outside)
    os.mkfifo(home.path / "pipe")
    (home.path / "folder").mkdir()
    (home.path / "through").symlink_to(tmp_path)
    blob.symlink_to(
        {
            "outside": str(outside),
            "chain": "../../chain",
            "loop": blob.name,
            "pipe": "../../pipe",
            "folder": "../../folder",
            "through": "../../through/outside",
            "dangling": "../../nothing",
        }.get(target, target)
    )
    for action in (
        lambda: verify(home.destination, key),
        lambda: verify(home.names[1], key),
        lambda: copy(home.destination, f"oci:{tmp_path / 'there'}:1.0"),
    ):
        with pytest.raises(ImagesigError):
            action()


def test_a_chain_of_links_inside_the_layout_leads_to_its_file(tmp_path: Path, key: SigningKey) -> None:
    home = LocalHome("oci", tmp_path)
    sign(home.destination, key, identity=NAME)
    blob = home.path / home.blob(home.digest)
    blob.rename(home.path / "file")
    (home.path / "blobs" / "second").symlink_to("../file")
    blob.symlink_to("../second")
    assert verify(home.destination, key).signatures


def test_a_link_in_the_place_of_a_blob_is_replaced_and_what_it_pointed_at_stays(
    tmp_path: Path, secret: Path, key: SigningKey
) -> None:
    good = LocalHome("oci", tmp_path / "good")
    sign(good.destination, key, identity=NAME)
    there = LocalHome("oci", tmp_path / "there")
    layer = there.path / there.blob(there.document()["layers"][0]["digest"])
    content = layer.read_bytes()
    layer.unlink()
    layer.symlink_to(secret)
    copy(good.destination, there.destination)
    assert secret.read_bytes() == SECRET
    assert not layer.is_symlink()
    assert layer.read_bytes() == content


@pytest.mark.parametrize("part", ["blobs", "blobs/sha256"])
def test_nothing_is_made_through_a_link_where_a_layout_is_begun(part: str, tmp_path: Path) -> None:
    source = LocalHome("oci", tmp_path / "source")
    there, outside = tmp_path / "there", tmp_path / "outside"
    outside.mkdir()
    (there / part).parent.mkdir(parents=True)
    (there / part).symlink_to(outside)
    with pytest.raises(ImagesigError):
        copy(source.destination, f"oci:{there}:1.0")
    assert not list(outside.iterdir())


def test_the_folder_that_the_user_names_may_be_a_link(tmp_path: Path, key: SigningKey) -> None:
    build_image(Layout.create(tmp_path / "real"), {"a": b"b"}, PLATFORMS[0], "1.0")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    sign(f"oci:{tmp_path / 'link'}:1.0", key, identity=NAME)
    assert verify(f"oci:{tmp_path / 'real'}:1.0", key).signatures
