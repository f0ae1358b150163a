"""Public keys: which are read, in which form, and what they verify; Ed25519ph."""

from __future__ import annotations

import base64
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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


# The quick way for P-256 is for the one form that is written, and for nothing that ends alike.
NAMES_AND_FORM = {3: "length", 8: "id-ecPublicKey", 12: "id-ecPublicKey", 22: "prime256v1", 26: "uncompressed"}


@pytest.mark.parametrize("place", NAMES_AND_FORM, ids=lambda place: f"{place} {NAMES_AND_FORM[place]}")
def test_the_point_of_a_key_under_another_name_is_no_key(place: int) -> None:
    spki = private_key().public_key.spki
    assert PublicKey.from_pem(pem_of(spki)) == PublicKey.from_der(spki) == private_key().public_key

    changed = bytearray(spki)
    changed[place] ^= 1
    for read in (lambda: PublicKey.from_der(bytes(changed)), lambda: PublicKey.from_pem(pem_of(bytes(changed)))):
        with pytest.raises((InvalidArgument, UnsupportedAlgorithm)):
            read()


def test_a_point_without_its_second_coordinate_is_no_key() -> None:
    compressed = bytearray(private_key().public_key.spki)
    compressed[26] = 2
    with pytest.raises(InvalidArgument):
        PublicKey.from_pem(pem_of(bytes(compressed)))


_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The number of points of P-256: the keys 1 and -1 have points that differ in the last bit."""


def spki_of_number(number: int) -> bytes:
    public_key = ec.derive_private_key(number, ec.SECP256R1()).public_key()
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_a_point_whose_last_bit_is_called_unused_is_no_other_key() -> None:
    odd, even = spki_of_number(1), spki_of_number(_ORDER - 1)
    assert (odd[-1] & 1, even[-1] & 1) == (1, 0)
    odd_unused, even_unused = (spki[:25] + b"\x01" + spki[26:] for spki in (odd, even))

    with pytest.raises(InvalidArgument):  # an unused bit is 0 in DER
        PublicKey.from_pem(pem_of(odd_unused))
    # Here the bit is 0. cryptography 46 reads the key, later versions do not: it is read in the written form, or not.
    assert spki_or_refusal(even_unused) in (even, "refused")


def spki_or_refusal(spki: bytes) -> bytes | str:
    try:
        return PublicKey.from_pem(pem_of(spki)).spki
    except InvalidArgument:
        return "refused"


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
