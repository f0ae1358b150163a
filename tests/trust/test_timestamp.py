"""A timestamp proves a time for one signature, by a service that leads to a trusted root; all else is refused."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesig import limits
from imagesig.crypto.certificate import Certificate
from imagesig.effort import ALLOWANCE, Cost
from imagesig.errors import BudgetExceeded, TimestampInvalid
from imagesig.trust.anchors import TimestampAuthorities
from imagesig.trust.timestamp import Timestamp, examine_timestamp
from tests.authorities import MONTH, TIME_STAMPING, Authority, Issued, ec_key, point, rsa_key, with_sha1
from tests.effort import counted
from tests.makers import NOW
from tests.timestamps import MESSAGE, ess, token, tst_info

ROOT = Authority("timestamp root")
BETWEEN = ROOT.intermediate("timestamp authority")
TSA = BETWEEN.tsa()
NO_TST_INFO = b"\x30\x00"
CRITICAL = {"extn_id": "1.2.3", "critical": True, "extn_value": b"\x05\x00"}
GOOD = token(TSA, brought=[TSA.der, BETWEEN.certificate.der])


def examine(
    encoded: bytes,
    signature: bytes = MESSAGE,
    *,
    roots: tuple[Certificate, ...] = (ROOT.certificate,),
    at: datetime = NOW,
    known: tuple[Certificate, ...] = (),
) -> Timestamp:
    return examine_timestamp(encoded, signature, TimestampAuthorities(roots), at, known=known)


def refused(encoded: bytes, reason: str, **options: Any) -> None:
    with pytest.raises(TimestampInvalid, match=reason):
        examine(encoded, **options)


def by(signer: Issued, *between: Authority, **options: Any) -> bytes:
    """A token that brings the signer's certificate and those of the authorities between."""
    return token(signer, brought=[signer.der, *(item.certificate.der for item in between)], **options)


def test_a_token_gives_the_time_and_the_chain_leaf_first() -> None:
    found = examine(GOOD)

    assert (found.earliest, found.generated, found.latest) == (NOW, NOW, NOW)
    assert found.authentic_time == NOW
    assert found.chain == (TSA.certificate, BETWEEN.certificate, ROOT.certificate)


@pytest.mark.parametrize("hash", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize(
    ("key", "pss"),
    [
        pytest.param(ec_key(), False, id="P-256"),
        pytest.param(ec_key(ec.SECP384R1()), False, id="P-384"),
        pytest.param(ec_key(ec.SECP521R1()), False, id="P-521"),
        pytest.param(rsa_key(), False, id="RSA"),
        pytest.param(rsa_key(), True, id="RSA-PSS"),
    ],
)
def test_every_kind_of_signature_is_read(key: Any, pss: bool, hash: str) -> None:
    assert examine(by(ROOT.tsa(key=key), hash=hash, pss=pss)).generated == NOW


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"accuracy": {"seconds": 2, "millis": 500, "micros": 250}}, 2.50025),
        ({"policy": "0.4.0.2023.1.1"}, 1),
        ({"policy": "0.4.0.2023.1.1", "accuracy": {"millis": 100}}, 0.1),
        ({}, 0),
    ],
    ids=["stated", "baseline policy", "stated under the baseline policy", "none"],
)
def test_the_accuracy_widens_the_time(fields: dict[str, Any], seconds: float) -> None:
    found = examine(by(TSA, BETWEEN, content=tst_info(**fields)))

    assert found.latest - found.generated == timedelta(seconds=seconds)
    assert found.generated - found.earliest == timedelta(seconds=seconds)


def test_certificates_in_any_order_with_strangers_between_lead_to_the_root() -> None:
    stranger = Authority("stranger").certificate
    brought = [stranger.der, ROOT.certificate.der, BETWEEN.certificate.der, TSA.der]

    assert examine(token(TSA, brought=brought)).chain[0] == TSA.certificate


def test_known_certificates_complete_a_token_without_any() -> None:
    known = (TSA.certificate, BETWEEN.certificate)

    assert examine(token(TSA, brought=[]), known=known).chain == (*known, ROOT.certificate)


def test_attributes_signed_in_the_order_received_are_read_as_real_services_sign_them() -> None:
    assert examine(by(TSA, BETWEEN, sort=False)).generated == NOW


