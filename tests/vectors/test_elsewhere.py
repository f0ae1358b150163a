"""Sets of which imagesig 0.1 can run little: counted, so that nobody takes them for tested."""

from __future__ import annotations

import json

import pytest

from imagesig.errors import FormatViolation, ImagesigError
from imagesig.formats.bundle import Bundle
from tests.makers import stored_bundle
from tests.vectors import report, vectors


def test_sigstore_conformance_bundles_with_keys() -> None:
    """They sign blobs, which are no images: each must be refused as that, and none may crash."""
    folder = vectors("sigstore-conformance")
    cases = json.loads((folder / "cases.json").read_text())["cases"]
    ran = 0
    for case in cases:
        content = (folder / case["bundle"]).read_bytes()
        with pytest.raises(ImagesigError) as refused:
            Bundle().parse(stored_bundle(content))
        if case["material"] == "key":
            assert isinstance(refused.value, FormatViolation)
            ran += 1
    left = "signed with certificates; parsed and refused as such, not verified"
    report("sigstore-conformance", ran, {left: len(cases) - ran})


def test_cosign_images_is_a_table_without_its_registry() -> None:
    folder = vectors("cosign-images")
    table = json.loads((folder / "cases.json").read_text())
    shipped = [name for name, path in table["keys"].items() if (folder / path).exists()]
    assert not shipped, "the keys are shipped now: run the cases"
    report("cosign-images", 0, {"the images and keys that the table names are not shipped": len(table["cases"])})
