"""ECDSA signatures as DER and as r and s."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from imagesig.crypto.algorithms import ECDSA_SHA256, FIELD_BYTES, KeyType, ToSign
from imagesig.crypto.ecdsa import der_from_rs, is_canonical_der, rs_from_der
from imagesig.errors import MalformedError
from tests.makers import private_key

CURVES = [KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.ECDSA_P521]


@given(st.data(), st.sampled_from(CURVES))
def test_r_and_s_survive_der_and_back_leading_zeros_included(data: st.DataObject, key_type: KeyType) -> None:
    size = FIELD_BYTES[key_type]
    r, s = (data.draw(st.integers(0, 2 ** (8 * size - 8 * data.draw(st.integers(0, size - 1))) - 1)) for _ in "rs")
    raw = r.to_bytes(size) + s.to_bytes(size)
    assert rs_from_der(der_from_rs(raw, key_type), key_type) == raw


@pytest.mark.parametrize("length", [0, 1, 63, 65, 96, 132])
def test_r_and_s_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(MalformedError):
        der_from_rs(b"\1" * length, KeyType.ECDSA_P256)


def test_a_number_too_large_for_the_curve_is_refused() -> None:
    with pytest.raises(MalformedError):
        rs_from_der(encode_dss_signature(2**300, 1), KeyType.ECDSA_P256)


@pytest.mark.parametrize("tail", [b"\0", b"\x30\0"])
def test_der_with_anything_after_it_is_not_canonical(tail: bytes) -> None:
    signature = private_key().sign(ToSign(b"message", ECDSA_SHA256))
    assert is_canonical_der(signature)
    assert not is_canonical_der(signature + tail)


def test_junk_is_no_ecdsa_signature() -> None:
    for junk in (b"", b"\x30", b"junk", b"\x30\x03\x02\x01", b"\x00" * 64):
        with pytest.raises(MalformedError, match="not DER of two numbers"):
            rs_from_der(junk, KeyType.ECDSA_P256)