def test_a_token_in_ber_of_indefinite_length_is_read() -> None:
    # The outer SEQUENCE and its [0] with indefinite lengths.
    from asn1crypto.cms import ContentInfo

    parsed = ContentInfo.load(GOOD)
    inner = parsed["content"].untag().dump()
    oid = parsed["content_type"].dump()

    assert examine(b"\x30\x80" + oid + b"\xa0\x80" + inner + b"\x00\x00" + b"\x00\x00").generated == NOW


def test_a_service_whose_certificate_has_expired_since_still_proves_its_time() -> None:
    old = BETWEEN.tsa(not_before=NOW - MONTH, not_after=NOW - timedelta(days=1))
    content = tst_info(generated=NOW - timedelta(days=2))

    assert examine(by(old, BETWEEN, content=content)).generated == NOW - timedelta(days=2)


def test_a_certificate_named_with_issuer_and_serial_number_is_accepted() -> None:
    assert examine(by(TSA, BETWEEN, named=ess(TSA, issuer_serial=True))).generated == NOW


def test_a_clock_a_little_ahead_of_ours_is_accepted() -> None:
    assert examine(GOOD, at=NOW - timedelta(minutes=4)).generated == NOW


# --- spliced, forged, malformed ------------------------------------------------------------------------------------


def test_a_token_of_another_signature_is_refused() -> None:
    refused(GOOD, "made for other bytes", signature=b"another signature")


def test_a_forged_signature_is_refused() -> None:
    refused(by(TSA, BETWEEN, corrupt=lambda value: value[:-1] + bytes([value[-1] ^ 1])), "does not verify")


def test_a_tstinfo_that_was_exchanged_is_refused() -> None:
    other = tst_info(generated=NOW - timedelta(days=3))

    refused(GOOD.replace(tst_info(), other), "not what was signed")


def test_a_bad_signature_is_seen_before_a_malformed_tstinfo_is_parsed() -> None:
    encoded = by(TSA, BETWEEN, content=NO_TST_INFO, corrupt=lambda value: value[:-1] + bytes([value[-1] ^ 1]))

    refused(encoded, "does not verify")


def test_a_signed_tstinfo_that_is_malformed_is_refused() -> None:
    refused(by(TSA, BETWEEN, content=NO_TST_INFO), "not a TSTInfo")


def test_a_signer_with_the_same_name_and_number_but_another_key_is_refused() -> None:
    impostor = Issued(TSA.certificate, ec_key())

    refused(by(impostor, BETWEEN), "does not verify")


def test_an_injected_certificate_with_the_name_and_number_of_the_signer_does_not_become_the_signer() -> None:
    spoof = BETWEEN.tsa(serial=TSA.x509.serial_number)
    encoded = token(TSA, brought=[spoof.der, TSA.der, BETWEEN.certificate.der])

    assert examine(encoded).chain[0] == TSA.certificate


def test_another_certificate_of_the_same_key_cannot_replace_the_named_one() -> None:
    other = BETWEEN.tsa(key=TSA.key, serial=TSA.x509.serial_number)

    refused(by(other, BETWEEN, named=ess(TSA)), "signingCertificateV2 does not name")


def test_a_token_without_the_signers_certificate_is_refused() -> None:
    refused(token(TSA, brought=[BETWEEN.certificate.der]), "certificate is missing")


def drop(name: str) -> Any:
    return lambda made: [item for item in made if item["type"] != name]


def with_value(name: str, value: Any) -> Any:
    return lambda made: [item | {"values": [value]} if item["type"] == name else item for item in made]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (drop("signing_certificate_v2"), "signingCertificateV2 is missing"),
        (drop("message_digest"), "message-digest is missing"),
        (drop("content_type"), "content-type is missing"),
        (with_value("content_type", "data"), "signed content type"),
        (with_value("message_digest", b"\x00" * 32), "not what was signed"),
        (lambda made: [*made, made[1]], "exactly one value"),
        (lambda made: [made[0], made[1] | {"values": made[1]["values"] * 2}, made[2]], "exactly one value"),
        (with_value("signing_certificate_v2", {"certs": []}), "not a CMS signature"),
    ],
    ids=["no ESS", "no digest", "no type", "other type", "other digest", "twice", "two values", "empty ESS"],
)
def test_signed_attributes_that_are_missing_repeated_or_wrong_are_refused(change: Any, reason: str) -> None:
    refused(by(TSA, BETWEEN, change_attributes=change), reason)


def test_the_old_sha1_attribute_alone_does_not_bind_the_certificate() -> None:
    import hashlib

    old = {
        "type": "signing_certificate",
        "values": [{"certs": [{"cert_hash": hashlib.sha1(TSA.der).digest()}]}],
    }

    refused(by(TSA, BETWEEN, change_attributes=lambda made: [*made[:2], old]), "signingCertificateV2 is missing")


