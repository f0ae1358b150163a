"""Known mistakes of readers of attestations and of bundles of blobs: one test for each that no other file has.

The advisories are those of cosign, sigstore-go and other readers; the numbers are of sigstore/cosign.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from imagesig import limits, sign, sign_blob, verify, verify_attestation, verify_blob
from imagesig.errors import ImagesigError, NoSignatureAccepted, NoSignatures
from imagesig.format_names import BUNDLE, DSSE, Storage
from imagesig.formats.cosign import SIMPLE_SIGNING
from imagesig.keys.file.private_key import PrivateKey
from imagesig.oci.annotations import Annotations
from imagesig.signature import Part, StoredSignature
from imagesig.stores import STORES
from tests.attacks.hostile_listings import listing, store, stored
from tests.attacks.test_attestations import FORGED, GOOD, ONLY_GOOD, SIGNATURE
from tests.attestations import FORMS, TYPE, Attested, attest, attested_image, content, envelope, put, statement
from tests.chains import leaf
from tests.makers import private_key, signing_key

KEY = private_key().public_key
STRANGER = private_key(number=7)
BLOB = b"what is attested is a file"
form = pytest.mark.parametrize("form", FORMS)
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def stage() -> Iterator[Attested]:
    with attested_image() as made:
        yield made


def accepted(stage: Attested) -> list[object]:
    found = verify_attestation(stage.image, KEY, predicate_type=TYPE, conditions=ONLY_GOOD)
    return [item.parsed for item in found.statements]


def refused(stage: Attested) -> None:
    with pytest.raises((NoSignatures, NoSignatureAccepted)):
        accepted(stage)


# --- bundles ---------------------------------------------------------------------------------------------------------


def top(**members: Any) -> Change:
    return lambda document: document.update(members)


def material(**members: Any) -> Change:
    return lambda document: document["verificationMaterial"].update(members)


def _certificate() -> dict[str, str]:
    return {"rawBytes": base64.b64encode(leaf(None, key=private_key()).certificate.der).decode()}


BUNDLES: dict[str, Change] = {
    "version 0.1": top(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.1"),
    "version 0.2": top(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.2"),
    "version 0.4": top(mediaType="application/vnd.dev.sigstore.bundle.v0.4+json"),
    "no version": lambda document: document.pop("mediaType"),
    "an unknown member": top(extra=1),
    "a member in another case": top(DsseEnvelope={}),
    "an unknown member of the material": material(trust="yes"),
    "no material": lambda document: document.pop("verificationMaterial"),
    "a material that is a list": top(verificationMaterial=[]),
    "a key and a certificate": lambda document: material(certificate=_certificate())(document),
    # cosign: "expected key signature, not certificate"
    "a certificate, where a key is trusted": lambda document: top(verificationMaterial={"certificate": _certificate()})(
        document
    ),
    "no certificate in a chain": top(verificationMaterial={"x509CertificateChain": {"certificates": []}}),
    "a hint that is no text": top(verificationMaterial={"publicKey": {"hint": 7}}),
    "the key itself": top(verificationMaterial={"publicKey": {"hint": "", "rawBytes": KEY.pem}}),
    "33 log entries": material(tlogEntries=[{}] * 33),  # CVE-2024-45395
    "33 timestamps": material(timestampVerificationData={"rfc3161Timestamps": [{"signedTimestamp": ""}] * 33}),
    "log entries that are an object": material(tlogEntries={"0": {}}),
    "a message signature too": top(messageSignature={"signature": "AAAA"}),
    "no envelope": lambda document: document.pop("dsseEnvelope"),
    "a list of envelopes": lambda document: document.update(dsseEnvelope=[document["dsseEnvelope"]]),
}


@pytest.mark.parametrize("change", BUNDLES.values(), ids=BUNDLES)
def test_an_odd_bundle_adds_no_trust_and_hides_no_good_one(stage: Attested, change: Change) -> None:
    document = json.loads(content("bundle", envelope(statement(stage.digest, GOOD))))
    change(document)
    put(stage.image, "bundle", json.dumps(document).encode())
    refused(stage)
    attest(stage.image, "cosign", GOOD)
    assert accepted(stage) == [GOOD]


def test_a_bundle_that_unpacks_to_much_more_is_not_unpacked(stage: Attested) -> None:
    """#4947: a compressed layer of one megabyte took gigabytes."""
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    put(stage.image, "bundle", bomb)
    put(stage.image, "cosign", bomb)
    attest(stage.image, "bundle", GOOD)
    accepted(stage)
    tracemalloc.start()
    try:
        assert accepted(stage) == [GOOD]
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_referrer_with_two_bundles_is_none(stage: Attested) -> None:
    """cosign wants exactly one layer; of two, readers would take different ones."""
    attest(stage.image, "bundle", GOOD)
    (entry,) = listing(stage.server, stage.digest)
    document = stored(stage.server, entry["digest"])
    assert accepted(stage) == [GOOD]
    del stage.server._manifests[_name(stage), entry["digest"]]
    store(stage.server, {**document, "layers": document["layers"] * 2})
    refused(stage)


