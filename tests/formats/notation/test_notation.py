"""Notary Project signatures: what is drafted, what is sealed, and the checks that a rule may enforce or log."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from imagesig import limits
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import Expired, ImagesigError, InvalidArgument, NotTrusted, TimestampInvalid, UnsupportedAlgorithm
from imagesig.format_names import NOTATION
from imagesig.formats import ALL_FORMATS, select_formats
from imagesig.formats.notation import SIGNING_AUTHORITY, Attribute, ManifestForm, Notation
from imagesig.formats.notation.notation import THUMBPRINTS
from imagesig.oci.annotations import Annotations
from imagesig.oci.manifest import OCI_MANIFEST
from imagesig.signature import (
    AUTHENTIC_TIMESTAMP,
    AUTHENTICITY,
    EXPIRY,
    AlreadySigned,
    Check,
    Claim,
    Draft,
    Examined,
    SignerInfo,
    StoredSignature,
    Subject,
)
from imagesig.trust import Role, Strangers, TimestampAuthorities, TrustAnchors, TrustedKey
from tests.chains import SUBJECT, Issuer, certified, intermediate, leaf, root, spliced, trusting
from tests.envelopes import AUTHORITY_HEADER, ENVELOPES, EXPIRING, authenticate, stored
from tests.makers import DIGEST, NOW, private_key

CLAIM = Claim((Subject(DIGEST, OCI_MANIFEST, 527, Annotations({"build": "<7>"})),), "registry.example/app:1.0")
KEY_TYPES = [key_type for key_type in KeyType if key_type is not KeyType.ED25519]
both = pytest.mark.parametrize("envelope", ENVELOPES)


def signed(reader: Notation, signer: Issuer | None = None, *, claim: Claim = CLAIM) -> StoredSignature:
    signer = signer or certified()
    draft = reader.draft(claim, signer.signer, NOW, ())
    assert isinstance(draft, Draft)
    return reader.seal(draft, [signer.private_key.sign(request) for request in draft.requests])


def check(examined: Examined, name: str) -> Check:
    (found,) = [item for item in examined.checks if item.name == name]
    return found


# --- signing ---------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("key_type", KEY_TYPES, ids=lambda key_type: key_type.value)
def test_a_sealed_signature_can_be_read(envelope: Any, key_type: KeyType) -> None:
    signer = certified(key_type)
    found = authenticate(signed(Notation(envelope, expiry=timedelta(hours=1)), signer), trusting(signer.chain[-1]))
    assert found.claim == Claim(CLAIM.subjects)
    assert found.authority == "acme"
    assert found.chain == signer.chain
    assert all(item.passed for item in found.checks)


@both
def test_the_manifest_says_what_it_is_in_the_form_that_was_chosen(envelope: Any) -> None:
    chain = certified().chain
    older, newer = signed(Notation(envelope)), signed(Notation(envelope, manifest_form=ManifestForm.ARTIFACT_TYPE))
    assert (older.artifact_type, older.config_type) == ("", NOTATION)
    assert (newer.artifact_type, newer.config_type) == (NOTATION, "")
    thumbprints = json.loads(older.annotations[THUMBPRINTS])
    assert thumbprints == [hashlib.sha256(item.der).hexdigest() for item in chain]
    assert older.annotations["org.opencontainers.image.created"] == "2026-11-24T12:00:00Z"


def test_a_jws_has_the_members_and_the_order_that_notation_writes() -> None:
    document = json.loads(signed(Notation("jws", expiry=timedelta(hours=2))).parts[0].content)
    assert set(document) == {"payload", "protected", "header", "signature"}
    protected = base64.urlsafe_b64decode(document["protected"] + "==")
    assert json.loads(protected) == {
        "alg": "ES256",
        "crit": ["io.cncf.notary.signingScheme", "io.cncf.notary.expiry"],
        "cty": "application/vnd.cncf.notary.payload.v1+json",
        "io.cncf.notary.expiry": "2026-11-24T14:00:00Z",
        "io.cncf.notary.signingScheme": "notary.x509",
        "io.cncf.notary.signingTime": "2026-11-24T12:00:00Z",
    }
    assert protected == json.dumps(json.loads(protected), separators=(",", ":"), sort_keys=True).encode()


def test_the_error_for_a_key_without_certificates_says_how_to_give_them() -> None:
    with pytest.raises(InvalidArgument) as refused:
        Notation().draft(CLAIM, SignerInfo(private_key().public_key, "test:key"), NOW, ())
    assert "--certificate-chain" in refused.value.hint


def test_ed25519_is_refused_with_the_reason() -> None:
    key = private_key(KeyType.ED25519)
    with pytest.raises(UnsupportedAlgorithm, match="no algorithm for ed25519"):
        Notation().draft(CLAIM, SignerInfo(key.public_key, "test:key", chain=certified().chain), NOW, ())


@pytest.mark.parametrize(
    ("chain", "said"),
    [
        (lambda c: c[1:], "of another key"),
        (lambda c: c[:2], "root is missing"),
        (lambda c: (c[0], c[2], c[1]), "was not issued by the next one"),
        (lambda c: (*c, root(number=955).certificate), "only the last one may be"),
        (lambda c: leaf(root(), end=NOW - timedelta(days=1)).chain, "is valid from"),
        (lambda c: leaf(root(), start=NOW + timedelta(days=1)).chain, "is valid from"),
        (lambda c: leaf(intermediate(root(), end=NOW - timedelta(days=1))).chain, "is valid from"),
        (lambda c: leaf(root(), purposes=None, usage=None).chain, "keyUsage is missing"),
    ],
)
def test_a_chain_that_verifiers_would_refuse_signs_nothing(
    chain: Callable[[tuple[Any, ...]], tuple[Any, ...]], said: str
) -> None:
    signer = spliced(certified().signer, *chain(certified().chain))
    with pytest.raises(InvalidArgument, match=said):
        Notation().draft(CLAIM, signer, NOW, ())


def test_metadata_with_a_reserved_name_is_refused() -> None:
    claim = Claim((replace(CLAIM.subjects[0], annotations=Annotations({"io.cncf.notary.x": "y"})),))
    with pytest.raises(InvalidArgument, match="reserved"):
        signed(Notation(), claim=claim)


@pytest.mark.parametrize(
    "options",
    [
        {"envelope": "pgp"},
        {"expiry": timedelta()},
        {"expiry": timedelta(seconds=-1)},
        {"expiry": timedelta(milliseconds=1500)},
        {"signing_scheme": "notary.x509.other"},
        {"timestamp_url": "http://tsa.example"},
        {"attributes": (Attribute("alg", "x"),)},
        {"attributes": (Attribute("io.cncf.notary.expiry", "x"),)},
        {"attributes": (Attribute("a", "x"), Attribute("a", "y"))},
        {"attributes": (Attribute("io.cncf.notary.verificationPlugin", "x"),)},
        {"attributes": (Attribute("io.cncf.notary.verificationPluginMinVersion", "1.0.0"),)},
        {"attributes": (Attribute("", "x"),)},
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        Notation(**options)


def test_the_names_of_the_format_and_what_they_read() -> None:
    (any_, jws, cose) = (select_formats([name])[0] for name in ("notation", "notation-jws", "notation-cose"))
    assert [item.name for item in (any_, jws, cose)] == ["notation", "notation-jws", "notation-cose"]
    assert any_.reads("application/cose")
    assert any_.reads("application/jose+json")
    assert not jws.reads("application/cose")
    assert not cose.reads("application/jose+json")
    assert ALL_FORMATS.count("notation") == 1


@both
def test_further_attributes_are_signed_and_critical_ones_need_to_be_understood(envelope: Any) -> None:
    loose = Notation(envelope, attributes=(Attribute("com.example.run", "7"),))
    assert authenticate(signed(loose)).authority == "acme"
    strict = Notation(envelope, attributes=(Attribute("com.example.run", "7", critical=True),))
    with pytest.raises(ImagesigError, match="not understood"):
        authenticate(signed(strict))
    assert authenticate(signed(strict), understood=frozenset({"com.example.run"})).authority == "acme"
    assert isinstance(strict.draft(CLAIM, certified().signer, NOW, (signed(strict),)), AlreadySigned)


@both
def test_an_earlier_signature_by_this_certificate_is_recognised(envelope: Any) -> None:
    other = {"jws": "cose", "cose": "jws"}[envelope]
    again = Notation(envelope)
    prior = signed(again)
    assert isinstance(again.draft(CLAIM, certified().signer, NOW, (prior,)), AlreadySigned)
    elsewhere = Claim((replace(CLAIM.subjects[0], annotations=Annotations({"build": "8"})),))
    for different in (
        signed(Notation(other)),  # type: ignore[arg-type]
        signed(again, claim=elsewhere),
        signed(again, leaf(root())),
        signed(Notation(envelope, expiry=timedelta(hours=1))),
        signed(Notation(envelope, signing_scheme=SIGNING_AUTHORITY)),
        stored(envelope, signature=b"\x01" * 64),
    ):
        assert isinstance(again.draft(CLAIM, certified().signer, NOW, (different,)), Draft)


@both
def test_other_attributes_are_another_signature(envelope: Any) -> None:
    def saying(value: str, critical: bool = False) -> Notation:
        return Notation(envelope, attributes=(Attribute("com.example.run", value, critical=critical),))

    prior = (signed(saying("1")),)
    assert isinstance(saying("1").draft(CLAIM, certified().signer, NOW, prior), AlreadySigned)
    for other in (saying("2"), saying("1", critical=True), Notation(envelope)):
        assert isinstance(other.draft(CLAIM, certified().signer, NOW, prior), Draft)


def test_a_signature_with_an_expiry_is_renewed_once_half_of_its_time_has_passed() -> None:
    day = Notation(expiry=timedelta(hours=24))
    prior = signed(day)
    assert isinstance(day.draft(CLAIM, certified().signer, NOW + timedelta(hours=12), (prior,)), AlreadySigned)
    assert isinstance(day.draft(CLAIM, certified().signer, NOW + timedelta(hours=13), (prior,)), Draft)
    assert isinstance(Notation().draft(CLAIM, certified().signer, NOW, (prior,)), Draft)


def test_a_timestamp_is_requested_for_the_stored_form_of_the_signature() -> None:
    stamped = Notation(timestamp_url="http://tsa.example", timestamp_authorities=root().chain)
    draft = stamped.draft(CLAIM, certified().signer, NOW, ())
    assert isinstance(draft, Draft)
    assert draft.timestamp is not None
    der = certified().private_key.sign(draft.requests[0])
    assert len(draft.timestamp.stored_form(der)) == 64
    with pytest.raises(TimestampInvalid):
        stamped.seal(draft, [der])
    document = json.loads(stamped.seal(draft, [der], b"token").parts[0].content)
    assert base64.b64decode(document["header"]["io.cncf.notary.timestampSignature"]) == b"token"
    assert base64.urlsafe_b64decode(document["signature"] + "==") == draft.timestamp.stored_form(der)


# --- checks ----------------------------------------------------------------------------------------------------------


@both
def test_a_signer_of_another_authority_is_not_trusted(envelope: str) -> None:
    signature = stored(envelope)
    for anchors in (
        trusting(root(number=955).certificate),
        trusting(certified().chain[-1], holders=["C=US,ST=WA,O=somebody"]),
        trusting(certified().chain[-1], role=Role.SIGNING_AUTHORITY),
        TrustAnchors(),
        TrustAnchors((TrustedKey("the very key", (certified().private_key.public_key,)),)),
    ):
        with pytest.raises(NotTrusted):
            authenticate(signature, anchors)
        examined = authenticate(signature, replace(anchors, strangers=Strangers.JUDGED))
        assert examined.authority == ""
        assert isinstance(check(examined, AUTHENTICITY).failure, NotTrusted)


@both
def test_any_pinned_certificate_of_the_chain_makes_it_trusted(envelope: str) -> None:
    for certificate in certified().chain:
        assert authenticate(stored(envelope), trusting(certificate)).authority == "acme"
    assert authenticate(stored(envelope), trusting(certified().chain[-1], holders=[SUBJECT])).authority == "acme"


@both
def test_every_authority_that_certified_the_signer_is_named(envelope: str) -> None:
    (acme,) = trusting(certified().chain[-1]).authorities
    others = (replace(acme, name="other"), replace(acme, name="signing", role=Role.SIGNING_AUTHORITY))
    examined = authenticate(stored(envelope), TrustAnchors((), (acme, *others)))
    assert [item.authority for item in examined.by_all] == ["acme", "other"]
    assert check(examined.by_others[0], AUTHENTICITY).detail.startswith("other certified")
    assert authenticate(stored(envelope), TrustAnchors((), (acme,))).by_others == ()


@both
def test_a_signing_authority_is_trusted_for_its_own_scheme_and_for_the_time(envelope: str) -> None:
    signature = stored(envelope, AUTHORITY_HEADER, unprotected={"io.cncf.notary.timestampSignature": _token(envelope)})
    top = certified().chain[-1]
    stamps = TimestampAuthorities(root().chain)
    found = authenticate(signature, trusting(top, role=Role.SIGNING_AUTHORITY, timestamps=stamps))
    assert found.authority == "acme"
    assert found.authentic_time == NOW - timedelta(hours=1)
    assert check(found, AUTHENTIC_TIMESTAMP).passed
    with pytest.raises(NotTrusted, match="signingAuthority"):
        authenticate(signature, trusting(top))


def _token(envelope: str) -> object:
    return base64.b64encode(b"bogus").decode() if envelope == "jws" else b"bogus"


@both
def test_a_signing_authority_that_signed_outside_the_validity_fails(envelope: str) -> None:
    early = {**AUTHORITY_HEADER, "io.cncf.notary.authenticSigningTime": NOW - timedelta(days=30)}
    found = authenticate(stored(envelope, early), trusting(certified().chain[-1], role=Role.SIGNING_AUTHORITY))
    assert isinstance(check(found, AUTHENTIC_TIMESTAMP).failure, Expired)


@both
def test_without_a_timestamp_every_certificate_must_be_valid_now(envelope: str) -> None:
    past = NOW - timedelta(hours=2)
    for signer in (
        leaf(root(), end=past),
        leaf(intermediate(root(), end=past)),
        leaf(intermediate(root(end=past))),
        leaf(root(), start=NOW + timedelta(hours=1)),
    ):
        found = authenticate(stored(envelope, signer=signer), trusting(signer.chain[-1]))
        assert isinstance(check(found, AUTHENTIC_TIMESTAMP).failure, Expired)
        assert found.authority == "acme"


@both
def test_an_expired_signature_fails_from_that_second_on(envelope: str) -> None:
    signature = stored(envelope, EXPIRING)
    reader = Notation()
    anchors = trusting(certified().chain[-1])
    at = EXPIRING["io.cncf.notary.expiry"]
    for now, passes in ((at - timedelta(seconds=1), True), (at, False)):
        assert check(reader.authenticate(reader.parse(signature), anchors, now), EXPIRY).passed is passes


@both
def test_a_policy_with_timestamp_services_needs_a_timestamp(envelope: str) -> None:
    top = certified().chain[-1]
    always = trusting(top, timestamps=TimestampAuthorities(root().chain))
    late = trusting(top, timestamps=TimestampAuthorities(root().chain, after_expiry_only=True))
    assert isinstance(check(authenticate(stored(envelope), always), AUTHENTIC_TIMESTAMP).failure, TimestampInvalid)
    assert check(authenticate(stored(envelope), late), AUTHENTIC_TIMESTAMP).passed
    expired = leaf(root(), end=NOW - timedelta(hours=2))
    anchors = replace(late, authorities=trusting(expired.chain[-1]).authorities)
    found = authenticate(stored(envelope, signer=expired), anchors)
    assert isinstance(check(found, AUTHENTIC_TIMESTAMP).failure, TimestampInvalid)


@both
def test_an_invalid_token_fails(envelope: str) -> None:
    stamps = TimestampAuthorities(root().chain)
    signature = stored(envelope, unprotected={"io.cncf.notary.timestampSignature": _token(envelope)})
    found = authenticate(signature, trusting(certified().chain[-1], timestamps=stamps))
    assert isinstance(check(found, AUTHENTIC_TIMESTAMP).failure, TimestampInvalid)
    assert authenticate(signature).authority == "acme"


@both
def test_a_token_larger_than_any_is_refused(envelope: str) -> None:
    token: Any = b"x" * (limits.TIMESTAMP_BYTES + 4)
    token = base64.b64encode(token).decode() if envelope == "jws" else token
    with pytest.raises(ImagesigError):
        authenticate(stored(envelope, unprotected={"io.cncf.notary.timestampSignature": token}))


@both
def test_the_attributes_are_shown_as_stored(envelope: str) -> None:
    reader = Notation()
    shown = reader.describe(reader.parse(stored(envelope, EXPIRING)))
    assert shown["io.cncf.notary.signingScheme"] == "notary.x509"
    assert shown["io.cncf.notary.expiry"].startswith("2026-11-24T13:00:00")
    assert "timestamp" not in shown


@both
def test_the_size_of_a_timestamp_is_shown(envelope: str) -> None:
    reader, token = Notation(), b"not read here"
    value: Any = base64.b64encode(token).decode() if envelope == "jws" else token
    signature = stored(envelope, unprotected={"io.cncf.notary.timestampSignature": value})
    assert reader.describe(reader.parse(signature))["timestamp"] == f"{len(token)} bytes"


@pytest.mark.filterwarnings("ignore")  # `cryptography` warns of odd serial numbers and lengths
@settings(max_examples=150, deadline=None)
@given(data=st.data())
@both
def test_no_byte_of_an_envelope_can_be_changed_without_notice(envelope: str, data: st.DataObject) -> None:
    """Whatever is flipped: it is refused, or what was signed and by whom is what it was."""
    good = _GOOD[envelope]
    content = bytearray(good.parts[0].content)
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    part = replace(good.parts[0], content=bytes(content))
    try:
        found = authenticate(replace(good, parts=(part,)), understood=frozenset())
    except ImagesigError:
        return
    assert found.claim.subjects[0].digest == DIGEST
    assert found.chain == certified().chain


_GOOD = {envelope: stored(envelope) for envelope in ENVELOPES}


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=300))
@pytest.mark.parametrize("media_type", ["application/jose+json", "application/cose"])
def test_bytes_that_are_not_an_envelope_are_refused(media_type: str, content: bytes) -> None:
    good = _GOOD["jws"]
    part = replace(good.parts[0], media_type=media_type, content=content)
    with pytest.raises(ImagesigError):
        authenticate(replace(good, parts=(part,)))
