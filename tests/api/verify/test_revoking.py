"""`verify` asks about verified chains, and no others, and leaves to the rule what the answer means."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from imagesig import sign, verify
from imagesig.api.verify.revoking import with_revocation
from imagesig.api.verify.verifying import VerificationResult
from imagesig.crypto.algorithms import ECDSA_SHA256
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import NoSignatureAccepted, Revoked
from imagesig.formats.cosign import Cosign
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout, layout
from imagesig.keys.file.provider import FileProvider
from imagesig.policy import AUDIT, PERMISSIVE, STRICT, Action, Enforcement, Policy, Rule, Signed
from imagesig.signature import REVOCATION, TIMESTAMP_REVOCATION, Check, Claim, Envelope, Examined
from imagesig.trust import CertificateAuthority, TimestampAuthorities, TrustAnchors, TrustedKey
from imagesig.trust.revocation import CertificateStatus, RevocationStatus
from imagesig.witnesses import RevocationChecker, Witnesses
from tests.api.certified import Certified
from tests.authorities import Authority, Issued
from tests.authorities import Revoked as Entry
from tests.makers import NOW
from tests.witnesses.loopback import Fake

OCSP, CRL, TSA_OCSP = "http://ocsp.example", "http://crl.example/1.crl", "http://tsa.example"
ROOT = Authority("root")
TSA_ROOT = Authority("timestamp root")
TSA = TSA_ROOT.tsa(ocsp=(TSA_OCSP,))
KEY = ec.generate_private_key(ec.SECP256R1())
LEAF = ROOT.leaf(key=KEY, ocsp=(OCSP,))
LISTED = ROOT.leaf(key=KEY, crl=(CRL,))
GOOD, BAD = ROOT.ocsp(LEAF), ROOT.ocsp(LEAF, revoked=True)
SKIP = Enforcement(revocation=Action.SKIP)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.peers.openssl import write_key

    home = tmp_path_factory.mktemp("image")
    build_image(Layout.create(home / "layout"), {"bin/app": b"hello"}, PLATFORMS[0], "1.0")
    write_key(home / "leaf.key", KEY).chmod(0o600)
    with FileProvider(home).open("leaf.key") as key:
        sign(layout(home / "layout", "1.0"), key, formats=["cosign"])
    return home / "layout"


class Verifying:
    """`verify` with a format that proves what it is told, and witnesses that answer what they are told."""

    def __init__(self, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.image, self.monkeypatch = image, monkeypatch

    def __call__(
        self,
        fake: Fake,
        enforcement: Enforcement = STRICT,
        *,
        leaf: Issued = LEAF,
        timestamped: bool = False,
        authority: str = "ca",
        signed_days_ago: int | None = None,
    ) -> VerificationResult:
        certified = Certified(
            chain=(leaf.certificate, ROOT.certificate),
            authority=authority,
            timestamp_chain=(TSA.certificate, TSA_ROOT.certificate) if timestamped else (),
            authentic_time=None if signed_days_ago is None else NOW - timedelta(days=signed_days_ago),
        )
        self.monkeypatch.setattr("imagesig.api.verify.evidence.format_names", lambda _: (certified,))
        requirement = Signed(
            (CertificateAuthority("ca", (ROOT.certificate,)),),
            timestamps=TimestampAuthorities((TSA_ROOT.certificate,)),
            enforcement=enforcement,
        )
        witnesses = Witnesses(fake, RevocationChecker(fake))
        return verify(
            layout(self.image, "1.0"), Policy(Rule((requirement,))), allow_unverified=True, now=NOW, witnesses=witnesses
        )


@pytest.fixture
def verifying(signed: Path, monkeypatch: pytest.MonkeyPatch) -> Verifying:
    return Verifying(signed, monkeypatch)


def checks(result: VerificationResult, name: str = REVOCATION) -> list[Check]:
    return [check for item in result.signatures for check in item.checks if check.name == name]


def refused(verifying: Verifying, fake: Fake, reason: str, enforcement: Enforcement = STRICT, **options: bool) -> None:
    with pytest.raises(NoSignatureAccepted) as caught:
        verifying(fake, enforcement, **options)  # type: ignore[arg-type]
    (rejection,) = caught.value.rejections
    assert isinstance(rejection.error, Revoked)
    assert reason in str(rejection.error)


def test_a_good_certificate_is_accepted_and_said_to_be_good(verifying: Verifying) -> None:
    (check,) = checks(verifying(Fake({OCSP: GOOD})))

    assert check.passed
    assert "CN=leaf" in check.detail
    assert f"OCSP {OCSP}" in check.detail


def test_a_revoked_certificate_is_refused(verifying: Verifying) -> None:
    refused(verifying, Fake({OCSP: BAD}), "revoked")


def test_without_an_answer_the_signature_is_refused(verifying: Verifying) -> None:
    refused(verifying, Fake(), "unknown")


def test_a_certificate_that_cannot_be_revoked_is_accepted_and_said_to_be_so(verifying: Verifying) -> None:
    (check,) = checks(verifying(Fake(), leaf=ROOT.leaf(key=KEY)))

    assert check.passed
    assert "non-revokable" in check.detail


@pytest.mark.parametrize("enforcement", [PERMISSIVE, AUDIT], ids=["permissive", "audit"])
@pytest.mark.parametrize("fake", [Fake({OCSP: BAD}), Fake()], ids=["revoked", "unknown"])
def test_a_rule_that_logs_revocation_warns(verifying: Verifying, fake: Fake, enforcement: Enforcement) -> None:
    result = verifying(fake, enforcement)

    assert len(result.signatures) == 1
    assert any("CN=leaf" in warning for warning in result.warnings)


def test_a_rule_that_skips_revocation_makes_no_query(verifying: Verifying) -> None:
    fake = Fake({OCSP: BAD})
    result = verifying(fake, SKIP)

    assert len(result.signatures) == 1
    assert checks(result) == []
    assert fake.queries == []


@pytest.mark.parametrize("authority", ["", "stranger"], ids=["nobody trusted", "not of this rule"])
def test_an_untrusted_signer_is_not_checked_for_revocation(verifying: Verifying, authority: str) -> None:
    # Its URLs are a stranger's: whoever signs could otherwise make us ask anybody.
    fake = Fake({OCSP: GOOD})
    verifying(fake, AUDIT, authority=authority)

    assert fake.queries == []


def test_every_authority_has_its_check_and_no_question_is_asked_twice() -> None:
    key = PublicKey.from_cryptography(KEY.public_key())
    made = Examined("cosign", "x", "key", key, ECDSA_SHA256, Claim(()), ())
    names = ("one", "two", "other")
    vouched = tuple(replace(made, authority=name, chain=(LEAF.certificate, ROOT.certificate)) for name in names)
    authorities = (
        *(CertificateAuthority(name, (ROOT.certificate,)) for name in names[:2]),
        CertificateAuthority("other", (LEAF.certificate,)),
    )
    fake = Fake({OCSP: BAD})
    (found,) = with_revocation(
        [replace(made, by_others=vouched)], Signed(authorities), RevocationChecker(fake), NOW, {}
    )
    assert found.checks == ()
    assert all(isinstance(item.checks[0].failure, Revoked) for item in found.by_others)
    assert len(fake.queries) == 1


def test_further_authorities_are_checked_only_if_needed(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = PublicKey.from_cryptography(KEY.public_key())
    chain = (LEAF.certificate, ROOT.certificate)

    class ByBoth(Cosign):
        def authenticate(self, envelope: Envelope, anchors: TrustAnchors, now: datetime) -> Examined:
            made = Cosign.authenticate(self, envelope, TrustAnchors((TrustedKey("key", (key,)),)), now)
            return replace(made, by_others=(replace(made, authority="ca", chain=chain),))

    monkeypatch.setattr("imagesig.api.verify.evidence.format_names", lambda _: (ByBoth(),))
    authorities = (TrustedKey("key", (key,)), CertificateAuthority("ca", (ROOT.certificate,)))
    for threshold, enforcement, queries in ((1, STRICT, 0), (2, STRICT, 1), (2, SKIP, 0)):
        fake = Fake({OCSP: BAD})
        witnesses = Witnesses(fake, RevocationChecker(fake))
        policy = Policy(Rule((Signed(authorities, threshold, enforcement=enforcement),)))
        if threshold == 1:
            assert verify(layout(signed, "1.0"), policy, now=NOW, witnesses=witnesses).verified
        else:
            with pytest.raises(NoSignatureAccepted) as refused:
                verify(layout(signed, "1.0"), policy, now=NOW, witnesses=witnesses)
            said = str(refused.value.findings[1])
            assert ("revoked" in said) == (enforcement is STRICT)
        assert len(fake.queries) == queries


# --- timestamp services --------------------------------------------------------------------------------------------


def test_the_timestamp_service_is_checked_too(verifying: Verifying) -> None:
    result = verifying(Fake({OCSP: GOOD, TSA_OCSP: TSA_ROOT.ocsp(TSA)}), timestamped=True)

    (check,) = checks(result, TIMESTAMP_REVOCATION)
    assert check.passed
    assert "CN=tsa" in check.detail


@pytest.mark.parametrize("enforcement", [STRICT, SKIP], ids=["strict", "revocation skipped"])
def test_a_revoked_timestamp_service_is_refused_even_if_revoked_signers_are_not(
    verifying: Verifying, enforcement: Enforcement
) -> None:
    answers = {OCSP: GOOD, TSA_OCSP: TSA_ROOT.ocsp(TSA, revoked=True)}

    refused(verifying, Fake(answers), "CN=tsa", enforcement, timestamped=True)
    refused(verifying, Fake({OCSP: GOOD}), "CN=tsa", enforcement, timestamped=True)


def test_a_rule_that_logs_timestamps_logs_revoked_timestamp_services_as_notation_does(verifying: Verifying) -> None:
    fake = Fake({OCSP: GOOD, TSA_OCSP: TSA_ROOT.ocsp(TSA, revoked=True)})
    result = verifying(fake, Enforcement(authentic_timestamp=Action.LOG), timestamped=True)

    assert any("CN=tsa" in warning for warning in result.warnings)


# --- invalidity date -----------------------------------------------------------------------------------------------

INVALID = Fake({CRL: ROOT.crl(Entry(LISTED, invalid_since=NOW - timedelta(days=3)))})


def test_a_signing_authoritys_time_excuses_a_later_revocation(verifying: Verifying) -> None:
    (check,) = checks(verifying(INVALID, leaf=LISTED, signed_days_ago=5))

    assert check.passed


def test_a_timestamp_excuses_no_revocation(verifying: Verifying) -> None:
    # It proves that the signature is older than it, not that it was made before the key was stolen.
    with pytest.raises(NoSignatureAccepted):
        verifying(
            Fake({**INVALID.answers, TSA_OCSP: TSA_ROOT.ocsp(TSA)}), leaf=LISTED, signed_days_ago=5, timestamped=True
        )


def test_without_a_trusted_time_no_revocation_is_excused(verifying: Verifying) -> None:
    with pytest.raises(NoSignatureAccepted):
        verifying(INVALID, leaf=LISTED)


# --- what was asked before -----------------------------------------------------------------------------------------

OTHER_LEAF = ROOT.leaf("other")
MADE = Examined(
    "cosign", "x", "ca", PublicKey.from_cryptography(KEY.public_key()), ECDSA_SHA256, Claim(()), (),
    authentic_time=NOW - timedelta(days=5), chain=(LEAF.certificate, ROOT.certificate),
)  # fmt: skip


class RefusesOne:
    """Answers that one question with revoked, and every other with good; keeps what it was asked."""

    def __init__(self, chain: tuple[Certificate, ...], trusted: tuple[Certificate, ...], at: datetime | None) -> None:
        self.bad, self.asked = (chain, trusted, at), list[object]()

    def check(
        self,
        chain: tuple[Certificate, ...],
        at: datetime,
        *,
        trusted: tuple[Certificate, ...] = (),
        signed_at: datetime | None = None,
    ) -> tuple[CertificateStatus, ...]:
        question = (chain, trusted, signed_at)
        self.asked.append(question)
        status = RevocationStatus.REVOKED if question == self.bad else RevocationStatus.OK
        return (CertificateStatus(chain[0], status, "so it is"),)


@pytest.mark.parametrize(
    "changed",
    [
        {"chain": (OTHER_LEAF.certificate, ROOT.certificate)},
        {"authority": "pinned"},
        {"authentic_time": NOW - timedelta(days=1)},
        {"authentic_time": None},
    ],
    ids=["another signer", "another authority", "another time", "no trusted time"],
)
@pytest.mark.parametrize("first", ["good", "bad"])
def test_what_was_answered_about_one_signature_does_not_count_for_another(changed: dict[str, Any], first: str) -> None:
    authorities = {"ca": (ROOT.certificate,), "pinned": (LEAF.certificate, OTHER_LEAF.certificate)}
    bad = replace(MADE, **changed)
    checker = RefusesOne(bad.chain, authorities[bad.authority], bad.authentic_time)
    requirement = Signed(tuple(CertificateAuthority(name, found) for name, found in authorities.items()))
    order = [MADE, bad] if first == "good" else [bad, MADE]
    found = with_revocation([*order, *order], requirement, cast("RevocationChecker", checker), NOW, {})
    assert [item.checks[0].passed for item in found] == [item is MADE for item in (*order, *order)]
    assert len(checker.asked) == 2
