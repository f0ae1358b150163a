"""RFC 3161 timestamps in cosign's formats: answers of timestamp services over the raw bytes of the signature.

A bundle has them in its verification material, a classic signature or attestation in an annotation of its layer. They
are not signed: each is only believed for a signature that it was made for, by a service that the policy trusts. cosign
asks for tokens without certificates, so the service's certificate may be among those of the policy, beside its root.

Spec: sigstore/protobuf-specs sigstore_bundle.proto, TimestampVerificationData.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from imagesig import limits
from imagesig.crypto.certificate import Certificate
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import Shape
from imagesig.errors import BudgetExceeded, FormatViolation, MalformedError, TimestampInvalid
from imagesig.formats.certified import Timing, timing
from imagesig.formats.format import decode_base64
from imagesig.signature import AUTHENTIC_TIMESTAMP, Check, Envelope
from imagesig.trust import TimestampAuthorities
from imagesig.trust.timestamp_exchange import token_in_response

_ANNOTATION = "dev.sigstore.cosign/rfc3161timestamp"
_MEMBER = "SignedRFC3161Timestamp"
_SHAPE = Shape(frozenset({_MEMBER}))


def timed(
    chain: Sequence[Certificate], timestamps: TimestampAuthorities | None, now: datetime, envelope: Envelope
) -> Timing:
    """Whether the signer's chain is valid: now or, if the policy names timestamp services, when one saw the signature.

    The first timestamp that proves a time in which the chain was valid is enough.
    """
    signature = envelope.signature
    without = timing(chain, timestamps, now, signature=signature, token=b"")
    if without.check.passed or timestamps is None:
        return without
    refused: Timing | None = None
    roots = tuple(item for item in timestamps.certificates if item.is_self_signed)
    known = tuple(item for item in timestamps.certificates if not item.is_self_signed)
    trusted = replace(timestamps, certificates=roots)
    try:
        answers = envelope.timestamps or _in_annotation(envelope)
    except (MalformedError, FormatViolation) as error:
        return _failed(error)
    for text in answers:
        try:
            token = token_in_response(decode_base64(text, "timestamp", limits.TIMESTAMP_BYTES))
        except (TimestampInvalid, FormatViolation) as error:
            refused = refused or _failed(error)
            continue
        found = timing(chain, trusted, now, signature=signature, token=token, known=known)
        if found.check.passed:
            return found
        refused = refused or found
    return refused or without


def _in_annotation(envelope: Envelope) -> tuple[object, ...]:
    """The timestamp of a classic signature, in base64; empty if it has none."""
    parts = envelope.stored.parts
    text = parts[0].annotations.get(_ANNOTATION, "") if parts else ""
    if not text.strip():
        return ()
    found = parse_object(text.encode("utf-8", "replace"), f"annotation {_ANNOTATION}", _SHAPE)
    return (found.get(_MEMBER),)


def _failed(error: Exception) -> Timing:
    if isinstance(error, BudgetExceeded):
        raise error
    return Timing(Check.failed(AUTHENTIC_TIMESTAMP, TimestampInvalid(f"its timestamp cannot be read: {error}")))
