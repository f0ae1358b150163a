"""The command as people and scripts use it, over layouts: no server needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout import Layout

NAME = "registry.example/team/app:1.0"


def imagesig(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """One run of the command in a process of its own, with nothing of the developer's environment but PATH."""
    return subprocess.run(
        [sys.executable, "-m", "imagesig", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "release.key"
    done = imagesig("key", "generate", str(path), IMAGESIG_PASSPHRASE="s3cret")
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def image(tmp_path: Path) -> str:
    home = Layout.create(tmp_path / "image")
    build_index(home, {"bin/app": b"hello"}, "1.0")
    return f"oci:{home.name.removeprefix('oci:')}:1.0"


def sign(key: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return imagesig("sign", "--key", str(key), *arguments, IMAGESIG_PASSPHRASE="s3cret")


def public_half(key: Path) -> str:
    return str(key.with_suffix(".pub"))


def test_an_image_is_signed_and_verified(key: Path, image: str) -> None:
    assert sign(key, "--identity", NAME, image).returncode == 0
    done = imagesig("verify", "--key", public_half(key), image)
    assert done.returncode == 0, done.stderr
    assert "sha256:" in done.stdout.splitlines()[0]


def test_json_of_verify_names_the_digest_to_deploy_and_every_check(key: Path, image: str) -> None:
    sign(key, "--identity", NAME, "--annotation", "build=7", image)
    done = imagesig("verify", "--key", public_half(key), "--annotation", "build=7", "--output", "json", image)
    document = json.loads(done.stdout)
    (entry,) = document["images"]
    assert document["imagesig"] == 1
    assert entry["verified"] is True
    assert entry["pinned"].endswith(entry["digest"])
    assert {signature["format"] for signature in entry["signatures"]} == {"cosign", "bundle"}
    assert {check["name"] for check in entry["signatures"][0]["checks"]} >= {"signature", "subject", "identity"}


def test_an_unsigned_image_ends_with_status_10(key: Path, image: str) -> None:
    done = imagesig("verify", "--key", public_half(key), image)
    assert done.returncode == 10
    assert "carries no signature" in done.stderr


def test_a_missing_image_ends_with_status_11(key: Path, image: str) -> None:
    done = imagesig("verify", "--key", public_half(key), image.replace(":1.0", ":2.0"))
    assert done.returncode == 11


def test_another_key_ends_with_status_12_and_every_reason(key: Path, image: str, tmp_path: Path) -> None:
    sign(key, "--identity", NAME, image)
    imagesig("key", "generate", str(tmp_path / "other.key"))
    done = imagesig("verify", "--key", str(tmp_path / "other.pub"), image)
    assert done.returncode == 12
    assert done.stderr.count("none of the trusted keys made this signature") == 2


def test_a_reference_that_is_none_ends_with_status_2(key: Path) -> None:
    done = imagesig("verify", "--key", public_half(key), "registry.example/UPPER:1")
    assert done.returncode == 2
    assert "lower case" in done.stderr


def test_an_unknown_option_ends_with_status_2() -> None:
    assert imagesig("verify", "--no-such-option").returncode == 2


def test_a_wrong_passphrase_ends_with_status_1_and_is_not_repeated(key: Path, image: str) -> None:
    done = imagesig("sign", "--key", str(key), image, IMAGESIG_PASSPHRASE="wr0ng-one")
    assert done.returncode == 1
    assert "wr0ng-one" not in done.stderr + done.stdout


def test_the_worst_of_several_images_decides_the_status(key: Path, image: str, tmp_path: Path) -> None:
    sign(key, "--identity", NAME, image)
    unsigned = Layout.create(tmp_path / "unsigned")
    build_image(unsigned, {"a": b"b"}, PLATFORMS[0], "1")
    missing = image.replace(":1.0", ":none")
    done = imagesig("verify", "--key", public_half(key), image, f"{unsigned.name}:1", missing, "--output", "json")
    assert done.returncode == 10
    assert [entry["verified"] for entry in json.loads(done.stdout)["images"]] == [True, False, False]


def test_the_passphrase_comes_from_a_file(key: Path, image: str, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("s3cret\n")
    done = imagesig("sign", "--key", str(key), "--passphrase-file", str(tmp_path / "passphrase"), image)
    assert done.returncode == 0, done.stderr


def test_a_dry_run_writes_nothing(key: Path, image: str) -> None:
    done = sign(key, "--dry-run", "--output", "json", image)
    assert {made["state"] for made in json.loads(done.stdout)["images"][0]["signatures"]} == {"planned"}
    assert imagesig("verify", "--key", public_half(key), image).returncode == 10


def test_signing_again_reports_what_is_present(key: Path, image: str) -> None:
    sign(key, image)
    done = sign(key, "--output", "json", image)
    assert {made["state"] for made in json.loads(done.stdout)["images"][0]["signatures"]} == {"present"}


def test_signing_without_a_name_warns_of_podman(key: Path, image: str) -> None:
    assert "podman" in sign(key, image).stderr


def test_one_platform_is_verified_through_the_index(key: Path, image: str) -> None:
    sign(key, "--identity", NAME, "--no-recursive", image)
    done = imagesig("verify", "--key", public_half(key), "--platform", "linux/arm64", "--output", "json", image)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"][0]["through_index"] is True


def test_inspect_shows_claims_and_calls_none_of_them_trusted(key: Path, image: str) -> None:
    sign(key, "--identity", NAME, "--annotation", "build=7", image)
    done = imagesig("inspect", image)
    assert done.returncode == 0
    assert "NOT checked" in done.stdout
    assert NAME in done.stdout
    document = json.loads(imagesig("inspect", image, "--output", "json").stdout)
    assert document["images"][0]["trusted"] is False


def test_a_key_is_exported_checked_and_listed(key: Path) -> None:
    exported = imagesig("key", "export", str(key), IMAGESIG_PASSPHRASE="s3cret")
    assert exported.stdout == key.with_suffix(".pub").read_text()
    checked = imagesig("key", "check", str(key), IMAGESIG_PASSPHRASE="s3cret")
    assert checked.returncode == 0, checked.stderr
    listed = imagesig("key", "list", str(key.parent))
    assert key.name in listed.stdout


def test_an_existing_key_is_never_overwritten(key: Path) -> None:
    before = key.read_bytes()
    done = imagesig("key", "generate", str(key))
    assert done.returncode == 1
    assert key.read_bytes() == before


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(shell: str) -> None:
    assert "_IMAGESIG_COMPLETE" in imagesig("completion", shell).stdout


def test_the_version_is_printed() -> None:
    assert imagesig("--version").stdout.startswith("imagesig, version ")


def test_the_demo_ends_with_a_refusal(tmp_path: Path) -> None:
    done = imagesig("demo", "--keep", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr
    assert "refused:" in done.stdout
