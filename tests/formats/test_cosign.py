"""Classic signatures: cosign's bytes when we write, containers/image's rules when we read."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from imagesig.crypto.algorithms import (
    ECDSA_SHA256,
    ECDSA_SHA384,
    ECDSA_SHA512,
    RSA_PKCS1V15_SHA256,
    Algorithm,
    KeyType,
)
from imagesig.crypto.ecdsa import rs_from_der
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import FormatViolation, ImagesigError, InvalidArgument, MalformedError, SignatureInvalid
from imagesig.formats.cosign import Cosign, parse_payload, payload_bytes
from imagesig.formats.format import decode_base64
from imagesig.oci.annotations import Annotations
from imagesig.signature import AlreadySigned, Claim, Draft, Part, SignerInfo, StoredSignature, Subject
from imagesig.stores.tag import config_bytes
from imagesig.trust import TrustAnchors, TrustedKey
from tests.makers import DIGEST, NAME, NOW, OTHER_DIGEST, anchors, classic, payload, private_key, sign, signer

FORMAT = Cosign()

PUBLISHED_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9ijMz82fOQIN5FRRhTXapXNnXRMG
MIngrZt4R7i+pnHzzXq6KZmFWaDIt/lHGzRcnDHDMLzstnWBRhNYZcBJ0A==
-----END PUBLIC KEY-----
"""
"""A throw-away key that cosign 3.1.1 made; the payload and signature below are by cosign 2.5.0 with it."""
PUBLISHED_DIGEST = "sha256:2b4eb6af8e0c4f1e2557318ed2e117b2b0e8ba29b9ec86392d900277c7750eaa"
PUBLISHED_PAYLOAD = (
    b'{"critical":{"identity":{"docker-reference":"127.0.0.1:5005/demo/v2"},"image":{"docker-manifest-digest":"'
    + PUBLISHED_DIGEST.encode()
    + b'"},"type":"cosign container image signature"},"optional":null}'
)
PUBLISHED_SIGNATURE = "MEYCIQCsd29ysD59L+sCjVPi8mGOSb5RrwFTiHXAjVigBKOryAIhANdDMEOf4wdGJ1gX2YinRu0U+fYK3WG12j6QWR4ThLI6"


def authenticate(stored: StoredSignature, trusted: TrustAnchors | None = None) -> Claim:
    return FORMAT.authenticate(FORMAT.parse(stored), trusted or anchors(private_key()), NOW).claim


def test_a_signature_by_cosign_2_5_0_verifies() -> None:
    stored = classic(PUBLISHED_PAYLOAD, signature=PUBLISHED_SIGNATURE)
    trusted = TrustAnchors((TrustedKey("cosign", (PublicKey.from_pem(PUBLISHED_KEY),)),))
    assert authenticate(stored, trusted) == Claim((Subject(PUBLISHED_DIGEST),), "127.0.0.1:5005/demo/v2")


def test_the_payload_is_byte_for_byte_what_cosign_writes() -> None:
    assert payload_bytes(Claim((Subject(PUBLISHED_DIGEST),), "127.0.0.1:5005/demo/v2")) == PUBLISHED_PAYLOAD


def test_annotations_are_sorted_and_escaped_as_go_does() -> None:
    subject = Subject(DIGEST, annotations=Annotations({"zeta": "1", "Alpha": "<x>&y", "é": "\u2028"}))
    written = payload_bytes(Claim((subject,), NAME))
    assert written.endswith('"optional":{"Alpha":"\\u003cx\\u003e\\u0026y","zeta":"1","é":"\\u2028"}}'.encode())


def test_the_config_is_byte_for_byte_what_cosign_writes() -> None:
    one = config_bytes([DIGEST])
    assert len(one) == 233
    assert len(config_bytes([DIGEST] * 3)) == 233 + 2 * 109
    assert one.startswith(b'{"architecture":"","created":"0001-01-01T00:00:00Z","history":[{"created":')


@pytest.mark.parametrize(
    ("key_type", "algorithm"),
    [
        (KeyType.ECDSA_P256, ECDSA_SHA256),
        (KeyType.ECDSA_P384, ECDSA_SHA256),
        (KeyType.ECDSA_P521, ECDSA_SHA256),
        (KeyType.RSA_2048, RSA_PKCS1V15_SHA256),
    ],
)
def test_every_key_signs_with_the_hash_that_every_verifier_expects(key_type: KeyType, algorithm: Algorithm) -> None:
    draft = FORMAT.draft(Claim((Subject(DIGEST),), NAME), signer(private_key(key_type)), NOW, ())
    assert isinstance(draft, Draft)
    assert draft.requests[0].algorithm == algorithm


