"""What an RFC 3161 timestamp over a signature proves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from imagesig.crypto.certificate import Certificate
from imagesig.errors import TimestampInvalid
from imagesig.trust.anchors import TimestampAuthorities


@dataclass(frozen=True, slots=True)
class Timestamp:
    """The signature existed at some time from `earliest` to `latest`, says the service with this chain."""

    earliest: datetime
    latest: datetime
    chain: tuple[Certificate, ...]


def examine_timestamp(token: bytes, signature: bytes, authorities: TimestampAuthorities, at: datetime) -> Timestamp:
    """What the token (a ContentInfo) proves of the signature. Raises `TimestampInvalid` if that is nothing."""
    raise TimestampInvalid("timestamps: reading them is not available in this version")
