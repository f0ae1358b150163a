"""`verify` from end to end on layouts: rules with several requirements, rules that prove nothing, platforms."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from imagesig import sign, verify
from imagesig.effort import ALLOWANCE, Cost
from imagesig.errors import (
    AllowedUnverified,
    ImageNotFound,
    LimitExceeded,
    NoSignatureAccepted,
    NoSignatures,
    RefusedByPolicy,
    SignatureInvalid,
)
from imagesig.format_names import BUNDLE
from imagesig.images.build import build_image, build_index
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout, layout
from imagesig.images.registry.connect import registry
from imagesig.in_toto.statement import SIGN_PREDICATE
from imagesig.keys.file.provider import MemoryProvider
from imagesig.keys.provider import SigningKey
from imagesig.oci.descriptor import Platform
from imagesig.oci.manifest import OCI_EMPTY, Manifest
from imagesig.policy import AcceptAnything, Policy, Reject, Rule, Scope, Signed
from imagesig.testing import InMemoryRegistry
from imagesig.trust import TrustedKey, Window
from tests.makers import NAME, bundle_document, private_key, statement


def key(number: int) -> SigningKey:
    pem = private_key(number=number).to_pem(None)
    return MemoryProvider({"key": pem}).open("key")


def trusts(*numbers: int, threshold: int | None = 1, formats: tuple[str, ...] = ()) -> Signed:
    keys = tuple(TrustedKey(f"key {number}", (private_key(number=number).public_key,)) for number in numbers)
    return Signed(keys, threshold, formats=formats)


def policy(*requirements: Signed | AcceptAnything | Reject, warn: bool = False) -> Policy:
    return Policy(Rule(requirements, warn=warn))


@pytest.fixture
def image(tmp_path: Path) -> Image:
    build_index(Layout.create(tmp_path / "image"), {"a": b"b"}, "1.0")
    return layout(tmp_path / "image", "1.0")


def test_every_requirement_of_a_rule_must_hold(image: Image) -> None:
    sign(image, key(1), identity=NAME)
    both = policy(trusts(1), trusts(2))
    with pytest.raises(NoSignatureAccepted) as refused:
        verify(image, both)
    assert [finding.authority for finding in refused.value.findings] == ["key 2"]

    sign(image, key(2), identity=NAME)

    result = verify(image, both)
    assert result.verified
    assert {signature.authority for signature in result.signatures} == {"key 1", "key 2"}


def test_a_requirement_accepts_only_its_own_formats(image: Image) -> None:
    sign(image, key(1), identity=NAME, formats=["cosign"])
    assert verify(image, policy(trusts(1, formats=("cosign",)))).verified
    with pytest.raises(NoSignatures):
        verify(image, policy(trusts(1, formats=("bundle",))))
    with pytest.raises(NoSignatureAccepted):
        verify(image, policy(trusts(1, formats=("cosign",)), trusts(1, formats=("bundle",))))


@pytest.mark.parametrize(("hours", "valid"), [(1, True), (-1, False)])
def test_without_a_time_the_present_decides_whether_a_key_is_valid(image: Image, hours: int, valid: bool) -> None:
    sign(image, key(1), identity=NAME)
    window = Window(None, datetime.now(UTC) + timedelta(hours=hours))
    trusted = policy(Signed((TrustedKey("key", (private_key(number=1).public_key,), window),)))
    if valid:
        assert verify(image, trusted).verified
    else:
        with pytest.raises(NoSignatureAccepted):
            verify(image, trusted)


def test_a_policy_without_a_rule_for_the_image_refuses_it_even_signed(image: Image) -> None:
    sign(image, key(1), identity=NAME)
    with pytest.raises(RefusedByPolicy, match="no rule"):
        verify(image, Policy(rules={Scope("docker", "registry.example"): Rule((trusts(1),))}))


def test_a_local_image_has_the_rule_of_its_folder(image: Image, tmp_path: Path) -> None:
    sign(image, key(1), identity=NAME)
    scoped = Policy(rules={Scope("oci", str(tmp_path.resolve())): Rule((trusts(1),), name="builds")})
    assert verify(image, scoped).rule == "builds"


def test_accepting_anything_proves_nothing_and_is_refused_unless_allowed(image: Image) -> None:
    with pytest.raises(AllowedUnverified):
        verify(image, policy(AcceptAnything()))
    assert not verify(image, policy(AcceptAnything()), allow_unverified=True).verified


def test_accepting_anything_does_not_replace_a_required_signature(image: Image) -> None:
    mixed = policy(AcceptAnything(), trusts(1))
    with pytest.raises(NoSignatures):
        verify(image, mixed, allow_unverified=True)
    sign(image, key(1), identity=NAME)
    assert verify(image, mixed).verified


def test_rejection_beats_every_signature(image: Image) -> None:
    sign(image, key(1), identity=NAME)
    with pytest.raises(RefusedByPolicy):
        verify(image, policy(trusts(1), Reject()), allow_unverified=True)


@pytest.mark.parametrize("requirement", [trusts(2), Reject()], ids=["unsigned", "rejected"])
def test_a_rule_that_warns_reports_without_refusing_and_proves_nothing(
    image: Image, requirement: Signed | Reject
) -> None:
    sign(image, key(1), identity=NAME)
    with pytest.raises(AllowedUnverified) as refused:
        verify(image, policy(requirement, warn=True))
    result = verify(image, policy(requirement, warn=True), allow_unverified=True)
    assert refused.value.reasons == result.warnings

    assert not result.verified
    assert result.signatures == ()
    assert result.warnings


def test_a_rule_that_warns_still_needs_the_image(image: Image) -> None:
    missing = replace(image, target="2.0")
    with pytest.raises(ImageNotFound):
        verify(missing, policy(trusts(1), warn=True), allow_unverified=True)


def test_a_platform_is_verified_by_its_own_signature_or_by_the_indexes(image: Image) -> None:
    sign(image, key(1), identity=NAME, recursive=False)
    result = verify(image, policy(trusts(1)), platform="linux/arm64")
    assert result.through_index
    sign(image, key(1), identity=NAME)
    assert not verify(image, policy(trusts(1)), platform="linux/arm64").through_index


def test_a_signed_index_proves_its_platform_under_a_rule_that_warns_too(image: Image) -> None:
    sign(image, key(1), identity=NAME, recursive=False)
    result = verify(image, policy(trusts(1), warn=True), platform="linux/arm64")
    assert result.verified
    assert result.through_index


# --- attestations beside an image -------------------------------------------------------------------------------------


def attest(image: Image, number: int, **changes: object) -> None:
    """Attaches an attestation of the image by this key, as cosign stores it: with the media type of a bundle."""
    root = image.home.resolve("1.0")
    about = {"subject": [{"digest": {"sha256": root.digest.removeprefix("sha256:")}}]}
    said = statement(**{"predicateType": "https://slsa.dev/provenance/v1", **about, **changes})
    document = bundle_document(said, private_key(number=number))
    layer = image.home.put_blob(json.dumps(document).encode(), BUNDLE)
    manifest = Manifest(image.home.put_blob(b"{}", OCI_EMPTY), (layer,), subject=root, artifact_type=BUNDLE)
    image.home.add_referrer(manifest.to_bytes(), root)()


def test_an_attestation_is_neither_a_signature_nor_a_rejected_one(image: Image) -> None:
    attest(image, 1)
    attest(image, 2)
    with pytest.raises(NoSignatures, match="it has 2 attestations"):
        verify(image, policy(trusts(1)))
    sign(image, key(1), identity=NAME)
    assert verify(image, policy(trusts(1))).rejections == ()
    with pytest.raises(NoSignatureAccepted, match="2 signatures rejected") as refused:
        verify(image, policy(trusts(2)))
    assert {type(rejection.error) for rejection in refused.value.rejections} == {SignatureInvalid}


def test_an_attestation_that_is_not_readable_as_one_is_a_rejected_signature(image: Image) -> None:
    attest(image, 1, predicateType=["https://slsa.dev/provenance/v1"])
    with pytest.raises(NoSignatureAccepted, match="1 signature rejected"):
        verify(image, policy(trusts(1)))


def test_attestations_do_not_hide_that_a_signature_is_broken(image: Image) -> None:
    attest(image, 1)
    attest(image, 2, predicateType=SIGN_PREDICATE)
    with pytest.raises(NoSignatureAccepted, match="1 signature rejected"):
        verify(image, policy(trusts(1)))


# --- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("format_name", "most"), [("cosign", 2), ("bundle", 3)])
def test_a_verification_by_digest_makes_few_requests(format_name: str, most: int) -> None:
    with InMemoryRegistry() as server:
        image = registry(f"{server.host}/team/app:1.0", credentials=("", ""))
        digest = build_image(image.home, {"a": b"b"}, Platform("linux", "amd64"), "1.0").digest
        sign(image, key(1), formats=[format_name])
        named = registry(f"{server.host}/team/app@{digest}", credentials=("", ""))
        server.requests.clear()
        assert verify(named, policy(trusts(1, formats=(format_name,)))).verified
        assert len(server.requests) == most


@pytest.mark.parametrize("recursive", [False, True], ids=["index alone", "each child too"])
def test_a_platform_that_neither_it_nor_the_index_proves_passes_a_rule_that_warns_as_itself(
    image: Image, recursive: bool
) -> None:
    sign(image, key(2), identity=NAME, recursive=recursive)
    result = verify(image, policy(trusts(1), warn=True), platform="linux/arm64", allow_unverified=True)
    assert (result.verified, result.through_index, result.platform) == (False, False, "linux/arm64")
    assert result.digest != image.home.resolve("1.0").digest
    assert result.warnings


def test_signatures_that_may_not_be_checked_any_more_are_a_limit_and_no_verdict(
    image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(image, key(1), identity=NAME, recursive=False)
    assert verify(image, policy(trusts(1))).verified
    monkeypatch.setitem(ALLOWANCE, Cost.SIGNATURE_CHECKS, 0)
    with pytest.raises(LimitExceeded, match="more than 0 signatures checked"):
        verify(image, policy(trusts(1)))
