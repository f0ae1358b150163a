"""cosign's signatures with certificates, classic and bundle, judged by authorities; and the forgeries that fail."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from msgspec.structs import replace

from imagesig import limits
from imagesig.crypto.algorithms import ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512, Algorithm, KeyType
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.effort import Cost
from imagesig.errors import (
    Expired,
    FormatViolation,
    ImagesigError,
    LimitExceeded,
    MalformedError,
    NotTrusted,
    SignatureInvalid,
    TimestampInvalid,
)
from imagesig.formats.bundle import Bundle
from imagesig.formats.certified import Timing, timing
from imagesig.formats.cosign import Cosign
from imagesig.formats.cosign_family import CERTIFICATE_ANNOTATION, CHAIN_ANNOTATION
from imagesig.oci.annotations import Annotations
from imagesig.signature import AUTHENTIC_TIMESTAMP, AUTHENTICITY, Examined, StoredSignature
from imagesig.trust import Strangers, TimestampAuthorities, TrustAnchors, TrustedKey
from tests.authorities import Authority
from tests.chains import SUBJECT, Issuer, certified, intermediate, leaf, pem, root, trusting
from tests.effort import counted
from tests.makers import NOW, bundle_document, classic, payload, private_key, stored_bundle
from tests.timestamps import token, tst_info

FORMS = ("classic", "bundle", "bundle chain")
forms = pytest.mark.parametrize("form", FORMS)


def stored(form: str, signer: Issuer, chain: Sequence[Certificate] | None = None) -> StoredSignature:
    """A signature by the signer's key, with this chain or its own."""
    chain = signer.chain if chain is None else chain
    if form == "classic":
        made = classic(payload(), signer.private_key)
        part = made.parts[0]
        attached = {CERTIFICATE_ANNOTATION: pem(chain[:1]), CHAIN_ANNOTATION: pem(chain[1:])}
        return replace(made, parts=(replace(part, annotations=Annotations({**part.annotations, **attached})),))
    document = bundle_document(key=signer.private_key)
    raw = [{"rawBytes": base64.b64encode(item.der).decode()} for item in chain]
    document["verificationMaterial"] = (
        {"certificate": raw[0]} if form == "bundle" else {"x509CertificateChain": {"certificates": raw}}
    )
    return stored_bundle(document)


def authenticate(signature: StoredSignature, anchors: TrustAnchors) -> Examined:
    format_ = Cosign() if "cosign" in signature.parts[0].media_type else Bundle()
    return format_.authenticate(format_.parse(signature), anchors, NOW)


def as_stranger(signature: StoredSignature, anchors: TrustAnchors) -> Examined:
    """What comes out where a rule only logs that nobody vouches for the signer; any other rule refuses it at once."""
    with pytest.raises(NotTrusted):
        authenticate(signature, anchors)
    return authenticate(signature, replace(anchors, strangers=Strangers.JUDGED))


def trusted(signer: Issuer, **more: Any) -> TrustAnchors:
    """Root and intermediate, for a bundle brings the signer's certificate alone."""
    return trusting(*signer.chain[1:], **more)


def failure(examined: Examined, name: str) -> ImagesigError | None:
    (found,) = [item for item in examined.checks if item.name == name]
    return found.failure


@forms
@pytest.mark.parametrize("key_type", list(KeyType), ids=lambda item: item.value)
def test_an_authority_certifies_the_signer(form: str, key_type: KeyType) -> None:
    signer = leaf(intermediate(root()), key=private_key(key_type))
    examined = authenticate(stored(form, signer), trusted(signer, holders=[SUBJECT]))
    assert examined.authority == "acme"
    assert examined.chain[0] == signer.certificate
    assert examined.public_key == signer.private_key.public_key
    assert [item.name for item in examined.checks] == ["signature", AUTHENTICITY, AUTHENTIC_TIMESTAMP]
    assert all(item.passed for item in examined.checks)


@forms
def test_every_authority_that_certified_the_signer_has_its_own_checks(form: str) -> None:
    signer = leaf(intermediate(root(), end=NOW - timedelta(days=1)))
    acme, middle = (trusting(*chain).authorities[0] for chain in (signer.chain[1:], signer.chain[1:2]))
    pinned = trusting(signer.certificate).authorities[0]
    stranger = trusting(*root(number=955).chain).authorities[0]
    anchors = TrustAnchors(
        (), (acme, replace(stranger, name="stranger"), replace(middle, name="middle"), replace(pinned, name="signer"))
    )
    examined = authenticate(stored(form, signer), anchors)
    assert [item.authority for item in examined.by_all] == ["acme", "middle", "signer"]
    assert {item.public_key for item in examined.by_all} == {signer.private_key.public_key}
    times = [failure(item, AUTHENTIC_TIMESTAMP) for item in examined.by_all]
    assert [type(error) for error in times] == [Expired, Expired, type(None)]
    assert examined.by_others[-1].chain == (signer.certificate,)


