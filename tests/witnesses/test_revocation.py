"""Whom the checker asks, in which order, when it falls back, and what it makes of silence."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from cryptography import x509

from imagesig import limits
from imagesig.effort import ALLOWANCE, Cost, one_image
from imagesig.errors import BudgetExceeded, DeadlineExceeded, LimitExceeded, UnexpectedResponse
from imagesig.trust.ocsp import ocsp_request
from imagesig.trust.revocation import CertificateStatus, RevocationStatus
from imagesig.witnesses import CrlBytes, FileCrlCache, MemoryCrlCache, Offline, Query, RevocationChecker
from tests.authorities import Authority, Issued, Revoked, freshest
from tests.makers import NOW
from tests.witnesses.loopback import Fake

OCSP, OCSP_2 = "http://ocsp.example", "http://ocsp-2.example/path"
CRL, CRL_2, DELTA, DELTA_2 = ("http://crl.example/" + name for name in ("1.crl", "2.crl", "d1.crl", "d2.crl"))
ROOT = Authority()
BOTH = ROOT.leaf("both", ocsp=(OCSP,), crl=(CRL,))
TWO_RESPONDERS = ROOT.leaf("two responders", ocsp=(OCSP, OCSP_2))
LISTED = ROOT.leaf("listed", crl=(CRL,))
OK, UNKNOWN, REVOKED = RevocationStatus.OK, RevocationStatus.UNKNOWN, RevocationStatus.REVOKED


def check(leaf: Issued, fake: Fake, **options: Any) -> CertificateStatus:
    (status,) = RevocationChecker(fake, **options).check((leaf.certificate, ROOT.certificate), NOW)
    return status


# --- OCSP ----------------------------------------------------------------------------------------------------------


def test_ocsp_is_asked_first_and_its_answer_is_enough() -> None:
    fake = Fake({OCSP: ROOT.ocsp(BOTH), CRL: ROOT.crl(Revoked(BOTH))})

    assert check(BOTH, fake).status is OK
    assert [urlsplit(url).hostname for url in fake.urls] == ["ocsp.example"]


def test_a_short_request_goes_by_get_in_the_path() -> None:
    fake = Fake({OCSP: ROOT.ocsp(BOTH)})
    check(BOTH, fake)

    (query,) = fake.queries
    assert query.body is None
    request = base64.b64decode(unquote(urlsplit(query.url).path.removeprefix("/")))
    assert request == ocsp_request(BOTH.certificate, ROOT.certificate)


@pytest.mark.parametrize("url", [OCSP, "http://ocsp.example/?id=1"], ids=["long", "with a query"])
def test_another_request_goes_by_post(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    leaf = ROOT.leaf(ocsp=(url,))
    if url == OCSP:
        monkeypatch.setattr("imagesig.witnesses.revocation._GET_CHARACTERS", 10)
    fake = Fake({OCSP: ROOT.ocsp(leaf)})

    assert check(leaf, fake).status is OK
    (query,) = fake.queries
    assert (query.url, query.content_type) == (url, "application/ocsp-request")
    assert query.body == ocsp_request(leaf.certificate, ROOT.certificate)


def test_a_request_has_notations_limits() -> None:
    fake = Fake({OCSP: b"", CRL: ROOT.crl()})
    check(BOTH, fake)

    assert [(query.limit, query.seconds) for query in fake.queries] == [(20 * 1024, 2.0), (32 * 1024 * 1024, 5.0)]


def test_the_times_are_the_callers_if_it_gives_some() -> None:
    fake = Fake()
    check(BOTH, fake, ocsp_seconds=7, crl_seconds=9)

    assert [query.seconds for query in fake.queries] == [7, 9]


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (ROOT.ocsp(TWO_RESPONDERS), OK),
        (ROOT.ocsp(TWO_RESPONDERS, revoked=True), REVOKED),
        (ROOT.ocsp(TWO_RESPONDERS, unknown=True), UNKNOWN),
    ],
    ids=["good", "revoked", "unknown"],
)
def test_the_first_answer_is_final(first: bytes, status: RevocationStatus) -> None:
    fake = Fake({OCSP: first, OCSP_2: ROOT.ocsp(TWO_RESPONDERS, revoked=status is OK)})

    assert check(TWO_RESPONDERS, fake).status is status
    assert len(fake.queries) == 1


@pytest.mark.parametrize("first", [None, b"rubbish", ROOT.ocsp(TWO_RESPONDERS, next_update=NOW - timedelta(seconds=1))])
def test_after_an_invalid_answer_the_next_responder_is_asked(first: bytes | None) -> None:
    fake = Fake({OCSP_2: ROOT.ocsp(TWO_RESPONDERS)} | ({OCSP: first} if first else {}))

    assert check(TWO_RESPONDERS, fake).status is OK


def test_without_an_answer_the_status_is_unknown_with_every_reason() -> None:
    found = check(TWO_RESPONDERS, Fake({OCSP: b"rubbish"}))

    assert found.status is UNKNOWN
    assert "not an OCSP response" in found.reason
    assert "nobody there" in found.reason


@pytest.mark.parametrize(
    "url", ["https://ocsp.example", "ldap://ocsp.example", "file:///etc/passwd", "http://u:p@a.b", "http://[::1"]
)
def test_only_plain_http_is_asked(url: str) -> None:
    fake = Fake({url: ROOT.ocsp(BOTH)})

    assert check(ROOT.leaf(ocsp=(url,), crl=(url,)), fake).status is UNKNOWN
    assert fake.queries == []


# --- falling back to CRLs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer", [None, b"rubbish", ROOT.ocsp(BOTH, unknown=True)], ids=["silence", "rubbish", "unknown"]
)
def test_where_ocsp_does_not_know_the_crl_is_asked(answer: bytes | None) -> None:
    answers = {OCSP: answer} if answer else {}

    assert check(BOTH, Fake(answers | {CRL: ROOT.crl()})).status is OK
    assert check(BOTH, Fake(answers | {CRL: ROOT.crl(Revoked(BOTH))})).status is REVOKED
    assert check(BOTH, Fake(answers)).status is UNKNOWN


def test_a_certificate_without_ocsp_is_looked_up_in_its_crl() -> None:
    assert check(LISTED, Fake({CRL: ROOT.crl(Revoked(LISTED))})).status is REVOKED


@pytest.mark.parametrize(
    "answer",
    [b"rubbish", ROOT.crl(next_update=NOW - timedelta(1)), LimitExceeded("too large"), UnexpectedResponse("404")],
    ids=["rubbish", "expired", "too large", "not found"],
)
def test_a_crl_that_is_of_no_use_is_unknown_and_never_good(answer: bytes | Exception) -> None:
    assert check(LISTED, Fake({CRL: answer})).status is UNKNOWN


def test_every_crl_must_answer() -> None:
    leaf = ROOT.leaf(crl=(CRL, CRL_2))

    assert check(leaf, Fake({CRL: ROOT.crl(), CRL_2: ROOT.crl()})).status is OK
    assert check(leaf, Fake({CRL: ROOT.crl()})).status is UNKNOWN
    assert check(leaf, Fake({CRL_2: ROOT.crl()})).status is UNKNOWN


def test_a_revocation_in_one_crl_is_enough() -> None:
    leaf = ROOT.leaf(crl=(CRL, CRL_2))

    assert check(leaf, Fake({CRL: ROOT.crl(Revoked(leaf))})).status is REVOKED
    assert check(leaf, Fake({CRL_2: ROOT.crl(Revoked(leaf))})).status is REVOKED
    assert check(leaf, Fake({CRL: ROOT.crl(), CRL_2: ROOT.crl(Revoked(leaf))})).status is REVOKED


def test_a_delta_list_is_fetched_from_where_the_complete_list_says() -> None:
    base = ROOT.crl(number=5, extra=[freshest(DELTA, DELTA_2)])
    good, bad = ROOT.crl(number=6, base=5), ROOT.crl(Revoked(LISTED), number=6, base=5)

    assert check(LISTED, Fake({CRL: base, DELTA: good})).status is OK
    assert check(LISTED, Fake({CRL: base, DELTA: bad})).status is REVOKED
    assert check(LISTED, Fake({CRL: base, DELTA_2: bad})).status is REVOKED
    assert check(LISTED, Fake({CRL: base})).status is UNKNOWN
    assert check(LISTED, Fake({CRL: base, DELTA: ROOT.crl(number=5, base=5)})).status is UNKNOWN


def test_a_certificate_that_names_a_list_of_some_reasons_is_never_good_by_it() -> None:
    from tests.authorities import point

    points = x509.CRLDistributionPoints([point(CRL, reasons=frozenset([x509.ReasonFlags.key_compromise]))])
    leaf = ROOT.leaf(extra=(x509.Extension(points.oid, False, points),))

    assert check(leaf, Fake({CRL: ROOT.crl()})).status is UNKNOWN
    assert check(leaf, Fake({CRL: ROOT.crl(Revoked(leaf))})).status is REVOKED


# --- chains --------------------------------------------------------------------------------------------------------


def test_a_certificate_without_servers_is_reported_as_non_revokable() -> None:
    found = check(ROOT.leaf(), Fake())

    assert found.status is RevocationStatus.NON_REVOKABLE
    assert "neither an OCSP responder nor a CRL" in str(found)


def test_every_certificate_but_the_root_is_asked_about_with_its_own_issuer() -> None:
    between = ROOT.intermediate(ocsp=(OCSP,))
    leaf = between.leaf(ocsp=(OCSP_2,))
    fake = Fake({OCSP: ROOT.ocsp(between, revoked=True), OCSP_2: between.ocsp(leaf)})

    found = RevocationChecker(fake).check((leaf.certificate, between.certificate, ROOT.certificate), NOW)

    assert [(item.certificate, item.status) for item in found] == [
        (leaf.certificate, OK),
        (between.certificate, REVOKED),
    ]


def test_certificates_of_one_chain_are_asked_about_at_the_same_time() -> None:
    between = ROOT.intermediate(ocsp=(OCSP,))
    leaf = between.leaf(ocsp=(OCSP_2,))
    both = threading.Barrier(2, timeout=30)

    def together(answer: bytes) -> Callable[[Query], bytes]:
        def answer_when_both_asked(_: Query) -> bytes:
            both.wait()
            return answer

        return answer_when_both_asked

    fake = Fake({OCSP: together(ROOT.ocsp(between)), OCSP_2: together(between.ocsp(leaf))})

    found = RevocationChecker(fake).check((leaf.certificate, between.certificate, ROOT.certificate), NOW)

    assert [item.status for item in found] == [OK, OK]


def test_an_issuer_that_is_trusted_and_not_in_the_chain_checks_the_answers() -> None:
    fake = Fake({OCSP: ROOT.ocsp(BOTH)})

    (found,) = RevocationChecker(fake).check((BOTH.certificate,), NOW, trusted=(ROOT.certificate,))

    assert found.status is OK


def test_a_certificate_whose_issuer_is_nowhere_is_unknown_and_not_asked_about() -> None:
    fake = Fake({OCSP: ROOT.ocsp(BOTH)})

    (found,) = RevocationChecker(fake).check((BOTH.certificate,), NOW)

    assert found.status is UNKNOWN
    assert fake.queries == []


def test_only_a_trusted_time_of_signing_is_used() -> None:
    fake = Fake({CRL: ROOT.crl(Revoked(LISTED, invalid_since=NOW - timedelta(days=1)))})
    checker, chain = RevocationChecker(fake), (LISTED.certificate, ROOT.certificate)

    assert checker.check(chain, NOW)[0].status is REVOKED
    assert checker.check(chain, NOW, signed_at=NOW - timedelta(days=2))[0].status is OK


def test_the_deadline_of_the_whole_operation_ends_it() -> None:
    with pytest.raises(DeadlineExceeded):
        check(BOTH, Fake({OCSP: DeadlineExceeded("over")}))


# --- remembering ---------------------------------------------------------------------------------------------------


def test_one_checker_asks_for_the_same_once() -> None:
    fake = Fake({OCSP: ROOT.ocsp(BOTH), CRL: ROOT.crl()})
    checker = RevocationChecker(fake)
    for leaf in (BOTH, LISTED):
        chain = (leaf.certificate, ROOT.certificate)
        assert checker.check(chain, NOW) == checker.check(chain, NOW)

    assert len(fake.queries) == 2


def test_a_cached_response_is_checked_again_and_replaced_after_its_expiry() -> None:
    fake = Fake({OCSP: ROOT.ocsp(BOTH), CRL: ROOT.crl()})
    checker = RevocationChecker(fake)
    later = NOW + timedelta(days=2)
    for leaf in (BOTH, LISTED):
        checker.check((leaf.certificate, ROOT.certificate), NOW)
    fake.answers = {CRL: ROOT.crl(Revoked(LISTED), next_update=later + timedelta(days=1))}

    assert checker.check((LISTED.certificate, ROOT.certificate), later)[0].status is REVOKED


def test_silence_and_unknown_are_not_remembered() -> None:
    fake = Fake({OCSP: ROOT.ocsp(TWO_RESPONDERS, unknown=True)})
    checker = RevocationChecker(fake)
    chain = (TWO_RESPONDERS.certificate, ROOT.certificate)
    assert checker.check(chain, NOW)[0].status is UNKNOWN
    fake.answers = {OCSP: ROOT.ocsp(TWO_RESPONDERS)}

    assert checker.check(chain, NOW)[0].status is OK


def test_a_list_in_notations_cache_is_used_offline(tmp_path: Path) -> None:
    FileCrlCache(tmp_path).put(CRL, CrlBytes(ROOT.crl(Revoked(LISTED))))

    (found,) = RevocationChecker(Offline(), crl_cache=FileCrlCache(tmp_path)).check(
        (LISTED.certificate, ROOT.certificate), NOW
    )

    assert found.status is REVOKED


def test_offline_without_a_list_is_unknown() -> None:
    (found,) = RevocationChecker(Offline()).check((BOTH.certificate, ROOT.certificate), NOW)

    assert found.status is UNKNOWN
    assert "offline" in found.reason


@pytest.mark.parametrize(
    "kept",
    [
        CrlBytes(b"rubbish"),
        CrlBytes(Authority("root").crl()),
        CrlBytes(ROOT.crl(next_update=NOW - timedelta(seconds=1))),
        CrlBytes(ROOT.crl(extra=[freshest(DELTA)])),
        CrlBytes(ROOT.crl(number=5), ROOT.crl(number=5, base=5)),
        CrlBytes(ROOT.crl(number=6, base=5)),
    ],
    ids=["rubbish", "of another issuer", "expired", "without its delta", "delta of no use", "a delta as base"],
)
def test_a_poisoned_cache_costs_a_download_and_no_more(kept: CrlBytes) -> None:
    cache = MemoryCrlCache()
    cache.put(CRL, kept)

    assert check(LISTED, Fake({CRL: ROOT.crl(Revoked(LISTED))}), crl_cache=cache).status is REVOKED


def test_an_invalid_download_is_not_cached() -> None:
    cache = MemoryCrlCache()
    check(LISTED, Fake({CRL: Authority("root").crl()}), crl_cache=cache)

    assert cache.get(CRL) is None


def test_ten_lists_at_most_are_asked_for() -> None:
    leaf = ROOT.leaf(crl=tuple(f"{CRL}{number}" for number in range(limits.REVOCATION_URLS + 1)))
    fake = Fake({CRL: ROOT.crl()})

    assert check(leaf, fake).status is UNKNOWN
    assert fake.queries == []


# --- the image's budget --------------------------------------------------------------------------------------------

ASKED = ROOT.leaf("asked", ocsp=(OCSP,))


@pytest.mark.parametrize("cost", [Cost.CERTIFICATE_CHECKS, Cost.NODES, Cost.CERTIFICATES])
@pytest.mark.parametrize("left", [0, 1, 2, 30, 60, 90, 1000])
@pytest.mark.parametrize(
    ("leaf", "answers"),
    [
        (ASKED, {OCSP: ROOT.ocsp(ASKED)}),
        (ASKED, {OCSP: ROOT.ocsp(ASKED, signer=ROOT.delegate())}),
        (LISTED, {CRL: ROOT.crl()}),
        (LISTED, {CRL: ROOT.crl(extra=[freshest(DELTA)]), DELTA: ROOT.crl(number=2, base=1)}),
    ],
    ids=["OCSP", "a delegate's OCSP", "CRL", "delta CRL"],
)
def test_an_exhausted_budget_is_the_images_error_and_never_an_unknown_status(
    leaf: Issued, answers: dict[str, bytes], left: int, cost: Cost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ALLOWANCE, cost, left)
    with one_image():
        try:
            assert check(leaf, Fake(answers)).status is OK  # what is left is enough
        except BudgetExceeded:
            assert left < 1000


def test_an_exhausted_budget_does_not_make_a_cached_list_useless(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = MemoryCrlCache()
    cache.put(CRL, CrlBytes(ROOT.crl()))
    monkeypatch.setitem(ALLOWANCE, Cost.CERTIFICATE_CHECKS, 0)
    fake = Fake()
    with one_image(), pytest.raises(BudgetExceeded):
        check(LISTED, fake, crl_cache=cache)
    assert fake.queries == []