def _name(stage: Attested) -> str:
    return next(iter(stage.server._manifests))[0]


# --- envelopes and statements ----------------------------------------------------------------------------------------


@form
def test_a_keyid_is_no_trust(stage: Attested, form: str) -> None:
    """It is not signed: that of a trusted key on a stranger's signature says nothing."""
    made = envelope(statement(stage.digest, GOOD), STRANGER)
    for keyid in ("", KEY.fingerprint, f"SHA256:{base64.b64encode(KEY.spki_sha256).decode().rstrip('=')}"):
        signatures = [{**made["signatures"][0], "keyid": keyid}]
        put(stage.image, form, content(form, {**made, "signatures": signatures}))
    refused(stage)


def test_an_empty_keyid_as_cosign_2_writes_it_is_read(stage: Attested) -> None:
    made = envelope(statement(stage.digest, GOOD))
    put(stage.image, "cosign", content("cosign", {**made, "signatures": [{"keyid": "", **made["signatures"][0]}]}))
    assert accepted(stage) == [GOOD]


MORE: dict[str, Callable[[str], dict[str, Any]]] = {
    # #5016
    "of null": lambda digest: envelope(statement(digest, GOOD, subject=[None])),
    "of null beside the image": lambda digest: envelope(
        statement(digest, GOOD, subject=[None, {"digest": {"sha256": digest[7:]}}])
    ),
    "of a digest that is null": lambda digest: envelope(statement(digest, GOOD, subject=[{"digest": None}])),
    "of no digest": lambda digest: envelope(statement(digest, GOOD, subject=[{"name": "app"}])),
    "of an empty digest": lambda digest: envelope(statement(digest, GOOD, subject=[{"digest": {"sha256": ""}}])),
    "of a digest with a prefix": lambda digest: envelope(
        statement(digest, GOOD, subject=[{"digest": {"sha256": digest}}])
    ),
    "of the image as an annotation": lambda digest: envelope(
        statement(digest, GOOD, subject=[{"digest": {"sha256": "0" * 64}, "annotations": {"sha256": digest[7:]}}])
    ),
    # GHSA-jfc7-64v2-mr8c: the length of the type in characters and in bytes
    "of a type outside of ASCII": lambda digest: envelope(
        statement(digest, GOOD), payloadType="application/vnd.in-toto+json\u0174"
    ),
    "of a type in capitals": lambda digest: envelope(
        statement(digest, GOOD), payloadType="APPLICATION/VND.IN-TOTO+JSON"
    ),
    "of a type that is null": lambda digest: envelope(statement(digest, GOOD), payloadType=None),
    "with signatures that are an object": lambda digest: envelope(
        statement(digest, GOOD), signatures=envelope(statement(digest, GOOD))["signatures"][0]
    ),
    "with a raw signature": lambda digest: envelope(statement(digest, GOOD), signatures=["AAAA"]),
    "with a type that ends in a line break": lambda digest: envelope(
        statement(digest, GOOD, predicateType=f"{TYPE}\n")
    ),
    "with a type in capitals": lambda digest: envelope(statement(digest, GOOD, predicateType=TYPE.upper())),
}


@pytest.mark.parametrize("made", MORE.values(), ids=MORE)
@form
def test_a_subject_or_type_that_is_not_exactly_so_adds_no_trust(
    stage: Attested, form: str, made: Callable[[str], dict[str, Any]]
) -> None:
    put(stage.image, form, content(form, made(stage.digest)))
    refused(stage)
    attest(stage.image, form, GOOD)
    assert accepted(stage) == [GOOD]


