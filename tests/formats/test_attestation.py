"""Both formats of attestations: what is written is read again, and no attestation is a signature, nor the reverse."""

from __future__ import annotations

import base64
import json
import tracemalloc
from typing import Any

import pytest

from imagesig.crypto.dsse import pre_authentication_encoding
from imagesig.errors import FormatViolation, ImagesigError, InvalidArgument, LimitExceeded, SignatureInvalid
from imagesig.format_names import ATTESTATION_NAMES, BUNDLE, Purpose
from imagesig.formats import Bundle, Cosign, Format, reader_of, select_formats
from imagesig.formats.attestation import CosignAttestation
from imagesig.formats.bundle_attestation import BundleAttestation
from imagesig.in_toto.statement import IN_TOTO, SIGN_PREDICATE
from imagesig.signature import (
    AlreadySigned,
    Claim,
    Draft,
    Part,
    StatementClaim,
    StoredSignature,
    Subject,
    is_attestation,
)
from tests.makers import DIGEST, NAME, NOW, OTHER_DIGEST, anchors, private_key, signer

FORMATS = [CosignAttestation(), BundleAttestation()]
PREDICATE = b'{"n":12345678901234567890, "x":1.50,"no":false,"\xc3\xa9":""}'
CLAIM = StatementClaim((Subject(DIGEST),), NAME, predicate_type="https://example.org/t", predicate=PREDICATE)
both = pytest.mark.parametrize("made", FORMATS, ids=lambda item: item.name)


def made_by(made: Format, claim: Claim = CLAIM, number: int = 0) -> StoredSignature:
    key = private_key(number=number)
    draft = made.draft(claim, signer(key), NOW, ())
    assert isinstance(draft, Draft)
    return made.seal(draft, [key.sign(request) for request in draft.requests])


def changed(stored: StoredSignature, old: bytes, new: bytes) -> StoredSignature:
    (part,) = stored.parts
    assert old in part.content
    return StoredSignature(stored.origin, (Part(part.media_type, part.content.replace(old, new), part.annotations),))


@both
def test_an_attestation_is_read_as_it_was_signed(made: Format) -> None:
    envelope = made.parse(made_by(made))
    assert envelope.stored.parts[0].content == b""
    claim = made.authenticate(envelope, anchors(private_key()), NOW).claim
    assert isinstance(claim, StatementClaim)
    assert is_attestation(claim)
    assert (claim.predicate_type, claim.predicate) == (CLAIM.predicate_type, PREDICATE)
    assert claim.subjects == (Subject(DIGEST),)
    with pytest.raises(SignatureInvalid):
        made.authenticate(envelope, anchors(private_key(number=1)), NOW)


@both
@pytest.mark.parametrize("size", [0, 1, 2, 3, 70_000])
def test_a_payload_of_any_size_is_decoded(made: Format, size: int) -> None:
    predicate = b'{"x":"' + b"y" * size + b'"}'
    claim = StatementClaim((Subject(DIGEST),), NAME, predicate_type="https://example.org/t", predicate=predicate)
    read = made.authenticate(made.parse(made_by(made, claim)), anchors(private_key()), NOW).claim
    assert isinstance(read, StatementClaim)
    assert read.predicate == predicate


@both
def test_signing_again_adds_nothing(made: Format) -> None:
    stored = made_by(made)
    key = signer(private_key())
    assert isinstance(made.draft(CLAIM, key, NOW, [stored]), AlreadySigned)
    for claim in (
        StatementClaim((Subject(DIGEST),), NAME, predicate_type="https://example.org/u", predicate=PREDICATE),
        StatementClaim((Subject(DIGEST),), NAME, predicate_type=CLAIM.predicate_type, predicate=b'{"n":1}'),
        StatementClaim((Subject(OTHER_DIGEST),), NAME, predicate_type=CLAIM.predicate_type, predicate=PREDICATE),
    ):
        assert isinstance(made.draft(claim, key, NOW, [stored]), Draft)
    assert isinstance(made.draft(CLAIM, signer(private_key(number=1)), NOW, [stored]), Draft)


@both
def test_an_attestation_is_no_signature_and_a_signature_no_attestation(made: Format) -> None:
    with pytest.raises(InvalidArgument, match="not a signature"):
        made.draft(Claim((Subject(DIGEST),)), signer(private_key()), NOW, ())
    with pytest.raises(InvalidArgument, match="not an attestation"):
        made_by(made, StatementClaim((Subject(DIGEST),), predicate_type=SIGN_PREDICATE, predicate=b"{}"))
    signature = made_by(Bundle(), Claim((Subject(DIGEST),)))
    with pytest.raises(FormatViolation, match="not an attestation"):
        BundleAttestation().authenticate(BundleAttestation().parse(signature), anchors(private_key()), NOW)
    attestation = made_by(BundleAttestation())
    with pytest.raises(FormatViolation, match="not an image signature"):
        Bundle().authenticate(Bundle().parse(attestation), anchors(private_key()), NOW)


