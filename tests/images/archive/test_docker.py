"""Docker's old archives: no digest to sign, a clear error that says what to do, and a faithful way out by copying."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from imagesig import copy, inspect, sign, verify
from imagesig.errors import ImageNotFound, InvalidArgument, MalformedError, SignaturesUnsupported
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.images.open import open_image
from imagesig.keys.provider import SigningKey
from imagesig.oci.digest import sha256
from imagesig.oci.manifest import parse_manifest
from tests.images.archive.archives import docker_save_25_0_0, docker_save_before, tar_of

LAYERS = (tar_of([("a", b"first")]), tar_of([("b", b"second")]))
NAME = "registry.example/team/app:1.0"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return docker_save_before(tmp_path / "old.tar", {NAME: LAYERS})


def test_signing_verifying_and_inspecting_say_that_there_is_no_digest_and_what_to_do(
    path: Path, key: SigningKey
) -> None:
    for action in (lambda image: sign(image, key), lambda image: verify(image, key), inspect):
        with pytest.raises(SignaturesUnsupported, match="no digest") as raised:
            action(f"docker-archive:{path}")  # type: ignore[no-untyped-call]
        assert "imagesig copy" in raised.value.hint


def test_it_is_not_written(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="can only be read"):
        copy(f"docker-archive:{path}", f"docker-archive:{tmp_path / 'new.tar'}")


def test_copying_keeps_config_and_layers_as_they_are(path: Path, tmp_path: Path, key: SigningKey) -> None:
    copied = copy(f"docker-archive:{path}:{NAME}", f"oci:{tmp_path / 'layout'}:1.0")
    home = Layout(tmp_path / "layout")
    manifest = home.resolve("1.0")
    document = parse_manifest(home.read(manifest, limit=10**6), manifest.media_type, "test")
    assert [layer.digest for layer in document.layers] == [sha256(layer) for layer in LAYERS]
    config = json.loads(home.read(document.config, limit=10**6))
    assert config["rootfs"]["diff_ids"] == [sha256(layer) for layer in LAYERS]
    assert sign(f"oci:{tmp_path / 'layout'}:1.0", key).digest == copied.digest


def test_the_same_archive_always_becomes_the_same_image(path: Path, tmp_path: Path) -> None:
    digests = {
        copy(f"docker-archive:{path}", f"oci-archive:{tmp_path / f'{number}.tar'}").digest for number in range(2)
    }
    compressed = tmp_path / "old.tar.gz"
    compressed.write_bytes(gzip.compress(path.read_bytes()))
    digests.add(copy(f"docker-archive:{compressed}", f"oci-archive:{tmp_path / 'z.tar'}").digest)
    assert len(digests) == 1


def test_the_tag_goes_along(path: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("", f":{NAME}")):
        assert copy(f"docker-archive:{path}{name}", f"oci:{tmp_path / str(number)}").tag == "1.0"


def test_one_of_several_images_is_found_by_its_name(tmp_path: Path) -> None:
    path = docker_save_before(tmp_path / "two.tar", {NAME: LAYERS, "app:latest": LAYERS[:1]})
    first, second = (open_image(f"docker-archive:{path}:{name}") for name in ("app", NAME))
    assert first.home.resolve(first.target) != second.home.resolve(second.target)
    with pytest.raises(InvalidArgument, match="has 2 images"):
        open_image(f"docker-archive:{path}")
    with pytest.raises(ImageNotFound, match="has no image"):
        open_image(f"docker-archive:{path}:app:2.0")


def test_a_layer_that_occurs_twice_is_found_through_its_link(tmp_path: Path) -> None:
    first, second = (sha256(layer).removeprefix("sha256:") for layer in LAYERS)
    path = docker_save_before(tmp_path / "old.tar", {NAME: (LAYERS[0], LAYERS[0])})
    content = json.loads(_member(path, "manifest.json"))
    content[0]["Layers"][1] = f"{second}/layer.tar"
    path = docker_save_before(
        tmp_path / "linked.tar",
        {NAME: (LAYERS[0], LAYERS[0])},
        change={"manifest.json": json.dumps(content).encode(), f"{second}/layer.tar": b""},
        links={f"{second}/layer.tar": f"../{first}/layer.tar"},
    )
    copied = copy(f"docker-archive:{path}", f"oci:{tmp_path / 'layout'}:1")
    assert copied.blobs.sent == 2


@pytest.mark.parametrize("target", ["../../../etc/passwd", "/etc/passwd", "../missing/layer.tar"])
def test_a_link_out_of_the_archive_is_refused(tmp_path: Path, target: str) -> None:
    name = f"{sha256(LAYERS[0]).removeprefix('sha256:')}/layer.tar"
    path = docker_save_before(tmp_path / "bad.tar", {NAME: LAYERS[:1]}, links={name: target})
    with pytest.raises(MalformedError, match="missing"):
        open_image(f"docker-archive:{path}")


def test_a_layer_that_is_not_the_one_in_the_config_is_refused(tmp_path: Path) -> None:
    name = f"{sha256(LAYERS[0]).removeprefix('sha256:')}/layer.tar"
    path = docker_save_before(tmp_path / "bad.tar", {NAME: LAYERS[:1]}, change={name: LAYERS[1]})
    with pytest.raises(MalformedError, match="the config names"):
        open_image(f"docker-archive:{path}")


def test_a_config_that_is_not_the_one_in_its_name_is_refused(tmp_path: Path) -> None:
    path = docker_save_before(tmp_path / "old.tar", {NAME: LAYERS})
    name = json.loads(_member(path, "manifest.json"))[0]["Config"]
    changed = docker_save_before(tmp_path / "bad.tar", {NAME: LAYERS}, change={name: b'{"rootfs": {}}'})
    with pytest.raises(MalformedError, match="has other bytes"):
        open_image(f"docker-archive:{changed}")


@pytest.mark.parametrize(
    "document",
    [b"{}", b"[1]", b"[{}]", b'[{"Config": 1, "Layers": []}]', b'[{"Config": "../../etc/passwd", "Layers": []}]', b"["],
)
def test_an_invalid_manifest_json_is_a_clear_error(tmp_path: Path, document: bytes) -> None:
    path = docker_save_before(tmp_path / "bad.tar", {NAME: LAYERS}, change={"manifest.json": document})
    with pytest.raises(MalformedError):
        open_image(f"docker-archive:{path}")


def test_a_manifest_without_layers_cannot_be_signed(tmp_path: Path, key: SigningKey) -> None:
    build_image(Layout.create(tmp_path / "layout"), {"a": b"b"}, PLATFORMS[0], "1.0")
    path = docker_save_25_0_0(tmp_path / "layout", tmp_path / "saved.tar", NAME)
    with pytest.raises(SignaturesUnsupported, match=r"25\.0\.0"):
        sign(f"docker-archive:{path}", key)
    copied = copy(f"docker-archive:{path}", f"oci:{tmp_path / 'to'}:1.0")
    assert copied.blobs.sent == 2
    assert sign(f"oci:{tmp_path / 'to'}:1.0", key).signatures


def test_an_index_of_nothing_holds_no_image(tmp_path: Path) -> None:
    empty = b'{"schemaVersion": 2, "manifests": null}'
    files = [("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), ("index.json", empty), ("manifest.json", b"[]")]
    (tmp_path / "x.tar").write_bytes(tar_of(files))
    with pytest.raises(ImageNotFound):
        open_image(f"docker-archive:{tmp_path / 'x.tar'}")


def test_a_tar_without_an_image_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(tar_of([("a", b"b")]))
    with pytest.raises(InvalidArgument, match="neither"):
        open_image(f"docker-archive:{tmp_path / 'x.tar'}")


def _member(path: Path, name: str) -> bytes:
    import tarfile

    with tarfile.open(path) as archive:
        found = archive.extractfile(name)
        assert found is not None
        return found.read()
