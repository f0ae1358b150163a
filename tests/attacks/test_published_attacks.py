"""Every published attack on cosign, sigstore and containers/image that can reach the pure core, named after its id.

Those on transport are in tests/images/registry/test_faults.py, tests/http/test_client.py and tests/stores. These cannot
reach imagesig 0.1, which has no such feature:

- transparency log and its bundles as evidence: CVE-2022-36056, CVE-2026-24117, CVE-2026-22772, CVE-2026-49478,
  CVE-2024-51746; (CVE-2022-23649 and CVE-2026-22703 are below: what is ignored proves nothing);
- certificates and timestamps as evidence: CVE-2026-24122, CVE-2026-39984, CVE-2025-66564, CVE-2025-66506,
  CVE-2026-54787;
- blobs: GHSA-fx35-mq7g-6g98 in its own form (below: key material of an artefact is never used);
- TUF and files named by remote data: CVE-2026-24137; archives: GHSA-qmmc-jppf-32wv, CVE-2024-24579;
- remote public keys: cosign's `--key https://…` (SSRF); imagesig reads keys from files and key homes only.
"""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from imagesig import limits, verify
from imagesig.effort import one_image
from imagesig.errors import (
    FormatViolation,
    IdentityMismatch,
    ImagesigError,
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    NoSignatureAccepted,
    Rejection,
    SignatureInvalid,
)
from imagesig.formats.bundle import Bundle, parse_statement
from imagesig.formats.cosign import SIMPLE_SIGNING, Cosign
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout, layout
from imagesig.oci.annotations import Annotations
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Manifest, parse_index, parse_manifest
from imagesig.policy import Policy
from imagesig.signature import Part, StoredSignature
from imagesig.stores import TagStore
from imagesig.stores.store import Limited
from tests.makers import (
    DIGEST,
    NAME,
    NOW,
    anchors,
    bundle_document,
    classic,
    payload,
    private_key,
    sign,
    statement,
    stored_bundle,
)

ATTACKER = private_key(number=66)


def layout_with(tmp_path: Path, *layers: tuple[Descriptor, bytes | None]) -> tuple[Layout, str]:
    """A layout with one image and a `.sig` manifest of these layers; the image's digest."""
    home = Layout.create(tmp_path / "layout")
    image = build_image(home, {"a": b"b"}, PLATFORMS[0], "1.0")
    for descriptor, content in layers:
        if content is not None:
            home.put_blob(content, descriptor.media_type)
    manifest = Manifest(home.put_blob(b"{}", OCI_CONFIG), tuple(descriptor for descriptor, _ in layers))
    home.put_manifest(manifest.to_bytes(), OCI_MANIFEST, image.digest.replace(":", "-") + ".sig")
    return home, image.digest


def test_cve_2022_35929_an_attestation_of_another_type_is_no_signature() -> None:
    stored = stored_bundle(bundle_document(statement(predicateType="https://slsa.dev/provenance/v1")))
    with pytest.raises(FormatViolation):
        Bundle().authenticate(Bundle().parse(stored), anchors(private_key()), NOW)


test_cve_2022_35930_policy_controller_the_same = test_cve_2022_35929_an_attestation_of_another_type_is_no_signature


def test_cve_2022_23649_and_cve_2026_22703_a_log_entry_proves_nothing_by_itself() -> None:
    entry = {"SignedEntryTimestamp": "AAAA", "Payload": {"body": "", "integratedTime": 1, "logIndex": 1, "logID": ""}}
    stored = classic(payload(), ATTACKER)
    part = stored.parts[0]
    annotations = Annotations({**part.annotations, "dev.sigstore.cosign/bundle": json.dumps(entry)})
    forged = StoredSignature("x", (Part(part.media_type, part.content, annotations),))
    with pytest.raises(SignatureInvalid):
        Cosign().authenticate(Cosign().parse(forged), anchors(private_key()), NOW)


def test_cve_2023_46737_more_layers_than_the_limit_are_refused(tmp_path: Path) -> None:
    layer = Descriptor(SIMPLE_SIGNING, DIGEST, 10, Annotations({"dev.cosignproject.cosign/signature": "AA=="}))
    home, digest = layout_with(tmp_path, *[(layer, None)] * (limits.SIGNATURE_LAYERS + 1))
    found = list(TagStore().find(home, digest, lambda _: True))
    assert isinstance(found[0], Limited)
    assert len(found) == 1 + limits.SIGNATURE_LAYERS


test_cve_2024_29903_many_layers_allocate_nothing = test_cve_2023_46737_more_layers_than_the_limit_are_refused


