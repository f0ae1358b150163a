"""Descriptors: each member is of its type, and what other readers refuse is refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from imagesig.errors import MalformedError
from imagesig.oci.descriptor import parse_descriptor, parse_media_type, parse_text
from tests.makers import DIGEST

WHOLE: dict[str, Any] = {
    "mediaType": "a/b",
    "digest": DIGEST,
    "size": 7,
    "annotations": {"a": "b"},
    "urls": ["https://a.example"],
    "data": base64.b64encode(b"content").decode(),
    "artifactType": "c/d",
    "platform": {"os": "linux", "architecture": "amd64"},
}


def test_a_whole_descriptor_is_read() -> None:
    read = parse_descriptor(WHOLE, "x")
    assert (read.media_type, read.digest, read.size, dict(read.annotations)) == ("a/b", DIGEST, 7, {"a": "b"})
    assert (read.artifact_type, str(read.platform)) == ("c/d", "linux/amd64")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("mediaType", value) for value in (None, "", 1, ["a/b"])),
        *(("digest", value) for value in (None, "", "sha256:ab", 1)),
        *(("size", value) for value in (None, -1, True, "7", 1.5, 2**63)),
        *(("annotations", value) for value in (1, "x", ["x"], {"a": 1}, {"a": None})),
        *(("urls", value) for value in (1, "x", {"a": 1}, [1], ["x", None])),
        *(("data", value) for value in (1, ["x"], "%%", "AA", "AAAA\n")),
        *(("artifactType", value) for value in (1, ["x"])),
        *(("platform", value) for value in (1, "linux/amd64", ["x"], {"os": 1})),
    ],
    ids=str,
)
def test_a_member_of_another_type_is_refused(member: str, value: object) -> None:
    with pytest.raises(MalformedError):
        parse_descriptor(WHOLE | {member: value}, "x")


@pytest.mark.parametrize("member", ["annotations", "urls", "data", "artifactType", "platform"])
def test_null_is_as_good_as_missing(member: str) -> None:
    without = {name: value for name, value in WHOLE.items() if name != member}
    assert parse_descriptor(WHOLE | {member: None}, "x") == parse_descriptor(without, "x")


@pytest.mark.parametrize("value", [1, True, [], {}, 1.5, ["x"]])
def test_text_is_text_or_missing(value: object) -> None:
    assert (parse_text(None, "x", "m"), parse_text("t", "x", "m")) == ("", "t")
    with pytest.raises(MalformedError, match="a string is needed"):
        parse_text(value, "x", "m")


@pytest.mark.parametrize("value", ["", "a", "/b", "a/", "a/b\n", 1, None])
def test_a_media_type_is_two_words(value: object) -> None:
    assert parse_media_type("a/b+c", "x") == "a/b+c"
    with pytest.raises(MalformedError):
        parse_media_type(value, "x")
