"""The manifest at `sha256-<hex>.sig`: what is added stays beside what is there, up to what verifiers read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from imagesig import limits
from imagesig.errors import LimitExceeded, MalformedError, Rejection
from imagesig.images.layout.layout import Layout
from imagesig.images.merge import Tagged
from imagesig.oci.annotations import Annotations
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import tag_of
from imagesig.oci.manifest import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Manifest, parse_manifest
from imagesig.signature import Part, StoredSignature
from imagesig.stores.store import Limited
from imagesig.stores.tag import TagStore, merged, without
from tests.makers import DIGEST, OTHER_DIGEST

LAYER = Descriptor("a/b", DIGEST, 7)
CONFIG = Descriptor(OCI_CONFIG, "sha256:" + "0" * 64, 2)


@pytest.fixture
def home(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "layout")


def listing(*layers: Descriptor) -> Tagged:
    return Tagged(Manifest(CONFIG, layers).to_bytes(), OCI_MANIFEST)


def layers_of(tagged: Tagged | None) -> list[Descriptor]:
    assert tagged is not None
    return list(parse_manifest(tagged.content, tagged.media_type, "x").layers)


def signature(number: int) -> StoredSignature:
    return StoredSignature("x", (Part("a/b", f"content {number}".encode(), Annotations({"n": str(number)})),))


@pytest.mark.parametrize(
    "change",
    [
        {"digest": OTHER_DIGEST},
        {"size": 8},
        {"media_type": "c/d"},
        {"annotations": Annotations({"a": "b"})},
    ],
    ids=str,
)
def test_a_layer_that_differs_in_anything_is_another_one(home: Layout, change: dict[str, Any]) -> None:
    other = replace(LAYER, **change)
    assert layers_of(merged(home, "t", listing(other))(listing(LAYER))) == [LAYER, other]
    assert merged(home, "t", listing(LAYER, LAYER))(listing(LAYER)) is None


def test_where_nothing_is_yet_the_other_list_is_taken_byte_by_byte(home: Layout) -> None:
    theirs = Tagged(listing(LAYER).content + b"\n", OCI_MANIFEST)
    assert merged(home, "t", theirs)(None) == theirs


def test_members_that_others_wrote_stay(home: Layout) -> None:
    document = json.loads(listing(LAYER).content) | {"annotations": {"a": "b"}}
    document["layers"][0]["urls"] = ["https://elsewhere.example"]
    now = Tagged(json.dumps(document).encode(), OCI_MANIFEST)
    made = merged(home, "t", listing(replace(LAYER, digest=OTHER_DIGEST)))(now)
    assert made is not None
    written = json.loads(made.content)
    assert written["annotations"] == {"a": "b"}
    assert written["layers"][0] == document["layers"][0]


def test_a_layer_that_cannot_be_read_stays_beside_what_is_added(home: Layout) -> None:
    for odd in ("text", None, 7, {}, {"digest": "x"}):
        document = json.loads(listing(LAYER).content)
        document["layers"].insert(0, odd)
        made = merged(home, "t", listing(replace(LAYER, size=9)))(Tagged(json.dumps(document).encode(), OCI_MANIFEST))
        assert made is not None
        assert json.loads(made.content)["layers"][0] == odd
        assert len(json.loads(made.content)["layers"]) == 3


def test_what_is_dropped_goes_and_nothing_changes_where_none_is(home: Layout) -> None:
    other = replace(LAYER, digest=OTHER_DIGEST)
    drop = without(home, "t", lambda layer: layer.digest == DIGEST)
    assert layers_of(drop(listing(LAYER, other))) == [other]
    assert drop(listing(other)) is None
    assert drop(None) is None


def test_a_tag_of_something_else_is_not_replaced(home: Layout) -> None:
    with pytest.raises(MalformedError, match="it is not replaced"):
        merged(home, "t", listing(LAYER))(Tagged(b"{}", OCI_INDEX))


def test_no_more_signatures_are_attached_than_verifiers_read(home: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SIGNATURE_LAYERS", 2)
    subject = home.put_manifest(listing().content, OCI_MANIFEST, "1.0")
    for number in (0, 1, 1):  # the last is there already
        TagStore(most=2).attach(home, subject, signature(number))()
    before = home.resolve(tag_of(subject.digest, ".sig"))
    with pytest.raises(LimitExceeded, match="verifiers read at most 2"):
        TagStore(most=2).attach(home, subject, signature(2))()
    assert home.resolve(tag_of(subject.digest, ".sig")) == before
    with pytest.raises(LimitExceeded, match="would have 3 layers"):
        merged(home, "t", listing(replace(LAYER, size=9)))(listing(LAYER, replace(LAYER, size=8)))
    assert merged(home, "t", listing(replace(LAYER, size=8)))(listing(LAYER)) is not None


def test_no_more_attestations_are_merged_than_verifiers_read(home: Layout) -> None:
    most = limits.ATTESTATIONS
    there, more, fewer = (
        listing(*(replace(LAYER, size=n) for n in numbers))
        for numbers in (range(most - 1), range(most - 1, most + 1), range(most - 1, most))
    )
    tag = tag_of(DIGEST, ".att")
    with pytest.raises(LimitExceeded, match=f"at most {most}"):
        merged(home, tag, more)(there)
    assert merged(home, tag, fewer)(there) is not None


def test_a_place_that_cannot_hold_signatures_is_told_before_anything_is_signed(home: Layout) -> None:
    class Refusing:
        def check_holds(self, *, referrers: bool) -> None:
            raise MalformedError(f"holds none, referrers {referrers}")

    with pytest.raises(MalformedError, match="referrers False"):
        TagStore().check(Refusing())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"schemaVersion": 2, "layers": 1}', Rejection),
        (b"{" * 4, Rejection),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, Limited),
    ],
)
def test_a_manifest_that_cannot_be_read_is_one_entry_at_its_tag(home: Layout, content: bytes, kind: type) -> None:
    tag = tag_of(DIGEST, TagStore().suffix)
    home.put_manifest(content, OCI_MANIFEST, tag)
    (found,) = TagStore().find(home, DIGEST, lambda _: True)
    assert type(found) is kind
    assert isinstance(found, Rejection | Limited)
    assert found.origin == f"{home.name}:{tag}"
    assert isinstance(found.error, LimitExceeded if kind is Limited else MalformedError)


def test_no_manifest_at_the_tag_is_no_entry(home: Layout) -> None:
    assert not list(TagStore().find(home, DIGEST, lambda _: True))
