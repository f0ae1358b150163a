"""The certificates of a timestamp service, on their own: what a token's signature does not check before."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from imagesig.errors import TimestampInvalid
from imagesig.trust.timestamp_profile import timestamp_chain
from tests.authorities import CODE_SIGNING, Authority, name, rsa_key
from tests.makers import NOW

ROOT = Authority("timestamp root")
_OID = x509.ObjectIdentifier("2.5.29.31")
UNREADABLE = x509.Extension(_OID, False, x509.UnrecognizedExtension(_OID, b"\x30\x03"))


def refused(reason: str, **profile: Any) -> None:
    with pytest.raises(TimestampInvalid, match=reason):
        timestamp_chain(ROOT.tsa(**profile).certificate, (), (ROOT.certificate,), NOW)


def test_a_good_certificate_leads_to_its_root() -> None:
    leaf = ROOT.tsa().certificate
    assert timestamp_chain(leaf, (), (ROOT.certificate,), NOW) == (leaf, ROOT.certificate)


@pytest.mark.parametrize(
    ("key", "reason"), [(ec.generate_private_key(ec.SECP256K1()), "secp256k1"), (rsa_key(1024), "1024 bits")]
)
def test_a_key_that_is_not_supported_makes_the_timestamp_invalid(key: Any, reason: str) -> None:
    refused(reason, key=key)


def test_an_extension_that_cannot_be_read_makes_the_timestamp_invalid() -> None:
    refused("cannot be read", extra=(UNREADABLE,))


# --- authorities that are for less: tspclient-go 1.0.0, built with Go 1.26, refuses the same ones -------------------

OCSP, TIMES, ANY = (
    ExtendedKeyUsageOID.OCSP_SIGNING,
    ExtendedKeyUsageOID.TIME_STAMPING,
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
)
NAMED = x509.SubjectAlternativeName([x509.DNSName("tsa.example")])
DNS, DIRECTORY = x509.DNSName("example"), x509.DirectoryName(name("elsewhere"))
POLICY, OTHER_POLICY, ANY_POLICY = (
    x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(text), None)])
    for text in ("1.2.3", "1.2.4", "2.5.29.32.0")
)
EXPLICIT = x509.PolicyConstraints(0, None)
Extensions = list[tuple[x509.ExtensionType, bool]]

FOR_LESS: dict[str, tuple[Extensions, Extensions, str]] = {
    "timestamps": ([(x509.ExtendedKeyUsage([TIMES, OCSP]), False)], [], ""),
    "any purpose": ([(x509.ExtendedKeyUsage([ANY]), True)], [], ""),
    "code": ([(x509.ExtendedKeyUsage(CODE_SIGNING), False)], [], "does not have timeStamping"),
    "code, critical": ([(x509.ExtendedKeyUsage(CODE_SIGNING), True)], [], "does not have timeStamping"),
    "OCSP": ([(x509.ExtendedKeyUsage([OCSP]), False)], [], "does not have timeStamping"),
    "an unknown purpose": ([(x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.2.3")]), False)], [], "timeStamping"),
    "names, and none is there": ([(x509.NameConstraints([DNS], None), True)], [], ""),
    "names inside": ([(x509.NameConstraints([DNS], None), True)], [(NAMED, False)], "constrains names"),
    "names outside": ([(x509.NameConstraints(None, [DNS]), True)], [(NAMED, True)], "constrains names"),
    "names, not critical": ([(x509.NameConstraints(None, [DNS]), False)], [(NAMED, False)], "constrains names"),
    "names of directories": ([(x509.NameConstraints([DIRECTORY], None), True)], [], "is not understood"),
    "no names of directories": ([(x509.NameConstraints(None, [DNS, DIRECTORY]), True)], [], "is not understood"),
    "names of directories, not critical": ([(x509.NameConstraints([DIRECTORY], None), False)], [], ""),
    "a policy that all have": ([(EXPLICIT, True), (POLICY, False)], [(POLICY, False)], ""),
    "a policy, any of which all have": ([(EXPLICIT, True), (ANY_POLICY, False)], [(POLICY, False)], ""),
    "a policy that is missing": ([(EXPLICIT, True)], [], "needs a policy"),
    "a policy that the leaf does not have": ([(EXPLICIT, True), (POLICY, False)], [], "needs a policy"),
    "another policy": ([(EXPLICIT, True), (POLICY, False)], [(OTHER_POLICY, False)], "needs a policy"),
    "policies are not mapped": ([(x509.PolicyConstraints(None, 0), True)], [], ""),
}


def extra(items: Extensions) -> tuple[x509.Extension[Any], ...]:
    return tuple(x509.Extension(value.oid, critical, value) for value, critical in items)


@pytest.mark.parametrize("place", ["root", "intermediate"])
@pytest.mark.parametrize("case", FOR_LESS)
def test_what_an_authority_is_for_limits_what_is_below_it(case: str, place: str) -> None:
    of_authority, of_leaf, reason = FOR_LESS[case]
    if place == "root" and "policy" in case:
        reason = ""  # a root's policies are not evaluated
    root = Authority("root", extra=extra(of_authority)) if place == "root" else ROOT
    between = root.intermediate(extra=extra(of_authority)) if place == "intermediate" else root
    leaf = between.tsa(extra=extra(of_leaf)).certificate
    others = () if between is root else (between.certificate,)
    if reason:
        with pytest.raises(TimestampInvalid, match=reason):
            timestamp_chain(leaf, others, (root.certificate,), NOW)
    else:
        assert timestamp_chain(leaf, others, (root.certificate,), NOW)[0] == leaf


def test_an_authority_above_must_have_the_policy_too() -> None:
    above = ROOT.intermediate("above")
    between = above.intermediate("between", extra=extra([(EXPLICIT, True), (POLICY, False)]))
    leaf = between.tsa(extra=extra([(POLICY, False)])).certificate
    with pytest.raises(TimestampInvalid, match="needs a policy"):
        timestamp_chain(leaf, (between.certificate, above.certificate), (ROOT.certificate,), NOW)


def test_a_leaf_that_needs_a_policy_has_one() -> None:
    refused("needs a policy", extra=extra([(EXPLICIT, True)]))
    between = ROOT.intermediate(extra=extra([(POLICY, False)]))
    leaf = between.tsa(extra=extra([(EXPLICIT, True), (POLICY, False)])).certificate
    assert timestamp_chain(leaf, (between.certificate,), (ROOT.certificate,), NOW)[0] == leaf