def test_a_signer_that_has_only_the_curves_own_hash_signs_with_it() -> None:
    info = SignerInfo(private_key(KeyType.ECDSA_P384).public_key, "kms", (ECDSA_SHA384,))
    draft = FORMAT.draft(Claim((Subject(DIGEST),), NAME), info, NOW, ())
    assert isinstance(draft, Draft)
    assert draft.requests[0].algorithm == ECDSA_SHA384


def test_curve_hash_prefers_the_curves_own_hash() -> None:
    draft = Cosign(curve_hash=True).draft(
        Claim((Subject(DIGEST),), NAME), signer(private_key(KeyType.ECDSA_P521)), NOW, ()
    )
    assert isinstance(draft, Draft)
    assert draft.requests[0].algorithm == ECDSA_SHA512


def test_what_is_drafted_and_sealed_authenticates() -> None:
    key = private_key()
    claim = Claim((Subject(DIGEST, annotations=Annotations({"build": "7"})),), f"{NAME}:1.0")
    draft = FORMAT.draft(claim, signer(key), NOW, ())
    assert isinstance(draft, Draft)
    sealed = FORMAT.seal(draft, [key.sign(draft.requests[0])])
    assert authenticate(sealed) == claim


def test_an_earlier_signature_by_the_same_key_is_recognised() -> None:
    key, claim = private_key(), Claim((Subject(DIGEST),), f"{NAME}:1.0")
    draft = FORMAT.draft(claim, signer(key), NOW, ())
    assert isinstance(draft, Draft)
    sealed = FORMAT.seal(draft, [key.sign(draft.requests[0])])
    assert isinstance(FORMAT.draft(claim, signer(key), NOW, (sealed,)), AlreadySigned)
    assert isinstance(FORMAT.draft(claim, signer(private_key(number=1)), NOW, (sealed,)), Draft)


def test_an_annotation_that_podman_would_refuse_is_refused_before_signing() -> None:
    subject = Subject(DIGEST, annotations=Annotations({"timestamp": "now"}))
    with pytest.raises(InvalidArgument, match="timestamp"):
        FORMAT.draft(Claim((subject,), NAME), signer(private_key()), NOW, ())


@pytest.mark.parametrize("hash_name", [ECDSA_SHA256, ECDSA_SHA384])
def test_p384_verifies_with_either_hash_that_cosign_used(hash_name: Algorithm) -> None:
    key = private_key(KeyType.ECDSA_P384)
    assert authenticate(classic(payload(), key, algorithm=hash_name), anchors(key))


# --- the strict verifier, row by row ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "atomic container signature", "", "Cosign Container Image Signature"])
def test_another_payload_type_is_refused(value: str | None) -> None:
    with pytest.raises(FormatViolation):
        authenticate(classic(payload(type=value)))


@pytest.mark.parametrize(
    "text",
    [
        b'{"critical":{"type":"cosign container image signature","type":"x","identity":{"docker-reference":"a"},'
        b'"image":{"docker-manifest-digest":"sha256:' + b"ab" * 32 + b'"}},"optional":null}',
        json.dumps(payload()).replace('"critical"', '"CRITICAL"').encode(),
        json.dumps(payload()).replace("docker-manifest-digest", "Docker-Manifest-Digest").encode(),
    ],
)
def test_members_twice_or_in_another_case_are_refused(text: bytes) -> None:
    with pytest.raises(ImagesigError):
        authenticate(classic(text))


def test_whitespace_in_the_payload_is_accepted_for_the_stored_bytes_are_what_is_signed() -> None:
    assert authenticate(classic(json.dumps(payload(), indent=4).encode() + b"\n"))


def test_another_layer_type_is_refused() -> None:
    with pytest.raises(FormatViolation):
        FORMAT.parse(classic(payload(), media_type="application/octet-stream"))


@pytest.mark.parametrize(
    "digest",
    ["sha256:" + "AB" * 32, "sha256:../..", "sha512:" + "ab" * 64, "ab" * 32, "", 7, None, "sha256:" + "ab" * 31],
)
def test_a_digest_other_than_sha256_is_refused(digest: object) -> None:
    with pytest.raises((MalformedError, FormatViolation)):
        authenticate(classic(payload(image={"docker-manifest-digest": digest})))


def test_raw_r_and_s_are_refused() -> None:
    data = json.dumps(payload()).encode()
    raw = rs_from_der(base64.b64decode(sign(private_key(), data)), KeyType.ECDSA_P256)
    with pytest.raises(SignatureInvalid):
        authenticate(classic(data, signature=base64.b64encode(raw).decode()))


