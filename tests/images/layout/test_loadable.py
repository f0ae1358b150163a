"""What other tools make an image of, whatever a layout calls it."""

from __future__ import annotations

import pytest

from imagesig.errors import NotFound
from imagesig.images.layout.index import IMAGE_NAME
from imagesig.images.layout.loadable import is_loadable
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import DOCKER_MANIFEST, OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Index, Manifest

TAR = "application/vnd.oci.image.layer.v1.tar+gzip"
SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"


def manifest(config: str, *layers: str) -> bytes:
    return Manifest(Descriptor.of(b"{}", config), tuple(Descriptor.of(b"x", kind) for kind in layers)).to_bytes()


def loadable(content: bytes, media_type: str = OCI_MANIFEST, *others: bytes) -> bool:
    blobs = {Descriptor.of(blob, "").digest: blob for blob in (content, *others)}
    return is_loadable(Descriptor.of(content, media_type), lambda entry: blobs[entry.digest])


@pytest.mark.parametrize("layers", [[TAR], [SIGNATURE, TAR], ["application/x-tar"], ["application/vnd.made.up"]])
def test_an_image_s_config_and_a_layer_that_is_no_document_are_an_image(layers: list[str]) -> None:
    assert loadable(manifest(OCI_CONFIG, *layers))


@pytest.mark.parametrize(
    ("config", "layers"),
    [(OCI_CONFIG, [SIGNATURE]), (OCI_CONFIG, ["text/spdx"]), (OCI_CONFIG, []), (OCI_EMPTY, [TAR]), ("a/b", [TAR])],
)
def test_signatures_documents_and_artefacts_are_not_images(config: str, layers: list[str]) -> None:
    assert not loadable(manifest(config, *layers))


def test_a_docker_manifest_with_any_config_type_is_an_image() -> None:
    layers = (Descriptor.of(b"x", "application/vnd.docker.image.rootfs.diff.tar.gzip"),)
    content = Manifest(Descriptor.of(b"{}", "a/b"), layers, DOCKER_MANIFEST).to_bytes()
    assert loadable(content, DOCKER_MANIFEST)


def test_an_index_is_an_image_if_a_child_is_one() -> None:
    image, signature = manifest(OCI_CONFIG, TAR), manifest(OCI_CONFIG, SIGNATURE)
    for child, expected in ((image, True), (signature, False)):
        index = Index((Descriptor.of(child, OCI_MANIFEST),)).to_bytes()
        assert loadable(index, OCI_INDEX, child) is expected


def test_a_manifest_that_docker_would_name_is_an_image() -> None:
    entry = Descriptor.of(manifest(OCI_CONFIG, SIGNATURE), OCI_MANIFEST)
    named = Descriptor(entry.media_type, entry.digest, entry.size, {IMAGE_NAME: "docker.io/team/app:1.0"})
    assert is_loadable(named, lambda _: b"")


def test_a_missing_manifest_is_no_image_and_an_unreadable_one_may_be_one() -> None:
    def missing(_: Descriptor) -> bytes:
        raise NotFound("missing")

    entry = Descriptor.of(b"{", OCI_MANIFEST)
    assert not is_loadable(entry, missing)
    assert is_loadable(entry, lambda _: b"{")
