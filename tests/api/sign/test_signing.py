"""What `sign` refuses before anything happens, and what it warns of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagesig import sign, sign_many
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import InvalidArgument
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.images.registry.connect import registry
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.testing import InMemoryRegistry


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return FileProvider(tmp_path_factory.mktemp("keys")).generate("k.key", KeyType.ECDSA_P256)


@pytest.fixture
def repository() -> Iterator[str]:
    with InMemoryRegistry() as server:
        build_image(registry(f"{server.host}/team/app").home, {"a": b"b"}, PLATFORMS[0], "1.0")
        yield f"{server.host}/team/app"


def test_signing_by_digest_warns_that_podman_will_refuse(repository: str, key: SigningKey) -> None:
    digest = registry(repository).home.resolve("1.0").digest
    (warning,) = sign(f"{repository}@{digest}", key).warnings
    assert "names no tag" in warning
    assert "podman" in warning


def test_with_a_tag_in_the_identity_there_is_no_warning(repository: str, key: SigningKey) -> None:
    digest = registry(repository).home.resolve("1.0").digest
    signed = sign(f"{repository}@{digest}", key, identity=f"{repository}:1.0")
    assert signed.warnings == ()
    assert signed.identity == f"{repository}:1.0"


@pytest.mark.parametrize("formats", [["bundle"], ["cosign"], ["cosign", "bundle"], "cosign"], ids=str)
def test_who_chooses_the_formats_is_not_warned_of_podman(
    repository: str, key: SigningKey, formats: list[str] | str, tmp_path: Path
) -> None:
    digest = registry(repository).home.resolve("1.0").digest
    build_image(Layout.create(tmp_path), {"a": b"b"}, PLATFORMS[0], "1.0")

    without_tag = sign(f"{repository}@{digest}", key, formats=formats).warnings
    (many,) = sign_many([f"{repository}@{digest}"], key, formats=formats, dry_run=True)
    without_name = sign(f"oci:{tmp_path}:1.0", key, formats=formats).warnings

    assert many.result is not None
    assert (without_tag, many.result.warnings) == ((), ())
    assert not any("podman" in warning for warning in without_name)
    assert bool(without_name) is ("cosign" in formats)


def test_a_layout_signed_without_a_name_warns_of_podman_and_of_imagesig(key: SigningKey, tmp_path: Path) -> None:
    build_image(Layout.create(tmp_path), {"a": b"b"}, PLATFORMS[0], "1.0")
    (warning,) = sign(f"oci:{tmp_path}:1.0", key).warnings
    assert "podman will refuse it, and so will imagesig once" in warning


@pytest.mark.parametrize(
    "annotations", [{"a": 1}, {1: "a"}, {"": "a"}, {"a": "\udcff"}, {"a": None}, {"timestamp": "1"}]
)
def test_annotations_that_cannot_be_signed_are_refused_before_anything_is_written(
    repository: str, key: SigningKey, annotations: Any
) -> None:
    with pytest.raises(InvalidArgument, match="annotation"):
        sign(f"{repository}:1.0", key, annotations=annotations, dry_run=True)


def test_progress_names_every_image_of_several_that_is_attached(repository: str, key: SigningKey) -> None:
    digest = registry(repository).home.resolve("1.0").digest
    images = [registry(f"{repository}:1.0"), registry(f"{repository}@{digest}")]
    seen: list[str] = []
    for _ in ("new", "present"):
        sign(images, key, progress=lambda image: seen.append(str(image)))
        assert sorted(seen) == sorted(map(str, images))
        seen.clear()
    sign(images, key, dry_run=True, progress=lambda image: seen.append(str(image)))
    assert not seen
