"""What `sign` refuses before anything happens, and what it warns of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from imagesig import sign
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import InvalidArgument
from imagesig.images.build import PLATFORMS, build_image
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


def test_signing_only_bundles_warns_that_podman_finds_nothing(repository: str, key: SigningKey) -> None:
    (warning,) = sign(f"{repository}:1.0", key, formats=["bundle"]).warnings
    assert "podman" in warning


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