def test_s_replaced_by_n_minus_s_verifies_too() -> None:
    """Anybody can make the one of the other; both are by one key, which counts once."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256
    data = json.dumps(payload()).encode()
    r, s = decode_dss_signature(base64.b64decode(sign(private_key(), data)))
    other = base64.b64encode(encode_dss_signature(r, order - s)).decode()
    assert authenticate(classic(data, signature=other))


@pytest.mark.parametrize("change", [" {}", "{}\t", "{}=", "{}\x00", ""])
def test_base64_with_anything_around_it_is_refused(change: str) -> None:
    data = json.dumps(payload()).encode()
    with pytest.raises((FormatViolation, SignatureInvalid)):
        authenticate(classic(data, signature=change.format(sign(private_key(), data)) if change else ""))


@pytest.mark.parametrize("text", ["AAAA=", "AAAA==", "AAA", "AB==", "AAB=", "AA=A", "AA==AA=="])
def test_every_value_has_one_base64_encoding(text: str) -> None:
    with pytest.raises(FormatViolation):
        decode_base64(text, "signature")


def test_a_missing_signature_annotation_is_refused() -> None:
    stored = classic(payload())
    with pytest.raises(FormatViolation, match="no annotation"):
        FORMAT.parse(StoredSignature("x", (Part(stored.parts[0].media_type, stored.parts[0].content),)))


def test_other_bytes_than_those_signed_are_refused() -> None:
    signature = sign(private_key(), json.dumps(payload()).encode())
    changed = payload(image={"docker-manifest-digest": OTHER_DIGEST})
    with pytest.raises(SignatureInvalid):
        authenticate(classic(changed, signature=signature))


# --- what containers/image accepts and refuses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optional",
    [
        None,
        {},
        {"a": {"b": [1]}},
        {"timestamp": 1},
        {"timestamp": 1.0},
        {"timestamp": 10**400},
        {"creator": "x"},
        {"creator": None},
        {"n": 1},
    ],
    ids=lambda value: repr(value)[:30],
)
def test_an_optional_part_that_is_well_formed_is_accepted(optional: object) -> None:
    assert parse_payload(json.dumps(payload() | {"optional": optional}).encode())


@pytest.mark.parametrize(
    "optional", [1, [], "x", True, {"timestamp": 1.5}, {"timestamp": "1"}, {"timestamp": True}, {"creator": 1}]
)
def test_an_optional_part_that_is_not_is_refused(optional: object) -> None:
    with pytest.raises(FormatViolation):
        parse_payload(json.dumps(payload() | {"optional": optional}).encode())


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "1" + "0" * 5000, "1.5", "-0.1"])
def test_a_timestamp_that_is_not_a_time_is_refused_without_a_crash(number: str) -> None:
    content = json.dumps(payload() | {"optional": {"timestamp": 0}}).replace('"timestamp": 0', f'"timestamp": {number}')
    with pytest.raises((FormatViolation, MalformedError)):
        parse_payload(content.encode())


def test_a_missing_optional_part_is_refused() -> None:
    with pytest.raises(FormatViolation, match="optional"):
        parse_payload(json.dumps({"critical": payload()["critical"]}).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"identity": None},
        {"image": None},
        {"identity": {}},
        {"image": {}},
        {"identity": {"docker-reference": 1}},
        {"identity": {"docker-reference": "a", "x": 1}},
        {"image": {"docker-manifest-digest": DIGEST, "x": 1}},
        {"extra": 1},
        {"image": []},
    ],
)
def test_missing_and_unknown_members_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises((FormatViolation, MalformedError)):
        parse_payload(json.dumps(payload(**change)).encode())


@pytest.mark.parametrize("tail", [b"{}", b"x", b"\0", b"]"])
def test_anything_after_the_object_is_refused(tail: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_payload(json.dumps(payload()).encode() + tail)


def test_only_text_is_an_annotation() -> None:
    document = payload() | {"optional": {"a": "text", "b": 1, "c": {"d": "e"}}}
    assert parse_payload(json.dumps(document).encode()).subjects[0].annotations == {"a": "text"}


@given(st.binary(max_size=400), st.text(max_size=60))
def test_every_input_raises_at_most_our_errors(content: bytes, signature: str) -> None:
    stored = classic(content, signature=signature)
    for read in (lambda: authenticate(stored), lambda: parse_payload(content)):
        with contextlib.suppress(ImagesigError):
            read()


@pytest.mark.parametrize("key_type", [item for item in KeyType if not item.is_ecdsa], ids=lambda item: item.value)
def test_curve_hash_changes_nothing_for_a_key_without_a_curve(key_type: KeyType) -> None:
    with_and_without = [
        Cosign(curve_hash=choice).algorithm_of(signer(private_key(key_type)), "cosign") for choice in (True, False)
    ]
    assert with_and_without[0] == with_and_without[1]