def naming(*named: bytes, hash: str = "sha256") -> Any:
    """The attribute that names these certificates; with SHA-1 the older one, beside that of the signer."""
    listed = [{"cert_hash": hashlib.new(hash, der).digest()} for der in named]
    if hash == "sha1":
        return lambda made: [*made, {"type": "signing_certificate", "values": [{"certs": listed}]}]
    certs = [item | {"hash_algorithm": {"algorithm": hash}} for item in listed]
    return lambda made: [*made[:2], {"type": "signing_certificate_v2", "values": [{"certs": certs}]}]


NAMED: dict[str, tuple[list[bytes], str, str]] = {
    "the chain": ([TSA.der, BETWEEN.certificate.der], "sha256", ""),
    "the root too": ([TSA.der, ROOT.certificate.der], "sha512", ""),
    "also with SHA-1": ([TSA.der, BETWEEN.certificate.der], "sha1", ""),
    "another one first": ([BETWEEN.certificate.der, TSA.der], "sha256", "signingCertificateV2 does not name"),
    "a stranger after it": ([TSA.der, BETWEEN.tsa().der], "sha256", "not in its chain"),
    "another one with SHA-1": ([BETWEEN.certificate.der], "sha1", "signingCertificate does not name"),
    "a stranger with SHA-1": ([TSA.der, BETWEEN.tsa().der], "sha1", "not in its chain"),
    "none with SHA-1": ([], "sha1", "not a CMS signature"),
}


@pytest.mark.parametrize("case", NAMED)
def test_every_certificate_that_an_attribute_names_is_in_the_chain(case: str) -> None:
    named, hash, reason = NAMED[case]
    encoded = by(TSA, BETWEEN, change_attributes=naming(*named, hash=hash))
    if reason:
        refused(encoded, reason)
    else:
        assert examine(encoded).generated == NOW


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"named": ess(TSA, hash="sha1")}, "SHA-256, SHA-384 or SHA-512 is needed"),
        ({"named": ess(BETWEEN.tsa("other"))}, "does not name"),
        ({"named": ess(TSA) | {"issuer_serial": ess(BETWEEN.tsa(), issuer_serial=True)["issuer_serial"]}}, "issuer"),
        ({"hash": "sha1"}, "SHA-256, SHA-384 or SHA-512 is needed"),
        ({"content": tst_info(hash="sha1")}, "SHA-256, SHA-384 or SHA-512 is needed"),
        ({"content_type": "data"}, "of TSTInfo is needed"),
        ({"infos": 2}, "exactly one is needed"),
        ({"infos": 0}, "exactly one is needed"),
        ({"info_version": "v3"}, "issuer and serial number"),
        ({"content": tst_info(version=2)}, "v1 is needed"),
        ({"content": tst_info(accuracy={"seconds": -1})}, "not a time span"),
        ({"content": tst_info(accuracy={"seconds": 10**12})}, "accuracy of"),
        ({"content": tst_info(accuracy={"seconds": 10**30})}, "not a TSTInfo"),
        ({"content": tst_info() + b"\x00"}, "not a TSTInfo"),
        ({"content": tst_info(extensions=[CRITICAL])}, "critical"),
    ],
)  # fmt: skip
def test_a_token_outside_the_profile_is_refused(options: dict[str, Any], reason: str) -> None:
    refused(by(TSA, BETWEEN, **options), reason)


@pytest.mark.parametrize(("field", "unit"), [("millis", "milliseconds"), ("micros", "microseconds")])
@pytest.mark.parametrize(("value", "is_one"), [(-1, False), (0, True), (1, True), (999, True), (1000, False)])
def test_parts_of_a_second_are_fewer_than_a_whole_one(field: str, unit: str, value: int, is_one: bool) -> None:
    encoded = by(TSA, BETWEEN, content=tst_info(accuracy={"seconds": 1, field: value}))
    if is_one:
        assert examine(encoded).latest - NOW == timedelta(seconds=1, **{unit: value})
    else:
        refused(encoded, "accuracy is not a time span")


