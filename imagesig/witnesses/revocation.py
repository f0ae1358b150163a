"""Checks the revocation of certificates in a verified chain: OCSP first, then CRLs, as notation does.

The URLs come from the certificates, so their issuer chooses them, including loopback and private addresses. So only
chains to an authority of the policy are checked. The URLs are plain HTTP, because the answers are signed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from datetime import datetime
from urllib.parse import quote as percent_encode

from msgspec import Struct

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.concurrency import for_each
from imagesig.crypto.certificate import Certificate
from imagesig.errors import BudgetExceeded, InvalidArgument, MalformedError, TransportError
from imagesig.external import given
from imagesig.trust.crl import RevocationList, judge_crl, open_crl
from imagesig.trust.ocsp import judge_ocsp, ocsp_request
from imagesig.trust.revocation import Answer, CertificateStatus, RevocationStatus, servers_of, with_issuers
from imagesig.witnesses.crl_cache import CrlBytes, CrlCache, MemoryCrlCache
from imagesig.witnesses.memory import Memory
from imagesig.witnesses.web import Fetcher, Query, check_url, fetch, shown

_CACHE = given("CRL cache", InvalidArgument)
_GET_CHARACTERS = 255
"""A request with this length in base64, or more, uses POST. Spec: RFC 6960 appendix A.1."""


class _Question(Struct, frozen=True):
    """One certificate, its issuer, the current time, and a trusted time of signing or None."""

    certificate: Certificate
    issuer: Certificate
    at: datetime
    signed_at: datetime | None


def _names_servers(certificate: Certificate) -> bool:
    try:
        return not servers_of(certificate).none
    except MalformedError:
        return False


class RevocationChecker:
    """Asks the servers that certificates name. Thread-safe. Reuse one object to use its caches.

    `ocsp_seconds` and `crl_seconds` are time limits for each request.
    """

    @checks_arguments
    def __init__(
        self,
        fetcher: Fetcher,
        *,
        crl_cache: CrlCache | None = None,
        ocsp_seconds: float = limits.OCSP_SECONDS,
        crl_seconds: float = limits.CRL_SECONDS,
    ) -> None:
        self._fetcher = fetcher
        self._crls = MemoryCrlCache() if crl_cache is None else crl_cache
        self._responses = Memory(limits.OCSP_MEMORY_BYTES, limits.OCSP_MEMORY_SECONDS)
        self._ocsp_seconds = ocsp_seconds
        self._crl_seconds = crl_seconds

    @checks_arguments
    def check(
        self,
        chain: Sequence[Certificate],
        at: datetime,
        *,
        trusted: Sequence[Certificate] = (),
        signed_at: datetime | None = None,
    ) -> tuple[CertificateStatus, ...]:
        """The status of each certificate at that time, leaf first, without the authority at the end.

        The chain must be verified: each certificate issued by the next, up to one of `trusted`, which need not be in
        the chain. `signed_at` is a trusted time of signing other than a timestamp, or None: a certificate that became
        invalid later is accepted. Certificates are checked in parallel.

        Raises:
            DeadlineExceeded: the deadline of the whole operation passed.
            BudgetExceeded: the image's budget is exhausted; the status is not "unknown" then.
        """

        def one(pair: tuple[Certificate, Certificate | None]) -> CertificateStatus:
            certificate, issuer = pair
            if issuer is None:
                reason = "its issuer is not in the chain, so answers cannot be verified"
                return CertificateStatus(certificate, RevocationStatus.UNKNOWN, reason)
            answer = self._ask(_Question(certificate, issuer, at, signed_at))
            return CertificateStatus(certificate, answer.status, answer.reason)

        pairs = with_issuers(chain, trusted)
        # Threads only help to wait for servers; without servers they would cost more than everything else.
        to_ask = sum(1 for certificate, _ in pairs if _names_servers(certificate))
        return tuple(for_each(pairs, one) if to_ask > 1 else map(one, pairs))

    def _ask(self, question: _Question) -> Answer:
        try:
            servers = servers_of(question.certificate)
        except BudgetExceeded:
            raise
        except MalformedError as error:
            return Answer.useless(str(error))
        if servers.none:
            return Answer(RevocationStatus.NON_REVOKABLE, "it names neither an OCSP responder nor a CRL")
        answer = self._ask_responders(servers.ocsp, question)
        if answer is not None and answer.status is not RevocationStatus.UNKNOWN:
            return answer
        if not servers.crl and not servers.problem:
            assert answer is not None
            return answer
        by_list = self._look_up(servers.crl, question)
        if servers.problem and by_list.status is not RevocationStatus.REVOKED:
            by_list = Answer.useless(servers.problem)
        if answer is not None and by_list.status is RevocationStatus.UNKNOWN:
            return Answer.useless(f"{answer.reason}; {by_list.reason}")
        return by_list

    def _ask_responders(self, urls: Sequence[str], question: _Question) -> Answer | None:
        """The first final answer, else all problems; None without responders."""
        problems = []
        for url in urls:
            answer = self._ask_responder(url, question)
            described = Answer(answer.status, f"OCSP {shown(url)}: {answer.reason}", answer.final)
            if answer.final:
                return described
            problems.append(described.reason)
        return Answer.useless("; ".join(problems)) if problems else None

    def _ask_responder(self, url: str, question: _Question) -> Answer:
        request = ocsp_request(question.certificate, question.issuer)
        name = f"{url} {request.hex()}"
        if (kept := self._responses.get(name)) is not None:
            answer = self._judge_response(kept, question)
            if answer.final:
                return answer
        try:
            check_url(url, ("http",))
            response = fetch(self._fetcher, self._ocsp_query(url, request)).body
        except BudgetExceeded:
            raise
        except (TransportError, MalformedError, InvalidArgument) as error:
            return Answer.useless(str(error))
        answer = self._judge_response(response, question)
        if answer.final and answer.status is not RevocationStatus.UNKNOWN:
            self._responses.put(name, response)
        return answer

    def _judge_response(self, response: bytes, question: _Question) -> Answer:
        return judge_ocsp(response, question.certificate, question.issuer, question.at, question.signed_at)

    def _ocsp_query(self, url: str, request: bytes) -> Query:
        accept, limit = "application/ocsp-response", limits.OCSP_RESPONSE_BYTES
        text = percent_encode(base64.b64encode(request), safe="")
        if len(text) < _GET_CHARACTERS and "?" not in url:
            return Query(f"{url.rstrip('/')}/{text}", accept, limit, self._ocsp_seconds)
        return Query(url, accept, limit, self._ocsp_seconds, request, "application/ocsp-request")

    def _look_up(self, urls: Sequence[str], question: _Question) -> Answer:
        """The status by all lists, because each may be a part. One list with "revoked" is enough."""
        problem: Answer | None = None
        good = Answer.useless("no CRL is named")
        for url in urls:
            answer = self._look_up_one(url, question)
            described = Answer(answer.status, f"CRL {shown(url)}: {answer.reason}", answer.final)
            if answer.status is RevocationStatus.REVOKED:
                return described
            if answer.status is RevocationStatus.UNKNOWN:
                problem = problem or described
            good = described
        return problem or good

    def _look_up_one(self, url: str, question: _Question) -> Answer:
        try:
            check_url(url, ("http",))
        except InvalidArgument as error:
            return Answer.useless(str(error))
        for crl in self._lists(url, question):
            if isinstance(crl, Answer):
                return crl
            base, delta = crl
            answer = judge_crl(question.certificate, base, delta, question.signed_at)
            if answer.final:
                return answer
        return answer

    def _lists(self, url: str, question: _Question) -> Iterator[tuple[RevocationList, RevocationList | None] | Answer]:
        """The list at this URL with its delta: the cached one, then a downloaded one if the first proves nothing."""
        with _CACHE:
            kept = self._crls.get(url)
        if kept is not None and (opened := self._opened(kept, question)) is not None:
            yield opened
        try:
            base = self._download(url)
            opened_base = open_crl(base, question.issuer, question.at)
            delta = self._delta(opened_base, question)
        except BudgetExceeded:
            raise
        except (TransportError, MalformedError) as error:
            yield Answer.useless(str(error))
            return
        with _CACHE:
            self._crls.put(url, CrlBytes(base, delta[0] if delta else None))
        yield opened_base, delta[1] if delta else None

    def _opened(self, kept: CrlBytes, question: _Question) -> tuple[RevocationList, RevocationList | None] | None:
        """The cached lists, if they are complete and still valid."""
        try:
            base = open_crl(kept.base, question.issuer, question.at)
            if kept.delta is None:
                return None if base.delta_urls else (base, None)
            return base, open_crl(kept.delta, question.issuer, question.at)
        except BudgetExceeded:
            raise
        except MalformedError:
            return None

    def _delta(self, base: RevocationList, question: _Question) -> tuple[bytes, RevocationList] | None:
        """The first usable delta list; None if the complete list names none.

        Raises:
            TransportError, MalformedError: it names some, but none is usable.
        """
        failure: TransportError | MalformedError | None = None
        for url in base.delta_urls[: limits.REVOCATION_URLS]:
            try:
                check_url(url, ("http",))
                data = self._download(url)
                return data, open_crl(data, question.issuer, question.at)
            except InvalidArgument as error:
                failure = failure or MalformedError(f"delta CRL: {error}")
            except BudgetExceeded:
                raise
            except (TransportError, MalformedError) as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return None

    def _download(self, url: str) -> bytes:
        query = Query(url, "application/pkix-crl, */*", limits.CRL_BYTES, self._crl_seconds)
        return fetch(self._fetcher, query).body
