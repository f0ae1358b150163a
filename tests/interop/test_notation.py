"""notation 1.3.2 and imagesig: what either signs the other verifies, and what either refuses the other does too."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from imagesig import sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import (
    AnnotationMismatch,
    Expired,
    NoSignatureAccepted,
    NoSignatures,
    NotTrusted,
    SignatureRejected,
)
from imagesig.format_names import NOTATION
from imagesig.formats.notation import ManifestForm, Notation
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout, layout
from imagesig.images.registry.connect import registry
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.provider import FileKey
from imagesig.policy import Policy
from tests.chains import leaf, root
from tests.interop.notation import KEY_TYPES, NotationHome, now
from tests.makers import private_key
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop

ENVELOPES = ("jws", "cose")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> NotationHome:
    """One configuration for the tests that leave it as it is; every type of key is one of notation's own."""
    made = NotationHome.create(tmp_path_factory.mktemp("notation"))
    for key_type in KEY_TYPES:
        key = private_key(key_type)
        made.add_key(key_type.value, key, made.certify(key))
    return made


@pytest.fixture
def own_home(tmp_path: Path) -> NotationHome:
    """A configuration that a test may change."""
    made = NotationHome.create(tmp_path / "notation")
    key = private_key()
    made.add_key("default", key, made.certify(key))
    return made


@pytest.fixture(params=["referrers", "tag", "ggcr"])
def host(request: pytest.FixtureRequest) -> str:
    server: RegistryServer = request.getfixturevalue(f"registry_{request.param}")
    return server.host


def push(host: str) -> str:
    """A fresh image of one platform, by digest: notation warns of tags."""
    reference = f"{host}/notation/{uuid.uuid4().hex[:12]}"
    made = build_image(registry(f"{reference}:1.0").home, {"bin/app": uuid.uuid4().bytes}, PLATFORMS[0], "1.0")
    return f"{reference}@{made.digest}"


def new_layout(folder: Path) -> tuple[str, str]:
    """A layout with one image: its folder and the image's digest."""
    made = build_image(Layout.create(folder), {"bin/app": uuid.uuid4().bytes}, PLATFORMS[0], "1.0")
    return str(folder), made.digest


def signing_key(home: NotationHome, key_type: KeyType = KeyType.ECDSA_P256) -> FileKey:
    return opened(home.certified(private_key(key_type)))


def opened(key: PrivateKey) -> FileKey:
    return FileKey(key, "test key")


def reason(image: str, policy: Policy) -> SignatureRejected:
    with pytest.raises(NoSignatureAccepted) as refused:
        verify(image, policy)
    (rejection,) = refused.value.rejections
    assert isinstance(rejection.error, SignatureRejected)
    return rejection.error


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("key_type", KEY_TYPES, ids=lambda key_type: key_type.value)
def test_notation_verifies_what_imagesig_signs(host: str, key_type: KeyType, envelope: str, home: NotationHome) -> None:
    image = push(host)
    sign(image, signing_key(home, key_type), formats=[f"notation-{envelope}"], annotations={"build": "7"})
    home.verify(image, "-m", "build=7").must_succeed()
    assert not home.verify(image, "-m", "build=8").ok
    assert verify(image, home.policy).verified


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("key_type", KEY_TYPES, ids=lambda key_type: key_type.value)
def test_imagesig_verifies_what_notation_signs(host: str, key_type: KeyType, envelope: str, home: NotationHome) -> None:
    image = push(host)
    home.sign(key_type.value, envelope, image, "-m", "build=7", "--expiry", "1h").must_succeed()
    result = verify(image, home.policy)
    (signature,) = result.signatures
    assert result.verified
    assert signature.authority == "ca:acme"
    assert dict(signature.claim.subjects[0].annotations) == {"build": "7"}
    assert signature.public_key.key_type is key_type


def test_both_sign_one_image_and_both_signatures_count(host: str, home: NotationHome) -> None:
    image = push(host)
    home.sign("ecdsa-p256", "cose", image).must_succeed()
    sign(image, signing_key(home), formats=["notation"])
    home.sign("rsa-2048", "jws", image).must_succeed()
    home.verify(image).must_succeed()
    assert len(verify(image, home.policy).signatures) == 3


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_layouts_both_ways(envelope: str, home: NotationHome, tmp_path: Path) -> None:
    ours, digest = new_layout(tmp_path / "ours")
    sign(layout(ours), signing_key(home), formats=[f"notation-{envelope}"])
    home.verify(f"{ours}@{digest}").must_succeed()
    theirs, digest = new_layout(tmp_path / "theirs")
    home.sign("ecdsa-p384", envelope, f"{theirs}@{digest}").must_succeed()
    assert verify(layout(theirs, digest), home.policy).verified


def test_the_newer_form_of_the_manifest_is_read_from_registries_that_list_it(host: str, home: NotationHome) -> None:
    image = push(host)
    sign(image, signing_key(home), formats=[Notation(manifest_form=ManifestForm.ARTIFACT_TYPE)])
    assert verify(image, home.policy).warnings == ()
    # go-containerregistry's registry lists the config's media type as the artifact type, and notation believes it.
    listed = registry(image).home.referrers(image.partition("@")[2]).entries
    assert home.verify(image).ok is any(item.artifact_type == NOTATION for item in listed)


