"""Lists that others write into: each entry is judged by itself, what is at the top as a whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagesig import limits
from imagesig.effort import one_image
from imagesig.encoding.json_list import parse_list
from imagesig.encoding.shape import OURS
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.oci.listing import Listing, parse_layers, parse_listing
from imagesig.oci.manifest import DOCKER_INDEX, OCI_INDEX, OCI_MANIFEST
from tests.makers import DIGEST, OTHER_DIGEST

GOOD: dict[str, Any] = {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 7, "artifactType": ""}
OTHER = GOOD | {"digest": OTHER_DIGEST}


def listed(*entries: Any, **members: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": list(entries), **members}).encode()


def test_unreadable_entries_are_reported_by_position() -> None:
    listing = parse_listing(listed(None, GOOD, {"size": -1}, OTHER, GOOD | {"Size": 1}), None, "x")
    assert [entry.digest for entry in listing.entries] == [DIGEST, OTHER_DIGEST]
    assert [place for place, _ in listing.malformed] == [0, 2, 4]
    assert "manifests 2" in str(listing.malformed[1][1])
    assert listing.count == 5


@pytest.mark.parametrize("kind", [None, OCI_INDEX, DOCKER_INDEX])
def test_an_empty_member_is_as_good_as_a_missing_one(kind: str | None) -> None:
    for members in (
        {},
        {"mediaType": ""},
        {"mediaType": None},
        {"artifactType": ""},
        {"config": None},
        {"layers": None},
    ):
        assert parse_listing(listed(GOOD, **members), kind, "x").entries
    assert parse_listing(b'{"manifests":null}', kind, "x") == Listing()
    assert parse_listing(b'{"manifests":[ \n]}', kind, "x") == Listing()


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[]", b"{}", b'{"manifests":1}', b'{"manifests":{}}', b'{"manifests":[],"Manifests":[]}', b"{}x"),
        *(
            b'{"manifests":[],"manifests":[]}',
            b'{"manifests":[]',
            b'{"manifests":[}',
            b'{"manifests":[]]}',
            b'{"manifests":[,]}',
        ),
        *(b'{"manifests":[{},]}', b'{"manifests":[{}{}]}', b'{"manifests":[{"a":1,"a":2}]}', b'{"manifests":["\xff"]}'),
        *(
            b'{"x":{"manifests":[]}}',
            b'["manifests",[]]',
            b'{"manifests" []}',
            b'{"manifests":["\\ud800"]}',
            b"{manifests:[]}",
        ),
        *(b'{"mediaType":"x","manifests":[]}', b'{"mediaType":1,"manifests":[]}', b'\xef\xbb\xbf{"manifests":[]}'),
    ],
)
def test_an_invalid_list_is_refused_as_a_whole(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_listing(data, None, "x")


def test_the_name_of_the_list_may_be_escaped_and_its_twin_is_refused() -> None:
    escaped = listed(GOOD).replace(b'"manifests"', b'"mani\\u0066ests"')
    assert parse_listing(escaped, None, "x").entries
    with pytest.raises(MalformedError):
        parse_listing(listed(GOOD).replace(b'"manifests"', b'"Mani\\u0066ests"'), None, "x")


def test_brackets_in_strings_and_in_entries_do_not_end_the_list() -> None:
    strange = GOOD | {"annotations": {"a": '"]},{['}, "data": "YQ==", "x": [[{"manifests": [1]}], "]"]}
    assert len(parse_listing(listed(strange, OTHER, x=[{"manifests": []}]), None, "x").entries) == 2


def test_more_entries_than_are_read_are_a_limit() -> None:
    listing = parse_listing(listed(*[GOOD] * 5), None, "x", most=3)
    assert len(listing.entries) == 3
    assert isinstance(listing.limited, LimitExceeded)


def test_a_large_entry_is_one_that_cannot_be_read() -> None:
    many = GOOD | {"annotations": {str(number): "" for number in range(limits.LIST_ITEM_NODES)}}
    long = GOOD | {"annotations": {"a": "x" * limits.LIST_ITEM_BYTES}}
    listing = parse_listing(listed(many, GOOD, long), None, "x")
    assert [place for place, _ in listing.malformed] == [0, 2]
    assert len(listing.entries) == 1


def test_pages_follow_each_other() -> None:
    first, second = parse_listing(listed(GOOD, None), None, "x"), parse_listing(listed(None, OTHER), None, "x")
    both = first.followed_by(second)
    assert len(both.entries) == 2
    assert [place for place, _ in both.malformed] == [1, 2]


def test_layers_are_judged_one_by_one_too() -> None:
    manifest = {"schemaVersion": 2, "layers": [{}, GOOD], "config": "whatever"}
    assert len(parse_layers(json.dumps(manifest).encode(), OCI_MANIFEST, "x").entries) == 1
    for wrong in ({"manifests": []}, {"fsLayers": [1]}, {"mediaType": OCI_INDEX}, {"Layers": []}, {"schemaVersion": 1}):
        with pytest.raises(MalformedError):
            parse_layers(json.dumps(manifest | wrong).encode(), OCI_MANIFEST, "x")


def test_what_is_nested_deep_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        parse_list(b'{"a":[' + b"[" * 40 + b"]" * 40 + b"]}", "a", "x", OURS, most=9)


def test_all_listings_of_one_image_are_counted_together() -> None:
    entry = GOOD | {"annotations": {str(number): "" for number in range(120)}}
    data = listed(*[entry] * 1500)
    with one_image():
        assert parse_listing(data, None, "x").limited is None
        assert any(parse_listing(data, None, "x").limited for _ in range(15))


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, "text/plain", ""])
def test_what_came_as_something_else_is_no_listing(media_type: str) -> None:
    index = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
    assert parse_listing(index, OCI_INDEX, "x").entries == ()
    assert parse_listing(index, None, "x").entries == ()
    with pytest.raises(MalformedError, match="an index is needed"):
        parse_listing(index, media_type, "x")
    with pytest.raises(MalformedError, match="its mediaType is"):
        parse_listing(json.dumps({"manifests": [], "mediaType": "text/plain"}).encode(), None, "x")
    with pytest.raises(MalformedError, match="an image manifest is needed"):
        parse_layers(index, OCI_INDEX, "x")


def test_annotations_of_layers_are_kept_and_those_of_referrers_dropped() -> None:
    entry = GOOD | {"annotations": {"a": "b"}}
    (referrer,) = parse_listing(listed(entry), None, "x").entries
    assert referrer.annotations == {}
    content = json.dumps({"schemaVersion": 2, "config": GOOD, "layers": [entry]}).encode()
    (layer,) = parse_layers(content, OCI_MANIFEST, "x").entries
    assert layer.annotations == {"a": "b"}