@pytest.mark.parametrize("wrong", ["issuer", "serial number", "two issuers", "no directory name"])
def test_each_part_of_the_issuer_that_an_attribute_names_must_be_the_signers(wrong: str) -> None:
    from asn1crypto.x509 import GeneralName

    right = ess(TSA, issuer_serial=True)["issuer_serial"]
    other = ess(Authority("other").tsa(), issuer_serial=True)["issuer_serial"]
    issuer = {
        "issuer": other["issuer"],
        "two issuers": [*right["issuer"], *other["issuer"]],
        "no directory name": [GeneralName("dns_name", "ca.example")],
    }.get(wrong, right["issuer"])
    number = right["serial_number"] + (wrong == "serial number")
    named = ess(TSA) | {"issuer_serial": {"issuer": issuer, "serial_number": number}}
    refused(by(TSA, BETWEEN, named=named), "names another issuer")


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("310f300d06", "300f300d06", "not a CMS signature"),
        ("310f300d06", "310f300d07", "not a CMS signature"),
        ("310f300d0609608648016503040201", "310f300d0609608648016503040281", "not among its digestAlgorithms"),
        ("310f300d0609608648016503040201", "310f300d0609608648016503040202", "not among its digestAlgorithms"),
    ],
    ids=["no set", "no OID", "half an OID", "another hash"],
)
def test_the_list_of_hashes_has_that_of_the_signer(before: str, after: str, reason: str) -> None:
    assert bytes.fromhex(before) in GOOD
    refused(GOOD.replace(bytes.fromhex(before), bytes.fromhex(after), 1), reason)


def test_signed_data_of_another_version_is_refused() -> None:
    refused(GOOD.replace(b"\x02\x01\x03\x31", b"\x02\x01\x01\x31"), "v3 of TSTInfo is needed")


def test_a_signer_named_by_its_key_is_refused() -> None:
    from asn1crypto.cms import SignerIdentifier

    sid = SignerIdentifier("subject_key_identifier", b"key")

    refused(by(TSA, BETWEEN, sid=sid), "not a CMS signature")


def test_a_signer_with_a_long_name_of_another_issuer_is_not_taken_for_the_signer() -> None:
    from asn1crypto.cms import IssuerAndSerialNumber, SignerIdentifier
    from asn1crypto.x509 import Name

    # Names are compared byte by byte, and longer ones than any are not compared in any other way.
    long = Name.build({"common_name": "x" * 3 * limits.DISTINGUISHED_NAME_CHARACTERS})
    by_name = IssuerAndSerialNumber({"issuer": long, "serial_number": TSA.x509.serial_number})
    refused(by(TSA, BETWEEN, sid=SignerIdentifier("issuer_and_serial_number", by_name)), "certificate is missing")


def test_the_values_of_a_token_count_for_the_image() -> None:
    with counted() as spent:
        examine(GOOD)
    assert spent[Cost.NODES] > 100


def test_a_message_of_another_type_than_signed_data_is_refused_as_that() -> None:
    refused(
        cms.ContentInfo({"content_type": "data", "content": b"x"}).dump(), "CMS content 'data', signed data is needed"
    )


def test_bytes_after_the_token_are_refused() -> None:
    refused(GOOD + b"\x00", "not a CMS signature")


def test_a_token_larger_than_any_is_refused_unread() -> None:
    refused(b"\x30" + b"\x00" * limits.TIMESTAMP_BYTES, "at most")


def test_a_token_with_more_certificates_than_any_is_refused() -> None:
    brought = [TSA.der] + [BETWEEN.certificate.der] * limits.TIMESTAMP_CERTIFICATES

    refused(token(TSA, brought=brought), "certificates, at most")


def test_a_time_from_the_future_is_refused() -> None:
    refused(GOOD, "from the future", at=NOW - timedelta(minutes=6))


@pytest.mark.filterwarnings("ignore")  # `cryptography` warns of odd serial numbers and lengths
@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_token_with_any_byte_changed_is_refused_or_proves_the_same(position: int, change: int) -> None:
    changed = bytearray(GOOD)
    changed[position] ^= change
    try:
        found = examine(bytes(changed))
    except TimestampInvalid:
        return
    # An authority's signature may be padded otherwise; what it signed is the same.
    signed = [item.x509.tbs_certificate_bytes for item in found.chain]
    assert found.generated == NOW
    assert signed == [item.x509.tbs_certificate_bytes for item in (TSA, BETWEEN, ROOT)]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_and_nothing_else(data: bytes) -> None:
    refused(data, "timestamp")


def test_nested_ber_strings_are_refused_without_exhausting_the_stack() -> None:
    refused(b"\x24\x80" * 100_000, "not a CMS signature")


# --- the service's certificates ------------------------------------------------------------------------------------


