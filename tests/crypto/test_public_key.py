"""Public keys: which are read, in which form, and what they verify; Ed25519ph."""

from __future__ import annotations

import base64
import contextlib
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from imagesig import limits
from imagesig.crypto.algorithms import ED25519, ED25519PH
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import InvalidArgument, LimitExceeded, SignatureInvalid, UnsupportedAlgorithm
from imagesig.oci.annotations import Annotations
from tests.makers import private_key

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
    for place in (3, 8, 12, 22, 26):
        changed = bytearray(spki)
        changed[place] ^= 1
        with pytest.raises((InvalidArgument, UnsupportedAlgorithm)):
            PublicKey.from_pem(pem_of(bytes(changed)))
    unused_bit = bytearray(spki)
    unused_bit[25] = 1
    # cryptography 46 reads this if the bit is 0: what is read has the one form that is written.
    with contextlib.suppress(InvalidArgument):
        assert PublicKey.from_pem(pem_of(bytes(unused_bit))).spki == spki
    compressed = bytearray(spki)
    compressed[26] = 2
    with pytest.raises(InvalidArgument):
        PublicKey.from_pem(pem_of(bytes(compressed)))


def pem_of(spki: bytes) -> str:
    text = base64.b64encode(spki).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{text[:64]}\n{text[64:]}\n-----END PUBLIC KEY-----\n"


def test_a_key_longer_than_any_is_not_parsed() -> None:
    longest, too_long = (b"\x30" * (limits.PUBLIC_KEY_BYTES + more) for more in (0, 1))
    for read in (PublicKey.from_der, PublicKey.from_pem):
        with pytest.raises(LimitExceeded, match="at most"):
            read(too_long)
        with pytest.raises(InvalidArgument):
            read(longest)


def test_two_keys_in_one_file_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="2 PEM blocks"):
        PublicKey.from_pem(private_key().public_key.pem * 2)


def test_public_keys_and_annotations_are_values_that_pickle() -> None:
    for value in (private_key().public_key, Annotations({"b": "1", "a": "2"})):
        copy = pickle.loads(pickle.dumps(value))
        assert copy == value
        assert hash(copy) == hash(value)
