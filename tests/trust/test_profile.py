"""What a certificate says of itself; the rules for chains are in tests/formats/notation/test_strictness.py."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from imagesig import limits
from imagesig.errors import FormatViolation, LimitExceeded
from imagesig.trust.profile import check_authority, check_issuance, check_signer, is_authority, purposes_of
from tests.chains import CODE_SIGNING, SUBJECT, intermediate, key_usage, leaf, root

JUNK = b"\x30\x03"
UNREADABLE = [(x509.UnrecognizedExtension(ObjectIdentifier(oid), JUNK), True) for oid in ("2.5.29.19", "2.5.29.37")]


def test_a_certificate_is_an_authoritys_if_it_says_so_and_can_be_read() -> None:
    assert is_authority(root().certificate)
    assert not is_authority(leaf(root()).certificate)
    assert not is_authority(leaf(root(), constraints=None).certificate)
    for extension in UNREADABLE:
        assert not is_authority(leaf(root(), SUBJECT, extension, constraints=None, purposes=None).certificate)


def test_extensions_that_cannot_be_read_break_every_rule() -> None:
    for extension in UNREADABLE:
        certificate = leaf(root(), SUBJECT, extension, constraints=None, purposes=None).certificate
        for judge in (check_signer, purposes_of, lambda item: check_authority(item, 0)):
            with pytest.raises(FormatViolation, match="cannot be read"):
                judge(certificate)


def test_purposes_are_told_and_none_is_something_else() -> None:
    assert purposes_of(leaf(root()).certificate) == {CODE_SIGNING.dotted_string}
    assert purposes_of(leaf(root(), purposes=None).certificate) is None


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_as_many_authorities_as_it_allows_may_be_below_one(allowed: int) -> None:
    certificate = root(constraints=(x509.BasicConstraints(ca=True, path_length=allowed), True)).certificate
    for below in range(4):
        if below <= allowed:
            check_authority(certificate, below)
        else:
            with pytest.raises(FormatViolation, match=f"allow {allowed} authorities below it, there are {below}"):
                check_authority(certificate, below)


@pytest.mark.parametrize(
    ("constraints", "usage", "strict", "lenient"),
    [
        ((x509.BasicConstraints(True, None), True), (key_usage("key_cert_sign"), True), True, True),
        ((x509.BasicConstraints(True, None), False), (key_usage("key_cert_sign"), True), False, True),
        ((x509.BasicConstraints(True, None), True), (key_usage("key_cert_sign"), False), False, True),
        ((x509.BasicConstraints(True, None), True), None, False, True),
        ((x509.BasicConstraints(True, None), True), (key_usage("crl_sign"), True), False, False),
        ((x509.BasicConstraints(False, None), True), (key_usage("key_cert_sign"), True), False, False),
        (None, (key_usage("key_cert_sign"), True), False, False),
    ],
)
def test_a_private_authority_may_leave_out_what_a_public_one_must_have(
    constraints: tuple[x509.ExtensionType, bool] | None,
    usage: tuple[x509.ExtensionType, bool] | None,
    strict: bool,
    lenient: bool,
) -> None:
    certificate = root(constraints=constraints, usage=usage).certificate
    for is_lenient, passes in ((False, strict), (True, lenient)):
        if passes:
            check_authority(certificate, 0, lenient=is_lenient)
        else:
            with pytest.raises(FormatViolation, match="no critical"):
                check_authority(certificate, 0, lenient=is_lenient)


def test_a_chain_ends_with_its_one_root_and_is_as_long_as_the_limit_at_most() -> None:
    top = root()
    signer = leaf(intermediate(top))
    check_issuance(signer.chain)
    check_issuance(top.chain)
    for chain, problem in (
        ((), "empty"),
        (signer.chain[:2], "the root is missing"),
        ((*signer.chain, *top.chain), "only the last one may be"),
        (signer.chain[::-1], "only the last one may be"),
        ((signer.certificate, top.certificate), "was not issued by the next one"),
    ):
        with pytest.raises(FormatViolation, match=problem):
            check_issuance(chain)
    with pytest.raises(LimitExceeded):
        check_issuance(signer.chain[:1] * (limits.CHAIN_CERTIFICATES + 1))


def test_every_purpose_beside_code_signing_that_means_something_else_is_refused() -> None:
    names = (
        "SERVER_AUTH",
        "CLIENT_AUTH",
        "EMAIL_PROTECTION",
        "TIME_STAMPING",
        "OCSP_SIGNING",
        "ANY_EXTENDED_KEY_USAGE",
    )
    for name in names:
        purpose = getattr(ExtendedKeyUsageOID, name)
        with pytest.raises(FormatViolation, match="extendedKeyUsage is for"):
            check_signer(leaf(root(), purposes=[CODE_SIGNING, purpose]).certificate)
    check_signer(leaf(root(), purposes=[CODE_SIGNING, ObjectIdentifier("1.2.3")]).certificate)


@pytest.mark.parametrize("critical", [False, True])
def test_a_key_identifier_may_not_be_critical_anywhere_in_a_chain(critical: bool) -> None:
    for identifier in (x509.SubjectKeyIdentifier(b"key"), x509.AuthorityKeyIdentifier(b"key", None, None)):
        for chain in (
            leaf(root(), SUBJECT, (identifier, critical)).chain,
            leaf(intermediate(root(), f"{SUBJECT},CN=i", (identifier, critical))).chain,
        ):
            if critical:
                with pytest.raises(FormatViolation, match=identifier.oid.dotted_string):
                    check_issuance(chain)
            else:
                check_issuance(chain)
