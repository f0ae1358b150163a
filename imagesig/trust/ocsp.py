"""OCSP: the request about one certificate, and the status that a response proves.

Spec: RFC 6960; RFC 5019 for the request over GET.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from imagesig import limits
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.x509_signature import verify_by_identifier
from imagesig.encoding import asn1
from imagesig.errors import BudgetExceeded, MalformedError, SignatureInvalid, UnsupportedAlgorithm
from imagesig.external import external_call
from imagesig.trust.profile import not_understood
from imagesig.trust.revocation import Answer, RevocationStatus, forgiven

if TYPE_CHECKING:
    from cryptography.x509 import ocsp

_INVALIDITY_DATE = "2.5.29.24"
_NO_CHECK = "1.3.6.1.5.5.7.48.1.5"
"""id-pkix-ocsp-nocheck, an extension of responders' certificates. Spec: RFC 6960 section 4.2.2.2.1."""


def ocsp_request(certificate: Certificate, issuer: Certificate) -> bytes:
    """The DER OCSPRequest, without a nonce. It uses SHA-1 names, because many responders support no others."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import ocsp

    algorithm = hashes.SHA1()  # noqa: S303 - a name, not a proof
    names = _names_of(issuer, algorithm.name)
    with external_call("OCSP request", asn1.unreadable("the certificate's number")):
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(*names, certificate.serial_number, algorithm)
        return builder.build().public_bytes(Encoding.DER)


def _names_of(issuer: Certificate, algorithm: str) -> tuple[bytes, bytes]:
    """The hashes of an issuer's name and key, its identifier in OCSP. Spec: RFC 6960 section 4.1.1."""
    return hashlib.new(algorithm, issuer.subject_der).digest(), hashlib.new(algorithm, issuer.key_bits).digest()


def judge_ocsp(
    response: bytes,
    certificate: Certificate,
    issuer: Certificate,
    at: datetime,
    signed_at: datetime | None = None,
) -> Answer:
    """The status of the certificate at that time by a received OCSP response. `signed_at`: see `forgiven`."""
    if len(response) > limits.OCSP_RESPONSE_BYTES:
        return Answer.useless(f"{len(response)} bytes, at most {limits.OCSP_RESPONSE_BYTES} are read")
    try:
        asn1.check(response, "OCSP response")
        with external_call("OCSP response", asn1.unreadable("it")):
            return _judged(response, certificate, issuer, at, signed_at)
    except BudgetExceeded:
        raise
    except MalformedError as error:
        return Answer.useless(f"not an OCSP response ({error})")


def _judged(
    response: bytes, certificate: Certificate, issuer: Certificate, at: datetime, signed_at: datetime | None
) -> Answer:
    from asn1crypto.ocsp import OCSPResponse as Parsed
    from cryptography.x509 import ocsp

    loaded = ocsp.load_der_ocsp_response(response)
    if loaded.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return Answer.useless(f"the responder answered {loaded.response_status.name.lower()}")
    basic = Parsed.load(response, strict=True)["response_bytes"]["response"].parsed
    if problem := _unauthorized(loaded, basic, certificate, issuer, at):
        return Answer.useless(problem)
    if _has_unknown_critical(basic["tbs_response_data"]["response_extensions"]):
        return Answer.useless("a critical extension of the response is not understood")
    extensions = [item["single_extensions"] for item in basic["tbs_response_data"]["responses"]]
    answers = [
        _judge_single(single, extensions[number], at, signed_at)
        for number, single in enumerate(loaded.responses)
        if _is_about(single, certificate, issuer)
    ]
    # Several answers about the certificate, in any order: the worst one that is valid now decides.
    return min(answers, key=_rank, default=Answer.useless("the response is about other certificates"))


def _rank(answer: Answer) -> int:
    if not answer.final:
        return 3
    return (RevocationStatus.REVOKED, RevocationStatus.UNKNOWN, RevocationStatus.OK).index(answer.status)


def _unauthorized(
    loaded: ocsp.OCSPResponse, basic: Any, certificate: Certificate, issuer: Certificate, at: datetime
) -> str:
    """Why the signer of the response is not authorized by the issuer; empty if it is."""
    if len(loaded.certificates) > limits.OCSP_CERTIFICATES:
        return f"{len(loaded.certificates)} certificates, at most {limits.OCSP_CERTIFICATES} are read"
    algorithm = basic["signature_algorithm"].dump()
    problem = "neither the issuer nor a certificate in the response verifies its signature"
    for signer in _signers(loaded, issuer):
        # Use a delegate's key only after the issuer's authorization is proven.
        if signer != issuer and (unfit := _unfit_delegate(signer, certificate, issuer, at)):
            problem = f"{problem}; {unfit}"
            continue
        try:
            verify_by_identifier(signer.issuing_key, algorithm, loaded.signature, loaded.tbs_response_bytes)
        except BudgetExceeded:
            raise
        except (SignatureInvalid, UnsupportedAlgorithm, MalformedError) as error:
            problem = f"{problem} ({signer.label}: {error})"
        else:
            return ""
    return problem