@forms
def test_a_certificate_of_somebody_else_proves_nothing(form: str) -> None:
    victim = certified()
    attacker = leaf(root(number=955), key=private_key(number=66))
    with pytest.raises(SignatureInvalid):
        authenticate(stored(form, attacker, victim.chain), trusted(victim))


@forms
def test_an_authority_that_comes_with_the_signature_is_not_trusted(form: str) -> None:
    attacker = leaf(intermediate(root(number=955), number=956), key=private_key(number=66))
    examined = as_stranger(stored(form, attacker), trusted(certified()))
    assert examined.authority == ""
    assert isinstance(failure(examined, AUTHENTICITY), NotTrusted)


@forms
def test_a_signer_cannot_certify_another(form: str) -> None:
    victim = certified()
    attacker = leaf(victim, key=private_key(number=66))
    assert isinstance(failure(as_stranger(stored(form, attacker), trusted(victim)), AUTHENTICITY), NotTrusted)


@forms
def test_another_holder_is_refused(form: str) -> None:
    names = x509.SubjectAlternativeName([x509.RFC822Name("a@acme.example")])
    signer = leaf(intermediate(root()), SUBJECT, (names, False))
    assert authenticate(stored(form, signer), trusted(signer, holders=["a@acme.example"])).authority == "acme"
    examined = as_stranger(stored(form, signer), trusted(signer, holders=["b@acme.example"]))
    assert isinstance(failure(examined, AUTHENTICITY), NotTrusted)


@forms
def test_a_certificate_for_something_else_is_refused(form: str) -> None:
    signer = leaf(intermediate(root()), purposes=[ExtendedKeyUsageOID.SERVER_AUTH])
    with pytest.raises(FormatViolation, match="codeSigning"):
        authenticate(stored(form, signer), trusted(signer))


@forms
def test_a_certificate_for_nothing_in_particular_is_accepted(form: str) -> None:
    signer = leaf(intermediate(root()), purposes=None)
    assert authenticate(stored(form, signer), trusted(signer)).authority == "acme"


@forms
def test_cve_2026_24122_an_expired_intermediate_is_refused_though_the_signer_is_valid(form: str) -> None:
    signer = leaf(intermediate(root(), end=NOW - timedelta(days=1)))
    anchors = trusting(signer.chain[-1])
    if form == "bundle":  # it does not bring its intermediate
        assert isinstance(failure(as_stranger(stored(form, signer), anchors), AUTHENTICITY), NotTrusted)
        anchors = trusted(signer)
    examined = authenticate(stored(form, signer), anchors)
    assert isinstance(failure(examined, AUTHENTIC_TIMESTAMP), Expired)


@forms
def test_cve_2026_54787_a_signature_after_the_certificate_expired_is_refused(form: str) -> None:
    signer = leaf(intermediate(root()), end=NOW - timedelta(seconds=1))
    assert isinstance(failure(authenticate(stored(form, signer), trusted(signer)), AUTHENTIC_TIMESTAMP), Expired)


@forms
def test_a_policy_that_needs_timestamps_refuses_signatures_without_one(form: str) -> None:
    signer = certified()
    anchors = trusted(signer, timestamps=TimestampAuthorities(root().chain))
    assert isinstance(failure(authenticate(stored(form, signer), anchors), AUTHENTIC_TIMESTAMP), TimestampInvalid)


def test_with_only_keys_a_classic_signature_is_verified_by_the_key_regardless_of_certificates() -> None:
    signer = certified()
    anchors = TrustAnchors((TrustedKey("key", (signer.private_key.public_key,)),))
    expired = leaf(root(), end=NOW - timedelta(days=1))
    for chain in (signer.chain, expired.chain):
        examined = authenticate(stored("classic", signer, chain), anchors)
        assert examined.authority == "key"
        assert examined.chain == ()
    part = stored("classic", signer).parts[0]
    garbage = replace(part, annotations=Annotations({**part.annotations, CERTIFICATE_ANNOTATION: "garbage"}))
    assert authenticate(StoredSignature("x", (garbage,)), anchors).authority == "key"


