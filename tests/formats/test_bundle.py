"""Sigstore bundles: cosign's bytes when we write, strict rules when we read."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesig.crypto.algorithms import ECDSA_SHA384, KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import FormatViolation, ImagesigError, LimitExceeded, MalformedError, SignatureInvalid
from imagesig.formats.bundle import Bundle, parse_statement, statement_bytes
from imagesig.in_toto.statement import SIGN_PREDICATE
from imagesig.oci.annotations import Annotations
from imagesig.signature import AlreadySigned, Claim, Draft, Part, StoredSignature, Subject
from imagesig.trust import TrustAnchors, TrustedKey
from tests.formats.test_cosign import PUBLISHED_DIGEST, PUBLISHED_KEY
from tests.makers import DIGEST, NOW, anchors, bundle_document, private_key, signer, statement, stored_bundle

FORMAT = Bundle()

PUBLISHED_BUNDLE = (
    b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"pN0mi'
    b'JbamSJ5yS5TS6E+39+VWfpQZNLejgUTy24agJI="}},"dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdG'
    b"F0ZW1lbnQvdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3QiOnsic2hhMjU2IjoiMmI0ZWI2YWY4ZTBjNGYxZTI1NTczMThlZDJlMTE3YjJiMGU4YmEyOW"
    b"I5ZWM4NjM5MmQ5MDAyNzdjNzc1MGVhYSJ9LCJhbm5vdGF0aW9ucyI6e319XSwicHJlZGljYXRlVHlwZSI6Imh0dHBzOi8vc2lnc3RvcmUuZGV2L2"
    b'Nvc2lnbi9zaWduL3YxIiwicHJlZGljYXRlIjp7fX0=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"M'
    b'EYCIQD9CUANXn+sYPMVHdXTuv8FaxVgc9ppRjqVEI8o52g7hAIhAM1VQr+akg7IbSn/nkNwCwYsEfEkgbdo1MW2qRrpcbOI"}]}}'
)
"""Written by cosign 3.1.1 with the published key."""


def authenticate(stored: StoredSignature, trusted: TrustAnchors | None = None) -> Claim:
    return FORMAT.authenticate(FORMAT.parse(stored), trusted or anchors(private_key()), NOW).claim


def test_a_bundle_by_cosign_3_1_1_verifies() -> None:
    trusted = TrustAnchors((TrustedKey("cosign", (PublicKey.from_pem(PUBLISHED_KEY),)),))
    assert authenticate(stored_bundle(PUBLISHED_BUNDLE), trusted) == Claim((Subject(PUBLISHED_DIGEST),))


def test_statement_and_bundle_are_byte_for_byte_what_cosign_writes() -> None:
    written = json.loads(PUBLISHED_BUNDLE)
    payload = base64.b64decode(written["dsseEnvelope"]["payload"])
    claim = Claim((Subject(PUBLISHED_DIGEST),))
    assert statement_bytes(claim) == payload
    info = signer(private_key())
    info = type(info)(PublicKey.from_pem(PUBLISHED_KEY), "cosign")
    draft = FORMAT.draft(claim, info, NOW, ())
    assert isinstance(draft, Draft)
    signature = base64.b64decode(written["dsseEnvelope"]["signatures"][0]["sig"])
    sealed = FORMAT.seal(draft, [signature])
    assert sealed.parts[0].content == PUBLISHED_BUNDLE
    assert sealed.annotations == {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": SIGN_PREDICATE,
        "org.opencontainers.image.created": "2026-11-24T12:00:00Z",
    }


def test_what_is_drafted_and_sealed_authenticates_and_is_recognised() -> None:
    key, claim = private_key(), Claim((Subject(DIGEST, annotations=Annotations({"a": "b"})),))
    draft = FORMAT.draft(claim, signer(key), NOW, ())
    assert isinstance(draft, Draft)
    sealed = FORMAT.seal(draft, [key.sign(draft.requests[0])])
    assert authenticate(sealed) == claim
    assert isinstance(FORMAT.draft(claim, signer(key), NOW, (sealed,)), AlreadySigned)
    other = Claim((Subject(DIGEST, annotations=Annotations({"a": "c"})),))
    assert isinstance(FORMAT.draft(other, signer(key), NOW, (sealed,)), Draft)


def test_curve_hash_prefers_the_curves_own_hash() -> None:
    info = signer(private_key(KeyType.ECDSA_P384))
    draft = Bundle(curve_hash=True).draft(Claim((Subject(DIGEST),)), info, NOW, ())
    assert isinstance(draft, Draft)
    assert draft.requests[0].algorithm == ECDSA_SHA384


# --- the strict verifier, row by row ----------------------------------------------------------------------------------


@pytest.mark.parametrize("predicate", ["https://slsa.dev/provenance/v1", "", "https://sigstore.dev/cosign/sign/v2", 1])
def test_an_attestation_by_the_same_key_is_no_signature(predicate: object) -> None:
    with pytest.raises(FormatViolation, match="predicate"):
        authenticate(stored_bundle(bundle_document(statement(predicateType=predicate))))


@pytest.mark.parametrize("kind", ["https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"])
def test_both_versions_of_a_statement_are_accepted(kind: str) -> None:
    assert authenticate(stored_bundle(bundle_document(statement(_type=kind))))


@pytest.mark.parametrize("kind", ["https://junk.example", None, 1])
def test_another_type_of_statement_is_refused(kind: object) -> None:
    with pytest.raises(FormatViolation):
        authenticate(stored_bundle(bundle_document(statement(_type=kind))))


def test_a_missing_predicate_is_accepted_as_cosign_2_6_writes_it() -> None:
    assert authenticate(stored_bundle(bundle_document(statement(predicate=None))))


@pytest.mark.parametrize("predicate", ["x", ["a"], 1, True])
def test_a_predicate_that_is_no_object_is_refused(predicate: object) -> None:
    with pytest.raises(FormatViolation, match="predicate"):
        authenticate(stored_bundle(bundle_document(statement(predicate=predicate))))


@pytest.mark.parametrize("hint", ["", "wrong", "AAAA"])
def test_a_wrong_or_empty_hint_changes_nothing(hint: str) -> None:
    document = bundle_document()
    document["verificationMaterial"]["publicKey"]["hint"] = hint
    assert authenticate(stored_bundle(document))


def test_the_hint_is_read_for_people_and_a_missing_one_is_empty() -> None:
    document = bundle_document()
    for shown, read in (({"hint": "a hint"}, "a hint"), ({"hint": ""}, ""), ({}, "")):
        document["verificationMaterial"]["publicKey"] = shown
        assert FORMAT.parse(stored_bundle(document)).key_hint == read
    for shown in ({"hint": 1}, {"hint": None}, "x", []):
        document["verificationMaterial"]["publicKey"] = shown
        with pytest.raises(FormatViolation):
            FORMAT.parse(stored_bundle(document))


def test_a_keyid_is_ignored() -> None:
    document = bundle_document()
    document["dsseEnvelope"]["signatures"][0]["keyid"] = "abc"
    assert authenticate(stored_bundle(document))


@pytest.mark.parametrize("name", ["certificate", "x509CertificateChain"])
def test_a_bundle_with_a_certificate_is_refused_for_a_key(name: str) -> None:
    document = bundle_document()
    document["verificationMaterial"] = {name: {"rawBytes": ""}}
    with pytest.raises(FormatViolation, match="certificate"):
        authenticate(stored_bundle(document))


def changed(**changes: Any) -> dict[str, Any]:
    document = bundle_document()
    document["dsseEnvelope"] |= changes
    return document


@pytest.mark.parametrize(
    "document",
    [
        changed(signatures=[]),
        changed(signatures=bundle_document()["dsseEnvelope"]["signatures"] * 2),
        changed(signatures="x"),
        changed(payloadType="application/json"),
        changed(unknown=1),
        changed(payload="not base64"),
        changed(payload=None),
        bundle_document() | {"unknown": 1},
        bundle_document() | {"mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.2"},
        bundle_document() | {"mediaType": "application/vnd.dev.sigstore.bundle.v0.4+json"},
        bundle_document() | {"messageSignature": {"signature": "AA=="}},
        bundle_document() | {"verificationMaterial": {"publicKey": {"hint": "", "x": 1}}},
        bundle_document() | {"verificationMaterial": {}},
        bundle_document() | {"dsseEnvelope": None},
    ],
)
def test_other_shapes_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises((FormatViolation, MalformedError)):
        FORMAT.parse(stored_bundle(document))


def test_the_older_media_type_of_version_0_3_is_read() -> None:
    assert authenticate(
        stored_bundle(bundle_document() | {"mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.3"})
    )


def test_a_compressed_bundle_is_refused() -> None:
    with pytest.raises(FormatViolation, match="gzip"):
        FORMAT.parse(stored_bundle(gzip.compress(json.dumps(bundle_document()).encode())))


def test_more_than_one_part_is_refused() -> None:
    part = stored_bundle(bundle_document()).parts[0]
    with pytest.raises(FormatViolation):
        FORMAT.parse(StoredSignature("x", (part, part)))


def test_other_bytes_than_those_signed_are_refused() -> None:
    document = bundle_document()
    forged = statement(subject=[{"digest": {"sha256": "cd" * 32}}])
    document["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(forged).encode()).decode()
    with pytest.raises(SignatureInvalid):
        authenticate(stored_bundle(document))


def test_another_payload_type_under_the_same_signature_is_refused() -> None:
    with pytest.raises(FormatViolation):
        authenticate(stored_bundle(changed(payloadType="text/plain")))


@pytest.mark.parametrize(
    "subjects",
    [
        [],
        None,
        {},
        [1],
        [{"digest": {}}],
        [{"digest": {"sha512": "ab" * 64}}],
        [{"digest": {"sha256": "AB" * 32}}],
        [{"digest": {"sha256": "ab" * 32, "sha512": None}}],
        [{"digest": {"sha256": "ab" * 32}, "name": 1}],
        [{"digest": {"sha256": "ab" * 32}, "downloadLocation": ["x"]}],
        [{}],
    ],
)
def test_subjects_that_name_no_digest_or_are_no_descriptors_are_refused(subjects: object) -> None:
    with pytest.raises(FormatViolation):
        parse_statement(json.dumps(statement(subject=subjects)).encode())


def test_log_entries_and_timestamps_beside_a_key_are_bounded_and_otherwise_ignored() -> None:
    document = bundle_document()
    document["verificationMaterial"]["tlogEntries"] = [{}] * 32
    assert authenticate(stored_bundle(document))
    document["verificationMaterial"]["tlogEntries"] = [{}] * 33
    with pytest.raises(LimitExceeded):
        authenticate(stored_bundle(document))


@given(st.binary(max_size=400))
def test_every_input_raises_at_most_our_errors(content: bytes) -> None:
    stored = StoredSignature("x", (Part("application/vnd.dev.sigstore.bundle.v0.3+json", content),))
    for read in (lambda: authenticate(stored), lambda: parse_statement(content)):
        with contextlib.suppress(ImagesigError):
            read()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["mediaType", "verificationMaterial", "dsseEnvelope"]), _JSON)
def test_every_json_document_raises_at_most_our_errors(member: str, value: object) -> None:
    with contextlib.suppress(ImagesigError):
        authenticate(stored_bundle(bundle_document() | {member: value}))


@given(st.sampled_from(["_type", "subject", "predicateType", "predicate"]), _JSON)
def test_every_statement_raises_at_most_our_errors(member: str, value: object) -> None:
    with contextlib.suppress(ImagesigError):
        parse_statement(json.dumps(statement() | {member: value}).encode())


OTHER_VALUES = (None, True, 1, 1.5, "x", "", [], {}, [1], {"x": 1}, ["x"], [None])


def with_one_changed(value: Any, other: object) -> Iterator[Any]:
    """The value with each one of its parts, at any depth, replaced by another value."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield value | {name: other}
            yield from (value | {name: changed_one} for changed_one in with_one_changed(member, other))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            for changed_one in (other, *with_one_changed(item, other)):
                yield [*value[:number], changed_one, *value[number + 1 :]]


