"""What bytes are is said by the bytes; a listing is heard where they say nothing, and never against them."""

from __future__ import annotations

import json

import pytest

from imagesig.errors import MalformedError
from imagesig.oci.kind import kind_of
from imagesig.oci.manifest import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

MANIFEST = {"schemaVersion": 2, "config": {}, "layers": []}
INDEX = {"schemaVersion": 2, "manifests": []}


@pytest.mark.parametrize(
    ("document", "claimed", "kind"),
    [
        (MANIFEST, [], OCI_MANIFEST),
        (INDEX, [], OCI_INDEX),
        (MANIFEST | {"mediaType": DOCKER_MANIFEST}, [], DOCKER_MANIFEST),
        (MANIFEST | {"mediaType": ""}, [OCI_MANIFEST], OCI_MANIFEST),
        (MANIFEST, [DOCKER_MANIFEST], DOCKER_MANIFEST),
        (INDEX, [DOCKER_INDEX], DOCKER_INDEX),
        ({"schemaVersion": 2}, [OCI_MANIFEST], OCI_MANIFEST),
        ({"schemaVersion": 2, "config": {"digest": "sha256:0"}, "layers": None}, [], OCI_MANIFEST),
    ],
)
def test_the_bytes_say_what_they_are(document: dict[str, object], claimed: list[str], kind: str) -> None:
    assert kind_of(json.dumps(document).encode(), claimed, "test") == kind


@pytest.mark.parametrize(
    ("document", "claimed"),
    [
        (MANIFEST | {"mediaType": OCI_MANIFEST}, [OCI_INDEX]),
        (MANIFEST | {"mediaType": OCI_MANIFEST}, [OCI_MANIFEST, DOCKER_MANIFEST]),
        (MANIFEST, [OCI_INDEX]),
        (INDEX, [OCI_MANIFEST]),
        (MANIFEST | INDEX, []),
        (MANIFEST | INDEX, [OCI_MANIFEST]),
        (MANIFEST | INDEX | {"mediaType": OCI_MANIFEST}, [OCI_MANIFEST]),
        (INDEX | {"mediaType": OCI_INDEX, "layers": []}, []),
        (MANIFEST | {"mediaType": "text/plain"}, ["text/plain"]),
        (MANIFEST, [OCI_MANIFEST, DOCKER_MANIFEST]),
        ({"os": "linux", "config": {"Cmd": ["/app"]}}, []),
        ({}, []),
    ],
)
def test_another_kind_of_document_is_refused(document: dict[str, object], claimed: list[str]) -> None:
    with pytest.raises(MalformedError):
        kind_of(json.dumps(document).encode(), claimed, "test")


def test_a_type_that_no_image_has_is_refused_as_that() -> None:
    with pytest.raises(MalformedError, match="is not a media type of an image"):
        kind_of(json.dumps(MANIFEST | {"mediaType": "text/plain"}).encode(), [], "test")
