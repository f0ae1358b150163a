"""An OCSP response counts if the issuer, or somebody it entrusted, says of this certificate what holds now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesig import limits
from imagesig.trust.ocsp import judge_ocsp, ocsp_request
from imagesig.trust.revocation import Answer, RevocationStatus
from tests.authorities import (
    CODE_SIGNING,
    MONTH,
    OCSP_SIGNING,
    Authority,
    Issued,
    ec_key,
    rsa_key,
    with_invalidity_date,
)
from tests.makers import NOW

CA = Authority("issuer")
LEAF = CA.leaf()
GOOD = CA.ocsp(LEAF)


def judge(response: bytes, **options: Any) -> Answer:
    return judge_ocsp(response, LEAF.certificate, CA.certificate, NOW, **options)


def useless(response: bytes, reason: str) -> None:
    answer = judge(response)
    assert (answer.status, answer.final) == (RevocationStatus.UNKNOWN, False)
    assert reason in answer.reason


def test_a_good_answer_by_the_issuer_is_accepted() -> None:
    assert judge(GOOD).status is RevocationStatus.OK


@pytest.mark.parametrize(
    "key", [rsa_key(), ec_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()], ids=["RSA", "P-384", "Ed25519"]
)
def test_an_issuer_may_have_any_supported_key(key: Any) -> None:
    authority = Authority("other", key=key)
    leaf = authority.leaf()

    answer = judge_ocsp(authority.ocsp(leaf), leaf.certificate, authority.certificate, NOW)

    assert answer.status is RevocationStatus.OK


def test_a_good_answer_by_a_delegate_is_accepted() -> None:
    assert judge(CA.ocsp(LEAF, signer=CA.delegate())).status is RevocationStatus.OK


def test_an_answer_with_sha256_names_is_accepted() -> None:
    assert judge(CA.ocsp(LEAF, id_hash=hashes.SHA256())).status is RevocationStatus.OK


def test_a_revoked_certificate_is_revoked_with_the_reason() -> None:
    answer = judge(CA.ocsp(LEAF, revoked=True, reason=x509.ReasonFlags.key_compromise))

    assert answer.status is RevocationStatus.REVOKED
    assert "keyCompromise" in answer.reason


def test_a_certificate_on_hold_is_revoked() -> None:
    answer = judge(CA.ocsp(LEAF, revoked=True, reason=x509.ReasonFlags.certificate_hold))

    assert answer.status is RevocationStatus.REVOKED


def test_unknown_is_the_responders_last_word() -> None:
    answer = judge(CA.ocsp(LEAF, unknown=True))

    assert (answer.status, answer.final) == (RevocationStatus.UNKNOWN, True)


@pytest.mark.parametrize(
    ("days", "status"),
    [(-1, RevocationStatus.REVOKED), (0, RevocationStatus.REVOKED), (1, RevocationStatus.OK)],
    ids=["invalid before it signed", "invalid when it signed", "invalid after it signed"],
)
def test_a_certificate_that_went_bad_after_it_signed_was_good(days: int, status: RevocationStatus) -> None:
    signed_at = NOW - timedelta(days=5)
    response = with_invalidity_date(
        CA.ocsp(LEAF, revoked=True),
        signed_at + timedelta(days=days),
        lambda message: CA.key.sign(message, ec.ECDSA(hashes.SHA256())),
    )

    assert judge(response, signed_at=signed_at).status is status
    assert judge(response).status is RevocationStatus.REVOKED


def critical(oid: str) -> x509.Extension[Any]:
    identifier = x509.ObjectIdentifier(oid)
    return x509.Extension(identifier, True, x509.UnrecognizedExtension(identifier, b"\x05\x00"))


# --- who may answer (notation.md 6.3 c) ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delegate", "reason"),
    [
        (CA.issue("no purpose"), "no OCSPSigning"),
        (CA.issue("other purpose", purposes=CODE_SIGNING), "no OCSPSigning"),
        (CA.issue("any purpose", purposes=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)), "no OCSPSigning"),
        (CA.delegate(not_before=NOW - MONTH, not_after=NOW - timedelta(seconds=1)), "not valid at"),
        (CA.delegate(not_before=NOW + timedelta(seconds=1)), "not valid at"),
        (CA.delegate(uses=("key_agreement",)), "no digitalSignature"),
        (Authority("issuer").delegate(), "was not issued by"),
        (CA.intermediate().delegate(), "was not issued by"),
        (CA.delegate(extra=(critical("1.2.3.4"),)), "not understood: 1.2.3.4"),
    ],
    ids=[
        *("no EKU", "other EKU", "any EKU", "expired", "not yet valid", "key usage", "same name, other key", "below"),
        "critical",
    ],
)
def test_an_answer_by_an_unauthorized_signer_is_useless(delegate: Issued, reason: str) -> None:
    useless(CA.ocsp(LEAF, signer=delegate), reason)


def test_a_responder_whose_revocation_is_not_checked_may_say_so_in_a_critical_extension() -> None:
    delegate = CA.delegate(extra=(critical("1.3.6.1.5.5.7.48.1.5"),))
    assert judge(CA.ocsp(LEAF, signer=delegate)).status is RevocationStatus.OK


def test_a_certificate_cannot_vouch_for_itself() -> None:
    own = CA.leaf(purposes=(*CODE_SIGNING, *OCSP_SIGNING))

    answer = judge_ocsp(CA.ocsp(own, signer=own), own.certificate, CA.certificate, NOW)

    assert answer.status is RevocationStatus.UNKNOWN
    assert "the key of the certificate in question" in answer.reason


def test_a_renewed_certificate_of_the_same_key_cannot_vouch_for_it_either() -> None:
    useless(CA.ocsp(LEAF, signer=CA.delegate(key=LEAF.key)), "the key of the certificate in question")


def test_an_answer_by_an_unknown_signer_is_useless() -> None:
    useless(CA.ocsp(LEAF, signer=CA.delegate(), brought=[]), "neither the issuer nor")


def test_an_answer_whose_signature_is_forged_is_useless() -> None:
    useless(GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "verifies its signature")


def test_a_delegate_is_found_among_other_certificates() -> None:
    delegate = CA.delegate()
    response = CA.ocsp(LEAF, signer=delegate, brought=[CA.issue("other"), delegate])

    assert judge(response).status is RevocationStatus.OK


def test_more_certificates_than_any_are_useless() -> None:
    many = [CA.delegate()] * (limits.OCSP_CERTIFICATES + 1)

    useless(CA.ocsp(LEAF, signer=many[0], brought=many), "certificates, at most")


def test_a_delegate_whose_extensions_cannot_be_read_was_not_entrusted() -> None:
    for oid in ("2.5.29.37", "2.5.29.15"):
        junk = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), b"\x30\x03")
        fields = {"purposes": None} if oid == "2.5.29.37" else {"uses": None}
        delegate = CA.delegate(extra=(x509.Extension(junk.oid, False, junk),), **fields)
        useless(CA.ocsp(LEAF, signer=delegate), "cannot be read")


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_a_delegate_is_valid_to_the_last_second_of_its_certificate(seconds: int) -> None:
    edge = NOW + timedelta(seconds=seconds)
    until = judge(CA.ocsp(LEAF, signer=CA.delegate(not_after=edge)))
    since = judge(CA.ocsp(LEAF, signer=CA.delegate(not_before=edge)))
    assert (until.status is RevocationStatus.OK) == (seconds >= 0)
    assert (since.status is RevocationStatus.OK) == (seconds <= 0)


def test_an_answer_holds_to_the_second_that_it_names() -> None:
    assert judge(CA.ocsp(LEAF, next_update=NOW)).status is RevocationStatus.OK


def test_an_answer_signed_with_a_hash_that_nobody_knows_is_useless() -> None:
    for made in (hashes.SHA3_256(), hashes.SHA224()):
        assert judge(CA.ocsp(LEAF, hash=made)).status is RevocationStatus.UNKNOWN


# --- what it says --------------------------------------------------------------------------------------------------


def test_an_answer_about_another_certificate_is_useless() -> None:
    useless(CA.ocsp(CA.leaf("other")), "about other certificates")


def test_an_answer_about_the_same_number_of_another_issuer_is_useless() -> None:
    useless(CA.ocsp(LEAF, issuer=Authority("another issuer")), "about other certificates")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("good, revoked", RevocationStatus.REVOKED),
        ("revoked, good", RevocationStatus.REVOKED),
        ("good, of another, revoked with SHA-256", RevocationStatus.REVOKED),
        ("expired, revoked", RevocationStatus.REVOKED),
        ("unknown, revoked", RevocationStatus.REVOKED),
        ("good, unknown", RevocationStatus.UNKNOWN),
        ("expired, good", RevocationStatus.OK),
        ("revoked of another, good", RevocationStatus.OK),
    ],
    ids=lambda value: value if isinstance(value, str) else value.value,
)
def test_of_several_answers_about_the_certificate_the_worst_decides(said: str, status: RevocationStatus) -> None:
    from asn1crypto.ocsp import OCSPResponse

    other = CA.leaf("other")
    each = {
        "good": GOOD,
        "revoked": CA.ocsp(LEAF, revoked=True),
        "revoked with SHA-256": CA.ocsp(LEAF, revoked=True, id_hash=hashes.SHA256()),
        "unknown": CA.ocsp(LEAF, unknown=True),
        "expired": CA.ocsp(LEAF, next_update=NOW - timedelta(days=1)),
        "of another": CA.ocsp(other),
        "revoked of another": CA.ocsp(other, revoked=True),
    }
    data = [
        OCSPResponse.load(each[name])["response_bytes"]["response"].parsed["tbs_response_data"]
        for name in said.split(", ")
    ]
    parsed = OCSPResponse.load(GOOD)
    basic = parsed["response_bytes"]["response"].parsed
    basic["tbs_response_data"]["responses"] = [item["responses"][0] for item in data]
    basic["signature"] = CA.key.sign(basic["tbs_response_data"].dump(force=True), ec.ECDSA(hashes.SHA256()))
    parsed["response_bytes"]["response"] = basic

    assert judge(parsed.dump(force=True)).status is status


def test_an_expired_answer_is_useless() -> None:
    useless(CA.ocsp(LEAF, next_update=NOW - timedelta(seconds=1)), "was valid until")


def test_an_answer_without_an_end_is_useless() -> None:
    useless(CA.ocsp(LEAF, endless=True), "has no nextUpdate")


def test_an_answer_from_the_future_is_useless() -> None:
    useless(CA.ocsp(LEAF, this_update=NOW + timedelta(minutes=6)), "from the future")


def test_an_answer_by_a_clock_slightly_ahead_is_accepted() -> None:
    assert judge(CA.ocsp(LEAF, this_update=NOW + timedelta(minutes=4))).status is RevocationStatus.OK


@pytest.mark.parametrize("status", list(ocsp.OCSPResponseStatus)[1:], ids=lambda status: status.name)
def test_a_responder_that_fails_says_nothing(status: ocsp.OCSPResponseStatus) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    response = ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)

    useless(response, status.name.lower())


@pytest.mark.parametrize("where", ["single_extensions", "response_extensions"])
def test_an_unknown_critical_extension_makes_an_answer_useless(where: str) -> None:
    from asn1crypto.ocsp import OCSPResponse

    parsed = OCSPResponse.load(GOOD)
    basic = parsed["response_bytes"]["response"].parsed
    data = basic["tbs_response_data"]
    target = data if where == "response_extensions" else data["responses"][0]
    target[where] = [{"extn_id": "1.2.3.4", "critical": True, "extn_value": b"\x05\x00"}]
    basic["signature"] = CA.key.sign(data.dump(force=True), ec.ECDSA(hashes.SHA256()))
    parsed["response_bytes"]["response"] = basic

    useless(parsed.dump(force=True), "is not understood")


def test_a_response_larger_than_any_is_useless_unread() -> None:
    useless(b"\x30" * (limits.OCSP_RESPONSE_BYTES + 1), "bytes, at most")


def test_bytes_after_the_response_make_it_useless() -> None:
    useless(GOOD + b"\x00", "not an OCSP response")


@pytest.mark.filterwarnings("ignore")  # `cryptography` warns of odd serial numbers and lengths
@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_response_with_any_byte_changed_is_never_good_about_anything_else(position: int, change: int) -> None:
    revoked = CA.ocsp(LEAF, revoked=True)
    changed = bytearray(revoked)
    changed[position % len(changed)] ^= change

    assert judge(bytes(changed)).status is not RevocationStatus.OK


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_useless(data: bytes) -> None:
    useless(data, "not an OCSP response")


def test_the_request_names_the_certificate_with_sha1() -> None:
    request = ocsp.load_der_ocsp_request(ocsp_request(LEAF.certificate, CA.certificate))

    assert isinstance(request.hash_algorithm, hashes.SHA1)
    assert request.serial_number == LEAF.x509.serial_number
    assert len(request.extensions) == 0
