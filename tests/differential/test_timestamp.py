"""Timestamp tokens beside tspclient-go, which notation uses: both read the same time, or ours refuses the token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from imagesig.errors import TimestampInvalid
from imagesig.trust.anchors import TimestampAuthorities
from imagesig.trust.timestamp import examine_timestamp
from tests.authorities import Authority
from tests.differential.readers import DOCUMENTS, ask
from tests.differential.timestamps import as_document, questions
from tests.makers import NOW
from tests.timestamps import MESSAGE

pytestmark = pytest.mark.interop

CERTIFICATES, CHANGES = DOCUMENTS // 50, DOCUMENTS // 10
"""A token with new certificates costs 5 ms, one with a changed byte 1 ms."""
OTHER_NAMES = "signing certificate not found in the timestamp token"
"""Go compares the bytes of the issuer's name in the signer info, which is not signed; ours may differ in case."""


def ours(token: bytes, roots: list[Authority]) -> datetime | None:
    """The time; None if it is refused."""
    authorities = TimestampAuthorities(tuple(root.certificate for root in roots))
    try:
        return examine_timestamp(token, MESSAGE, authorities, NOW).generated
    except TimestampInvalid:
        return None


@pytest.mark.filterwarnings("ignore")  # `cryptography` warns of odd serial numbers and lengths
def test_generated_tokens_prove_gos_time_or_are_refused() -> None:
    asked = list(questions(Random(31), CERTIFICATES, CHANGES))
    agreed = 0
    for (token, roots), (_, go) in zip(asked, ask("timestamp", [as_document(*item) for item in asked]), strict=True):
        mine = ours(token, roots)
        if mine is None or OTHER_NAMES in go.error:
            continue
        assert not go.refused, (go.error, token.hex())
        assert mine == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=go.value), token.hex()
        agreed += 1
    assert agreed > CERTIFICATES // 10, "the generator makes too few tokens that are right"