def test_cve_2024_29902_a_layer_that_says_it_is_huge_is_refused_before_it_is_read(tmp_path: Path) -> None:
    layer = Descriptor(SIMPLE_SIGNING, DIGEST, 2**40)
    home, digest = layout_with(tmp_path, (layer, None))
    (found,) = TagStore().find(home, digest, lambda _: True)
    assert isinstance(found, Rejection)
    assert isinstance(found.error, LimitExceeded)


def test_cve_2024_29902_many_large_layers_exceed_the_budget_of_one_image(tmp_path: Path) -> None:
    count = limits.SIGNATURE_BYTES_PER_IMAGE // limits.PAYLOAD_BYTES + 1
    contents = [bytes([number]) * limits.PAYLOAD_BYTES for number in range(count)]
    layers = [(Descriptor.of(content, SIMPLE_SIGNING), content) for content in contents]
    home, digest = layout_with(tmp_path, *layers)
    with one_image():
        found = list(TagStore().find(home, digest, lambda _: True))
    assert [type(item) for item in found[-2:]] == [StoredSignature, Limited]


def test_cve_2024_45395_too_many_subjects_digests_and_log_entries_are_refused_early() -> None:
    subject = {"digest": {"sha256": "ab" * 32}}
    with pytest.raises(LimitExceeded):
        parse_statement(json.dumps(statement(subject=[subject] * 1025)).encode())
    assert parse_statement(json.dumps(statement(subject=[subject] * 1024)).encode())
    digests = {"sha256": "ab" * 32, **{f"x{number}": "" for number in range(32)}}
    with pytest.raises(LimitExceeded):
        parse_statement(json.dumps(statement(subject=[{"digest": digests}])).encode())
    document = bundle_document()
    document["verificationMaterial"]["timestampVerificationData"] = {"rfc3161Timestamps": [{}] * 33}
    with pytest.raises(LimitExceeded):
        Bundle().parse(stored_bundle(document))


def test_cve_2026_49834_one_key_counts_once_however_often_it_signs() -> None:
    public_key = private_key().public_key
    with pytest.raises(InvalidArgument, match="distinct"):
        _ = Policy.at_least(2, public_key, public_key.pem).default.signed[0].anchors


def test_cve_2026_39395_an_unparsable_statement_is_a_failure_in_both_formats() -> None:
    for content in (b"", b"null", b"[]", b"{", b'"text"'):
        with pytest.raises(ImagesigError):
            Bundle().authenticate(Bundle().parse(stored_bundle(bundle_document(content))), anchors(private_key()), NOW)
        with pytest.raises(ImagesigError):
            Cosign().authenticate(Cosign().parse(classic(content)), anchors(private_key()), NOW)


@pytest.mark.parametrize("name", ["dev.sigstore.cosign/certificate", "dev.sigstore.cosign/chain"])
def test_ghsa_fx35_mq7g_6g98_key_material_of_the_artefact_never_becomes_trust(name: str) -> None:
    stored = classic(payload(), ATTACKER)
    part = stored.parts[0]
    annotations = Annotations({**part.annotations, name: ATTACKER.public_key.pem})
    forged = StoredSignature("x", (Part(part.media_type, part.content, annotations),))
    with pytest.raises(SignatureInvalid):
        Cosign().authenticate(Cosign().parse(forged), anchors(private_key()), NOW)


def test_ghsa_fx35_mq7g_6g98_neither_does_the_hint_of_a_bundle() -> None:
    document = bundle_document(key=ATTACKER)
    hint = base64.b64encode(ATTACKER.public_key.spki_sha256).decode()
    document["verificationMaterial"]["publicKey"]["hint"] = hint
    with pytest.raises(SignatureInvalid):
        Bundle().authenticate(Bundle().parse(stored_bundle(document)), anchors(private_key()), NOW)


def test_cosign_4657_a_compressed_bundle_is_never_inflated() -> None:
    with pytest.raises(FormatViolation, match="gzip"):
        Bundle().parse(stored_bundle(gzip.compress(b"\0" * 10_000_000)))


@pytest.mark.parametrize("value", ["", " ", "\n", "-----BEGIN CERTIFICATE-----\n\n-----END CERTIFICATE-----"])
def test_cosign_4760_and_4998_empty_certificates_crash_nobody(value: str) -> None:
    stored = classic(payload())
    part = stored.parts[0]
    annotations = Annotations({**part.annotations, "dev.sigstore.cosign/certificate": value})
    changed = StoredSignature("x", (Part(part.media_type, part.content, annotations),))
    assert Cosign().authenticate(Cosign().parse(changed), anchors(private_key()), NOW)


