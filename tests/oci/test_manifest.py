"""Manifests and indexes: bytes that another reader takes for something else are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from imagesig import limits
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.oci.manifest import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    check_document,
    detect_media_type,
    parse_index,
    parse_layout_index,
    parse_manifest,
)
from tests.makers import DIGEST

DESCRIPTOR = {"mediaType": "a/b", "digest": DIGEST, "size": 1}
MANIFEST: dict[str, Any] = {"schemaVersion": 2, "config": DESCRIPTOR, "layers": [DESCRIPTOR]}
INDEX: dict[str, Any] = {"schemaVersion": 2, "manifests": [DESCRIPTOR]}
KINDS: list[tuple[str, dict[str, Any], Callable[[bytes, str, str], object]]] = [
    (OCI_MANIFEST, MANIFEST, parse_manifest),
    (DOCKER_MANIFEST, MANIFEST, parse_manifest),
    (OCI_INDEX, INDEX, parse_index),
    (DOCKER_INDEX, INDEX, parse_index),
]
of_every_kind = pytest.mark.parametrize(("media_type", "document", "parse"), KINDS, ids=[kind for kind, _, _ in KINDS])


def encoded(document: dict[str, Any], **changes: object) -> bytes:
    return json.dumps(document | changes).encode()


@of_every_kind
@pytest.mark.parametrize("inside", [None, "", "missing", "own"])
def test_a_document_need_not_say_what_it_is(
    media_type: str, document: dict[str, Any], parse: Callable[..., Any], inside: str | None
) -> None:
    changes = {} if inside == "missing" else {"mediaType": media_type if inside == "own" else inside}
    read = parse(encoded(document, **changes), media_type, "x")
    assert read.media_type == media_type
    assert [item.digest for item in (read.layers if "layers" in document else read.manifests)] == [DIGEST]


@of_every_kind
def test_a_document_that_says_it_is_another_is_refused(
    media_type: str, document: dict[str, Any], parse: Callable[..., Any]
) -> None:
    for other, _, _ in KINDS:
        if other != media_type:
            with pytest.raises(MalformedError, match="its mediaType is"):
                parse(encoded(document, mediaType=other), media_type, "x")


@pytest.mark.parametrize(
    ("media_type", "document", "member"),
    [
        *((OCI_INDEX, INDEX, name) for name in ("config", "layers", "fsLayers", "history", "signatures")),
        *((OCI_MANIFEST, MANIFEST, name) for name in ("manifests", "fsLayers", "history", "signatures")),
    ],
)
def test_each_member_of_another_kind_alone_is_refused(media_type: str, document: dict[str, Any], member: str) -> None:
    for value in ([], {}, [DESCRIPTOR], "", 0):
        with pytest.raises(MalformedError, match=f"'{member}' makes readers see another kind"):
            check_document(encoded(document, **{member: value}), media_type, "x")
    check_document(encoded(document, **{member: None}), media_type, "x")


@of_every_kind
def test_a_type_that_was_not_asked_for_is_refused(
    media_type: str, document: dict[str, Any], parse: Callable[..., Any]
) -> None:
    for other, _, reader in KINDS:
        if reader is not parse:
            with pytest.raises(MalformedError, match="media type"):
                parse(encoded(document), other, "x")


@of_every_kind
@pytest.mark.parametrize("version", [1, 3, -2, True, False, "2", 2.0, [2], {}])
def test_another_version_of_the_schema_is_refused(
    media_type: str, document: dict[str, Any], parse: Callable[..., Any], version: object
) -> None:
    with pytest.raises(MalformedError, match="schemaVersion"):
        parse(encoded(document, schemaVersion=version), media_type, "x")


@pytest.mark.parametrize("version", [0, 2, None])
def test_a_version_that_go_reads_as_none_is_read(version: object) -> None:
    assert parse_index(encoded(INDEX, schemaVersion=version), OCI_INDEX, "x").manifests


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (INDEX, OCI_INDEX),
        (INDEX | {"layers": None}, OCI_INDEX),
        (MANIFEST, OCI_MANIFEST),
        (MANIFEST | {"manifests": None}, OCI_MANIFEST),
        ({"layers": []}, OCI_MANIFEST),
        ({"manifests": []}, OCI_INDEX),
        (INDEX | {"mediaType": ""}, OCI_INDEX),
        (INDEX | {"mediaType": None}, OCI_INDEX),
        (MANIFEST | {"mediaType": DOCKER_MANIFEST}, DOCKER_MANIFEST),
        (INDEX | {"mediaType": DOCKER_INDEX}, DOCKER_INDEX),
    ],
)
def test_bytes_without_a_type_are_what_their_members_say(document: dict[str, Any], kind: str) -> None:
    assert detect_media_type(encoded(document), "x") == kind


@pytest.mark.parametrize("document", [MANIFEST | INDEX, {}, {"config": DESCRIPTOR}, {"mediaType": 7}])
def test_bytes_that_are_both_or_neither_have_no_type(document: dict[str, Any]) -> None:
    with pytest.raises(MalformedError, match="neither a manifest nor an index"):
        detect_media_type(encoded(document), "x")


@pytest.mark.parametrize("listed", [{}, "x", 1, [[]], ["x"], [DESCRIPTOR, 1]])
def test_a_layout_lists_objects(listed: object) -> None:
    with pytest.raises(MalformedError):
        parse_layout_index(encoded({"schemaVersion": 2, "manifests": listed}), "x")


def test_a_layout_without_entries_lists_none() -> None:
    assert parse_layout_index(b'{"schemaVersion":2,"manifests":null}', "x") == []
    assert parse_layout_index(encoded(INDEX), "x") == [DESCRIPTOR]
    assert parse_layout_index(b'{"schemaVersion":2,"manifests":[null]}', "x") == [{}]
    with pytest.raises(MalformedError, match="no list of manifests"):
        parse_layout_index(b'{"schemaVersion":2}', "x")


def test_an_index_written_by_go_without_children_has_none() -> None:
    assert parse_index(b'{"schemaVersion":2,"manifests":null}', OCI_INDEX, "x").manifests == ()
    with pytest.raises(MalformedError, match="a list is needed"):
        parse_index(b'{"schemaVersion":2}', OCI_INDEX, "x")


def test_as_many_as_the_limit_are_read_and_no_more() -> None:
    for document, name, most, media_type, parse in (
        (MANIFEST, "layers", limits.SIGNATURE_LAYERS, OCI_MANIFEST, parse_manifest),
        (INDEX, "manifests", limits.INDEX_CHILDREN, OCI_INDEX, parse_index),
    ):
        read: Any = parse(encoded(document, **{name: [DESCRIPTOR] * most}), media_type, "x")
        assert len(getattr(read, name)) == most
        with pytest.raises(LimitExceeded, match=f"at most {most}"):
            parse(encoded(document, **{name: [DESCRIPTOR] * (most + 1)}), media_type, "x")


@of_every_kind
def test_subject_annotations_and_artifact_type_are_kept(
    media_type: str, document: dict[str, Any], parse: Callable[..., Any]
) -> None:
    more = {"subject": DESCRIPTOR, "annotations": {"a": "b"}, "artifactType": "c/d"}
    read = parse(encoded(document, **more), media_type, "x")
    assert (read.subject.digest, dict(read.annotations), read.artifact_type) == (DIGEST, {"a": "b"}, "c/d")
    assert json.loads(read.to_bytes()) == document | more | {"mediaType": media_type}
    bare = parse(encoded(document), media_type, "x")
    assert json.loads(bare.to_bytes()) == document | {"mediaType": media_type}
