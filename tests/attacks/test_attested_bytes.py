"""Attestations prove something of bytes: of those that a local home has, and of the platform that an image is for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import imagesig
from imagesig import attest, copy, download, tree, verify_attestation
from imagesig.errors import DigestMismatch, ImageNotFound
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout.layout import Layout
from imagesig.testing import MemoryProvider

KEY = MemoryProvider().open()
OPTIONS: dict[str, Any] = {"predicate_type": "custom", "predicate": {}}


def ask(image: str, **options: Any) -> imagesig.VerificationResult:
    return verify_attestation(image, KEY.info.public_key, predicate_type="custom", **options)


def blob(folder: Path, digest: str) -> Path:
    return folder / "blobs" / digest.replace(":", "/")


@pytest.fixture
def attested(tmp_path: Path) -> tuple[Path, str]:
    """A layout with an attested image, and the image's digest."""
    found = build_image(Layout.create(tmp_path / "image"), {"a": b"b"}, PLATFORMS[0], "1.0")
    attest(f"oci:{tmp_path}/image:1.0", KEY, **OPTIONS)
    return tmp_path / "image", found.digest


USES: dict[str, Callable[[str], object]] = {
    "verify_attestation": ask,
    "attest": lambda image: attest(image, KEY, predicate_type="custom", predicate={"again": 1}),
    "copy": lambda image: copy(image, f"{image.rpartition('/')[0]}/copy:1.0"),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("by", [":1.0", "@"], ids=["tag", "digest"])
def test_another_manifest_under_the_attested_digest_is_refused(
    attested: tuple[Path, str], use: Callable[[str], object], by: str
) -> None:
    folder, digest = attested
    name = f"oci:{folder}{by}{digest if by == '@' else ''}"
    assert ask(name).verified
    place = blob(folder, digest)
    place.write_bytes(place.read_bytes().replace(b'"schemaVersion":2', b'"schemaVersion": 2'))
    with pytest.raises(DigestMismatch):
        use(name)


@pytest.mark.parametrize(
    "use",
    [ask, lambda image: tree(image), lambda image: download(image, "attestation")],
    ids=["verify", "tree", "download"],
)
def test_a_missing_manifest_is_no_image(attested: tuple[Path, str], use: Callable[[str], object]) -> None:
    folder, digest = attested
    blob(folder, digest).unlink()
    with pytest.raises(ImageNotFound):
        use(f"oci:{folder}:1.0")


def test_a_blob_that_was_placed_before_is_written_anew(tmp_path: Path) -> None:
    build_image(Layout.create(tmp_path / "image"), {"a": b"b"}, PLATFORMS[0], "1.0")
    empty = blob(tmp_path / "image", f"sha256:{hashlib.sha256(b'{}').hexdigest()}")
    empty.write_bytes(b"xx")  # the config of every attestation, of the same size
    attest(f"oci:{tmp_path}/image:1.0", KEY, **OPTIONS)
    assert empty.read_bytes() == b"{}"
    assert ask(f"oci:{tmp_path}/image:1.0").verified


def test_an_unsigned_index_does_not_say_for_which_platform_an_attested_image_is(tmp_path: Path) -> None:
    home = Layout.create(tmp_path / "image")
    index = build_index(home, {"a": b"b"}, "1.0")
    document = json.loads(home.read(index, limit=index.size))
    (arm,) = (item for item in document["manifests"] if item["platform"]["architecture"] == "arm64")
    attest(f"oci:{tmp_path}/image@{arm['digest']}", KEY, **OPTIONS)
    lies = {**document, "manifests": [{**arm, "platform": {"os": "linux", "architecture": "amd64"}}]}
    home.put_manifest(json.dumps(lies).encode(), index.media_type, "lies")

    assert ask(f"oci:{tmp_path}/image:1.0", platform="linux/arm64").verified
    with pytest.raises(ImageNotFound):
        ask(f"oci:{tmp_path}/image:lies", platform="linux/amd64")
