"""Whom a certificate says to ask, which certificates of a chain are asked about, and what their statuses come to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from imagesig import limits
from imagesig.errors import MalformedError
from imagesig.trust.revocation import (
    CertificateStatus,
    RevocationStatus,
    Servers,
    forgiven,
    revocation_failure,
    servers_of,
    with_issuers,
)
from tests.authorities import Authority, name, point, uri
from tests.makers import NOW

ROOT = Authority()
BETWEEN = ROOT.intermediate()
LEAF = BETWEEN.leaf()


def statuses(*found: RevocationStatus) -> list[CertificateStatus]:
    return [CertificateStatus(LEAF.certificate, item, "so it is") for item in found]


def test_the_servers_of_a_certificate_are_in_its_order_and_each_once() -> None:
    leaf = ROOT.leaf(ocsp=("http://b.example", "http://a.example", "http://b.example"), crl=("http://c.example",))

    assert servers_of(leaf.certificate) == Servers(("http://b.example", "http://a.example"), ("http://c.example",))


def test_a_certificate_without_urls_has_no_servers() -> None:
    assert servers_of(LEAF.certificate).none


@pytest.mark.parametrize(
    "fields",
    [
        {"reasons": frozenset([x509.ReasonFlags.key_compromise])},
        {"crl_issuer": [x509.DirectoryName(name("another"))]},
    ],
    ids=["of some reasons", "by another issuer"],
)
def test_a_list_that_cannot_say_everything_is_a_problem(fields: dict[str, Any]) -> None:
    points = x509.CRLDistributionPoints([point("http://a.example", **fields), point("http://b.example")])
    leaf = ROOT.leaf(extra=(x509.Extension(points.oid, False, points),))

    found = servers_of(leaf.certificate)

    assert found.crl == ("http://a.example", "http://b.example")
    assert found.problem


def test_more_servers_than_any_certificate_names_are_refused() -> None:
    leaf = ROOT.leaf(ocsp=tuple(f"http://{number}.example" for number in range(limits.REVOCATION_URLS + 1)))

    with pytest.raises(MalformedError, match="OCSP responders are named"):
        servers_of(leaf.certificate)


def test_every_certificate_but_the_root_is_asked_about() -> None:
    chain = (LEAF.certificate, BETWEEN.certificate, ROOT.certificate)

    assert with_issuers(chain) == [(chain[0], chain[1]), (chain[1], chain[2])]


def test_an_incomplete_chain_is_completed_with_trusted_certificates() -> None:
    chain = (LEAF.certificate, BETWEEN.certificate)
    trusted = (Authority("stranger").certificate, ROOT.certificate)

    assert with_issuers(chain, trusted)[-1] == (BETWEEN.certificate, ROOT.certificate)


def test_a_pinned_certificate_at_the_end_is_not_asked_about() -> None:
    chain = (LEAF.certificate, BETWEEN.certificate)

    assert with_issuers(chain, (BETWEEN.certificate,)) == [(LEAF.certificate, BETWEEN.certificate)]


def test_a_chain_without_a_trusted_end_has_a_certificate_without_issuer() -> None:
    assert with_issuers((LEAF.certificate,)) == [(LEAF.certificate, None)]


def test_a_lone_self_signed_certificate_is_not_asked_about() -> None:
    assert with_issuers((ROOT.certificate,)) == []


@pytest.mark.parametrize("found", [(), (RevocationStatus.OK,), (RevocationStatus.OK, RevocationStatus.NON_REVOKABLE)])
def test_good_and_non_revokable_certificates_are_accepted(found: tuple[RevocationStatus, ...]) -> None:
    assert revocation_failure(statuses(*found)) is None


def test_a_revoked_certificate_is_named_before_an_unknown_one() -> None:
    failure = revocation_failure(statuses(RevocationStatus.UNKNOWN, RevocationStatus.REVOKED))

    assert failure is not None
    assert "revoked" in str(failure)
    assert "unknown" not in str(failure)


def test_an_unknown_status_is_a_failure_with_an_instruction() -> None:
    failure = revocation_failure(statuses(RevocationStatus.OK, RevocationStatus.UNKNOWN))

    assert failure is not None
    assert "reach the servers" in failure.hint


def test_without_a_trusted_time_of_signing_nothing_is_forgiven() -> None:
    assert not forgiven(NOW, None)
    assert not forgiven(None, NOW)
    assert forgiven(NOW, NOW - timedelta(seconds=1))


def with_access(*methods: tuple[x509.ObjectIdentifier, str]) -> x509.Extension[Any]:
    access = x509.AuthorityInformationAccess([x509.AccessDescription(method, uri(url)) for method, url in methods])
    return x509.Extension(access.oid, False, access)


def test_where_the_issuers_certificate_lies_is_no_responder() -> None:
    both = with_access(
        (AuthorityInformationAccessOID.CA_ISSUERS, "http://issuer.example/ca.crt"),
        (AuthorityInformationAccessOID.OCSP, "http://ocsp.example"),
    )
    assert servers_of(ROOT.leaf(extra=(both,)).certificate).ocsp == ("http://ocsp.example",)
    alone = with_access((AuthorityInformationAccessOID.CA_ISSUERS, "http://issuer.example/ca.crt"))
    assert servers_of(ROOT.leaf(extra=(alone,)).certificate).none


@pytest.mark.parametrize(
    "fields",
    [
        {"full_name": [x509.DirectoryName(name("a list in a directory"))]},
        {"full_name": None, "relative_name": next(iter(name("relative").rdns))},
        {"reasons": frozenset([x509.ReasonFlags.key_compromise])},
        {"crl_issuer": [x509.DirectoryName(name("another"))]},
    ],
    ids=["by directory name", "by relative name", "of some reasons", "by another issuer"],
)
def test_a_certificate_whose_only_list_is_of_no_use_can_be_revoked_all_the_same(fields: dict[str, Any]) -> None:
    points = x509.CRLDistributionPoints([point("http://a.example", **fields)])
    found = servers_of(ROOT.leaf(extra=(x509.Extension(points.oid, False, points),)).certificate)
    assert found.problem
    assert not found.none
    assert not Servers(problem=found.problem).none


def test_as_many_servers_as_are_asked_are_read() -> None:
    urls = tuple(f"http://{number}.example" for number in range(limits.REVOCATION_URLS))
    assert servers_of(ROOT.leaf(ocsp=urls, crl=urls).certificate) == Servers(urls, urls)
    with pytest.raises(MalformedError, match="CRLs are named"):
        servers_of(ROOT.leaf(crl=(*urls, "http://more.example")).certificate)
