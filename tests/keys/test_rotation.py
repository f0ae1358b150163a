"""What names the key that signs it, while the key rotates."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from imagesig import attest_blob, verify_blob
from imagesig.crypto.algorithms import ECDSA_SHA256, ToSign
from imagesig.errors import KeyProviderError
from imagesig.keys import SigningKey
from imagesig.keys.rotation import sign_draft
from imagesig.signature import SignerInfo
from tests.makers import private_key


class RotatingKey(SigningKey):
    """Rotates before each of its first signatures, from one of `versions` to the next."""

    def __init__(self, count: int) -> None:
        self.versions = [private_key(number=number) for number in range(count)]

    @property
    def info(self) -> SignerInfo:
        return SignerInfo(self.versions[0].public_key, f"rotating:{len(self.versions)}")

    def _sign(self, request: ToSign) -> bytes:
        return self.versions[0].sign(request)

    def _sign_all(self, requests: Sequence[ToSign]) -> tuple[SignerInfo, list[bytes]]:
        if len(self.versions) > 1:
            del self.versions[0]
        return super()._sign_all(requests)


def draft(signer: SignerInfo) -> bytes:
    return f"signed by {signer.key_id}".encode()


def requests(drafted: bytes) -> list[ToSign]:
    return [ToSign(drafted, ECDSA_SHA256)]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_draft_names_the_version_that_signed(count: int) -> None:
    drafted, signer, (signature,) = sign_draft(RotatingKey(count), draft, requests)

    assert (drafted, signer.key_id) == (b"signed by rotating:1", "rotating:1")
    signer.public_key.verify(signature, drafted, ECDSA_SHA256)


def test_a_key_that_rotates_each_time_signs_nothing() -> None:
    with pytest.raises(KeyProviderError, match=r"rotating:2: the key rotated 3 times while it signed"):
        sign_draft(RotatingKey(5), draft, requests)


def test_an_attested_blob_names_the_version_that_signed() -> None:
    attested = attest_blob(b"content", RotatingKey(2), predicate_type="custom", predicate=b"{}")

    assert attested.key_id == "rotating:1"
    verify_blob(b"content", attested.public_key, bundle=attested.bundle, predicate_type="custom")
