"""Digests: one algorithm, 64 lower-case hex digits, and nothing before or after them."""

from __future__ import annotations

import hashlib
import json

import pytest

from imagesig.errors import FormatViolation, InvalidArgument, MalformedError
from imagesig.formats.bundle import parse_statement
from imagesig.oci.descriptor import parse_descriptor
from imagesig.oci.digest import is_digest, is_tag_of_digest, parse_digest, sha256, tag_of
from imagesig.oci.reference import parse_reference
from tests.makers import statement

HEX = "ab" * 32
AFTER = ["/../x", "/../../../../etc/passwd", "\n", "0", ".", " ", "@sha256:" + HEX, "%00", "\0"]
OTHERS = [
    *(f"sha256:{HEX}{more}" for more in AFTER),
    *(f"{before}sha256:{HEX}" for before in (" ", "\n", "/", "x")),
    *("", "sha256:", f"sha256:{HEX[:-1]}", f"sha256:{HEX.upper()}", f"SHA256:{HEX}", f"sha512:{HEX * 2}", HEX),
    f"sha256:{'g' * 64}",
    f"sha256:{'１' * 64}",
]


@pytest.mark.parametrize("text", OTHERS)
def test_anything_around_a_digest_is_refused_by_every_reader(text: str) -> None:
    assert not is_digest(text)
    with pytest.raises(MalformedError, match="64 lower-case hex digits"):
        parse_digest(text, "x")
    with pytest.raises(MalformedError):
        parse_descriptor({"mediaType": "a/b", "digest": text, "size": 1}, "x")
    with pytest.raises(InvalidArgument):
        parse_reference(f"registry.example/app@{text}")
    document = statement(subject=[{"digest": {"sha256": text.removeprefix("sha256:")}}])
    if text != HEX:  # which is what a statement has, without the algorithm
        with pytest.raises(FormatViolation):
            parse_statement(json.dumps(document).encode())


@pytest.mark.parametrize("value", [None, 1, b"sha256:" + HEX.encode(), ["sha256:" + HEX]])
def test_what_is_no_text_is_no_digest(value: object) -> None:
    with pytest.raises(MalformedError):
        parse_digest(value, "x")


def test_a_digest_is_read_computed_and_made_a_tag() -> None:
    digest = sha256(b"content")
    assert digest == f"sha256:{hashlib.sha256(b'content').hexdigest()}"
    assert parse_digest(digest, "x") == digest
    assert is_digest(digest)
    assert tag_of(digest, ".sig") == f"sha256-{digest[7:]}.sig"
    assert is_tag_of_digest(tag_of(digest))
    assert is_tag_of_digest(tag_of(digest, ".sig"))


@pytest.mark.parametrize("tag", ["latest", "sha256-", f"sha256-{HEX}0", f"sha256-{HEX}.sig.x", f"x-sha256-{HEX}"])
def test_other_tags_are_of_no_digest(tag: str) -> None:
    assert not is_tag_of_digest(tag)