def test_what_a_bundle_says_decides_which_format_reads_it() -> None:
    readers = (*select_formats(["bundle"]), *select_formats(["bundle"], Purpose.ATTESTATION))
    signature, attestation = made_by(Bundle(), Claim((Subject(DIGEST),))), made_by(BundleAttestation())
    assert isinstance(reader_of(signature, readers), Bundle)
    assert isinstance(reader_of(attestation, readers), BundleAttestation)
    assert [item.name for item in ATTESTATION_NAMES] == ["cosign", "cosign-x509", "bundle", "bundle-x509"]
    assert not any(isinstance(reader_of(made_by(CosignAttestation()), [item]), Cosign) for item in readers)


@both
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"payload":"', b'"payload":"A'),
        (b'"payload":"', b'"payload":"AAA="'),
        (b'"payload":"', b'"payload":"====" ,"payload":"'),
        (b'"payload":"', b'"Payload":"eA==","payload":"'),
        (b'"payload":"', b'"payload":17,"x":"'),
        (b'"signatures":[', b'"signatures":[{"sig":"eA=="},'),
        (b"application/vnd.in-toto+json", b"text/plain"),
        (b'"sig":"', b'"sig":"*'),
    ],
    ids=["length", "closed", "twice", "by case", "number", "two", "type", "sig"],
)
def test_an_envelope_of_another_shape_is_refused(made: Format, old: bytes, new: bytes) -> None:
    with pytest.raises(ImagesigError):
        made.authenticate(made.parse(changed(made_by(made), old, new)), anchors(private_key()), NOW)


@both
def test_another_text_for_the_same_bytes_is_refused_except_line_breaks(made: Format) -> None:
    stored = made_by(made)
    document: Any = json.loads(stored.parts[0].content)
    payload = document.get("dsseEnvelope", document)["payload"].encode()
    for other in (payload[:8] + b" " + payload[8:], payload + b"\\t", payload.rstrip(b"=") + b"==="):
        with pytest.raises(FormatViolation):
            made.parse(changed(stored, payload, other))
    for same in (payload[:8] + b"\\n" + payload[8:], payload + b"\\r\\n"):
        assert made.parse(changed(stored, payload, same)).message == made.parse(stored).message


def test_the_signed_bytes_are_those_of_dsse() -> None:
    stored = made_by(CosignAttestation())
    document = json.loads(stored.parts[0].content)
    payload = base64.b64decode(document["payload"])
    assert CosignAttestation().parse(stored).message == pre_authentication_encoding(IN_TOTO, payload)
    assert dict(stored.parts[0].annotations) == {
        "dev.cosignproject.cosign/signature": "",
        "predicateType": CLAIM.predicate_type,
    }
    bundle = made_by(BundleAttestation())
    assert bundle.annotations["dev.sigstore.bundle.predicateType"] == CLAIM.predicate_type
    assert bundle.annotations["dev.sigstore.bundle.content"] == "dsse-envelope"


@both
def test_the_text_around_a_payload_is_limited(made: Format) -> None:
    with pytest.raises(LimitExceeded, match="without the payload"):
        made.parse(changed(made_by(made), b'"sig":"', b'"sig":"' + b"A" * 300_000))


@both
def test_a_large_attestation_needs_at_most_three_times_its_statement(made: Format) -> None:
    size = 8 << 20
    claim = StatementClaim(
        (Subject(DIGEST),), NAME, predicate_type="https://example.org/t", predicate=b'{"x":"' + b"y" * size + b'"}'
    )
    whole = made_by(made, claim)
    (part,) = whole.parts
    text, media_type, annotations = bytearray(part.content), part.media_type, part.annotations
    trusted = anchors(private_key())
    tracemalloc.start()
    try:
        envelope = made.parse(StoredSignature("layer 0", (Part(media_type, bytes(text), annotations),)))
        read = made.authenticate(envelope, trusted, NOW).claim
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(read, StatementClaim)
    assert read.predicate == claim.predicate
    assert peak < 3 * size


def test_a_message_signature_is_no_attestation() -> None:
    """Tekton Chains stores such bundles beside images; the claim of one is a digest alone."""
    document = {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "messageSignature": {"messageDigest": {"algorithm": "SHA2_256", "digest": "eA=="}, "signature": "eA=="},
    }
    stored = StoredSignature("bundle", (Part(BUNDLE, json.dumps(document).encode()),))
    with pytest.raises(FormatViolation, match="no payload"):
        BundleAttestation().parse(stored)