def test_a_foreign_root_is_refused() -> None:
    refused(GOOD, "does not lead to a trusted", roots=(Authority("timestamp root").certificate,))


def test_without_trusted_authorities_every_timestamp_is_refused() -> None:
    refused(GOOD, "no timestamp authority is trusted", roots=())


@pytest.mark.parametrize("certificate", [BETWEEN.certificate, TSA.certificate], ids=["intermediate", "leaf"])
def test_a_trusted_root_must_be_a_self_signed_authority(certificate: Certificate) -> None:
    refused(GOOD, "not a self-signed certificate of an authority", roots=(certificate,))


def test_a_self_signed_service_cannot_be_its_own_root() -> None:
    lone = Authority("lone", authority=None, uses=("digital_signature",), purposes=TIME_STAMPING)

    refused(by(Issued(lone.certificate, lone.key)), "not a self-signed certificate", roots=(lone.certificate,))


def test_an_intermediate_that_is_missing_is_refused() -> None:
    refused(token(TSA), "does not lead to a trusted")


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ({"purposes": None}, "not only timeStamping"),
        ({"purposes_critical": False}, "not only timeStamping"),
        ({"purposes": (*TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)}, "not only timeStamping"),
        ({"purposes": (ExtendedKeyUsageOID.CODE_SIGNING,)}, "not only timeStamping"),
        ({"purposes": (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)}, "not only timeStamping"),
        ({"authority": True}, "an authority's certificate"),
        ({"uses": None}, "no digitalSignature"),
        ({"uses": ("content_commitment",)}, "no digitalSignature"),
        ({"uses": ("digital_signature", "key_cert_sign")}, "key usage has key_cert_sign"),
        ({"uses": ("digital_signature", "key_agreement", "encipher_only")}, "key usage has key_agreement"),
        ({"key": ec.generate_private_key(ec.SECP256K1())}, "curve secp256k1"),
        ({"key": rsa_key(1024)}, "RSA with 1024 bits"),
        ({"key": ed25519.Ed25519PrivateKey.generate(), "hash": None}, "P-256, P-384 or P-521"),
        ({"not_after": NOW - timedelta(seconds=1)}, "the time of the timestamp"),
        ({"not_before": NOW + timedelta(seconds=1)}, "the time of the timestamp"),
        ({"extra": (x509.Extension(x509.ObjectIdentifier("1.2.3.4"), True,
                                   x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")),)},
         "1.2.3.4 is not understood"),
    ],
)  # fmt: skip
def test_a_certificate_that_is_not_for_timestamps_is_refused(profile: dict[str, Any], reason: str) -> None:
    signer = BETWEEN.tsa(**profile)
    hash = "sha512" if isinstance(signer.key, ed25519.Ed25519PrivateKey) else "sha256"

    refused(by(signer, BETWEEN, hash=hash), reason)


@pytest.mark.parametrize(
    "profile", [{"authority": False}, {"uses_critical": False}, {"uses": ("digital_signature", "content_commitment")}]
)
def test_values_that_the_profile_does_not_restrict_are_accepted(profile: dict[str, Any]) -> None:
    assert examine(by(BETWEEN.tsa(**profile), BETWEEN)).generated == NOW


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ({"authority": False}, "basic constraints"),
        ({"authority": None}, "basic constraints"),
        ({"constraints_critical": False}, "basic constraints"),
        ({"uses": None}, "no keyCertSign"),
        ({"uses": ("digital_signature", "crl_sign")}, "no keyCertSign"),
    ],
)
def test_an_authority_that_may_not_issue_is_refused(profile: dict[str, Any], reason: str) -> None:
    between = ROOT.intermediate(**profile)

    refused(by(between.tsa(), between), reason)


def test_more_authorities_than_one_allows_below_it_are_refused() -> None:
    above = ROOT.intermediate("above", path_length=0)
    below = above.intermediate("below")

    refused(by(below.tsa(), below, above), "allows 0 authorities below it, not 1")


def test_a_longer_way_is_taken_where_the_shorter_one_breaks_the_rules() -> None:
    key = ec_key()
    limited = Authority("limited root", path_length=0)
    direct = limited.intermediate("shared", key=key)
    between = ROOT.intermediate("between")
    roundabout = between.intermediate("shared", key=key)
    low = roundabout.intermediate("low")
    encoded = by(low.tsa(), low, direct, roundabout, between)

    found = examine(encoded, roots=(limited.certificate, ROOT.certificate))

    assert found.chain[1:] == tuple(item.certificate for item in (low, roundabout, between, ROOT))
    refused(encoded, "authorities below it", roots=(limited.certificate,))


