"""Images with Notary Project signatures, from signing to verdict; and the published attacks on verifiers of theirs.

Advisories on transport are held by tests/images/registry/test_faults.py, whatever the format: endless lists of
signatures (CVE-2023-33957, CVE-2023-33958, oras-go#1215, Kyverno's CVE-2023-42816), another manifest than the digest
asked for (CVE-2023-33959), credentials after redirects
(GHSA-vh4v-2xq2-g5cg, GHSA-jxpm-75mh-9fp7), token servers (GHSA-28r5-37g7-p6mp, CVE-2025-27403). Those on caches of
revocation lists, timestamps and plugins (CVE-2024-51491, CVE-2024-56138, row b and c) are with that code. No layer is
ever unpacked (CVE-2026-50163 and its kind).
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from imagesig import inspect, limits, remove, sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import (
    AnnotationMismatch,
    Expired,
    FormatViolation,
    ImagesigError,
    InvalidArgument,
    LimitExceeded,
    NoSignatureAccepted,
    NoSignatures,
    NotTrusted,
    SubjectMismatch,
)
from imagesig.format_names import NOTATION
from imagesig.formats.notation import Notation
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout, layout
from imagesig.keys.file.provider import FileKey
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import OCI_MANIFEST, Manifest
from imagesig.oci.reference import parse_reference
from imagesig.policy import AUDIT, PERMISSIVE, Enforcement, Policy, Rule, Signed
from imagesig.signature import StoredSignature
from imagesig.stores import ReferrerStore
from imagesig.trust import CertificateAuthority
from imagesig.trust.holder import Holder
from tests.chains import SUBJECT, Issuer, certified, leaf, root, trusting
from tests.envelopes import stored, target
from tests.makers import NOW, private_key

JOSE = "application/jose+json"


@pytest.fixture
def image(tmp_path: Path) -> Image:
    home = Layout.create(tmp_path / "layout")
    build_image(home, {"a": b"b"}, PLATFORMS[0], "1.0")
    return layout(tmp_path / "layout", "1.0")


def key(signer: Issuer | None = None) -> FileKey:
    signer = signer or certified()
    return FileKey(replace(signer.private_key, chain=signer.chain), "test key")


def authority(signer: Issuer | None = None) -> CertificateAuthority:
    return trusting((signer or certified()).chain[-1]).authorities[0]


def policy(enforcement: Enforcement, trusted: CertificateAuthority | None = None) -> Policy:
    return Policy(Rule((Signed((trusted or authority(),), enforcement=enforcement),)))


def attach(image: Image, signature: StoredSignature) -> None:
    ReferrerStore().attach(image.home, image.home.resolve(image.target), signature)()


def attach_manifest(image: Image, layers: tuple[Descriptor, ...], config_type: str = NOTATION) -> None:
    subject = image.home.resolve(image.target)
    config = image.home.put_blob(b"{}", config_type)
    image.home.add_referrer(Manifest(config, layers, OCI_MANIFEST, subject=subject).to_bytes(), subject)()


def payload_of(image: Image, **changes: object) -> dict[str, object]:
    found = image.home.resolve(image.target)
    return target(**({"digest": found.digest, "size": found.size} | changes))


def reasons(image: Image, trusted: Policy | CertificateAuthority) -> list[type[ImagesigError]]:
    with pytest.raises(NoSignatureAccepted) as refused:
        verify(image, trusted, now=NOW)
    return [type(item.error) for item in refused.value.rejections]


def test_what_is_signed_is_verified_by_the_authority(image: Image) -> None:
    made = sign(image, key(), formats=["notation-cose"], annotations={"build": "7"}, now=NOW)
    result = verify(image, authority(), now=NOW)
    assert result.verified
    assert result.digest == made.digest
    assert [item.format for item in result.signatures] == ["notation"]
    assert verify(image, Policy.any_of(authority(), annotations={"build": "7"}), now=NOW).verified
    assert reasons(image, Policy.any_of(authority(), annotations={"build": "8"})) == [AnnotationMismatch]


def test_an_index_is_signed_with_its_children_and_signing_again_adds_nothing(tmp_path: Path) -> None:
    build_index(Layout.create(tmp_path / "index"), {"bin/app": b"x"}, "1.0")
    whole = layout(tmp_path / "index", "1.0")
    first = sign(whole, key(), formats=["notation"], now=NOW)
    again = sign(whole, key(), formats=["notation"], now=NOW + timedelta(minutes=1))
    assert {item.state for item in first.signatures} == {"attached"}
    assert {item.state for item in again.signatures} == {"present"}
    for platform in ("linux/amd64", "linux/arm64"):
        assert not verify(whole, authority(), platform=platform, now=NOW).through_index


def test_a_chain_that_is_refused_leaves_nothing_even_of_the_other_formats(image: Image) -> None:
    expired = leaf(root(), end=NOW - timedelta(days=1))
    with pytest.raises(InvalidArgument):
        sign(image, key(expired), formats=["cosign", "bundle", "notation"], now=NOW)
    with pytest.raises(NoSignatures):
        verify(image, key().info.public_key, now=NOW)


def test_a_trusted_key_is_no_certificate(image: Image) -> None:
    sign(image, key(), formats=["notation"], now=NOW)
    assert reasons(image, Policy.any_of(key().info.public_key)) == [NotTrusted]


def test_one_signer_with_a_key_and_a_certificate_is_still_one(image: Image) -> None:
    sign(image, key(), formats=["cosign", "notation"], now=NOW)
    both = (key().info.public_key, authority())
    assert verify(image, Policy.any_of(*both), now=NOW).verified
    with pytest.raises(NoSignatureAccepted):
        verify(image, Policy.all_of(*both), now=NOW)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_authorities_that_share_a_root_have_one_signer_each_in_any_order(
    image: Image, order: tuple[int, int]
) -> None:
    top = root()
    signers = [leaf(top, f"{SUBJECT},CN={name}", key=private_key(number=70 + at)) for at, name in enumerate("ab")]
    anybody = CertificateAuthority("anybody", top.chain)
    signer_b = CertificateAuthority("b", top.chain, (Holder.of(f"{SUBJECT},CN=b"),))
    both = Policy.all_of(anybody, signer_b)
    sign(image, key(signers[1]), formats=["notation", "cosign-x509"], now=NOW)
    with pytest.raises(NoSignatureAccepted, match="needs 2 trusted signers, found 1") as refused:
        verify(image, both, now=NOW)
    assert any("credited to anybody" in str(item) for item in refused.value.findings)

    signatures = [(signers[at], name) for at, name in zip(order, ("cosign-x509", "notation"), strict=True)]
    for signer, name in signatures:
        sign(image, key(signer), formats=[name], now=NOW)

    result = verify(image, both, now=NOW)
    assert result.verified
    credited = {(item.authority, item.public_key) for item in result.signatures}
    assert credited == {
        ("anybody", signers[0].private_key.public_key),
        ("b", signers[1].private_key.public_key),
    }
    assert {finding.authority for finding in result.findings if finding.accepted} == {"anybody", "b"}


def test_formats_of_a_policy_are_named_as_users_type_them(image: Image) -> None:
    sign(image, key(), formats=["notation-cose"], now=NOW)
    for formats, found in (
        (["notation"], True),
        (["notation-cose"], True),
        (["notation-jws"], False),
        (["cosign"], False),
    ):
        trusted = Policy.any_of(authority(), formats=formats)
        if found:
            assert verify(image, trusted, now=NOW).verified
        else:
            with pytest.raises((NoSignatures, NoSignatureAccepted)):
                verify(image, trusted, now=NOW)


@pytest.mark.parametrize("change", [{"size": 1}, {"mediaType": "application/vnd.oci.image.index.v1+json"}])
def test_the_same_digest_with_another_size_or_type_is_refused(image: Image, change: dict[str, object]) -> None:
    attach(image, stored("jws", payload=payload_of(image, **change)))
    assert reasons(image, authority()) == [SubjectMismatch]


def test_a_signature_moved_from_another_image_is_refused(image: Image) -> None:
    attach(image, stored("cose"))
    assert reasons(image, authority()) == [SubjectMismatch]


def test_row_i_broken_referrers_are_failed_signatures_and_hide_no_good_one(image: Image) -> None:
    home = image.home
    envelope = home.put_blob(stored("jws").parts[0].content, JOSE)
    text = home.put_blob(b"invalid signature", JOSE)
    other = home.put_blob(b"something else", "application/octet-stream")
    attach_manifest(image, (envelope, envelope))
    attach_manifest(image, (other,))
    attach_manifest(image, (text,))
    attach_manifest(image, ())
    attach_manifest(image, (Descriptor(JOSE, "sha256:" + "00" * 32, 10),))
    attach_manifest(image, (Descriptor(JOSE, envelope.digest, limits.BUNDLE_BYTES + 1),))
    attach_manifest(image, (envelope,), "application/vnd.example")
    found = reasons(image, authority())
    assert len(found) == 7
    sign(image, key(), formats=["notation"], now=NOW)
    result = verify(image, authority(), now=NOW)
    assert len(result.signatures) == 1
    assert len(result.rejections) == 7


def test_ghsa_f36w_mj3v_6jqv_a_signature_that_says_it_is_huge_is_refused_before_it_is_read(image: Image) -> None:
    attach_manifest(image, (Descriptor(JOSE, "sha256:" + "ab" * 32, 2**62),))
    assert reasons(image, authority()) == [LimitExceeded]


def test_cve_2023_42813_oversized_payloads_are_refused_together_too(image: Image) -> None:
    count = limits.SIGNATURE_BYTES_PER_IMAGE // limits.BUNDLE_BYTES
    for number in range(count + 1):
        attach_manifest(image, (image.home.put_blob(bytes([number]) * limits.BUNDLE_BYTES, JOSE),))
    with pytest.raises(LimitExceeded) as limited:
        verify(image, authority(), now=NOW)
    assert isinstance(limited.value.__cause__, NoSignatureAccepted)


def test_cve_2024_23332_an_old_image_rolled_back_is_refused_once_its_signature_expired(image: Image) -> None:
    sign(image, key(), formats=[Notation(expiry=timedelta(hours=1))], now=NOW)
    later = NOW + timedelta(hours=2)
    with pytest.raises(NoSignatureAccepted) as refused:
        verify(image, authority(), now=later)
    assert isinstance(refused.value.rejections[0].error, Expired)
    logged = verify(image, policy(PERMISSIVE), now=later)
    assert logged.verified
    assert "expired" in logged.warnings[0]


def test_audit_passes_a_stranger_without_proof_and_a_broken_signature_never(image: Image) -> None:
    stranger = certified(KeyType.ECDSA_P384)
    sign(image, key(stranger), formats=["notation"], now=NOW)
    result = verify(image, policy(AUDIT), allow_unverified=True, now=NOW)
    assert not result.verified
    assert result.signatures[0].authority == ""
    assert reasons(image, authority()) == [NotTrusted]


def test_audit_refuses_what_is_not_whole(image: Image) -> None:
    attach(image, stored("jws", payload=payload_of(image), signature=b"\x01" * 64))
    attach(image, stored("jws", {"cty": "x"}, payload=payload_of(image)))
    with pytest.raises(NoSignatureAccepted) as refused:
        verify(image, policy(AUDIT), allow_unverified=True, now=NOW)
    assert len(refused.value.rejections) == 2
    assert any(isinstance(item.error, FormatViolation) for item in refused.value.rejections)


def test_a_trust_policy_refuses_the_names_that_it_has_no_scope_for(image: Image, tmp_path: Path) -> None:
    sign(image, key(), formats=["notation"], now=NOW)
    folder = tmp_path / "truststore" / "x509" / "ca" / "acme"
    folder.mkdir(parents=True)
    (folder / "root.der").write_bytes(certified().chain[-1].der)
    statement = {
        "name": "app",
        "registryScopes": ["registry.example/team/app"],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:acme"],
        "trustedIdentities": ["x509.subject: C=US, ST=WA, O=imagesig"],
    }
    document = {"version": "1.0", "trustPolicies": [statement]}
    (tmp_path / "trustpolicy.json").write_text(json.dumps(document))
    trusted = Policy.from_notation(tmp_path)
    named = replace(image, name=parse_reference("registry.example/team/app:1.0"))
    assert verify(named, trusted, now=NOW).rule == "trust policy app"
    for other in (image, replace(image, name=parse_reference("registry.example/team/app/x:1.0"))):
        with pytest.raises(ImagesigError, match="no policy of the trust policy"):
            verify(other, trusted, now=NOW)
    assert verify(image, Policy.from_notation(tmp_path, scope="registry.example/team/app"), now=NOW).verified


def test_inspect_shows_certificates_and_attributes_and_verifies_nothing(image: Image) -> None:
    sign(image, key(), formats=["notation-jws", "bundle"], now=NOW)
    attach(image, stored("cose", signature=b"\x01" * 64))
    shown = {(item.format, len(item.chain)): item for item in inspect(image).signatures}
    assert set(shown) == {("notation", 3), ("bundle", 0)}
    assert shown["notation", 3].attributes["io.cncf.notary.signingScheme"] == "notary.x509"


def test_a_keys_signatures_are_removed_with_its_certificate_and_no_others(image: Image) -> None:
    ours, others, nobodys = (
        key(certified(kind)) for kind in (KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.ECDSA_P521)
    )
    for signer in (ours, others):
        sign(image, signer, formats=["notation"], now=NOW)
    assert remove(image, key=nobodys.info.public_key, now=NOW).removed == ()
    removed = remove(image, key=ours.info.public_key, now=NOW)
    assert (len(removed.removed), removed.kept) == (1, 1)
    assert len(remove(image, all=True, now=NOW).removed) == 1
