"""What is read of a layout: bytes of the size that is stated, and referrers by their own subject."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from imagesig.errors import DigestMismatch, LimitExceeded
from imagesig.images.layout.layout import Layout
from imagesig.oci.annotations import Annotations
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import OCI_MANIFEST, Manifest


@pytest.fixture
def home(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "layout")


def test_bytes_of_another_size_than_stated_are_other_bytes(home: Layout) -> None:
    stored = home.put_blob(b"content", "a/b")
    assert home.read(stored, limit=7) == b"content"
    for size in (6, 8):
        with pytest.raises(DigestMismatch, match=f"not {size} bytes long"):
            home.read(replace(stored, size=size), limit=8)
    with pytest.raises(LimitExceeded):
        home.read(stored, limit=6)


def test_a_referrer_is_one_by_its_subject_and_not_by_what_it_mentions(home: Layout) -> None:
    config = home.put_blob(b"{}", "a/b")
    image, other = (
        home.put_manifest(Manifest(config, (), annotations=Annotations({"n": name})).to_bytes(), OCI_MANIFEST)
        for name in ("image", "other")
    )

    def referring(subject: Descriptor | None, mentions: str) -> Descriptor:
        made = Manifest(config, (), annotations=Annotations({"see": mentions, "subject": "x"}), subject=subject)
        return home.put_manifest(made.to_bytes(), OCI_MANIFEST)

    own = referring(image, "nothing")
    referring(other, image.digest)
    referring(None, image.digest)
    assert [item.digest for item in home.referrers(image.digest).entries] == [own.digest]


def test_an_image_whose_manifest_is_missing_is_still_the_only_one(home: Layout, tmp_path: Path) -> None:
    content = Manifest(home.put_blob(b"{}", "a/b"), ()).to_bytes()
    image = home.put_manifest(content, OCI_MANIFEST, "1.0")
    (tmp_path / "layout" / "blobs" / "sha256" / image.digest.removeprefix("sha256:")).unlink()
    assert home.only_image() == image.digest