def test_a_certificate_of_a_stranger_that_cannot_be_read_is_refused_although_strangers_are_judged() -> None:
    signer = leaf(intermediate(root(number=955), number=956), key=private_key(number=66))
    der = signer.chain[1].der
    found = re.search(rb"\d{12}Z", der)
    assert found is not None
    time = found.start()
    unreadable = SimpleNamespace(der=der[:time] + b"x" * 12 + der[time + 12 :])
    chain: Any = (signer.chain[0], unreadable, signer.chain[2])
    anchors = replace(trusted(certified()), strangers=Strangers.JUDGED)
    assert authenticate(stored("bundle chain", signer), anchors).authority == ""
    with pytest.raises(MalformedError, match="not a certificate in DER"):
        authenticate(stored("bundle chain", signer, chain), anchors)


def test_a_classic_signature_by_a_trusted_key_also_fits_the_authority_of_its_certificate() -> None:
    signer = certified()
    anchors = replace(trusted(signer), keys=(TrustedKey("key", (signer.private_key.public_key,)),))
    assert [item.authority for item in authenticate(stored("classic", signer), anchors).by_all] == ["key", "acme"]
    other = leaf(root(), key=private_key(number=66))
    for_servers = leaf(intermediate(root()), purposes=[ExtendedKeyUsageOID.SERVER_AUTH])
    for chain in (other.chain, for_servers.chain, certified(KeyType.ECDSA_P384).chain):
        assert [item.authority for item in authenticate(stored("classic", signer, chain), anchors).by_all] == ["key"]
    part = stored("classic", signer).parts[0]
    garbage = replace(part, annotations=Annotations({**part.annotations, CERTIFICATE_ANNOTATION: "garbage"}))
    assert authenticate(StoredSignature("x", (garbage,)), anchors).by_others == ()


def test_a_certificate_for_another_key_makes_no_second_signer_of_one_signature(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # For ECDSA anybody can compute a further key that fits the same bytes.
    signer, other = certified(), leaf(intermediate(root()), key=private_key(number=66))
    anchors = replace(trusted(other), keys=(TrustedKey("key", (signer.private_key.public_key,)),))
    monkeypatch.setattr(PublicKey, "verify", lambda *_: None)
    examined = authenticate(stored("classic", signer, other.chain), anchors)
    assert (examined.authority, examined.by_others) == ("key", ())


@pytest.mark.parametrize("form", ["bundle", "bundle chain"])
def test_with_only_keys_a_bundle_with_a_certificate_is_refused(form: str) -> None:
    signer = certified()
    anchors = TrustAnchors((TrustedKey("key", (signer.private_key.public_key,)),))
    with pytest.raises(FormatViolation, match="bare keys only"):
        authenticate(stored(form, signer), anchors)


@pytest.mark.parametrize("form", ["classic", "bundle"])
def test_with_only_authorities_a_bare_key_is_refused(form: str) -> None:
    key = private_key(KeyType.ECDSA_P256)
    bare = classic(payload(), key) if form == "classic" else stored_bundle(bundle_document(key=key))
    with pytest.raises(SignatureInvalid, match="no bare key"):
        authenticate(bare, trusted(certified()))


@pytest.mark.parametrize(
    ("certificate", "chain", "kind"),
    [
        ("garbage", "", MalformedError),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "", MalformedError),
        (None, "garbage", MalformedError),
        ("twice", "", FormatViolation),
        (None, "many", LimitExceeded),
        ("", "", SignatureInvalid),
    ],
)
def test_annotations_that_are_not_certificates_are_refused(
    certificate: str | None, chain: str, kind: type[ImagesigError]
) -> None:
    signer = certified()
    one = pem(signer.chain[:1])
    texts = {None: one, "twice": one * 2, "many": one * limits.CHAIN_CERTIFICATES}
    part = stored("classic", signer).parts[0]
    attached = {
        CERTIFICATE_ANNOTATION: texts.get(certificate, certificate or ""),
        CHAIN_ANNOTATION: texts.get(chain, chain),
    }
    changed = replace(part, annotations=Annotations({**part.annotations, **attached}))
    with pytest.raises(kind):
        authenticate(StoredSignature("x", (changed,)), trusted(signer))


@pytest.mark.parametrize(
    "material",
    [
        {"certificate": None},
        {"certificate": {}},
        {"certificate": {"rawBytes": "AAAA"}},
        {"certificate": {"rawBytes": 7}},
        {"x509CertificateChain": {"certificates": []}},
        {"x509CertificateChain": {"certificates": [7]}},
        {"certificate": {"rawBytes": "AAAA"}, "publicKey": {"hint": ""}},
        {"certificate": {"rawBytes": "AAAA"}, "x509CertificateChain": {"certificates": []}},
        {"certificate": {"rawBytes": "AAAA"}, "unknown": 1},
        {},
    ],
)
def test_material_without_a_certificate_or_with_two_kinds_is_refused(material: dict[str, Any]) -> None:
    document = bundle_document() | {"verificationMaterial": material}
    with pytest.raises((MalformedError, FormatViolation)):
        authenticate(stored_bundle(json.dumps(document).encode()), trusted(certified()))


