"""A CRL counts if the issuer signed it, it is in force, and it covers the certificate with every reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesig import limits
from imagesig.effort import ALLOWANCE, Cost, one_image
from imagesig.errors import BudgetExceeded, LimitExceeded, MalformedError
from imagesig.trust.crl import RevocationList, judge_crl, open_crl
from imagesig.trust.revocation import Answer, RevocationStatus
from tests.authorities import Authority, Issued, Revoked, ec_key, freshest, name, point, rsa_key, scope
from tests.makers import NOW

URL = "http://crl.example/1.crl"
CA = Authority("issuer")
LEAF = CA.leaf(crl=(URL,))
HOLD, REMOVE = x509.ReasonFlags.certificate_hold, x509.ReasonFlags.remove_from_crl
UNKNOWN_OID = x509.ObjectIdentifier("1.2.3.4")
CRITICAL = (x509.UnrecognizedExtension(UNKNOWN_OID, b"\x05\x00"), True)


def opened(data: bytes, issuer: Authority = CA) -> RevocationList:
    return open_crl(data, issuer.certificate, NOW)


def judge(
    base: bytes, delta: bytes | None = None, signed_at: datetime | None = None, leaf: Issued | Authority = LEAF
) -> Answer:
    return judge_crl(leaf.certificate, opened(base), opened(delta) if delta else None, signed_at)


def useless(reason: str, base: bytes, delta: bytes | None = None, leaf: Issued | Authority = LEAF) -> None:
    answer = judge(base, delta, leaf=leaf)
    assert (answer.status, answer.final) == (RevocationStatus.UNKNOWN, False)
    assert reason in answer.reason


def refused(data: bytes, reason: str, issuer: Authority = CA) -> None:
    with pytest.raises(MalformedError, match=reason):
        opened(data, issuer)


def test_a_certificate_that_is_not_listed_is_good() -> None:
    assert judge(CA.crl(Revoked(CA.leaf("other")))).status is RevocationStatus.OK


def test_a_certificate_that_is_listed_is_revoked_with_the_reason() -> None:
    answer = judge(CA.crl(Revoked(LEAF, x509.ReasonFlags.key_compromise)))

    assert answer.status is RevocationStatus.REVOKED
    assert "keyCompromise" in answer.reason


@pytest.mark.parametrize("key", [rsa_key(), ed25519.Ed25519PrivateKey.generate()], ids=["RSA", "Ed25519"])
def test_an_issuer_may_have_any_supported_key(key: Any) -> None:
    authority = Authority("other", key=key)

    assert opened(authority.crl(), authority).number == 1


def test_an_entry_without_a_reason_is_revoked() -> None:
    assert judge(CA.crl(Revoked(LEAF))).status is RevocationStatus.REVOKED


# --- who made it, and when -----------------------------------------------------------------------------------------


def test_a_list_by_another_issuer_is_refused() -> None:
    refused(CA.crl(signer=ec_key()), "not signed by")


def test_a_list_by_the_same_key_under_another_name_is_refused() -> None:
    refused(CA.crl(issuer=name("another")), "not signed by")


def test_a_forged_list_is_refused() -> None:
    good = CA.crl()
    refused(good[:-1] + bytes([good[-1] ^ 1]), "CRL: not")


def test_a_list_by_an_issuer_that_may_not_sign_lists_is_refused() -> None:
    authority = Authority("no lists", uses=("key_cert_sign",))
    refused(authority.crl(), "no cRLSign", authority)


def test_a_list_whose_time_has_passed_is_refused() -> None:
    refused(CA.crl(next_update=NOW - timedelta(seconds=1)), "was valid until")


def test_a_list_from_the_future_is_refused() -> None:
    refused(CA.crl(this_update=NOW + timedelta(minutes=6)), "from the future")


def test_a_list_without_an_end_is_refused() -> None:
    from asn1crypto.crl import CertificateList

    parsed = CertificateList.load(CA.crl())
    parsed["tbs_cert_list"]["next_update"] = None
    signed = parsed["tbs_cert_list"].dump(force=True)
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    parsed["signature"] = CA.key.sign(signed, ec.ECDSA(hashes.SHA256()))

    refused(parsed.dump(force=True), "has no nextUpdate")


def test_a_list_signed_with_sha1_is_refused() -> None:
    from asn1crypto.crl import CertificateList
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    parsed = CertificateList.load(CA.crl())
    parsed["tbs_cert_list"]["signature"] = {"algorithm": "sha1_ecdsa"}
    parsed["signature_algorithm"] = {"algorithm": "sha1_ecdsa"}
    parsed["signature"] = CA.key.sign(parsed["tbs_cert_list"].dump(force=True), ec.ECDSA(hashes.SHA1()))

    refused(parsed.dump(force=True), "SHA-256 or more")


def test_an_unknown_critical_extension_is_refused() -> None:
    refused(CA.crl(extra=[CRITICAL]), "1.2.3.4 is not understood")


def test_a_critical_extension_of_another_entry_does_not_matter_and_of_ours_does() -> None:
    assert judge(CA.crl(Revoked(CA.leaf("other"), extra=(CRITICAL,)))).status is RevocationStatus.OK
    useless("1.2.3.4 of an entry", CA.crl(Revoked(LEAF, extra=(CRITICAL,))))


def test_a_list_larger_than_any_is_refused_unread() -> None:
    with pytest.raises(LimitExceeded):
        opened(b"\x30" * (limits.CRL_BYTES + 1))


def test_pem_is_refused() -> None:
    refused(b"-----BEGIN X509 CRL-----\n", "in DER")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    refused(data, "CRL: ")


REVOKING = CA.crl(Revoked(LEAF))


@pytest.mark.filterwarnings("ignore")  # `cryptography` warns of odd serial numbers and lengths
@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(REVOKING) - 1), st.integers(1, 255))
def test_a_list_with_any_byte_changed_never_makes_a_revoked_certificate_good(position: int, change: int) -> None:
    changed = bytearray(REVOKING)
    changed[position] ^= change
    try:
        found = open_crl(bytes(changed), CA.certificate, NOW)
    except MalformedError:
        return
    assert judge_crl(LEAF.certificate, found).status is not RevocationStatus.OK


# --- what it covers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags",
    [
        {"indirect_crl": True},
        {"only_some_reasons": frozenset([x509.ReasonFlags.key_compromise])},
        {"only_contains_attribute_certs": True},
    ],
    ids=str,
)
def test_a_list_that_is_not_the_issuers_whole_word_is_useless(flags: dict[str, Any]) -> None:
    useless("CRL: it is", CA.crl(extra=[scope(URL, **flags)]))


def test_a_list_of_authorities_says_nothing_of_others_and_the_other_way_round() -> None:
    authorities = CA.crl(extra=[scope(URL, only_contains_ca_certs=True)])
    users = CA.crl(extra=[scope(URL, only_contains_user_certs=True)])
    authority = CA.intermediate(crl=(URL,))

    assert judge(authorities, leaf=authority).status is RevocationStatus.OK
    assert judge(users).status is RevocationStatus.OK
    useless("other types of certificates", authorities)
    useless("other types of certificates", users, leaf=authority)


def test_the_part_of_a_split_list_that_the_certificate_does_not_name_is_useless() -> None:
    # On plain HTTP anybody can serve the other part, which does not list the certificate.
    assert judge(CA.crl(extra=[scope(URL)])).status is RevocationStatus.OK
    useless("does not name", CA.crl(extra=[scope("http://crl.example/2.crl")]))


# --- hold, release, invalidity -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "status"),
    [
        ([(HOLD, 2)], RevocationStatus.REVOKED),
        ([(REMOVE, 2)], RevocationStatus.OK),
        ([(HOLD, 3), (REMOVE, 2)], RevocationStatus.OK),
        ([(REMOVE, 2), (HOLD, 3)], RevocationStatus.OK),
        ([(REMOVE, 3), (HOLD, 2)], RevocationStatus.REVOKED),
        ([(HOLD, 2), (REMOVE, 2)], RevocationStatus.REVOKED),
        ([(REMOVE, 1), (x509.ReasonFlags.superseded, 5)], RevocationStatus.REVOKED),
    ],
)
def test_the_newest_of_hold_and_release_is_used_and_nothing_releases_a_revocation(
    entries: list[tuple[x509.ReasonFlags, int]], status: RevocationStatus
) -> None:
    assert judge(CA.crl(*(Revoked(LEAF, reason, days) for reason, days in entries))).status is status


@pytest.mark.parametrize(
    ("days", "status"),
    [(-1, RevocationStatus.REVOKED), (0, RevocationStatus.REVOKED), (1, RevocationStatus.OK)],
    ids=["invalid before it signed", "invalid when it signed", "invalid after it signed"],
)
def test_a_certificate_that_went_bad_after_it_signed_was_good(days: int, status: RevocationStatus) -> None:
    signed_at = NOW - timedelta(days=5)
    crl = CA.crl(Revoked(LEAF, invalid_since=signed_at + timedelta(days=days)))

    assert judge(crl, signed_at=signed_at).status is status
    assert judge(crl).status is RevocationStatus.REVOKED


def test_as_many_entries_of_one_certificate_as_the_limit_are_read() -> None:
    assert judge(CA.crl(*[Revoked(LEAF, HOLD)] * limits.CRL_ENTRIES_PER_CERTIFICATE)).status is RevocationStatus.REVOKED


def test_more_entries_of_one_certificate_than_any_are_useless() -> None:
    useless("entries of one certificate", CA.crl(*[Revoked(LEAF, HOLD)] * (limits.CRL_ENTRIES_PER_CERTIFICATE + 1)))


def test_the_deadline_is_looked_at_before_a_list_is_read_and_between_its_entries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[str] = []
    monkeypatch.setattr("imagesig.trust.crl.remaining", looks.append)
    monkeypatch.setattr("imagesig.trust.crl._ENTRIES_AT_ONCE", 2)
    base = opened(CA.crl(*[Revoked(LEAF, HOLD)] * 5))
    assert looks == ["CRL"]
    judge_crl(LEAF.certificate, base, None, None)
    assert looks[1:] == ["CRL"] * 3


# --- delta lists ---------------------------------------------------------------------------------------------------


def test_a_revocation_in_the_delta_list_alone_is_found() -> None:
    assert judge(CA.crl(number=5), CA.crl(Revoked(LEAF), number=6, base=5)).status is RevocationStatus.REVOKED


def test_a_delta_list_releases_what_was_on_hold() -> None:
    base = CA.crl(Revoked(LEAF, HOLD, 3), number=5)
    delta = CA.crl(Revoked(LEAF, REMOVE, 1), number=6, base=4)

    assert judge(base, delta).status is RevocationStatus.OK


@pytest.mark.parametrize(
    ("base", "delta", "reason"),
    [
        (CA.crl(number=5), CA.crl(number=5, base=5), "more than 5 of the complete list is needed"),
        (CA.crl(number=5), CA.crl(number=4, base=3), "more than 5 of the complete list is needed"),
        (CA.crl(number=5), CA.crl(number=7, base=6), "extends list 6"),
        (CA.crl(number=5), CA.crl(number=6), "no number"),
        (CA.crl(number=None), CA.crl(number=6, base=5), "no number"),
        (CA.crl(number=5), CA.crl(number=None, base=5), "no number"),
        (CA.crl(number=5), CA.crl(number=6, base=5, extra=[scope(URL)]), "another scope"),
    ],
    ids=["not newer", "older", "of a later base", "no delta", "base without number", "delta without number", "scope"],
)
def test_a_delta_list_that_does_not_go_with_the_base_is_useless(base: bytes, delta: bytes, reason: str) -> None:
    useless(reason, base, delta)


def test_a_delta_list_cannot_replace_the_complete_one() -> None:
    useless("a delta list, a complete one", CA.crl(number=6, base=5))


def test_a_complete_list_names_its_delta_lists() -> None:
    assert opened(CA.crl(extra=[freshest("http://a.example/d", "http://b.example/d")])).delta_urls == (
        "http://a.example/d",
        "http://b.example/d",
    )


def test_a_delta_list_that_only_the_certificate_names_leaves_its_status_unknown() -> None:
    value, critical = freshest("http://a.example/d")
    leaf = CA.leaf(crl=(URL,), extra=(x509.Extension(value.oid, critical, value),))

    useless("the complete list names none", CA.crl(number=5), leaf=leaf)
    assert judge(CA.crl(number=5), CA.crl(number=6, base=5), leaf=leaf).status is RevocationStatus.OK


@pytest.mark.parametrize(
    ("fields", "useful_beside_another"),
    [
        ({"full_name": [x509.DirectoryName(name("somewhere"))]}, True),
        ({"full_name": None, "relative_name": next(iter(name("relative").rdns))}, True),
        ({"crl_issuer": [x509.DirectoryName(name("another"))]}, False),
        ({"reasons": frozenset([x509.ReasonFlags.key_compromise])}, False),
    ],
    ids=["no address", "a relative name", "another issuer", "some reasons"],
)
def test_a_delta_list_that_cannot_be_fetched_is_not_overlooked(
    fields: dict[str, Any], useful_beside_another: bool
) -> None:
    def urls(*points: x509.DistributionPoint) -> tuple[str, ...]:
        return opened(CA.crl(extra=[(x509.FreshestCRL(points), False)])).delta_urls

    odd, good = point("http://a.example/d", **fields), point("http://b.example/d")
    with pytest.raises(MalformedError, match="names a delta list"):
        urls(odd)
    for points in ((odd, good), (good, odd)):
        if useful_beside_another:
            assert urls(*points) == ("http://b.example/d",)
        else:
            with pytest.raises(MalformedError, match="names a delta list"):
                urls(*points)


@pytest.mark.parametrize("key", [ed448.Ed448PrivateKey.generate(), ec_key()], ids=["Ed448", "SHA-3"])
def test_a_list_signed_with_a_hash_that_nobody_here_takes_is_refused(key: Any) -> None:
    builder = x509.CertificateRevocationListBuilder(CA.x509.subject, NOW - timedelta(hours=1), NOW + timedelta(days=1))
    made = builder.sign(key, None if isinstance(key, ed448.Ed448PrivateKey) else hashes.SHA3_256())
    refused(made.public_bytes(Encoding.DER), "SHA-256 or more is needed")


@pytest.mark.parametrize("hash_", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda item: item.name)
def test_a_list_signed_with_sha2_is_believed(hash_: hashes.HashAlgorithm) -> None:
    assert opened(CA.crl(hash=hash_)).number == 1
    if isinstance(hash_, hashes.SHA256):
        refused(CA.crl(hash=hashes.SHA224()), "SHA-256 or more is needed")


def test_what_the_image_may_not_cost_is_never_a_fault_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    good = CA.crl()
    monkeypatch.setitem(ALLOWANCE, Cost.CERTIFICATE_CHECKS, 0)
    with one_image(), pytest.raises(BudgetExceeded):
        opened(good)
    monkeypatch.setitem(ALLOWANCE, Cost.CERTIFICATE_CHECKS, 1)
    with one_image():
        assert opened(good).number == 1


def resigned(changed: Callable[[Any], None]) -> bytes:
    """A list with a change, signed again with SHA-256."""
    from asn1crypto.crl import CertificateList

    parsed = CertificateList.load(CA.crl(Revoked(CA.leaf("other"))))
    changed(parsed)
    signed = parsed["tbs_cert_list"].dump(force=True)
    parsed["signature"] = CA.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    encoded: bytes = parsed.dump(force=True)
    return encoded


def test_a_list_with_another_algorithm_inside_than_outside_is_refused() -> None:
    def inside(parsed: Any) -> None:
        parsed["tbs_cert_list"]["signature"] = {"algorithm": "sha384_ecdsa"}

    refused(resigned(inside), "CRL: not")


def test_the_signature_of_a_large_list_costs_little_more_than_reading_it() -> None:
    def many(parsed: Any) -> None:
        parsed["tbs_cert_list"]["revoked_certificates"] = [parsed["tbs_cert_list"]["revoked_certificates"][0]] * 20_000

    def seconds(action: Callable[[bytes], object]) -> float:
        started = time.process_time()
        action(large)
        return time.process_time() - started

    large = resigned(many)
    assert len(large) > 500_000
    assert min(seconds(opened) for _ in range(3)) < 5 * min(seconds(x509.load_der_x509_crl) for _ in range(3))
