"""A timestamp is used only if a verifier would accept it: what a service may answer instead, and what then happens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asn1crypto import tsp

from imagesig.crypto.algorithms import Hash
from imagesig.errors import ImagesigError, InvalidArgument, Revoked, TimestampInvalid, UnexpectedResponse
from imagesig.http.client import HttpClient
from imagesig.signature import TimestampRequest
from imagesig.trust.anchors import TimestampAuthorities
from imagesig.trust.timestamp import examine_timestamp
from imagesig.trust.timestamp_exchange import TimestampQuery
from imagesig.witnesses import Query, RevocationChecker, Web, request_timestamp
from tests.authorities import Authority, Issued
from tests.makers import NOW
from tests.timestamps import MESSAGE, response, token, tst_info
from tests.witnesses.loopback import Asked, Fake, Said, serving

ROOT = Authority("timestamp root")
TSA = ROOT.tsa()
OCSP = "http://ocsp.example"
ANSWER = "application/timestamp-reply"


def service(signer: Issued = TSA, **changes: Any) -> Callable[[bytes], bytes]:
    """What a right service answers, with fields of its TSTInfo changed."""

    def answer(request: bytes) -> bytes:
        asked = tsp.TimeStampReq.load(request)
        fields: dict[str, Any] = {
            "nonce": asked["nonce"].native,
            "message_imprint": asked["message_imprint"],
        }
        return response(token(signer, tst_info(**fields | changes)))

    return answer


def ask(
    answer: Callable[[bytes], bytes],
    *,
    headers: dict[str, str] | None = None,
    fake: Fake | None = None,
    hash: Hash = Hash.SHA256,
    roots: tuple[Authority, ...] = (ROOT,),
) -> tuple[bytes, list[Asked]]:
    """The token from a real server that answers so, and what it was asked."""
    client = Web(HttpClient(user_agent="test"))
    sent = {"content-type": ANSWER} if headers is None else headers
    with serving(lambda asked: Said(answer(asked.body), headers=sent)) as server:
        request = TimestampRequest(server.url + "/tsr", hash, tuple(item.certificate for item in roots))
        try:
            found = request_timestamp(
                request, MESSAGE, fetcher=client, revocation=RevocationChecker(fake or Fake()), now=NOW
            )
        finally:
            client.close()
    return found, server.asked


def refused(kind: type[ImagesigError], reason: str, answer: Callable[[bytes], bytes], **options: Any) -> None:
    with pytest.raises(kind, match=reason):
        ask(answer, **options)


def test_verifiers_accept_the_token() -> None:
    found, _ = ask(service())

    roots = TimestampAuthorities((ROOT.certificate,))
    assert examine_timestamp(found, MESSAGE, roots, NOW).chain == (TSA.certificate, ROOT.certificate)


@pytest.mark.parametrize("hash", list(Hash), ids=lambda hash: hash.value)
def test_every_service_supports_the_request(hash: Hash) -> None:
    _, asked = ask(service(), hash=hash)

    (request,) = asked
    assert (request.method, request.headers["content-type"]) == ("POST", "application/timestamp-query")
    parsed = tsp.TimeStampReq.load(request.body, strict=True)
    assert parsed["version"].native == "v1"
    assert parsed["cert_req"].native is True
    assert parsed["message_imprint"]["hash_algorithm"]["algorithm"].native == hash.value
    assert parsed["message_imprint"]["hashed_message"].native == hash.digest(MESSAGE)
    assert parsed["nonce"].native.bit_length() == 159


def test_every_request_has_a_nonce_of_its_own() -> None:
    nonces = {tsp.TimeStampReq.load(ask(service())[1][0].body)["nonce"].native for _ in range(3)}

    assert len(nonces) == 3


def test_the_timestamp_is_for_the_stored_form() -> None:
    # An envelope holds ECDSA as r||s where keys give DER: a stamp on the DER would prove nothing to a verifier.
    def answer(query: Query) -> bytes:
        return service()(query.body or b"")

    fake = Fake({"http://tsa.example": answer})
    request = TimestampRequest("http://tsa.example", Hash.SHA256, (ROOT.certificate,), lambda made: b"stored " + made)

    found = request_timestamp(request, b"made", fetcher=fake, revocation=RevocationChecker(fake), now=NOW)

    roots = TimestampAuthorities((ROOT.certificate,))
    assert examine_timestamp(found, b"stored made", roots, NOW)
    with pytest.raises(TimestampInvalid, match="made for other bytes"):
        examine_timestamp(found, b"made", roots, NOW)


@pytest.mark.parametrize("nonce", [None, 7], ids=["none", "another"])
def test_an_answer_to_another_request_is_refused(nonce: int | None) -> None:
    refused(TimestampInvalid, "nonce differs", service(nonce=nonce))


def test_an_answer_for_other_bytes_is_refused() -> None:
    other = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": Hash.SHA256.digest(b"other")}

    refused(TimestampInvalid, "imprint differs", service(message_imprint=other))


@pytest.mark.parametrize("status", ["rejection", "waiting", "revocation_warning", "revocation_notification"])
def test_a_service_that_refuses_is_quoted(status: str) -> None:
    answer = response(status=status, status_string=["too busy"], fail_info={"time_not_available"})

    refused(TimestampInvalid, f"refused: {status}, time_not_available, 'too busy'", lambda _: answer)


def test_granted_without_a_token_is_refused() -> None:
    refused(TimestampInvalid, "sent none", lambda _: response())


def test_a_token_granted_with_modifications_is_accepted() -> None:
    def answer(request: bytes) -> bytes:
        return service()(request).replace(b"\x30\x03\x02\x01\x00", b"\x30\x03\x02\x01\x01", 1)

    assert ask(answer)


@pytest.mark.parametrize("answer", [b"", b"rubbish", b"\x30\x80" * 50_000], ids=["empty", "rubbish", "nested"])
def test_an_invalid_answer_is_refused(answer: bytes) -> None:
    refused(TimestampInvalid, "not a TimeStampResp", lambda _: answer)


@pytest.mark.parametrize("kind", ["text/html", ""])
def test_an_answer_of_another_type_is_refused(kind: str) -> None:
    refused(UnexpectedResponse, "is needed", service(), headers={"content-type": kind})


def test_a_service_of_a_root_that_is_not_trusted_is_refused() -> None:
    refused(TimestampInvalid, "does not lead to a trusted", service(), roots=(Authority("timestamp root"),))


def test_a_service_whose_clock_is_wrong_is_refused() -> None:
    refused(TimestampInvalid, "from the future", service(generated=NOW + timedelta(hours=1)))


def test_a_service_whose_certificate_was_revoked_is_refused() -> None:
    # CVE-2024-56138: notation did not ask when it obtained a timestamp.
    revocable = ROOT.tsa(ocsp=(OCSP,))
    good, bad = Fake({OCSP: ROOT.ocsp(revocable)}), Fake({OCSP: ROOT.ocsp(revocable, revoked=True)})

    assert ask(service(revocable), fake=good)
    refused(Revoked, "revoked", service(revocable), fake=bad)


def test_a_service_with_an_unknown_revocation_status_is_refused() -> None:
    refused(Revoked, "unknown", service(ROOT.tsa(ocsp=(OCSP,))))


def test_the_revocation_of_an_untrusted_service_is_not_checked() -> None:
    fake = Fake()

    refused(TimestampInvalid, "trusted", service(Authority("other").tsa(ocsp=(OCSP,))), fake=fake)
    assert fake.queries == []


@pytest.mark.parametrize("url", ["ftp://tsa.example", "http://user:secret@tsa.example/", "tsa.example", ""])
def test_a_url_that_cannot_be_used_is_refused(url: str) -> None:
    request = TimestampRequest(url, Hash.SHA256, (ROOT.certificate,))

    with pytest.raises(InvalidArgument):
        request_timestamp(request, MESSAGE, fetcher=Fake(), revocation=RevocationChecker(Fake()), now=NOW)


def test_a_policy_that_was_asked_for_must_be_the_answers() -> None:
    from imagesig.trust.timestamp_token import open_token

    query = TimestampQuery(Hash.SHA256, Hash.SHA256.digest(MESSAGE), 7, "1.2.3")
    assert tsp.TimeStampReq.load(query.encode())["req_policy"].dotted == "1.2.3"

    query.check_answer(open_token(token(TSA, tst_info(nonce=7, policy="1.2.3"))))
    with pytest.raises(TimestampInvalid, match="used the policy"):
        query.check_answer(open_token(token(TSA, tst_info(nonce=7, policy="1.2.4"))))