@pytest.mark.parametrize("other", OTHER_VALUES, ids=str)
def test_a_part_of_another_type_makes_no_reader_fail_in_a_way_of_its_own(other: object) -> None:
    attached = {"name": "n", "uri": "u", "downloadLocation": "d", "mediaType": "m", "content": "c"}
    whole = bundle_document()
    whole["verificationMaterial"] |= {"tlogEntries": [{}], "timestampVerificationData": {"rfc3161Timestamps": [{}]}}
    subject = {"digest": {"sha256": "ab" * 32}, "annotations": {"a": "b"}} | attached
    for document in with_one_changed(whole, other):
        with contextlib.suppress(ImagesigError):
            authenticate(stored_bundle(document))
    for document in with_one_changed(statement(subject=[subject]), other):
        with contextlib.suppress(ImagesigError):
            parse_statement(json.dumps(document).encode())


@pytest.mark.parametrize(
    "signatures", [{}, {"0": {"sig": "AA=="}}, "x", None, ["x"], [None], [[]], [{"sig": None}], [{}]]
)
def test_signatures_that_are_no_list_of_one_object_are_refused(signatures: object) -> None:
    with pytest.raises(FormatViolation):
        FORMAT.parse(stored_bundle(changed(signatures=signatures)))


@pytest.mark.parametrize("digest", [["sha256"], "sha256", 1, None, {}, {"sha256": 1}, {"sha256": None}])
def test_a_digest_that_is_no_object_of_text_is_refused(digest: object) -> None:
    with pytest.raises(FormatViolation):
        parse_statement(json.dumps(statement(subject=[{"digest": digest}])).encode())


def test_a_statement_about_several_images_says_what_it_says_of_each() -> None:
    ours, other = ({"digest": {"sha256": value * 32}, "annotations": {}} for value in ("ab", "cd"))
    for subjects in ([ours, other], [other, ours]):
        prior = stored_bundle(bundle_document(statement(subject=subjects), private_key()))
        made = FORMAT.draft(Claim((Subject(DIGEST),)), signer(private_key()), NOW, (prior,))
        assert isinstance(made, AlreadySigned)
    made = FORMAT.draft(
        Claim((Subject(DIGEST),)),
        signer(private_key()),
        NOW,
        (stored_bundle(bundle_document(statement(subject=[other]))),),
    )
    assert isinstance(made, Draft)
