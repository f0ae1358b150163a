"""Which manifests are signed with an image, and which one is meant by a platform."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from imagesig import copy, inspect, sign, verify
from imagesig.errors import DigestMismatch, ImageNotFound, InvalidArgument, LimitExceeded, MalformedError
from imagesig.images.build import build_image
from imagesig.images.layout.layout import Layout, layout
from imagesig.images.target import targets_of
from imagesig.keys.provider import SigningKey
from imagesig.oci.descriptor import Descriptor, Platform
from imagesig.oci.manifest import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Index, Manifest
from imagesig.policy import AcceptAnything, Policy, Rule

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
ARM6, ARM7 = Platform("linux", "arm", "v6"), Platform("linux", "arm", "v7")
ANYTHING = Policy(Rule((AcceptAnything(),)))


@pytest.fixture
def home(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "layout")


def index(home: Layout, *children: Descriptor) -> None:
    home.put_manifest(Index(children).to_bytes(), OCI_INDEX, "1.0")


def platform_of(home: Layout, tmp_path: Path, platform: str) -> str:
    return verify(layout(tmp_path / "layout", "1.0"), ANYTHING, platform=platform, allow_unverified=True).digest


def test_children_that_are_no_images_are_not_signed(home: Layout, tmp_path: Path, key: SigningKey) -> None:
    child = build_image(home, {"a": b"b"}, AMD64)
    other = home.put_blob(b"{}", "application/vnd.example+json")
    nested = home.put_manifest(Index((build_image(home, {"a": b"c"}, ARM64),)).to_bytes(), OCI_INDEX)
    index(home, child, Descriptor("application/vnd.example+json", other.digest, other.size), child, nested)
    sign(layout(tmp_path / "layout", "1.0"), key, formats=["cosign"], identity="registry.example/app")
    assert len(inspect(layout(tmp_path / "layout", "1.0")).signatures) == 4  # both indexes and both images


@pytest.mark.parametrize(
    ("config", "platform", "fits"),
    [
        ({"os": "linux", "architecture": "amd64"}, "linux/amd64", True),
        ({"os": "linux", "architecture": "amd64"}, "windows/amd64", False),
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, "linux/arm/v7", True),
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, "linux/arm/v6", False),
        ({"os": "linux"}, "linux/amd64", False),
        ({"os": 1, "architecture": ["amd64"]}, "linux/amd64", False),
        ({}, "linux/amd64", False),
        ([], "linux/amd64", False),
    ],
)
def test_an_image_of_one_platform_is_the_one_that_its_config_names(
    home: Layout, tmp_path: Path, config: object, platform: str, fits: bool
) -> None:
    made = Manifest(home.put_blob(json.dumps(config).encode(), OCI_CONFIG), ())
    root = home.put_manifest(made.to_bytes(), OCI_MANIFEST, "1.0")
    if fits:
        assert platform_of(home, tmp_path, platform) == root.digest
    else:
        with pytest.raises(ImageNotFound):
            platform_of(home, tmp_path, platform)


def test_of_two_variants_each_is_found_and_without_one_it_is_not_clear(home: Layout, tmp_path: Path) -> None:
    six, seven = build_image(home, {"a": b"6"}, ARM6), build_image(home, {"a": b"7"}, ARM7)
    index(home, six, seven)
    assert platform_of(home, tmp_path, "linux/arm/v6") == six.digest
    assert platform_of(home, tmp_path, "linux/arm/v7") == seven.digest
    with pytest.raises(ImageNotFound, match="has no platform linux/arm/v8"):
        platform_of(home, tmp_path, "linux/arm/v8")
    index(home, six, build_image(home, {"a": b"8"}, ARM6))
    with pytest.raises(InvalidArgument, match="2 manifests fit"):
        platform_of(home, tmp_path, "linux/arm/v6")
    index(home, six, six)
    assert platform_of(home, tmp_path, "linux/arm/v6") == six.digest


@pytest.mark.parametrize(("depth", "fits"), [(3, True), (4, False)])
def test_indexes_are_nested_up_to_a_depth(home: Layout, tmp_path: Path, depth: int, fits: bool) -> None:
    below = build_image(home, {"a": b"b"}, AMD64)
    for _ in range(depth - 1):
        below = home.put_manifest(Index((below,)).to_bytes(), OCI_INDEX)
    index(home, below)
    image = layout(tmp_path / "layout", "1.0")
    if fits:
        assert len(targets_of(image, recursive=True).found) == depth + 1
    else:
        with pytest.raises(LimitExceeded, match="indexes nested more than"):
            targets_of(image, recursive=True)


def test_a_child_is_called_by_its_platform_and_read_only_if_it_is_resolved(home: Layout, tmp_path: Path) -> None:
    child = build_image(home, {"a": b"b"}, AMD64)
    index(home, replace(child, size=7), Descriptor(OCI_MANIFEST, "sha256:" + "1" * 64, 9, platform=ARM64))
    image = layout(tmp_path / "layout", "1.0")
    claimed = targets_of(image, recursive=True)
    assert [(item.descriptor.size, item.platform) for item in claimed.found[1:]] == [
        (7, str(child.platform or "unknown platform")),
        (9, str(ARM64)),
    ]
    assert not claimed.missing
    resolved = targets_of(image, recursive=True, resolve=True)
    assert [item.descriptor.size for item in resolved.found[1:]] == [child.size]
    assert [item.descriptor.size for item in resolved.missing] == [9]
    index(home, replace(child, platform=None))
    assert targets_of(image, recursive=True).found[1].platform == "unknown platform"


# --- documents that other tools wrote ---------------------------------------------------------------------------------

SHA512 = "sha512:" + "ab" * 64
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:" + "ab" * 32, "size": 3}
CONFIG = {"mediaType": OCI_CONFIG, "digest": "sha256:" + "cd" * 32, "size": 3}
ODD_ROOTS: dict[str, dict[str, object]] = {
    "layers missing": {"config": CONFIG},
    "layers null": {"config": CONFIG, "layers": None},
    "a layer with sha512": {"config": CONFIG, "layers": [LAYER, LAYER | {"digest": SHA512}]},
    "a config with sha512": {"config": CONFIG | {"digest": SHA512}, "layers": [LAYER]},
    "a layer without a media type": {"config": CONFIG, "layers": [LAYER | {"mediaType": ""}]},
    "a layer with an odd media type": {"config": CONFIG, "layers": [LAYER | {"mediaType": "tar, gzip"}]},
    "a layer without a size": {"config": CONFIG, "layers": [{"digest": LAYER["digest"]}]},
    "a config without a media type": {"config": CONFIG | {"mediaType": ""}, "layers": []},
    "1001 layers": {"config": CONFIG, "layers": [LAYER] * 1001},
}


@pytest.mark.parametrize("name", ODD_ROOTS)
def test_of_the_image_itself_only_digest_type_and_size_are_signed(
    name: str, home: Layout, tmp_path: Path, key: SigningKey
) -> None:
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, **ODD_ROOTS[name]}
    home.put_manifest(json.dumps(document).encode(), OCI_MANIFEST, "1.0")
    image = f"oci:{tmp_path}/layout:1.0"
    made = sign(image, key, identity="registry.example/app:1.0")
    assert [item.state for item in made.signatures] == ["attached", "attached"]
    assert verify(image, key).digest == made.digest
    assert len(inspect(image).signatures) == 2


def test_a_root_that_can_be_read_as_another_kind_is_not_signed(home: Layout, tmp_path: Path, key: SigningKey) -> None:
    """CVE-2021-41190 stays closed."""
    image = f"oci:{tmp_path}/layout:1.0"
    for document in (
        {"mediaType": OCI_MANIFEST, "config": CONFIG, "layers": [], "manifests": []},
        {"mediaType": OCI_MANIFEST, "config": CONFIG, "Layers": []},
        {"mediaType": OCI_INDEX, "layers": []},
        {"mediaType": OCI_INDEX, "manifests": 7},
    ):
        content = json.dumps({"schemaVersion": 2, **document}).encode()
        home.put_manifest(content, str(document["mediaType"]), "1.0")
        with pytest.raises(MalformedError):
            sign(image, key, identity="registry.example/app:1.0")


ODD_CHILDREN: dict[str, object] = {
    "no media type": {"digest": LAYER["digest"], "size": 3},
    "an empty media type": LAYER | {"mediaType": ""},
    "no size": {"mediaType": OCI_MANIFEST, "digest": LAYER["digest"]},
    "a negative size": {"mediaType": OCI_MANIFEST, "digest": LAYER["digest"], "size": -1},
    "sha512": {"mediaType": OCI_MANIFEST, "digest": SHA512, "size": 3},
    "an upper-case digest": {"mediaType": OCI_MANIFEST, "digest": "sha256:" + "AB" * 32, "size": 3},
    "null": None,
    "a null annotation": {"mediaType": OCI_MANIFEST, "digest": LAYER["digest"], "size": 3, "annotations": {"a": None}},
}


@pytest.mark.parametrize("name", ODD_CHILDREN)
def test_an_odd_child_is_named_and_the_others_are_signed(
    name: str, home: Layout, tmp_path: Path, key: SigningKey
) -> None:
    good = build_image(home, {"a": b"b"}, AMD64)
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [ODD_CHILDREN[name], good.to_json()]}
    home.put_manifest(json.dumps(document).encode(), OCI_INDEX, "1.0")
    image = f"oci:{tmp_path}/layout:1.0"
    made = sign(image, key, formats=["cosign"], identity="registry.example/app:1.0")
    assert [item.digest for item in made.signatures][1:] == [good.digest]
    assert [warning.endswith(": not signed") for warning in made.warnings] == [True]
    assert "manifests 0" in made.warnings[0]
    assert verify(image, key).digest == made.digest
    assert verify(image, key, platform="linux/amd64").digest == good.digest
    assert copy(image, f"oci:{tmp_path}/there", platform="linux/amd64").digest == good.digest


def test_a_child_with_other_bytes_is_an_error(home: Layout, tmp_path: Path, key: SigningKey) -> None:
    good = build_image(home, {"a": b"b"}, AMD64)
    index(home, good)
    path = tmp_path / "layout" / "blobs" / "sha256" / good.digest.removeprefix("sha256:")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(DigestMismatch):
        sign(layout(tmp_path / "layout", "1.0"), key, identity="registry.example/app:1.0")
