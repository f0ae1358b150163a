"""What the formats share."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest

from imagesig.errors import FormatViolation, ImagesigError
from imagesig.formats import Format, reader_of
from imagesig.formats.bundle import Bundle
from imagesig.formats.cosign import Cosign
from imagesig.formats.format import decode_base64, key_window_check
from imagesig.in_toto.statement import SIGN_PREDICATE
from imagesig.signature import EXPIRY, Envelope, Part, StoredSignature
from imagesig.trust import TrustAnchors, TrustedKey, Window
from tests.makers import NOW, bundle_document, private_key, statement, stored_bundle


@pytest.mark.parametrize("length", range(7))
def test_base64_is_read(length: int) -> None:
    assert decode_base64(base64.b64encode(b"\xff" * length).decode(), "x") == b"\xff" * length


@pytest.mark.parametrize("length", range(1, 7))
@pytest.mark.parametrize(
    "change", [" {}", "{}\t", "{}\v", "{}\f", "{}\x85", "{}\u2028", "{}=", "{}==", "{}====", "={}", "{}\x00", "{}A"]
)
def test_base64_with_anything_around_it_is_refused_for_every_length(change: str, length: int) -> None:
    with pytest.raises(FormatViolation, match="not standard base64"):
        decode_base64(change.format(base64.b64encode(b"\xff" * length).decode()), "x")


@pytest.mark.parametrize("length", range(1, 7))
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n", "\n\r"])
def test_line_breaks_in_base64_are_skipped_as_go_does(end: str, length: int) -> None:
    text = base64.b64encode(b"\xff" * length).decode()
    for written in (text + end, end + text, end.join(text)):
        assert decode_base64(written, "x") == b"\xff" * length
    with pytest.raises(FormatViolation, match="not standard base64"):
        decode_base64(f"{text[:-1]} {end}{text[-1]}", "x")


@pytest.mark.parametrize("text", ["AB==", "AAB=", "A", "AA", "AAA", "-_-_", "AA\u00e4=", "\ud800AAA"])
def test_a_second_text_for_the_same_bytes_is_refused(text: str) -> None:
    with pytest.raises(FormatViolation):
        decode_base64(text, "x")


# --- formats that share a media type ----------------------------------------------------------------------------------

PROVENANCE = "https://slsa.dev/provenance/v1"


class Provenance(Bundle, frozen=True):
    """A further format, with the media type of bundles."""

    def recognizes(self, envelope: Envelope) -> bool:
        return bool(json.loads(envelope.payload)["predicateType"] == PROVENANCE)


@pytest.mark.parametrize("formats", [(Bundle(), Provenance()), (Provenance(), Bundle())])
def test_between_formats_that_share_a_media_type_the_content_decides(formats: tuple[Format, ...]) -> None:
    signature, provenance = (
        stored_bundle(bundle_document(statement(predicateType=kind))) for kind in (SIGN_PREDICATE, PROVENANCE)
    )
    assert type(reader_of(signature, formats)) is Bundle
    assert type(reader_of(provenance, formats)) is Provenance


def test_the_first_format_reports_what_none_can_read() -> None:
    formats = (Bundle(), Provenance())
    assert reader_of(stored_bundle(b"{"), formats) is formats[0]
    assert reader_of(stored_bundle(bundle_document(statement(predicateType="x"))), formats) is formats[0]


def test_an_artefact_with_another_media_type_has_no_reader() -> None:
    assert reader_of(StoredSignature("x", (Part("text/plain", b""),)), (Bundle(), Cosign())) is None


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"{}", b"\xff", b'{"predicateType": 1}', b'{"predicateType": null}', b"[" * 10_000, b'{"a":' * 10_000],
)
def test_a_payload_without_another_predicate_type_is_a_broken_signature(payload: bytes) -> None:
    bundle = Bundle()
    envelope = bundle.parse(stored_bundle(bundle_document(payload)))
    assert bundle.recognizes(envelope)
    with pytest.raises(ImagesigError):
        bundle.claim(envelope)


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("window", "passes"),
    [
        (Window(NOW - HOUR, None), True),
        (Window(None, NOW + HOUR), True),
        (Window(NOW, NOW), True),
        (Window(NOW + HOUR, None), False),
        (Window(None, NOW - HOUR), False),
        (Window(NOW - 2 * HOUR, NOW - HOUR), False),
    ],
    ids=str,
)
def test_a_key_counts_within_its_window(window: Window, passes: bool) -> None:
    assert window.contains(NOW) is passes
    (check,) = key_window_check(TrustedKey("key", (private_key().public_key,), window), NOW)
    assert (check.name, check.passed, check.failure is None) == (EXPIRY, passes, passes)


def test_a_key_without_a_window_has_no_check_of_it() -> None:
    assert key_window_check(TrustedKey("key", (private_key().public_key,)), NOW) == ()


def test_a_signature_that_is_intact_has_a_check_that_passed_and_names_the_key_and_its_algorithm() -> None:
    key = TrustedKey("release", (private_key().public_key,))
    reader = Bundle()
    found = reader.authenticate(reader.parse(stored_bundle(bundle_document(statement()))), TrustAnchors((key,)), NOW)
    (check,) = found.checks
    assert (check.name, check.passed, check.failure) == ("signature", True, None)
    assert check.detail == f"made by release, {found.algorithm}"


@pytest.mark.parametrize("limit", [3, 30, 100])
def test_base64_of_more_than_the_limit_is_refused_unread(limit: int) -> None:
    most = 4 * (limit // 3 + 1)
    assert decode_base64("A" * most, "x", limit)
    with pytest.raises(FormatViolation, match=f"{most + 4} characters of base64, at most {limit} bytes are read"):
        decode_base64("A" * (most + 4), "x", limit)
