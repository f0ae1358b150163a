"""Entries of `index.json` that imagesig does not read: they hide no image beside them, and are no image themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from imagesig import copy, inspect, sign, verify
from imagesig.errors import ImageNotFound, ImagesigError, InvalidArgument, MalformedError
from imagesig.images.open import open_destination
from imagesig.oci.manifest import OCI_MANIFEST
from tests.commands import run_here
from tests.images.archive.archives import archive_of
from tests.makers import signing_key
from tests.odd_images import ODD_ENTRIES, WRONG_ENTRIES, Members, entry, manifest, write_layout

NAME = "org.opencontainers.image.ref.name"


def with_entries(folder: Path, make: Callable[[Members, Members], list[object]]) -> tuple[str, Members]:
    """A layout whose index has these entries. They are made of the image with the tag 1.0, and of another manifest."""
    digest = write_layout(folder, manifest(folder))
    document = json.loads((folder / "index.json").read_text())
    other = entry(folder, json.dumps(manifest(folder, annotations={"a": "b"})).encode(), OCI_MANIFEST)
    document["manifests"] = make(document["manifests"][0], other)
    (folder / "index.json").write_text(json.dumps(document))
    return digest, document


@pytest.mark.parametrize("name", ODD_ENTRIES)
@pytest.mark.parametrize("first", [True, False])
def test_an_entry_that_is_not_read_hides_no_image_beside_it(name: str, first: bool, tmp_path: Path) -> None:
    def make(image: Members, other: Members) -> list[object]:
        odd = ODD_ENTRIES[name](tmp_path, other)
        return [odd, image] if first else [image, odd]

    digest, before = with_entries(tmp_path, make)
    for image in (f"oci:{tmp_path}:1.0", f"oci:{tmp_path}@{digest}"):
        assert inspect(image).digest == digest
        sign(image, signing_key(), formats=["cosign", "bundle"])
        assert verify(image, signing_key()).verified
    copied = copy(f"oci:{tmp_path}:1.0", f"oci:{tmp_path}/there:1.0")
    assert verify(copied.destination, signing_key()).digest == digest
    kept = json.loads((tmp_path / "index.json").read_text())["manifests"]
    assert before["manifests"][0 if first else 1] in kept or name == "null"


@pytest.mark.parametrize("name", [name for name in ODD_ENTRIES if name != "null"])
@pytest.mark.parametrize("beside", [True, False])
def test_an_entry_that_is_not_read_is_refused_where_it_is_wanted(name: str, beside: bool, tmp_path: Path) -> None:
    def make(image: Members, other: Members) -> list[object]:
        odd = ODD_ENTRIES[name](tmp_path, other)
        assert isinstance(odd, dict)
        wanted = odd | {"annotations": (odd.get("annotations") or {}) | {NAME: "1.0"}}
        return [image, wanted] if beside else [wanted]

    with_entries(tmp_path, make)
    for image in (f"oci:{tmp_path}:1.0", f"oci:{tmp_path}"):
        done = run_here("inspect", image)
        assert done.exit_code == 1
        assert "index.json entry: " in done.output + done.stderr
        with pytest.raises(MalformedError, match=r"its tag is '1.0'") as caught:
            sign(image, signing_key())
        assert ("skopeo copy" if ":1.0" in image or not beside else "name the image") in caught.value.hint


@pytest.mark.parametrize("name", ODD_ENTRIES)
def test_without_a_name_an_entry_that_is_not_read_may_be_the_image(name: str, tmp_path: Path) -> None:
    with_entries(tmp_path, lambda image, other: [image, ODD_ENTRIES[name](tmp_path, other)])
    with pytest.raises(MalformedError) as caught:
        inspect(f"oci:{tmp_path}")
    assert "name the image" in caught.value.hint


def test_a_digest_that_is_listed_without_its_size_is_refused(tmp_path: Path) -> None:
    digest, _ = with_entries(tmp_path, lambda image, _: [image, {k: v for k, v in image.items() if k == "digest"}])
    for image in (f"oci:{tmp_path}:1.0", f"oci:{tmp_path}@{digest}"):
        with pytest.raises(MalformedError, match=r"index.json entry"):
            verify(image, signing_key())


@pytest.mark.parametrize("name", WRONG_ENTRIES)
def test_an_index_that_skopeo_refuses_as_a_whole_is_refused(name: str, tmp_path: Path) -> None:
    with_entries(tmp_path, lambda image, other: [image, WRONG_ENTRIES[name](tmp_path, other)])
    with pytest.raises(MalformedError):
        inspect(f"oci:{tmp_path}:1.0")


def test_a_number_names_an_entry_as_in_skopeo(tmp_path: Path) -> None:
    digest, found = with_entries(tmp_path, lambda image, other: [image, other, {"digest": "sha512:" + "0" * 128}])
    assert inspect(f"oci:{tmp_path}:@0").digest == digest
    assert inspect(f"oci:{tmp_path}:@1").digest == found["manifests"][1]["digest"]  # type: ignore[index]
    refused: dict[str, type[ImagesigError]] = {"@2": MalformedError, "@3": ImageNotFound, "@99": ImageNotFound}
    refused |= dict.fromkeys(("@-1", "@x", "@", "@\u0661", "@" + "9" * 5000), InvalidArgument)
    for target, kind in refused.items():
        with pytest.raises(kind):
            inspect(f"oci:{tmp_path}:{target}")
    with pytest.raises(InvalidArgument, match="a tag is needed to write"):
        open_destination(f"oci:{tmp_path}:@0")


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_a_number_is_no_tag_in_an_archive(form: str, tmp_path: Path) -> None:
    """skopeo takes `docker-archive:FILE:@0` for the first image, even if another one has this text as its tag."""
    with_entries(tmp_path, lambda image, other: [image, other | {"annotations": {NAME: "@0"}}])
    file = archive_of(tmp_path, tmp_path / "image.tar")
    with pytest.raises(InvalidArgument, match="numbers are read in oci:DIRECTORY only"):
        inspect(f"{form}:{file}:@0")
