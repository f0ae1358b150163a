"""Who vouches for a certificate: by pinning one of a chain, or by a path to a trusted one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from msgspec.structs import replace

from imagesig import limits
from imagesig.effort import Cost
from imagesig.errors import Expired, FormatViolation, LimitExceeded, NotTrusted
from imagesig.trust import CertificateAuthority, Role
from imagesig.trust.chain import check_pinned, check_validity, paths_to_authorities, vouching
from imagesig.trust.holder import Holder
from tests.chains import CODE_SIGNING, SUBJECT, Issuer, intermediate, key_usage, leaf, root, trusting
from tests.effort import counted
from tests.makers import NOW


def authorities(*issuers: Issuer, holders: tuple[str, ...] = ()) -> tuple[CertificateAuthority, ...]:
    return trusting(*(item.certificate for item in issuers), holders=holders).authorities


# --- pinning ---------------------------------------------------------------------------------------------------------


def test_every_authority_that_accepts_the_holder_is_found() -> None:
    signer = leaf(root())
    strict = CertificateAuthority("strict", signer.chain[-1:], authorities(holders=("C=DE",))[0].holders)
    loose = CertificateAuthority("loose", signer.chain[-1:], authorities(holders=(SUBJECT,))[0].holders)
    open_ = CertificateAuthority("open", signer.chain[-1:])
    assert [item.name for item in vouching(signer.chain, (strict, loose, open_), Role.CA)] == ["loose", "open"]
    with pytest.raises(NotTrusted, match="the policy accepts"):
        vouching(signer.chain, (strict,), Role.CA)


def test_a_certificate_of_the_same_names_and_key_is_not_the_pinned_one() -> None:
    signer = leaf(root())
    with pytest.raises(NotTrusted):
        vouching(signer.chain, authorities(root()), Role.CA)


def test_an_authority_of_another_role_does_not_vouch() -> None:
    signer = leaf(root())
    with pytest.raises(NotTrusted):
        vouching(signer.chain, authorities(signer), Role.SIGNING_AUTHORITY)


def test_unreadable_names_do_not_hide_an_authority_without_holders() -> None:
    signer = leaf(root(), SUBJECT, (x509.UnrecognizedExtension(ObjectIdentifier("2.5.29.17"), b"\x30\x03"), False))
    mail = CertificateAuthority("mail", signer.chain[-1:], (Holder.of("a@acme.example"),))
    open_ = CertificateAuthority("open", signer.chain[-1:])
    for order in ((mail, open_), (open_, mail)):
        assert [item.name for item in vouching(signer.chain, order, Role.CA)] == ["open"]
    with pytest.raises(NotTrusted, match="cannot be read"):
        vouching(signer.chain, (mail,), Role.CA)


# --- paths -----------------------------------------------------------------------------------------------------------


def test_a_path_is_found_for_any_order_of_certificates() -> None:
    top = root()
    lower = intermediate(intermediate(top, constraints=(x509.BasicConstraints(True, 1), True)), "C=US,CN=l", number=902)
    signer = leaf(lower)
    noise = root(number=955).certificate
    for others in (signer.chain[1:], tuple(reversed(signer.chain[1:])), (noise, *signer.chain[1:-1], noise)):
        ((authority, path),) = paths_to_authorities(signer.certificate, others, authorities(top), NOW)
        assert authority.name == "acme"
        assert path == signer.chain


def test_every_authority_has_its_own_path() -> None:
    top = root()
    middle = intermediate(top)
    signer = leaf(middle)
    both = (*authorities(top), *(replace(item, name="middle") for item in authorities(middle)))
    found = paths_to_authorities(signer.certificate, signer.chain[1:], both, NOW)
    assert [(item.name, path) for item, path in found] == [("acme", signer.chain), ("middle", signer.chain[:2])]


def test_no_path_without_the_intermediate_unless_it_is_trusted_itself() -> None:
    top = root()
    middle = intermediate(top)
    signer = leaf(middle)
    with pytest.raises(NotTrusted, match="no path"):
        paths_to_authorities(signer.certificate, (), authorities(top), NOW)
    ((_, path),) = paths_to_authorities(signer.certificate, (), authorities(top, middle), NOW)
    assert path == signer.chain[:2]


def test_a_trusted_intermediate_leads_to_the_root_of_another_authority() -> None:
    top = root()
    middle = intermediate(top)
    signer = leaf(middle)
    both = (*authorities(top), *(replace(item, name="middle") for item in authorities(middle)))
    found = paths_to_authorities(signer.certificate, (), both, NOW)
    assert [(item.name, path) for item, path in found] == [("acme", signer.chain), ("middle", signer.chain[:2])]


def test_a_root_that_comes_with_the_signature_is_not_trusted_for_it() -> None:
    signer = leaf(root(number=955))
    with pytest.raises(NotTrusted):
        paths_to_authorities(signer.certificate, signer.chain[1:], authorities(root()), NOW)


def test_a_pinned_signer_needs_no_path() -> None:
    alone = leaf(None)
    assert paths_to_authorities(alone.certificate, (), authorities(alone), NOW)[0][1] == (alone.certificate,)


@pytest.mark.parametrize(
    "middle",
    [
        {"constraints": None},
        {"constraints": (x509.BasicConstraints(ca=False, path_length=None), True)},
        {"usage": (key_usage("digital_signature"), True)},
    ],
)
def test_a_certificate_that_may_not_issue_is_not_a_step(middle: dict[str, object]) -> None:
    top = root()
    signer = leaf(intermediate(top, **middle))  # type: ignore[arg-type]
    with pytest.raises(NotTrusted):
        paths_to_authorities(signer.certificate, signer.chain[1:], authorities(top), NOW)


def test_a_private_root_without_key_usage_is_good_enough_for_a_path() -> None:
    top = root(usage=None, constraints=(x509.BasicConstraints(ca=True, path_length=None), False))
    signer = leaf(intermediate(top))
    assert paths_to_authorities(signer.certificate, signer.chain[1:], authorities(top), NOW)[0][1] == signer.chain


def test_the_path_length_is_kept() -> None:
    top = root()
    lower = intermediate(intermediate(top), "C=US,CN=lower", number=902)
    signer = leaf(lower)
    with pytest.raises(NotTrusted):
        paths_to_authorities(signer.certificate, signer.chain[1:], authorities(top), NOW)


def test_a_signer_without_extended_key_usage_is_not_restricted() -> None:
    top = root()
    for signer in (leaf(top, purposes=None), leaf(top, purposes=None, usage=None)):
        ((authority, path),) = paths_to_authorities(signer.certificate, signer.chain[1:], authorities(top), NOW)
        assert (authority.name, path) == ("acme", signer.chain)


@pytest.mark.parametrize("uses", [("key_cert_sign", "crl_sign"), ("key_encipherment",), ("key_agreement",)])
def test_a_signer_without_extended_key_usage_whose_key_usage_excludes_signatures_is_refused(
    uses: tuple[str, ...],
) -> None:
    top = root()
    signer = leaf(top, purposes=None, usage=(key_usage(*uses), True))
    with pytest.raises(FormatViolation, match="digitalSignature"):
        paths_to_authorities(signer.certificate, signer.chain[1:], authorities(top), NOW)


@pytest.mark.parametrize(
    "purposes",
    [
        [ExtendedKeyUsageOID.SERVER_AUTH],
        [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE],
        [ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.EMAIL_PROTECTION],
    ],
    ids=["TLS", "any", "others"],
)
def test_a_signer_that_is_not_for_code_signing_is_refused(purposes: list[ObjectIdentifier]) -> None:
    top = root()
    signer = leaf(top, purposes=purposes)
    with pytest.raises(FormatViolation, match="codeSigning"):
        paths_to_authorities(signer.certificate, signer.chain[1:], authorities(top), NOW)


def test_an_intermediate_for_other_purposes_is_not_a_step() -> None:
    top = root()
    wrong = intermediate(top, f"{SUBJECT},CN=i", (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False))
    right = intermediate(top, f"{SUBJECT},CN=i", (x509.ExtendedKeyUsage([CODE_SIGNING]), False))
    signer = leaf(wrong)
    with pytest.raises(NotTrusted):
        paths_to_authorities(signer.certificate, (wrong.certificate,), authorities(top), NOW)
    ((_, path),) = paths_to_authorities(
        signer.certificate, (wrong.certificate, right.certificate), authorities(top), NOW
    )
    assert path[1] == right.certificate


def test_an_extension_that_is_not_understood_and_critical_forbids() -> None:
    top = root()
    unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    for critical, fails in ((False, False), (True, True)):
        signer = leaf(top, SUBJECT, (unknown, critical))
        if fails:
            with pytest.raises(FormatViolation, match="not understood"):
                paths_to_authorities(signer.certificate, (), authorities(top), NOW)
        else:
            paths_to_authorities(signer.certificate, (), authorities(top), NOW)


def test_name_constraints_are_refused_because_they_are_not_evaluated() -> None:
    top = root()
    limit = x509.NameConstraints([x509.DNSName("acme.example")], None)
    signer = leaf(intermediate(top, f"{SUBJECT},CN=i", (limit, False)))
    with pytest.raises(NotTrusted):
        paths_to_authorities(signer.certificate, signer.chain[1:], authorities(top), NOW)


def test_of_two_paths_the_valid_one_is_taken() -> None:
    top = root()
    old = intermediate(top, end=NOW - timedelta(days=1))
    new = intermediate(top)
    signer = leaf(new)
    ((_, path),) = paths_to_authorities(signer.certificate, (old.certificate, new.certificate), authorities(top), NOW)
    assert path == signer.chain


def test_cve_2026_24122_the_validity_of_the_whole_path_is_checked() -> None:
    top = root()
    signer = leaf(intermediate(top, end=NOW - timedelta(days=1)))
    ((_, path),) = paths_to_authorities(signer.certificate, signer.chain[1:], authorities(top), NOW)
    with pytest.raises(Expired, match="intermediate"):
        check_validity(path, NOW, NOW)


def test_many_linked_certificates_without_a_trusted_one_cost_no_check() -> None:
    # Every one of them issued every other: same name, same key.
    maze = [root(f"{SUBJECT},CN=i", number=940).certificate for _ in range(9)]
    signer = leaf(root(f"{SUBJECT},CN=i", number=940))
    with counted() as spent, pytest.raises(NotTrusted):
        paths_to_authorities(signer.certificate, maze, authorities(root()), NOW)
    assert spent[Cost.CERTIFICATE_CHECKS] == 0


def test_a_maze_under_a_trusted_name_is_left_after_a_few_checks() -> None:
    top = root()
    maze = [root(f"{SUBJECT},CN=root", number=940).certificate for _ in range(9)]
    signer = leaf(root(f"{SUBJECT},CN=root", number=940))
    with counted() as spent, pytest.raises(LimitExceeded):
        paths_to_authorities(signer.certificate, maze, authorities(top), NOW)
    assert spent[Cost.CERTIFICATE_CHECKS] <= limits.PATH_CHECKS + 2


def test_all_of_a_range_of_time_has_to_be_within_every_validity() -> None:
    chain = leaf(root()).chain
    hour = timedelta(hours=1)
    check_validity(chain, NOW - hour, NOW + hour)
    for earliest, latest in (
        (chain[0].not_before - hour, NOW),
        (NOW, chain[0].not_after + hour),
        (chain[0].not_before - hour, chain[0].not_after + hour),
    ):
        with pytest.raises(Expired):
            check_validity(chain, earliest, latest)
    check_validity(chain, chain[0].not_before, chain[0].not_after)


# --- who counts, and what is understood ------------------------------------------------------------------------------


def test_the_root_of_a_signing_authority_vouches_for_no_signature_of_cosign() -> None:
    signer = leaf(root())
    for role, finds in ((Role.CA, True), (Role.SIGNING_AUTHORITY, False)):
        (authority,) = trusting(*signer.chain[1:], role=role).authorities
        if finds:
            assert paths_to_authorities(signer.certificate, (), (authority,), NOW)
        else:
            with pytest.raises(NotTrusted, match="no certificate authority"):
                paths_to_authorities(signer.certificate, (), (authority,), NOW)


def test_one_of_several_holders_is_enough() -> None:
    signer = leaf(root(), f"{SUBJECT},CN=leaf")
    for holders in (("C=DE", SUBJECT), (SUBJECT, "C=DE")):
        (authority,) = authorities(holders=holders)
        counted_by = (replace(authority, certificates=signer.chain[1:]),)
        assert vouching(signer.chain, counted_by, Role.CA) == counted_by
        assert paths_to_authorities(signer.certificate, (), counted_by, NOW)


UNDERSTOOD: list[x509.ExtensionType] = [
    x509.SubjectAlternativeName([x509.DNSName("build.example")]),
    x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("1.2.3"), None)]),
]
REFUSED: list[tuple[x509.ExtensionType, bool]] = [
    (x509.SubjectKeyIdentifier(b"key"), True),
    (x509.AuthorityKeyIdentifier(b"key", None, None), True),
    (x509.PolicyConstraints(0, None), False),
    (x509.PolicyConstraints(3, 0), False),
    (x509.PolicyConstraints(None, 0), True),
    (x509.InhibitAnyPolicy(0), True),
]


@pytest.mark.parametrize(
    ("extension", "critical"),
    REFUSED,
    ids=[f"{type(item).__name__} {number}" for number, (item, _) in enumerate(REFUSED)],
)
def test_an_extension_that_go_refuses_or_evaluates_is_refused(extension: x509.ExtensionType, critical: bool) -> None:
    top = root()
    signer = leaf(top, SUBJECT, (extension, critical))
    with pytest.raises(FormatViolation, match=extension.oid.dotted_string):
        paths_to_authorities(signer.certificate, (), authorities(top), NOW)
    below = leaf(intermediate(top, f"{SUBJECT},CN=i", (extension, critical)))
    with pytest.raises(NotTrusted, match=extension.oid.dotted_string):
        paths_to_authorities(below.certificate, below.chain[1:], authorities(top), NOW)


def test_policies_that_restrict_no_path_are_accepted() -> None:
    top = root()
    ids = (x509.SubjectKeyIdentifier(b"key"), x509.AuthorityKeyIdentifier(b"key", None, None))
    signer = leaf(top, SUBJECT, *((item, False) for item in (*ids, x509.PolicyConstraints(None, 0))))
    assert paths_to_authorities(signer.certificate, (), authorities(top), NOW)


@pytest.mark.parametrize("extension", UNDERSTOOD, ids=lambda item: type(item).__name__)
def test_an_extension_that_is_understood_may_be_critical(extension: x509.ExtensionType) -> None:
    top = root()
    middle = intermediate(top, f"{SUBJECT},CN=i", (extension, True))
    signer = leaf(middle, SUBJECT, (extension, True))
    assert paths_to_authorities(signer.certificate, signer.chain[1:], authorities(top), NOW)[0][1] == signer.chain


def test_the_extensions_of_every_signer_may_be_critical() -> None:
    top = root()
    purposes = (x509.ExtendedKeyUsage([CODE_SIGNING]), True)
    middle = intermediate(top, f"{SUBJECT},CN=i", purposes)
    signer = leaf(middle, SUBJECT, purposes, purposes=None)
    assert all(item.critical for item in signer.certificate.extensions)
    assert paths_to_authorities(signer.certificate, signer.chain[1:], authorities(top), NOW)[0][1] == signer.chain


def test_an_issuer_with_an_extension_that_is_not_understood_is_no_step() -> None:
    top = root()
    unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    signer = leaf(intermediate(top, f"{SUBJECT},CN=i", (unknown, True)))
    with pytest.raises(NotTrusted, match="not understood"):
        paths_to_authorities(signer.certificate, signer.chain[1:], authorities(top), NOW)


def test_a_chain_is_verified_from_the_pinned_certificate_down_to_the_signers() -> None:
    top = root()
    middle = intermediate(top)
    signer = leaf(middle)
    ders = [item.der for item in signer.chain]
    assert check_pinned(ders, authorities(top)) == signer.chain
    assert check_pinned(ders, authorities(middle)) == signer.chain[:2]
    assert check_pinned(ders, authorities(middle, top)) == signer.chain[:2]
    stranger = leaf(root(number=955))
    for chain in ([stranger.certificate.der, *ders[1:]], [ders[0], stranger.certificate.der, ders[2]]):
        with pytest.raises(FormatViolation, match="was not issued by the next one"):
            check_pinned(chain, authorities(top))
    with pytest.raises(NotTrusted, match="none of the chain's 3 certificates"):
        check_pinned(ders, authorities(root(number=955)))