def test_a_type_that_is_wanted_twice_over_is_not_made_up_by_others(stage: Attested) -> None:
    """CVE-2022-35929: valid attestations of other types, and none of the wanted one."""
    for number in range(3):
        attest(stage.image, FORMS[number % 2], GOOD, predicateType=f"https://other.example/{number}")
    sign(stage.image, signing_key(), formats=["bundle", "cosign"])
    with pytest.raises(NoSignatures):
        accepted(stage)


def test_the_last_of_1024_subjects_may_be_the_image(stage: Attested) -> None:
    attest(stage.image, "bundle", GOOD)
    digests = [*(f"sha256:{number:064x}" for number in range(1023)), stage.digest]
    with attested_image() as other:
        put(other.image, "bundle", content("bundle", envelope(statement(digests, GOOD))))
        assert accepted(other) == [GOOD]


# --- storage ---------------------------------------------------------------------------------------------------------


CERTIFICATES = ("", " ", "\n", "x", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "null", "[]", "\u20ac")


@pytest.mark.parametrize("text", CERTIFICATES, ids=repr)
@pytest.mark.parametrize(
    "name",
    [
        "dev.sigstore.cosign/certificate",
        "dev.sigstore.cosign/chain",
        "dev.sigstore.cosign/bundle",
        "dev.sigstore.cosign/rfc3161timestamp",
        "dev.cosignproject.cosign/signature",
        "predicateType",
    ],
)
def test_an_odd_annotation_breaks_and_proves_nothing(stage: Attested, name: str, text: str) -> None:
    """#4760, #4998: a blank certificate made the reader fall over."""
    put(stage.image, "cosign", content("cosign", envelope(statement(stage.digest, GOOD), STRANGER)), **{name: text})
    refused(stage)
    put(stage.image, "cosign", content("cosign", envelope(statement(stage.digest, GOOD))), **{name: text})
    assert accepted(stage) == [GOOD]


def test_an_attestation_under_the_tag_of_signatures_is_no_signature(stage: Attested) -> None:
    subject = stage.image.home.resolve(stage.image.target)
    for predicate_type in (TYPE, SIGNATURE):
        made = content("cosign", envelope(statement(stage.digest, {}, predicateType=predicate_type)))
        for media_type in (DSSE, SIMPLE_SIGNING):
            notes = Annotations({"dev.cosignproject.cosign/signature": json.loads(made)["signatures"][0]["sig"]})
            part = Part(media_type, made, notes)
            attach = STORES[Storage.SIGNATURE_TAG].attach
            attach(stage.image.signatures, subject, StoredSignature("new", (part,), ""))()  # type: ignore[arg-type]
    with pytest.raises((NoSignatures, NoSignatureAccepted)):
        verify(stage.image, KEY)
    refused(stage)


def test_a_signature_under_the_tag_of_attestations_is_no_attestation(stage: Attested) -> None:
    sign(stage.image, signing_key(), formats=["cosign"])
    tag = stage.digest.replace(":", "-")
    store(stage.server, stored(stage.server, f"{tag}.sig"), tag=f"{tag}.att")
    refused(stage)
    assert verify(stage.image, KEY).verified


def _flooded(stage: Attested, form: str, *, distinct: bool, key: PrivateKey | None = None) -> None:
    """More attestations than are read, each with another predicate, or all the same; stored past the registry."""
    attest(stage.image, form, GOOD, key=key)
    tag = f"{stage.digest.replace(':', '-')}.att"
    at = tag if form == "cosign" else listing(stage.server, stage.digest)[0]["digest"]
    document = stored(stage.server, at)
    layers = []
    for number in range(limits.ATTESTATIONS + 1):
        said = {**GOOD, "number": number if distinct else 0}
        blob = content(form, envelope(statement(stage.digest, said), key))
        digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
        stage.server._blobs[_name(stage), digest] = blob
        layers.append({**document["layers"][0], "digest": digest, "size": len(blob)})
    if form == "cosign":
        store(stage.server, {**document, "layers": layers}, tag=tag)
        return
    for number, layer in enumerate(layers):
        store(stage.server, {**document, "layers": [layer], "annotations": {"number": str(number)}})


