"""Requests a timestamp for a new signature."""

from __future__ import annotations

import secrets
from datetime import datetime

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.errors import TimestampInvalid, UnexpectedResponse
from imagesig.signature import TimestampRequest
from imagesig.text import quote
from imagesig.trust.anchors import TimestampAuthorities
from imagesig.trust.revocation import revocation_failure
from imagesig.trust.timestamp import judge_token
from imagesig.trust.timestamp_exchange import NONCE_BITS, TimestampQuery, token_in_response
from imagesig.trust.timestamp_token import open_token
from imagesig.url import redact
from imagesig.witnesses.revocation import RevocationChecker
from imagesig.witnesses.web import Fetcher, Query, check_url, fetch

_QUESTION, _ANSWER = "application/timestamp-query", "application/timestamp-reply"


@checks_arguments
def request_timestamp(
    request: TimestampRequest,
    signature: bytes,
    *,
    fetcher: Fetcher,
    revocation: RevocationChecker,
    now: datetime,
    seconds: float = limits.TIMESTAMP_SECONDS,
) -> bytes:
    """A token (DER ContentInfo) for a signature, according to the request, that verifiers accept.

    It is checked as a verifier does. `signature` is the key's raw signature; the timestamp is for its stored form.
    `now` is the current time.

    Raises:
        InvalidArgument: the URL cannot be used.
        TransportError: the service did not answer, or not according to its protocol.
        TimestampInvalid: its answer is not a timestamp of this signature by a trusted authority.
        Revoked: a certificate of the service was revoked, or its status is unknown (CVE-2024-56138).
    """
    check_url(request.url)
    nonce = 1 << (NONCE_BITS - 1) | secrets.randbits(NONCE_BITS - 1)
    stamped = request.stored_form(signature)
    question = TimestampQuery(request.hash, request.hash.digest(stamped), nonce)
    query = Query(request.url, _ANSWER, limits.TIMESTAMP_BYTES, seconds, question.encode(), _QUESTION)
    response = fetch(fetcher, query)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _ANSWER:
        raise UnexpectedResponse(f"{redact(request.url)}: answered {quote(kind)}, {_ANSWER} is needed")
    try:
        encoded = token_in_response(response.body)
        token = open_token(encoded)
        question.check_answer(token)
        timestamp = judge_token(token, stamped, TimestampAuthorities(request.authorities), now)
    except TimestampInvalid as error:
        raise TimestampInvalid(f"{redact(request.url)}: {error}", hint=error.hint) from error
    if failure := revocation_failure(revocation.check(timestamp.chain, now)):
        raise failure
    return encoded
