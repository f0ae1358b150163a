"""`imagesig copy`, `remove` and `sign --replace`, over local images: no server needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imagesig.images.build import build_index
from imagesig.images.layout.layout import Layout
from tests.cli.test_commands import imagesig

NAME = "registry.example/team/app:1.0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An index in `image`, and two keys `old.key` and `new.key`."""
    build_index(Layout.create(tmp_path / "image"), {"bin/app": b"hello"}, "1.0")
    for name in ("old", "new"):
        assert imagesig("key", "generate", str(tmp_path / f"{name}.key")).returncode == 0
    return tmp_path


def sign(folder: Path, *arguments: str, key: str = "old.key", image: str = "oci:{}/image:1.0") -> str:
    done = imagesig("sign", "--key", str(folder / key), "--identity", NAME, *arguments, image.format(folder))
    assert done.returncode == 0, done.stderr
    return done.stdout


def verifies(folder: Path, key: str, image: str) -> int:
    return imagesig("verify", "--key", str(folder / key), image).returncode


def test_an_image_is_copied_with_its_signatures(folder: Path) -> None:
    sign(folder)
    archive = f"oci-archive:{folder}/a.tar"
    done = imagesig("copy", "--all-platforms", f"oci:{folder}/image:1.0", archive)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith(f"{archive}@sha256:")
    assert "referrer" in done.stdout
    assert verifies(folder, "old.pub", f"{archive}:1.0") == 0


def test_json_of_copy_names_every_manifest_and_counts_blobs(folder: Path) -> None:
    sign(folder)
    arguments = ("copy", "--all-platforms", "--output", "json", f"oci:{folder}/image:1.0", f"oci:{folder}/there:2.0")
    first, second = (json.loads(imagesig(*arguments).stdout)["images"][0] for _ in range(2))
    assert (first["tag"], first["blobs"]["present"]) == ("2.0", 0)
    assert {manifest["state"] for manifest in first["manifests"]} == {"copied"}
    assert [manifest["kind"] for manifest in first["manifests"]].count("referrer") == 3
    assert {manifest["state"] for manifest in second["manifests"]} == {"present"}
    assert second["blobs"]["sent"] == 0


def test_one_platform_is_copied_with_a_warning(folder: Path) -> None:
    done = imagesig("copy", "--platform", "linux/arm64", f"oci:{folder}/image:1.0", f"oci-archive:{folder}/a.tar")
    assert done.returncode == 0
    assert "signatures of the index are not copied" in done.stderr


def test_a_form_without_a_place_for_signatures_ends_with_status_2(folder: Path) -> None:
    sign(folder)
    arguments = ("copy", "--all-platforms", f"oci:{folder}/image:1.0", f"dir:{folder}/dir")
    done = imagesig(*arguments)
    assert done.returncode == 2
    assert "can be stored" in done.stderr
    assert imagesig(*arguments, "--no-signatures").returncode == 0


def test_a_missing_image_ends_with_status_11(folder: Path) -> None:
    assert imagesig("copy", f"oci:{folder}/image:9", f"oci:{folder}/there").returncode == 11


def policy(folder: Path, key: str) -> str:
    file = folder / f"{key}.toml"
    file.write_text(
        f'version = 1\nauthorities.release.key_file = "{key}"\ndefault.require = [{{ any = ["release"] }}]\n'
    )
    return str(file)


def test_what_the_policy_refuses_is_not_copied_and_nothing_is_written(folder: Path) -> None:
    sign(folder)
    source, there = f"oci:{folder}/image:1.0", folder / "there"
    for destination in (f"oci:{there}", f"oci-archive:{there}", f"dir:{there}"):
        done = imagesig("copy", "--all-platforms", "--policy", policy(folder, "new.pub"), source, destination)
        assert done.returncode == 12, done.stderr
        assert sorted(path.name for path in folder.iterdir() if "there" in path.name) == []


def test_what_the_policy_admits_is_copied(folder: Path) -> None:
    sign(folder)
    arguments = ("copy", "--all-platforms", "--policy", policy(folder, "old.pub"), f"oci:{folder}/image:1.0")
    done = imagesig(*arguments, f"oci-archive:{folder}/a.tar")
    assert done.returncode == 0, done.stderr
    assert verifies(folder, "old.pub", f"oci-archive:{folder}/a.tar:1.0") == 0


def test_what_the_policy_lets_pass_unverified_is_copied_only_if_that_is_allowed(folder: Path) -> None:
    file = folder / "policy.json"
    file.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
    arguments = ("copy", "--policy", str(file), "--policy-from", "containers", f"oci:{folder}/image:1.0")
    assert imagesig(*arguments, "--all-platforms", f"oci:{folder}/there").returncode == 13
    assert not (folder / "there").exists()
    allowed = imagesig(*arguments, "--all-platforms", "--allow-unverified", f"oci:{folder}/there")
    assert allowed.returncode == 0
    assert "not verified" in allowed.stderr


def test_leave_to_pass_unverified_without_a_policy_ends_with_status_2(folder: Path) -> None:
    assert imagesig("copy", "--allow-unverified", f"oci:{folder}/image:1.0", f"oci:{folder}/there").returncode == 2


def test_one_keys_signatures_are_removed(folder: Path) -> None:
    sign(folder)
    sign(folder, key="new.key")
    image = f"oci:{folder}/image:1.0"
    done = imagesig("remove", "--key", str(folder / "old.pub"), image)
    assert done.returncode == 0, done.stderr
    assert "6 removed, 6 kept" in done.stdout
    assert (verifies(folder, "old.pub", image), verifies(folder, "new.pub", image)) == (12, 0)
    assert "0 removed, 6 kept" in imagesig("remove", "--key", str(folder / "old.pub"), image).stdout


def test_all_signatures_are_removed_and_a_dry_run_removes_none(folder: Path) -> None:
    sign(folder)
    image = f"oci:{folder}/image:1.0"
    planned = json.loads(imagesig("remove", "--all", "--dry-run", "--output", "json", image).stdout)["images"][0]
    assert {item["state"] for item in planned["removed"]} == {"planned"}
    assert verifies(folder, "old.pub", image) == 0
    assert imagesig("remove", "--all", "--no-recursive", image).stdout.count("  removed ") == 2
    assert imagesig("remove", "--all", image).returncode == 0
    assert verifies(folder, "old.pub", image) == 10


@pytest.mark.parametrize("arguments", [(), ("--all", "--key", "old.pub")])
def test_neither_or_both_of_key_and_all_end_with_status_2(folder: Path, arguments: tuple[str, ...]) -> None:
    assert imagesig("remove", *arguments, f"oci:{folder}/image:1.0").returncode == 2


def test_of_several_images_the_others_are_done(folder: Path) -> None:
    sign(folder)
    done = imagesig("remove", "--all", "--output", "json", f"oci:{folder}/image:9", f"oci:{folder}/image:1.0")
    first, second = json.loads(done.stdout)["images"]
    assert (done.returncode, first["error"], len(second["removed"])) == (11, "ImageNotFound", 6)


def test_a_rotation_replaces_the_old_keys_signatures(folder: Path) -> None:
    sign(folder)
    printed = sign(folder, "--replace", str(folder / "old.pub"), key="new.key")
    assert printed.count("  removed ") == 6
    image = f"oci:{folder}/image:1.0"
    assert (verifies(folder, "old.pub", image), verifies(folder, "new.pub", image)) == (12, 0)