def test_each_algorithm_that_is_tried_costs_one_check() -> None:
    signature = stored("classic", certified())
    with counted() as spent:
        authenticate(signature, trusted(certified()))
    assert spent[Cost.SIGNATURE_CHECKS] == 1


# --- when the chain has to be valid -----------------------------------------------------------------------------------

TSA_ROOT = Authority("timestamp root")
TSA = TSA_ROOT.tsa()
SIGNATURE = b"the raw bytes of a signature"
HOUR = timedelta(hours=1)
WITH_TIMESTAMPS = TimestampAuthorities((TSA_ROOT.certificate,))


def stamped(at: datetime, **fields: Any) -> bytes:
    return token(TSA, tst_info(SIGNATURE, generated=at, **fields))


def timed(start: datetime, end: datetime, stamp: bytes, timestamps: TimestampAuthorities | None) -> Timing:
    chain = leaf(root(), start=start, end=end).chain
    return timing(chain, timestamps, NOW, signature=SIGNATURE, token=stamp)


def test_a_certificate_may_expire_once_a_timestamp_saw_its_signature() -> None:
    found = timed(NOW - 5 * HOUR, NOW - HOUR, stamped(NOW - 2 * HOUR), WITH_TIMESTAMPS)
    assert found.check.passed
    assert "when the certificates were valid" in found.check.detail
    assert found.authentic_time == NOW - 2 * HOUR
    assert found.timestamp_chain == (TSA.certificate, TSA_ROOT.certificate)


@pytest.mark.parametrize(
    ("start", "end"),
    [(NOW - 5 * HOUR, NOW - 3 * HOUR), (NOW - HOUR, NOW + HOUR)],
    ids=["expired before it", "began after it"],
)
def test_a_timestamp_outside_the_validity_fails_at_any_time(start: datetime, end: datetime) -> None:
    found = timed(start, end, stamped(NOW - 2 * HOUR), WITH_TIMESTAMPS)
    assert isinstance(found.check.failure, Expired)
    assert found.authentic_time is None


@pytest.mark.parametrize(("seconds", "passes"), [(3600, True), (3601, False)])
def test_the_accuracy_of_a_timestamp_has_to_be_within_the_validity_too(seconds: int, passes: bool) -> None:
    stamp = stamped(NOW - 2 * HOUR, accuracy={"seconds": seconds})
    for start, end in ((NOW - 3 * HOUR, NOW), (NOW - 9 * HOUR, NOW - HOUR)):
        assert timed(start, end, stamp, WITH_TIMESTAMPS).check.passed is passes


def test_timestamps_are_looked_at_where_the_rule_wants_them() -> None:
    late = TimestampAuthorities((TSA_ROOT.certificate,), after_expiry_only=True)
    valid, expired = (NOW - HOUR, NOW + HOUR), (NOW - 3 * HOUR, NOW - HOUR)
    assert timed(*valid, b"", None).check.passed
    assert timed(*valid, b"", late).check.passed
    assert isinstance(timed(*valid, b"", WITH_TIMESTAMPS).check.failure, TimestampInvalid)
    assert isinstance(timed(*expired, b"", late).check.failure, TimestampInvalid)
    assert isinstance(timed(*expired, stamped(NOW - 2 * HOUR), None).check.failure, Expired)
    assert timed(*expired, stamped(NOW - 2 * HOUR), late).check.passed


@pytest.mark.parametrize("algorithm", [ECDSA_SHA256, ECDSA_SHA384, ECDSA_SHA512], ids=str)
def test_a_certificate_on_a_larger_curve_may_sign_with_each_hash_up_to_its_own(algorithm: Algorithm) -> None:
    signer = leaf(intermediate(root()), key=private_key(KeyType.ECDSA_P521))
    made = classic(payload(), signer.private_key, algorithm=algorithm)
    part = made.parts[0]
    attached = {CERTIFICATE_ANNOTATION: pem(signer.chain[:1]), CHAIN_ANNOTATION: pem(signer.chain[1:])}
    signature = replace(made, parts=(replace(part, annotations=Annotations({**part.annotations, **attached})),))
    assert authenticate(signature, trusted(signer)).algorithm == algorithm
