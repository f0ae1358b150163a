"""Names of layouts and archives, asked from the real skopeo: each tool finds what the other wrote under one name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from tests.commands import run_here
from tests.interop.tools import Tools

pytestmark = pytest.mark.interop

NAMES = ("localhost/app:1.0", "registry.example:5000/team/app:1.0", "v1")


def skopeo(home: Path, *arguments: str) -> str:
    return Tools(home).run("skopeo", "--insecure-policy", *arguments).must_succeed().stdout


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """That of an image in the layout `image`."""
    monkeypatch.chdir(tmp_path)
    return build_image(Layout.create(tmp_path / "image"), {"bin/app": b"hello"}, PLATFORMS[0], "1.0").digest


@pytest.mark.parametrize("form", ["oci", "oci-archive"])
@pytest.mark.parametrize("name", NAMES)
def test_skopeo_finds_what_imagesig_copied(form: str, name: str, digest: str, tmp_path: Path) -> None:
    there = f"{form}:{tmp_path}/there:{name}"
    done = run_here("copy", "--platform", "linux/amd64", "oci:image:1.0", there)
    assert done.exit_code == 0, done.output
    assert json.loads(skopeo(tmp_path, "inspect", there))["Digest"] == digest
    skopeo(tmp_path, "copy", there, f"dir:{tmp_path}/out")


@pytest.mark.parametrize("form", ["oci", "oci-archive"])
@pytest.mark.parametrize("name", NAMES)
def test_imagesig_finds_what_skopeo_copied(form: str, name: str, digest: str, tmp_path: Path) -> None:
    there = f"{form}:{tmp_path}/there:{name}"
    skopeo(tmp_path, "copy", f"oci:{tmp_path}/image:1.0", there)
    done = run_here("copy", "--platform", "linux/amd64", "--output", "json", there, f"oci:{tmp_path}/back")
    assert done.exit_code == 0, done.output
    copied = json.loads(done.stdout)["images"][0]
    assert copied["digest"] == digest
    assert copied["tag"] == name.rpartition(":")[2]
    assert json.loads(skopeo(tmp_path, "inspect", f"oci:{tmp_path}/back:{copied['tag']}"))["Digest"] == digest


def test_a_host_of_one_upper_case_word_is_refused_as_by_skopeo_and_cosign(tmp_path: Path) -> None:
    name = "HOST/team/app:1.0"
    tools = Tools(tmp_path)
    assert "lowercase" in tools.run("skopeo", "inspect", f"docker://{name}").reason
    assert "could not parse reference" in tools.run("cosign3", "triangulate", name).reason
    done = run_here("inspect", name)
    assert done.exit_code == 2
    assert "repository names are lower case" in str(done.exception)
