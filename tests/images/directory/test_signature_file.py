"""Signature files are told apart by their first bytes, as containers/image does."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesig.errors import ImagesigError, MalformedError
from imagesig.images.directory.signature_file import OPENPGP, UNKNOWN, parse_signature_file, signature_file
from imagesig.oci.annotations import Annotations
from imagesig.signature import Part

PART = Part("application/vnd.dev.cosign.simplesigning.v1+json", b'{"critical": {}}', Annotations({"a": "b<c"}))


def document(**changes: object) -> bytes:
    members: dict[str, object] = {"mimeType": "a/b", "payload": base64.b64encode(b"x").decode(), "annotations": {}}
    return b"\0sigstore-json\n" + json.dumps(members | changes).encode()


def test_a_classic_signature_comes_back_as_it_was_written() -> None:
    assert parse_signature_file(signature_file(PART), "test") == PART


def test_the_file_begins_as_containers_image_wants_it() -> None:
    assert signature_file(PART).startswith(bytes.fromhex("0073696773746f72652d6a736f6e0a") + b'{"mimeType":')


@pytest.mark.parametrize("first", [0xA0, 0xA1, 0xA2, 0xA3, 0xC8, 0x90, 0x91, 0x92, 0xC4, 0x88, 0x89, 0x8A, 0x8B, 0xC2])
def test_an_openpgp_message_is_kept_as_it_is(first: int) -> None:
    content = bytes([first]) + b"\x01\x02"
    part = parse_signature_file(content, "test")
    assert part.media_type == OPENPGP
    assert signature_file(part) == content


@pytest.mark.parametrize(
    "content", [b"", b"\x93abc", b"-----BEGIN PGP", b"{}", b"\0", b"\0other\n{}", b"\0sigstore-json", b"\0a\x07b\n{}"]
)
def test_what_cannot_be_classified_is_unknown(content: bytes) -> None:
    assert parse_signature_file(content, "test").media_type == UNKNOWN


@pytest.mark.parametrize(
    "content",
    [
        b"\0sigstore-json\n",
        b"\0sigstore-json\n[]",
        document(payload=None),
        document(payload="*"),
        document(mimeType=""),
        document(mimeType=7),
        document(annotations={"a": 1}),
        document() + b"{}",
    ],
)
def test_an_invalid_classic_signature_is_a_clear_error(content: bytes) -> None:
    with pytest.raises((MalformedError, ImagesigError)):
        parse_signature_file(content, "test")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_part_or_a_clear_error(content: bytes) -> None:
    for data in (content, b"\0sigstore-json\n" + content):
        try:
            assert parse_signature_file(data, "test").media_type
        except ImagesigError:
            continue
