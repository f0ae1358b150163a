"""Whether anchors may trust a signature, before anything expensive is done with it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from imagesig.errors import NotTrusted
from imagesig.formats.notation import Notation
from imagesig.formats.notation.reading import check_signer_may_count
from imagesig.signature import Envelope
from imagesig.trust import Strangers, TrustAnchors, TrustedKey
from tests.chains import certified, root, trusting
from tests.envelopes import ENVELOPES, stored
from tests.makers import private_key


@pytest.fixture(params=ENVELOPES)
def envelope(request: pytest.FixtureRequest) -> Envelope:
    reader = Notation()
    return reader.parse(stored(request.param))


def test_a_chain_to_a_trusted_authority_may_count_and_another_may_not(envelope: Envelope) -> None:
    check_signer_may_count(envelope, trusting(certified().chain[-1]))
    other = trusting(root(number=955).certificate)
    with pytest.raises(NotTrusted, match="none of the chain's"):
        check_signer_may_count(envelope, other)
    check_signer_may_count(envelope, replace(other, strangers=Strangers.JUDGED))


def test_without_authorities_no_certificate_may_count(envelope: Envelope) -> None:
    for key in (private_key(number=66).public_key, certified().private_key.public_key):
        with pytest.raises(NotTrusted, match="trusts bare keys only"):
            check_signer_may_count(envelope, TrustAnchors((TrustedKey("key", (key,)),)))
