"""RFC 3161 timestamps: proof by a trusted service that a signature existed at some time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.crypto.certificate import Certificate
from imagesig.errors import TimestampInvalid
from imagesig.trust.anchors import TimestampAuthorities
from imagesig.trust.timestamp_profile import timestamp_chain
from imagesig.trust.timestamp_token import TimestampToken, open_token

_BASELINE_POLICY = "0.4.0.2023.1.1"
"""ETSI EN 319 421 BTSP: its services have an accuracy of one second."""


class Timestamp(Struct, frozen=True):
    """The time when a signature existed, and the service that states it.

    `generated` is the service's clock; the true time is between `earliest` and `latest`. `chain` has the service's
    certificates, leaf first, up to a trusted root. Their revocation has not been checked.
    """

    earliest: datetime
    latest: datetime
    generated: datetime
    chain: tuple[Certificate, ...]
    policy: str = ""

    @property
    def authentic_time(self) -> datetime:
        return self.generated


@checks_arguments
def examine_timestamp(
    token: bytes,
    signature: bytes,
    authorities: TimestampAuthorities,
    at: datetime,
    *,
    known: Sequence[Certificate] = (),
) -> Timestamp:
    """The time that the token (a ContentInfo) proves for the raw bytes of a signature.

    `at` is the current time: a timestamp cannot be later. The service's chain must be valid at the timestamp's time.
    `known` are untrusted certificates that complete those in the token.

    Raises:
        TimestampInvalid: it proves nothing, for the reason in the message.

    Spec: RFC 3161 section 2.4.2; Notary Project signature-specification, "Timestamp Countersignature".
    """
    return judge_token(open_token(token, known), signature, authorities, at, known=known)


def judge_token(
    token: TimestampToken,
    signature: bytes,
    authorities: TimestampAuthorities,
    at: datetime,
    *,
    known: Sequence[Certificate] = (),
) -> Timestamp:
    """`examine_timestamp` for a token whose signature was verified. Raises as `examine_timestamp` does."""
    if token.imprint != token.hash.digest(signature):
        raise TimestampInvalid("the timestamp is not for this signature: it was made for other bytes")
    if token.generated - at > timedelta(seconds=limits.CLOCK_SKEW_SECONDS):
        raise TimestampInvalid(
            f"the timestamp is from the future: {token.generated.isoformat()}, it is now {at.isoformat()}"
        )
    accuracy = token.accuracy
    if accuracy is None:
        accuracy = timedelta(seconds=1 if token.policy == _BASELINE_POLICY else 0)
    try:
        earliest, latest = token.generated - accuracy, token.generated + accuracy
    except OverflowError as error:
        raise TimestampInvalid(f"the timestamp states an accuracy of {accuracy.days} days") from error
    chain = timestamp_chain(token.signer, (*token.certificates, *known), authorities.certificates, token.generated)
    used = {hash_name for hash_name, _ in token.named}
    if not {(name, hashlib.new(name, item.der).digest()) for name in used for item in chain}.issuperset(token.named):
        raise TimestampInvalid("the timestamp's signed attributes name a certificate that is not in its chain")
    return Timestamp(earliest, latest, token.generated, chain, token.policy)