@pytest.mark.parametrize("subjects", [[None], [[]], [{"digest": None}], ["x"]])
def test_cosign_5016_null_subjects_crash_nobody(subjects: list[Any]) -> None:
    with pytest.raises(FormatViolation):
        parse_statement(json.dumps(statement(subject=subjects)).encode())


def test_sigstore_go_609_a_statement_about_nothing_is_refused() -> None:
    with pytest.raises(FormatViolation):
        parse_statement(json.dumps(statement(subject=[])).encode())


def test_cve_2026_44309_the_stored_bytes_are_verified_and_not_what_they_would_be_written_as() -> None:
    spaced = json.dumps(payload(), indent=3).encode()
    compact = json.dumps(payload(), separators=(",", ":")).encode()
    forged = classic(spaced, signature=sign(private_key(), compact))
    with pytest.raises(SignatureInvalid):
        Cosign().authenticate(Cosign().parse(forged), anchors(private_key()), NOW)


def test_cve_2026_44310_nothing_to_check_is_a_failure_and_not_a_success(tmp_path: Path) -> None:
    home, _ = layout_with(tmp_path)
    with pytest.raises(ImagesigError):
        verify(layout(tmp_path / "layout", "1.0"), private_key().public_key)
    assert home.name


# --- containers/image -------------------------------------------------------------------------------------------------


def test_cve_2021_41190_a_document_of_two_kinds_is_neither() -> None:
    descriptor = {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 1}
    both = {"schemaVersion": 2, "config": descriptor, "layers": [], "manifests": []}
    with pytest.raises(MalformedError):
        parse_manifest(json.dumps(both).encode(), OCI_MANIFEST, "x")
    with pytest.raises(MalformedError):
        parse_index(json.dumps(both).encode(), OCI_INDEX, "x")
    contradicting = {"schemaVersion": 2, "mediaType": OCI_INDEX, "config": descriptor, "layers": []}
    with pytest.raises(MalformedError):
        parse_manifest(json.dumps(contradicting).encode(), OCI_MANIFEST, "x")


@pytest.mark.parametrize("digest", ["sha256:../../etc/passwd", "sha256:..", "../x:ab", "sha256:" + "ab" * 31 + "/."])
def test_cve_2024_3727_a_digest_that_is_a_path_is_refused_everywhere(tmp_path: Path, digest: str) -> None:
    with pytest.raises((MalformedError, FormatViolation)):
        Cosign().authenticate(
            Cosign().parse(classic(payload(image={"docker-manifest-digest": digest}))), anchors(private_key()), NOW
        )
    descriptor = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}
    manifest = {"schemaVersion": 2, "config": descriptor, "layers": []}
    with pytest.raises(MalformedError):
        parse_manifest(json.dumps(manifest).encode(), OCI_MANIFEST, "x")
    home = Layout.create(tmp_path / "layout")
    with pytest.raises(MalformedError):
        home.read(Descriptor(OCI_MANIFEST, digest, 1), limit=10)


def test_cve_2020_1702_a_huge_manifest_is_refused(tmp_path: Path) -> None:
    home = Layout.create(tmp_path / "layout")
    with pytest.raises(LimitExceeded):
        home.read(Descriptor(OCI_MANIFEST, DIGEST, limits.MANIFEST_BYTES + 1), limit=limits.MANIFEST_BYTES)


def test_guest_components_1590_without_an_identity_the_strict_default_holds() -> None:
    from imagesig.oci.reference import parse_reference
    from imagesig.policy import Identity

    with pytest.raises(IdentityMismatch):
        Identity.of_image().match("evil.example/other/app", parse_reference(f"{NAME}:1.0"), DIGEST)


def test_one_foreign_signature_never_hides_a_good_one(tmp_path: Path) -> None:
    home = Layout.create(tmp_path / "layout")
    image = build_image(home, {"a": b"b"}, PLATFORMS[0], "1.0")
    good = classic(payload(image={"docker-manifest-digest": image.digest}))
    foreign = classic(payload(image={"docker-manifest-digest": image.digest}), ATTACKER)
    broken = classic(b"not json", signature="?")
    subject = Descriptor(image.media_type, image.digest, image.size)
    for stored in (foreign, broken, good):
        TagStore().attach(home, subject, stored)()
    result = verify(layout(tmp_path / "layout", "1.0"), private_key().public_key)
    assert len(result.signatures) == 1
    assert len(result.rejections) == 2
    with pytest.raises(NoSignatureAccepted) as refused:
        verify(layout(tmp_path / "layout", "1.0"), private_key(number=2).public_key)
    assert len(refused.value.rejections) == 3