@form
def test_more_attestations_than_are_read_are_never_taken_for_all(stage: Attested, form: str) -> None:
    """CVE-2023-46737: a registry with any number of them."""
    _flooded(stage, form, distinct=True)
    assert 1 <= len(accepted(stage)) <= limits.ATTESTATIONS
    with pytest.raises(ImagesigError) as caught:
        verify_attestation(stage.image, KEY, predicate_type=TYPE, every=True)
    assert not isinstance(caught.value, NoSignatures)


@form
def test_the_same_attestation_many_times_is_read_within_the_limit(stage: Attested, form: str) -> None:
    _flooded(stage, form, distinct=False)
    assert 1 <= len(accepted(stage)) <= limits.ATTESTATIONS


@pytest.mark.parametrize("distinct", [True, False])
@form
def test_more_attestations_by_a_stranger_than_are_read_are_not_reported_as_none(
    stage: Attested, form: str, distinct: bool
) -> None:
    _flooded(stage, form, distinct=distinct, key=STRANGER)
    with pytest.raises(ImagesigError) as caught:
        accepted(stage)
    assert not isinstance(caught.value, NoSignatures)


# --- blobs -----------------------------------------------------------------------------------------------------------


def _blob_digest() -> str:
    return f"sha256:{hashlib.sha256(BLOB).hexdigest()}"


@pytest.mark.parametrize("made", {**FORGED, **MORE}.values(), ids={**FORGED, **MORE})
def test_a_forged_attestation_of_a_blob_is_refused(made: Callable[[str], dict[str, Any]]) -> None:
    """CVE-2026-39395: a payload that cannot be read, or is of another type, was verified."""
    bundle = content("bundle", made(_blob_digest()))
    for conditions in ((), ONLY_GOOD):
        with pytest.raises(NoSignatureAccepted):
            verify_blob(BLOB, KEY, bundle=bundle, predicate_type=TYPE, conditions=conditions)


def test_the_bundle_that_is_forged_above_is_accepted_as_it_is() -> None:
    bundle = content("bundle", envelope(statement(_blob_digest(), GOOD)))
    assert verify_blob(BLOB, KEY, bundle=bundle, predicate_type=TYPE, conditions=ONLY_GOOD).statements


@pytest.mark.parametrize("change", BUNDLES.values(), ids=BUNDLES)
def test_an_odd_bundle_of_a_blob_is_refused(change: Change) -> None:
    document = json.loads(content("bundle", envelope(statement(_blob_digest(), GOOD))))
    change(document)
    with pytest.raises(NoSignatureAccepted):
        verify_blob(BLOB, KEY, bundle=json.dumps(document).encode(), predicate_type=TYPE)


def _legacy(number: int) -> bytes:
    pem = base64.b64encode(private_key(number=number).public_key.pem.encode()).decode()
    return json.dumps({"base64Signature": sign_blob(BLOB, signing_key(number)).base64, "cert": pem}).encode()


def test_a_legacy_bundle_with_its_own_key_is_refused() -> None:
    """GHSA-fx35-mq7g-6g98: the key in the bundle took the place of the one that was asked for."""
    for number in (7, 0):
        with pytest.raises(NoSignatureAccepted):
            verify_blob(BLOB, KEY, bundle=_legacy(number))


@pytest.mark.parametrize("between", [b"\n", b"", b",", b" "])
def test_two_bundles_in_one_file_are_refused(between: bytes) -> None:
    """Readers of JSON lines and of one document would take different ones (#4496)."""
    good = content("bundle", envelope(statement(_blob_digest(), GOOD)))
    forged = content("bundle", envelope(statement(_blob_digest(), {"good": False}), STRANGER))
    for both in (good + between + forged, forged + between + good, b"[" + good + b"]"):
        with pytest.raises(NoSignatureAccepted):
            verify_blob(BLOB, KEY, bundle=both, predicate_type=TYPE)


def test_a_bundle_of_a_blob_among_the_referrers_is_no_signature_of_the_image(stage: Attested) -> None:
    """The blob is the image's manifest: its digest is the image's."""
    subject = stage.image.home.resolve(stage.image.target)
    manifest = stage.server._manifests[_name(stage), stage.digest][0]
    stored_bundle = StoredSignature("new", (Part(BUNDLE, sign_blob(manifest, signing_key()).bundle),), BUNDLE)
    STORES[Storage.REFERRER].attach(stage.image.signatures, subject, stored_bundle)()  # type: ignore[arg-type]
    with pytest.raises((NoSignatures, NoSignatureAccepted)):
        verify(stage.image, KEY)
    refused(stage)