def test_notation_1_3_finds_the_newer_form_in_no_layout_which_is_why_it_is_not_the_default(
    home: NotationHome, tmp_path: Path
) -> None:
    folder, digest = new_layout(tmp_path / "layout")
    sign(layout(folder), signing_key(home), formats=[Notation(manifest_form=ManifestForm.ARTIFACT_TYPE)])
    assert "no signature is associated" in home.verify(f"{folder}@{digest}").stderr
    assert verify(layout(folder, digest), home.policy).verified


def test_signing_again_adds_nothing_even_to_what_notation_signed(host: str, home: NotationHome) -> None:
    image = push(host)
    key = private_key(KeyType.ECDSA_P521)
    chain = home.certify(key)
    name = f"again-{uuid.uuid4().hex[:8]}"
    home.add_key(name, key, chain)
    home.sign(name, "jws", image).must_succeed()
    signed = sign(image, opened(replace(key, chain=chain)), formats=["notation"])
    assert [item.state for item in signed.signatures] == ["present"]


def test_notation_inspects_what_imagesig_signs(registry_referrers: RegistryServer, home: NotationHome) -> None:
    image = push(registry_referrers.host)
    sign(image, signing_key(home), formats=[Notation("cose", expiry=timedelta(hours=1))])
    shown = home.tools.run("notation", "inspect", "--insecure-registry", "-o", "json", image).must_succeed().stdout
    assert "application/cose" in shown
    assert "imagesig/" in shown
    assert "CN=leaf" in shown


def test_an_image_without_signatures_is_unsigned_on_every_registry(host: str, home: NotationHome) -> None:
    with pytest.raises(NoSignatures):
        verify(push(host), home.policy)


# --- refusals --------------------------------------------------------------------------------------------------------


def test_both_refuse_an_expired_signature(registry_referrers: RegistryServer, own_home: NotationHome) -> None:
    image = push(registry_referrers.host)
    at = now() - timedelta(minutes=30)
    sign(image, signing_key(own_home), formats=[Notation(expiry=timedelta(minutes=1))], now=at)
    assert "expiry validation failed" in own_home.verify(image).stderr
    assert isinstance(reason(image, own_home.policy), Expired)
    own_home.write_policy(level={"level": "strict", "override": {"expiry": "log"}})
    own_home.verify(image).must_succeed()
    result = verify(image, own_home.policy)
    assert result.verified
    assert "expired" in result.warnings[0]


def test_both_refuse_a_signer_of_another_authority(registry_referrers: RegistryServer, own_home: NotationHome) -> None:
    image = push(registry_referrers.host)
    sign(image, signing_key(own_home), formats=["notation"])
    own_home.trust(root(number=955).chain)
    assert "authenticity validation failed" in own_home.verify(image).stderr
    assert isinstance(reason(image, own_home.policy), NotTrusted)


def test_both_refuse_a_signer_who_is_somebody_else(registry_referrers: RegistryServer, own_home: NotationHome) -> None:
    image = push(registry_referrers.host)
    own_home.sign("default", "jws", image).must_succeed()
    own_home.write_policy(identities=["x509.subject: C=US, ST=WA, O=somebody else"])
    assert "authenticity validation failed" in own_home.verify(image).stderr
    assert isinstance(reason(image, own_home.policy), NotTrusted)


def test_both_refuse_an_expired_certificate_where_nothing_timestamps(
    registry_referrers: RegistryServer, own_home: NotationHome
) -> None:
    image = push(registry_referrers.host)
    at = now() - timedelta(minutes=30)
    short = leaf(own_home.authority, start=at - timedelta(minutes=1), end=at + timedelta(minutes=1))
    sign(image, opened(replace(short.private_key, chain=short.chain)), formats=["notation"], now=at)
    assert "authenticTimestamp validation failed" in own_home.verify(image).stderr
    assert isinstance(reason(image, own_home.policy), Expired)
    own_home.write_policy(level="permissive")
    own_home.verify(image).must_succeed()
    assert verify(image, own_home.policy).verified


@pytest.mark.parametrize("level", ["strict", "permissive", "audit"])
def test_both_refuse_required_metadata_that_was_not_signed(
    level: str, registry_referrers: RegistryServer, own_home: NotationHome
) -> None:
    image = push(registry_referrers.host)
    own_home.write_policy(level=level)
    own_home.sign("default", "cose", image, "-m", "build=7").must_succeed()
    assert not own_home.verify(image, "-m", "build=8").ok
    authority = own_home.policy.default.signed[0].authorities[0]
    wanted: Mapping[str, str] = {"build": "8"}
    assert isinstance(reason(image, Policy.any_of(authority, annotations=wanted)), AnnotationMismatch)


def test_audit_lets_an_unknown_signer_pass_without_proof_and_skip_lets_everything(
    registry_referrers: RegistryServer, own_home: NotationHome
) -> None:
    image = push(registry_referrers.host)
    sign(image, signing_key(own_home), formats=["notation"])
    own_home.trust(root(number=955).chain)
    own_home.write_policy(level="audit")
    own_home.verify(image).must_succeed()
    result = verify(image, own_home.policy, allow_unverified=True)
    assert not result.verified
    assert result.warnings