def _signers(loaded: ocsp.OCSPResponse, issuer: Certificate) -> Iterator[Certificate]:
    from cryptography.hazmat.primitives.serialization import Encoding

    yield issuer
    for item in loaded.certificates:  # their number is limited above
        found = Certificate.from_der(item.public_bytes(Encoding.DER), "certificate of an OCSP response")
        if found != issuer:
            yield found


def _unfit_delegate(delegate: Certificate, certificate: Certificate, issuer: Certificate, at: datetime) -> str:
    """Why the delegate is not authorized by the issuer; empty if it is. Spec: RFC 6960 section 4.2.2.2."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    who = f"the responder's certificate {delegate.label}"
    if delegate.key_bits == certificate.key_bits:
        return f"{who} has the key of the certificate in question"
    if not delegate.is_issued_by(issuer) or delegate.has_weak_signature:
        return f"{who} was not issued by {issuer.label}, or with a weak hash"
    try:
        purposes = delegate.extension(x509.ExtendedKeyUsage)
        usage = delegate.extension(x509.KeyUsage)
        unknown = not_understood(delegate.extensions)
    except MalformedError as error:
        return str(error)
    if purposes is None or ExtendedKeyUsageOID.OCSP_SIGNING not in purposes.value:
        return f"{who} is not for OCSP: its extended key usage has no OCSPSigning"
    if usage is not None and not usage.value.digital_signature:
        return f"{who} is not for signatures: its key usage has no digitalSignature"
    if unknown not in ("", _NO_CHECK):
        return f"{who} has a critical extension that is not understood: {unknown}"
    if not delegate.not_before <= at <= delegate.not_after:
        return f"{who} is not valid at {at.isoformat()}"
    return ""


def _is_about(single: ocsp.OCSPSingleResponse, certificate: Certificate, issuer: Certificate) -> bool:
    if single.serial_number != certificate.serial_number:
        return False
    return (single.issuer_name_hash, single.issuer_key_hash) == _names_of(issuer, single.hash_algorithm.name)


def _judge_single(single: ocsp.OCSPSingleResponse, extensions: Any, at: datetime, signed_at: datetime | None) -> Answer:
    from cryptography.x509 import ocsp

    if _has_unknown_critical(extensions):
        return Answer.useless("a critical extension of the answer is not understood")
    if single.this_update_utc - at > timedelta(seconds=limits.CLOCK_SKEW_SECONDS):
        return Answer.useless(f"the answer is from the future: {single.this_update_utc.isoformat()}")
    if single.next_update_utc is None:
        return Answer.useless("the answer has no nextUpdate")
    if at > single.next_update_utc:
        return Answer.useless(f"the answer was valid until {single.next_update_utc.isoformat()}")
    if single.certificate_status is ocsp.OCSPCertStatus.GOOD:
        return Answer(RevocationStatus.OK, f"good until {single.next_update_utc.isoformat()}")
    if single.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        return Answer(RevocationStatus.UNKNOWN, "the responder does not know the certificate")
    invalid_since = _invalidity_date(extensions)
    if forgiven(invalid_since, signed_at):
        return Answer(RevocationStatus.OK, f"revoked as invalid since {invalid_since}, which was after signing")
    reason = single.revocation_reason.value if single.revocation_reason else "no reason given"
    return Answer(RevocationStatus.REVOKED, f"since {single.revocation_time_utc}, {reason}")


def _has_unknown_critical(extensions: Any) -> bool:
    return any(item["critical"].native and item["extn_id"].dotted != _INVALIDITY_DATE for item in extensions or ())


def _invalidity_date(extensions: Any) -> datetime | None:
    from asn1crypto.core import GeneralizedTime

    for item in extensions or ():
        if item["extn_id"].dotted == _INVALIDITY_DATE:
            found = GeneralizedTime.load(item["extn_value"].contents, strict=True).native
            if isinstance(found, datetime) and found.tzinfo is not None:
                return found
    return None
