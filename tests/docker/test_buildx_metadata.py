"""The metadata of real builds (buildx 0.29 with Engine 28.5, shortened), and of builds that cannot be signed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imagesig.docker.buildx_metadata import read_metadata
from imagesig.errors import ImagesigError, InvalidArgument, LimitExceeded, MalformedError

INDEX, CONFIG, OTHER = (f"sha256:{character * 64}" for character in "abc")
BUILD: dict[str, Any] = {
    "buildx.build.provenance": {"builder": {"id": ""}},
    "buildx.build.ref": "default/default/lb4c86anppqe2g3wgllymf1tz",
    "containerimage.config.digest": CONFIG,
    "containerimage.descriptor": {"digest": INDEX, "size": 855},
    "containerimage.digest": INDEX,
    "image.name": "127.0.0.1:5000/app:v1,127.0.0.1:5000/app:v2",
}


def written(folder: Path, document: object) -> Path:
    path = folder / "metadata.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


NAMES = [
    ("127.0.0.1:5000/app:v1", ["127.0.0.1:5000/app:v1@"]),
    (BUILD["image.name"], ["127.0.0.1:5000/app:v1@", "127.0.0.1:5000/app:v2@"]),
    ("127.0.0.1:5000/app:v1,127.0.0.1:5000/app:v1", ["127.0.0.1:5000/app:v1@"]),
    ("docker.io/library/app:1,registry.example/app:1", ["docker.io/library/app:1@", "registry.example/app:1@"]),
    ("registry.example/app", ["registry.example/app@"]),
    (f"registry.example/app@{INDEX}", ["registry.example/app@"]),
]


@pytest.mark.parametrize(("names", "expected"), NAMES)
def test_each_name_of_a_build_is_signed_by_its_digest(tmp_path: Path, names: str, expected: list[str]) -> None:
    (image,) = read_metadata(written(tmp_path, BUILD | {"image.name": names}))

    assert image.pushed == tuple(f"{name}{INDEX}" for name in expected)


def test_each_target_of_a_bake_is_an_image_and_other_members_are_none(tmp_path: Path) -> None:
    bake = {
        "a": BUILD | {"image.name": "registry.example/a:1"},
        "b": BUILD | {"image.name": "registry.example/b:1,registry.example/b:2", "containerimage.digest": OTHER},
        "files": {"buildx.build.ref": "default/default/x"},
        "buildx.build.warnings": [],
    }

    assert [image.pushed for image in read_metadata(written(tmp_path, bake))] == [
        (f"registry.example/a:1@{INDEX}",),
        (f"registry.example/b:1@{OTHER}", f"registry.example/b:2@{OTHER}"),
    ]


REFUSED: list[tuple[object, type[ImagesigError], str]] = [
    ({}, InvalidArgument, "no containerimage.digest"),
    ({"buildx.build.ref": "x"}, InvalidArgument, "no containerimage.digest"),
    ({"a": {"buildx.build.ref": "x"}, "b": 3}, InvalidArgument, "no containerimage.digest"),
    ("[]", MalformedError, "a JSON object is needed"),
    ("{", MalformedError, "buildx metadata '.+: not JSON"),
    ('{"containerimage.digest": "a", "containerimage.digest": "b"}', MalformedError, "twice"),
    (BUILD | {"containerimage.digest": "sha256:12"}, InvalidArgument, "a sha256 digest is needed"),
    (BUILD | {"containerimage.digest": 3}, InvalidArgument, "a sha256 digest is needed"),
    (BUILD | {"containerimage.digest": CONFIG}, InvalidArgument, "the image's id in the engine"),
    ({"a": BUILD | {"containerimage.digest": CONFIG}}, InvalidArgument, "target 'a': .*the image's id in the engine"),
    (BUILD | {"image.name": 3}, InvalidArgument, "text is needed"),
    (BUILD | {"image.name": "Registry.example/App:1"}, InvalidArgument, "not a repository name"),
    (BUILD | {"image.name": f"registry.example/app@{OTHER}"}, InvalidArgument, "but the image is"),
]


@pytest.mark.parametrize(("document", "kind", "said"), REFUSED, ids=[said for _, _, said in REFUSED])
def test_what_names_no_image_is_refused(tmp_path: Path, document: object, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        read_metadata(written(tmp_path, document))


@pytest.mark.parametrize("names", ["", f"moby-dangling@{INDEX}"])
def test_an_image_without_a_name_was_not_pushed(tmp_path: Path, names: str) -> None:
    (image,) = read_metadata(written(tmp_path, BUILD | {"image.name": names}))

    with pytest.raises(InvalidArgument, match="the image has no name"):
        image.pushed  # noqa: B018 - the access raises


def test_a_file_that_is_missing_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgument, match="no such file"):
        read_metadata(tmp_path / "missing")
    monkeypatch.setattr("imagesig.limits.BUILDX_METADATA_BYTES", 100)
    with pytest.raises(LimitExceeded):
        read_metadata(written(tmp_path, BUILD))
