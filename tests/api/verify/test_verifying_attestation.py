"""`verify_attestation`: what is proven of an image, what is not, and what the result has of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import imagesig
from imagesig import effort, limits, sign, verify, verify_attestation
from imagesig.crypto.certificate import Certificate
from imagesig.errors import (
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    NoSignatureAccepted,
    NoSignatures,
    RefusedByPolicy,
)
from imagesig.images.build import PLATFORMS, build_index
from imagesig.keys.certified import CertifiedKey
from imagesig.policy import Attested as AttestedRequirement
from imagesig.policy import Condition, Policy, Reject, Rule, Signed
from imagesig.testing import InMemoryRegistry
from imagesig.trust import CertificateAuthority, TimestampAuthorities, TrustedKey
from imagesig.trust.holder import Holder
from tests.attacks.hostile_listings import image_at
from tests.attestations import FORMS, TYPE, Attested, attest, attested_image, content, envelope, put, statement
from tests.chains import leaf, pem, root
from tests.commands import run_here
from tests.makers import NOW, private_key, signing_key

KEY = private_key().public_key
PREDICATE = {"buildDefinition": {"buildType": "b"}, "runDetails": {"builder": {}}}
VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
form = pytest.mark.parametrize("form", FORMS)


@pytest.fixture
def stage() -> Iterator[Attested]:
    with attested_image() as made:
        yield made


def ask(stage: Attested, key: object = KEY, type_: str = TYPE, **options: Any) -> imagesig.VerificationResult:
    return verify_attestation(stage.image, key, predicate_type=type_, **options)  # type: ignore[arg-type]


@form
def test_the_result_has_the_predicate_as_it_was_signed(stage: Attested, form: str) -> None:
    text = b'{ "n" : 9007199254740993, "real": 1.50,\n "empty": [] , "text": "\\u00e4" }'
    attest(stage.image, form, text)
    result = ask(stage)
    assert (result.verified, result.digest, result.signatures) == (True, stage.digest, ())
    (made,) = result.statements
    assert made.predicate == text
    assert made.parsed == {"n": 2**53 + 1, "real": 1.5, "empty": [], "text": "ä"}
    assert made.predicate_type == TYPE
    assert made.statement_type == "https://in-toto.io/Statement/v0.1"
    assert made.subjects == (stage.digest,)
    assert made.authority == KEY.fingerprint
    assert "9007199254740993" not in repr(made)
    assert "predicate" not in made.document()
    assert made.document(predicate=True)["predicate"]
    json.dumps(result.document())


def test_both_forms_are_merged(stage: Attested) -> None:
    for number, item in enumerate(FORMS):
        attest(stage.image, item, {"n": number}, key=private_key(number=number))
    result = ask(stage, Policy.all_of(*(private_key(number=number).public_key for number in range(2))))
    assert sorted(item.signature.format for item in result.statements) == ["bundle", "cosign"]


@form
def test_a_signature_of_the_image_hides_no_attestation_and_is_none(stage: Attested, form: str) -> None:
    sign(stage.image, signing_key())
    with pytest.raises(NoSignatures, match="no attestation of slsaprovenance1"):
        ask(stage)
    attest(stage.image, form)
    assert len(ask(stage).statements) == 1


@form
def test_an_attestation_is_no_signature_of_the_image(stage: Attested, form: str) -> None:
    attest(stage.image, form)
    with pytest.raises(NoSignatures):
        verify(stage.image, KEY)


@form
def test_of_another_type_alone_there_is_no_attestation(stage: Attested, form: str) -> None:
    attest(stage.image, form, key=private_key(number=7), predicateType="https://other.example/x")
    attest(stage.image, form, predicateType=VULN)
    with pytest.raises(NoSignatures, match="vuln") as raised:
        ask(stage)
    assert raised.value.exit_status == 10
    assert "https://other.example/x" in str(raised.value)


@form
def test_an_attestation_by_nobody_trusted_is_not_accepted(stage: Attested, form: str) -> None:
    attest(stage.image, form, key=private_key(number=7))
    with pytest.raises(NoSignatureAccepted, match="trusted attester of slsaprovenance1") as raised:
        ask(stage)
    assert raised.value.exit_status == 12


@form
def test_one_that_fits_is_enough_and_the_others_are_reported(stage: Attested, form: str) -> None:
    attest(stage.image, form, {"builder": {"id": "other"}})
    attest(stage.image, form, {"builder": {"id": "ours"}})
    attest(stage.image, form, {"builder": {"id": "ours"}}, key=private_key(number=7))
    put(stage.image, form, b"{}")
    conditions = [{"pointer": "/builder/id", "equals": "ours"}]
    result = ask(stage, conditions=conditions)
    assert [item.parsed for item in result.statements] == [{"builder": {"id": "ours"}}]
    assert len(result.rejections) == 3
    with pytest.raises(NoSignatureAccepted, match="every attestation"):
        ask(stage, conditions=conditions, every=True)
    with pytest.raises(NoSignatureAccepted, match="builder"):
        ask(stage, conditions=[{"pointer": "/builder/id", "equals": "nobody's"}])


def test_cel_decides_too(stage: Attested) -> None:
    attest(stage.image, predicate={"packages": [{"name": "xz"}]})
    assert ask(stage, cel="predicate.packages.exists(p, p.name == 'xz')").verified
    with pytest.raises(NoSignatureAccepted, match="is false"):
        ask(stage, cel=["!predicate.packages.exists(p, p.name == 'xz')"])


def test_the_time_of_the_verification_is_that_of_the_conditions(stage: Attested) -> None:
    attest(stage.image, predicate={"created": "2026-11-01T00:00:00Z"})
    young = [Condition("/created", "younger_than", "30d")]
    assert ask(stage, conditions=young, now=datetime(2026, 11, 28, tzinfo=UTC)).verified
    with pytest.raises(NoSignatureAccepted, match="younger_than"):
        ask(stage, conditions=young, now=datetime(2026, 12, 28, tzinfo=UTC))


# --- policies ---------------------------------------------------------------------------------------------------------


def required(*requirements: Signed | AttestedRequirement | Reject, **options: Any) -> Policy:
    return Policy(Rule(requirements, **options))


TRUSTED = (TrustedKey("ci", (KEY,)),)
PROVENANCE = AttestedRequirement(TRUSTED, predicate_type="slsaprovenance1")
SCANNED = AttestedRequirement(TRUSTED, predicate_type="vuln", conditions=(Condition("/critical", "equals", 0),))


def test_verify_judges_signatures_and_attestations_of_a_rule(stage: Attested) -> None:
    policy = required(Signed(TRUSTED), PROVENANCE, SCANNED)
    attest(stage.image, "cosign")
    attest(stage.image, predicate={"critical": 0}, predicateType=VULN)
    with pytest.raises(NoSignatures, match="has no signature"):
        verify(stage.image, policy)
    sign(stage.image, signing_key())
    result = verify(stage.image, policy)
    assert {item.format for item in result.signatures} == {"cosign", "bundle"}
    assert {item.predicate_type for item in result.statements} == {TYPE, VULN}
    assert {item.predicate_type for item in verify_attestation(stage.image, policy).statements} == {TYPE, VULN}
    assert [item.predicate_type for item in ask(stage, policy).statements] == [TYPE]


def test_a_missing_attestation_fails_a_signed_image(stage: Attested) -> None:
    sign(stage.image, signing_key())
    with pytest.raises(NoSignatures, match="no attestation of slsaprovenance1"):
        verify(stage.image, required(Signed(TRUSTED), PROVENANCE))
    result = verify(stage.image, required(Signed(TRUSTED), PROVENANCE, warn=True), allow_unverified=True)
    assert not result.verified


def test_several_requirements_read_each_attestation_once(stage: Attested) -> None:
    attest(stage.image)
    attest(stage.image, predicate={"critical": 0}, predicateType=VULN)
    before = stage.server.asked("GET", "/blobs/")
    verify(stage.image, required(PROVENANCE, SCANNED))
    assert stage.server.asked("GET", "/blobs/") - before == 2


def test_a_rule_that_names_no_attester_refuses(stage: Attested) -> None:
    attest(stage.image)
    for policy in (required(SCANNED), required(Reject()), Policy()):
        with pytest.raises(RefusedByPolicy):
            ask(stage, policy)


def test_without_a_type_a_key_says_nothing(stage: Attested) -> None:
    attest(stage.image)
    with pytest.raises(RefusedByPolicy, match="no type is asked for: --type, or predicate_type="):
        ask(stage, type_="")
    with pytest.raises(RefusedByPolicy) as refused:
        ask(stage, Policy(), type_="custom")
    assert "no type is asked for" not in str(refused.value)


@pytest.mark.parametrize("type_", ["provenance", "https://sigstore.dev/cosign/sign/v1"])
def test_an_unknown_type_is_refused(stage: Attested, type_: str) -> None:
    with pytest.raises(InvalidArgument):
        ask(stage, type_=type_)


# --- what could not be read ------------------------------------------------------------------------------------------


def test_what_was_not_read_is_never_missing(stage: Attested, monkeypatch: pytest.MonkeyPatch) -> None:
    attest(stage.image, "bundle", {"a": "x" * 1000})
    monkeypatch.setattr(limits, "ATTESTATION_BYTES", 500)
    with pytest.raises((LimitExceeded, NoSignatureAccepted)):
        ask(stage)


def test_a_large_one_keeps_no_small_one_from_being_read_but_not_all_are_known_to_fit(
    stage: Attested, monkeypatch: pytest.MonkeyPatch
) -> None:
    attest(stage.image, "bundle", {"a": "x" * 3000})
    attest(stage.image, "bundle", {"ok": True})
    monkeypatch.setitem(effort.ALLOWANCE, effort.Cost.STATEMENT_BYTES, 2000)
    assert len(ask(stage).statements) == 1
    with pytest.raises(LimitExceeded):
        ask(stage, every=True)


@pytest.mark.parametrize("limit", ["ATTESTATION_BYTES", "STATEMENT_SUBJECTS", "BUNDLE_BYTES"])
@form
def test_one_that_is_too_large_to_be_read_is_not_known_to_fit(
    stage: Attested, form: str, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = {"pointer": "/n", "equals": 1}
    attest(stage.image, form, {"n": 1})
    named = [{"name": str(n), "digest": {"sha256": stage.digest.removeprefix("sha256:")}} for n in range(9)]
    if limit == "BUNDLE_BYTES":
        put(stage.image, form, content(form, envelope(statement(stage.digest), extra="x" * 10_000)))
        monkeypatch.setattr(limits, limit, 9_000)
    else:
        attest(stage.image, form, {"n": 2, "more": "x" * 10_000}, subject=named)
        monkeypatch.setattr(limits, limit, 8 if limit == "STATEMENT_SUBJECTS" else 5_000)
    assert len(ask(stage, conditions=[fits]).statements) == 1
    with pytest.raises(LimitExceeded):
        ask(stage, conditions=[fits], every=True)


def test_a_predicate_with_a_duplicate_member_is_no_value(stage: Attested) -> None:
    attest(stage.image, predicate=b'{"a": 1, "a": 2}')
    (made,) = ask(stage).statements
    with pytest.raises(MalformedError, match="twice"):
        _ = made.parsed
    with pytest.raises(NoSignatureAccepted, match="twice"):
        ask(stage, conditions=[Condition("/a", "equals", 2)])


def test_an_attestation_of_the_index_vouches_for_its_platform() -> None:
    with InMemoryRegistry() as server:
        build_index(image_at(server).home, {"a": b"b"}, "1.0")
        image = image_at(server)
        attest(image)
        result = verify_attestation(image, KEY, predicate_type=TYPE, platform=str(PLATFORMS[0]))
        assert result.through_index
        assert result.statements


def test_an_attestation_moved_from_another_image_is_rejected(stage: Attested) -> None:
    other = statement("sha256:" + "0" * 64)
    for item in FORMS:
        put(stage.image, item, content(item, envelope(other)))
    with pytest.raises(NoSignatureAccepted, match="but the image is"):
        ask(stage)


# --- certificates ----------------------------------------------------------------------------------------------------


@pytest.fixture
def certified_key() -> CertifiedKey:
    return CertifiedKey(signing_key(), certified_chain())


def certified_chain() -> tuple[Certificate, ...]:
    return leaf(root(), key=private_key()).chain


@pytest.mark.parametrize("form", ["cosign-x509", "bundle-x509"])
def test_an_attestation_with_certificates_is_proven_by_their_authority(
    stage: Attested, certified_key: CertifiedKey, form: str
) -> None:
    chain = certified_key.info.chain
    authority = CertificateAuthority("acme", chain[-1:])
    for state in ("attached", "present"):
        made = imagesig.attest(stage.image, certified_key, predicate_type=TYPE, predicate=PREDICATE, formats=[form])
        assert [item.state for item in made.attestations] == [state]
    (statement,) = ask(stage, authority, now=NOW).statements
    assert (statement.authority, statement.signature.chain) == ("acme", chain)
    found = imagesig.inspect(stage.image).attestations
    assert [item.format for item in found] == [form.removesuffix("-x509")]
    for refused, reason in (
        (CertificateAuthority("acme", chain[-1:], (Holder.of("CN=other"),)), "other"),
        (CertificateAuthority("acme", root(number=905).chain), "no path leads"),
    ):
        with pytest.raises(NoSignatureAccepted, match=reason):
            ask(stage, refused, now=NOW)


@pytest.mark.parametrize("form", ["cosign-x509", "bundle-x509"])
def test_an_expired_certificate_proves_no_attestation_without_a_timestamp(
    stage: Attested, certified_key: CertifiedKey, form: str
) -> None:
    authority = CertificateAuthority("acme", certified_key.info.chain[-1:])
    imagesig.attest(stage.image, certified_key, predicate_type=TYPE, predicate=PREDICATE, formats=[form])
    with pytest.raises(NoSignatureAccepted, match="not at 2027"):
        ask(stage, authority, now=NOW + timedelta(days=100))
    stamps = TimestampAuthorities(root(number=905).chain, after_expiry_only=True)
    stamped = Policy(Rule((AttestedRequirement((authority,), timestamps=stamps, predicate_type=TYPE),)))
    assert ask(stage, stamped, now=NOW).statements
    with pytest.raises(NoSignatureAccepted, match="has no timestamp"):
        ask(stage, stamped, now=NOW + timedelta(days=100))


def test_the_commands_attest_and_verify_with_certificates(stage: Attested, tmp_path: Path) -> None:
    start, end = (datetime.now(UTC) + timedelta(days=days) for days in (-1, 1))
    chain = leaf(root(start=start, end=end), key=private_key(), start=start, end=end).chain
    for name, text in {
        "key": private_key().to_pem(None).decode(),
        "chain.pem": pem(chain),
        "ca.pem": pem(chain[-1:]),
        "predicate.json": json.dumps(PREDICATE),
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "key").chmod(0o600)
    given = ["--key", tmp_path / "key", "--certificate-chain", tmp_path / "chain.pem", "--format", "bundle-x509"]
    done = run_here("attest", *given, "--type", TYPE, "--predicate", tmp_path / "predicate.json", stage.image)
    assert done.exit_code == 0, done.stderr
    asked = ["verify-attestation", "--ca", tmp_path / "ca.pem", "--type", TYPE, stage.image]
    done = run_here(*asked, "--certificate-identity", "CN=leaf,O=imagesig,ST=WA,C=US")
    assert done.exit_code == 0, done.stderr
    assert "CN=leaf" in done.stdout
    assert run_here(*asked, "--certificate-identity", "CN=other,O=imagesig,ST=WA,C=US").exit_code == 12
