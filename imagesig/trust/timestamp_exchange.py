"""Requests to a timestamp service and its responses.

Spec: RFC 3161 sections 2.4.1 and 2.4.2.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from msgspec import Struct

from imagesig import limits
from imagesig.crypto.algorithms import Hash
from imagesig.encoding import asn1
from imagesig.errors import BudgetExceeded, MalformedError, TimestampInvalid
from imagesig.external import external_call
from imagesig.text import quote
from imagesig.trust.timestamp_token import TimestampToken

NONCE_BITS = 159
"""Positive and at most 20 bytes as a DER integer, which every service accepts."""


class TimestampQuery(Struct, frozen=True):
    """One request for a timestamp of this imprint. `nonce` must be random; an empty `policy` (an OID) accepts any."""

    hash: Hash
    imprint: bytes
    nonce: int
    policy: str = ""

    def encode(self) -> bytes:
        """The DER TimeStampReq; it asks for the service's certificates."""
        from asn1crypto.tsp import TimeStampReq

        fields: dict[str, Any] = {
            "version": "v1",
            "message_imprint": {"hash_algorithm": {"algorithm": self.hash.value}, "hashed_message": self.imprint},
            "nonce": self.nonce,
            "cert_req": True,
        }
        if self.policy:
            fields["req_policy"] = self.policy
        encoded: bytes = TimeStampReq(fields).dump()
        return encoded

    def check_answer(self, token: TimestampToken) -> None:
        """Returns if the token answers this request.

        Raises:
            TimestampInvalid: the nonce, imprint or policy differs.
        """
        if token.nonce != self.nonce:
            raise TimestampInvalid("the timestamp service answered another request: the nonce differs")
        if (token.hash, token.imprint) != (self.hash, self.imprint):
            raise TimestampInvalid("the timestamp service answered for other bytes: the imprint differs")
        if self.policy and token.policy != self.policy:
            raise TimestampInvalid(
                f"the timestamp service used the policy {quote(token.policy)}, {self.policy} is needed"
            )


def token_in_response(response: bytes) -> bytes:
    """The token, a ContentInfo as received, of a TimeStampResp that grants one.

    Raises:
        TimestampInvalid: malformed, or the service refused; the message has its reasons.
    """
    if len(response) > limits.TIMESTAMP_BYTES:
        raise TimestampInvalid(
            f"answer of the timestamp service: {len(response)} bytes, at most {limits.TIMESTAMP_BYTES} are read"
        )
    what = "answer of the timestamp service"
    try:
        asn1.check(response, what)
    except BudgetExceeded:
        raise
    except MalformedError as error:
        raise TimestampInvalid(f"{what}: not a TimeStampResp ({error})") from error
    with external_call(what, lambda error: TimestampInvalid(f"{what}: not a TimeStampResp")):
        parsed = _response_type().load(response, strict=True)
        status = parsed["status"]["status"].native
        if status not in ("granted", "granted_with_mods"):
            raise TimestampInvalid(f"the timestamp service refused: {_reasons(parsed['status'])}")
        token: bytes = parsed["time_stamp_token"].dump()
    if not token:
        raise TimestampInvalid("the timestamp service granted a timestamp but sent none")
    return token


@cache
def _response_type() -> Any:
    from asn1crypto import cms, core, tsp

    class Response(core.Sequence):  # type: ignore[misc]
        """TimeStampResp. In asn1crypto's own class the token is mandatory, but a service that refuses sends none."""

        _fields = [("status", tsp.PKIStatusInfo), ("time_stamp_token", cms.ContentInfo, {"optional": True})]  # noqa: RUF012

    return Response


def _reasons(status: Any) -> str:
    parts = [str(status["status"].native)]
    if status["fail_info"]:
        parts += sorted(map(str, status["fail_info"].native))
    if status["status_string"]:
        parts += [quote(text) for text in status["status_string"].native]
    return ", ".join(parts)
