"""Keys, signature encodings and Ed25519ph."""

from __future__ import annotations

import base64
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from imagesig import limits
from imagesig.crypto.algorithms import ECDSA_SHA256, ED25519, ED25519PH, FIELD_BYTES, Hash, KeyType, ToSign
from imagesig.crypto.ecdsa import der_from_rs, is_canonical_der, rs_from_der
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import InvalidArgument, LimitExceeded, MalformedError, SignatureInvalid, UnsupportedAlgorithm
from imagesig.oci.annotations import Annotations
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


# RFC 8032 section 7.3
PH_PUBLIC_KEY = bytes.fromhex("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf")
PH_SIGNATURE = bytes.fromhex(
    "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
    "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
)


def test_ed25519ph_of_rfc_8032_verifies_and_nothing_else_does() -> None:
    public_key = PublicKey.from_cryptography(Ed25519PublicKey.from_public_bytes(PH_PUBLIC_KEY))
    public_key.verify(PH_SIGNATURE, b"abc", ED25519PH)
    for message, algorithm in ((b"abd", ED25519PH), (b"abc", ED25519)):
        with pytest.raises(SignatureInvalid):
            public_key.verify(PH_SIGNATURE, message, algorithm)


@pytest.mark.parametrize("signature", [b"", PH_SIGNATURE[:-1], PH_SIGNATURE + b"\0"])
def test_ed25519ph_of_another_length_is_refused_before_libsodium_reads_it(signature: bytes) -> None:
    public_key = PublicKey.from_cryptography(Ed25519PublicKey.from_public_bytes(PH_PUBLIC_KEY))
    with pytest.raises(SignatureInvalid, match=f"{len(signature)} bytes, Ed25519ph has 64"):
        public_key.verify(signature, b"abc", ED25519PH)


def test_an_algorithm_of_another_key_type_is_refused() -> None:
    with pytest.raises(UnsupportedAlgorithm):
        private_key().public_key.verify(b"", b"", ED25519)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ec.generate_private_key(ec.SECP256K1()).public_key(),
        lambda: ec.generate_private_key(ec.SECP224R1()).public_key(),
        lambda: ed448.Ed448PrivateKey.generate().public_key(),
        lambda: rsa.generate_private_key(65537, 1024).public_key(),
        lambda: dsa.generate_private_key(2048).public_key(),
    ],
)
def test_other_keys_are_refused(make: object) -> None:
    with pytest.raises(UnsupportedAlgorithm):
        PublicKey.from_cryptography(make())  # type: ignore[operator]


def test_a_private_key_is_refused_as_a_public_key() -> None:
    with pytest.raises(InvalidArgument, match="private key"):
        PublicKey.from_pem(private_key().to_pem(None))


@pytest.mark.parametrize("pem", ["", "text", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_other_text_than_pem_is_refused(pem: str) -> None:
    with pytest.raises(InvalidArgument):
        PublicKey.from_pem(pem)


def test_the_point_of_a_key_under_another_name_is_no_key() -> None:
    """The quick way for P-256 is for the one form that is written, and for nothing that ends alike."""
    spki = private_key().public_key.spki
    assert PublicKey.from_der(spki) == private_key().public_key
    for place in (3, 8, 12, 22, 25, 26):
        changed = bytearray(spki)
        changed[place] ^= 1
        with pytest.raises((InvalidArgument, UnsupportedAlgorithm)):
            PublicKey.from_pem(pem_of(bytes(changed)))
    compressed = bytearray(spki)
    compressed[26] = 2
    with pytest.raises(InvalidArgument):
        PublicKey.from_pem(pem_of(bytes(compressed)))


def pem_of(spki: bytes) -> str:
    text = base64.b64encode(spki).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{text[:64]}\n{text[64:]}\n-----END PUBLIC KEY-----\n"


@pytest.mark.parametrize(("name", "size"), [("sha256", 32), ("sha384", 48), ("sha512", 64)])
def test_a_hash_has_the_size_of_its_digest(name: str, size: int) -> None:
    assert Hash(name).size == len(Hash(name).digest(b"x")) == size


def test_a_key_longer_than_any_is_not_parsed() -> None:
    longest, too_long = (b"\x30" * (limits.PUBLIC_KEY_BYTES + more) for more in (0, 1))
    for read in (PublicKey.from_der, PublicKey.from_pem):
        with pytest.raises(LimitExceeded, match="at most"):
            read(too_long)
        with pytest.raises(InvalidArgument):
            read(longest)


def test_junk_is_no_ecdsa_signature() -> None:
    for junk in (b"", b"\x30", b"junk", b"\x30\x03\x02\x01", b"\x00" * 64):
        with pytest.raises(MalformedError, match="not DER of two numbers"):
            rs_from_der(junk, KeyType.ECDSA_P256)


def test_two_keys_in_one_file_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="2 PEM blocks"):
        PublicKey.from_pem(private_key().public_key.pem * 2)


def test_public_keys_and_annotations_are_values_that_pickle() -> None:
    for value in (private_key().public_key, Annotations({"b": "1", "a": "2"})):
        copy = pickle.loads(pickle.dumps(value))
        assert copy == value
        assert hash(copy) == hash(value)