def test_a_signature_with_sha1_anywhere_in_the_chain_is_refused() -> None:
    weak = Issued(with_sha1(TSA.certificate, BETWEEN.key), TSA.key)

    refused(by(weak, BETWEEN, named=ess(weak)), "weak hash")


def test_a_root_signed_with_sha1_is_refused_for_that_reason() -> None:
    refused(GOOD, "weak hash", roots=(with_sha1(ROOT.certificate, ROOT.key),))


def test_a_thicket_of_cross_certificates_costs_a_bounded_number_of_checks() -> None:
    # Every authority certifies every other: the ways through them are far too many to try.
    keys = [ec_key() for _ in range(4)]
    roots = [Authority(f"cross {number}", key=key) for number, key in enumerate(keys)]
    crosses = [
        issuer.intermediate(f"cross {number}", key=key)
        for issuer in roots
        for number, key in enumerate(keys)
        if issuer.key is not key
    ]
    signer = roots[0].tsa()

    refused(by(signer, *crosses), "does not lead to a trusted")


TIMES = ["20261124120000Z", "20261124120000.5Z", "20261124120000.025Z", "20261124120000.123456789Z"]
OTHER_TIMES = ["20261124130000+0100", "20261124120000+0000", "202611241200Z", "2026112411Z", "20261124120000,5Z"]
OTHER_TIMES += ["20261124120000.Z", "20261124120000", "20261124120000Z\n", "20261124120000z", "20261124250000Z"]
OTHER_TIMES += ["00001124120000Z", "20261124120000.50Z", "20261124120000.0Z"]


def at_time(written: str) -> bytes:
    encoded = tst_info()
    time = b"\x18\x0f20261124120000Z"
    assert time in encoded
    content = encoded[2:].replace(time, bytes([0x18, len(written)]) + written.encode())
    return b"\x30" + bytes([len(content)]) + content


@pytest.mark.parametrize("written", TIMES)
def test_a_time_may_have_a_fraction(written: str) -> None:
    assert NOW <= examine(by(TSA, BETWEEN, content=at_time(written))).generated < NOW + timedelta(seconds=1)


@pytest.mark.parametrize("written", OTHER_TIMES)
def test_a_time_in_another_form_than_that_of_rfc_3161_is_refused(written: str) -> None:
    refused(by(TSA, BETWEEN, content=at_time(written)), "timestamp: ")


@pytest.mark.parametrize("cost", [Cost.NODES, Cost.CERTIFICATES, Cost.CERTIFICATE_CHECKS])
def test_what_the_image_may_not_cost_is_never_a_fault_of_the_token(cost: Cost, monkeypatch: pytest.MonkeyPatch) -> None:
    examine(GOOD)  # what a root knows of itself is found out once
    with counted() as spent:
        examine(GOOD)
    for most in range(spent[cost]):
        monkeypatch.setitem(ALLOWANCE, cost, most)
        with pytest.raises(BudgetExceeded), counted():
            examine(GOOD)
    monkeypatch.setitem(ALLOWANCE, cost, spent[cost])
    with counted():
        assert examine(GOOD).generated == NOW


@pytest.mark.parametrize(
    "extension",
    [
        x509.SubjectAlternativeName([x509.DNSName("tsa.example")]),
        x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)]),
        x509.InhibitAnyPolicy(1),
        x509.CRLDistributionPoints([point("http://a.example")]),
    ],
    ids=lambda item: type(item).__name__,
)
def test_an_extension_that_is_known_may_be_critical(extension: x509.ExtensionType) -> None:
    service = BETWEEN.tsa(extra=(x509.Extension(extension.oid, True, extension),))
    assert examine(by(service, BETWEEN)).chain[0] == service.certificate


@pytest.mark.parametrize(
    "extension",
    [
        x509.SubjectKeyIdentifier(b"key"),
        x509.AuthorityKeyIdentifier(b"key", None, None),
        x509.IssuerAlternativeName([x509.DNSName("ca.example")]),
        x509.FreshestCRL([point("http://a.example")]),
    ],
    ids=lambda item: type(item).__name__,
)
def test_an_extension_that_must_not_be_critical_is_refused_as_by_go(extension: x509.ExtensionType) -> None:
    service = BETWEEN.tsa(extra=(x509.Extension(extension.oid, True, extension),))
    with pytest.raises(TimestampInvalid, match=extension.oid.dotted_string):
        examine(by(service, BETWEEN))
