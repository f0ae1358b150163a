"""Names of layouts and archives, as skopeo and podman write them: the path ends at the first colon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.oci.descriptor import Descriptor
from tests.commands import run_here

PODMAN = "localhost/app:1.0"


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Descriptor:
    """An image in `image`, with the tag `1.0`, and the key `k`."""
    monkeypatch.chdir(tmp_path)
    assert run_here("key", "generate", "k.key").exit_code == 0
    return build_image(Layout.create(tmp_path / "image"), {"bin/app": b"hello"}, PLATFORMS[0], "1.0")


def ok(*arguments: object) -> str:
    done = run_here(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("form", ["oci", "oci-archive"])
@pytest.mark.parametrize("name", [PODMAN, "registry.example:5000/team/app:1.0", "team/app", "v1", "a.b-c_d"])
def test_an_image_of_any_name_is_copied_signed_verified_and_copied_back(
    form: str, name: str, image: Descriptor, tmp_path: Path
) -> None:
    there = f"{form}:there:{name}"
    ok("copy", "--platform", "linux/amd64", "oci:image:1.0", there)
    assert sorted(item.name for item in tmp_path.iterdir() if "there" in item.name) == ["there"]
    ok("sign", "--key", "k.key", "--identity", "registry.example/app:1.0", there)
    for written in (there, f"{form}:there", f"{form}:there@{image.digest}", f"{there}@{image.digest}"):
        ok("verify", "--key", "k.pub", "--identity", "any", written)
    assert image.digest in ok("copy", "--platform", "linux/amd64", there, "oci:back:2.0")
    ok("verify", "--key", "k.pub", "--identity", "any", "oci:back:2.0")


def test_the_name_is_what_skopeo_looks_for(image: Descriptor) -> None:
    ok("copy", "--platform", "linux/amd64", "oci:image:1.0", f"oci:there:{PODMAN}")
    (entry,) = json.loads(Path("there/index.json").read_text())["manifests"]
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == PODMAN


def test_another_name_is_not_found(image: Descriptor) -> None:
    ok("copy", "--platform", "linux/amd64", "oci:image:1.0", f"oci:there:{PODMAN}")
    for name in ("localhost/app:2.0", "localhost/other:2.0", "2.0"):
        done = run_here("inspect", f"oci:there:{name}")
        assert done.exit_code == 11, done.output
        assert "there:localhost" not in done.stderr


def test_an_at_sign_may_be_in_a_path(image: Descriptor, tmp_path: Path) -> None:
    ok("copy", "--platform", "linux/amd64", "oci:image:1.0", f"oci:user@host:{PODMAN}")
    assert (tmp_path / "user@host" / "index.json").is_file()
    ok("inspect", "oci:user@host:1.0")
    ok("inspect", f"oci:user@host@{image.digest}")


@pytest.mark.parametrize("digest", ["sha256:ab", "sha256", "sha512:" + "ab" * 64, "sha256:" + "AB" * 32])
def test_a_digest_of_another_form_is_no_path(digest: str, image: Descriptor) -> None:
    done = run_here("inspect", f"oci:image@{digest}")
    assert done.exit_code == 2
    assert "not a sha256 digest" in done.stderr
