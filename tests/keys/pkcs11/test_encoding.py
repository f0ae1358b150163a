"""Points, parameters and mechanisms as modules write them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from imagesig.crypto.algorithms import (
    ECDSA_SHA256,
    ED25519,
    ED25519PH,
    FIELD_BYTES,
    RSA_PKCS1V15_SHA256,
    RSA_PSS_SHA384,
    Algorithm,
    KeyType,
    ToSign,
)
from imagesig.errors import KeyUnusable, UnsupportedAlgorithm
from imagesig.keys.pkcs11.encoding import (
    CURVES,
    algorithms_for,
    ec_public_key,
    key_type_of_curve,
    operation_for,
    public_key_from,
)
from tests.makers import private_key

ECDSA_TYPES = [KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.ECDSA_P521]


def point_of(key_type: KeyType) -> bytes:
    public = private_key(key_type).loaded.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def der(tag: int, content: bytes) -> bytes:
    length = bytes([len(content)]) if len(content) < 128 else b"\x81" + bytes([len(content)])
    return bytes([tag]) + length + content


@pytest.mark.parametrize("key_type", ECDSA_TYPES)
@pytest.mark.parametrize("form", ["octet string", "bit string", "bare"])
def test_all_three_forms_of_a_point_are_read(key_type: KeyType, form: str) -> None:
    bare = point_of(key_type)
    written = {"octet string": der(4, bare), "bit string": der(3, b"\0" + bare), "bare": bare}[form]
    assert ec_public_key(CURVES[key_type], written) == private_key(key_type).public_key


@pytest.mark.parametrize("key_type", ECDSA_TYPES)
def test_a_point_of_the_wrong_length_or_off_the_curve_is_refused(key_type: KeyType) -> None:
    bare = point_of(key_type)
    zeros = b"\x04" + b"\x01" * (2 * FIELD_BYTES[key_type])
    for wrong in (b"", bare[:-1], bare + b"\0", der(4, bare)[:-1], der(2, bare), zeros):
        with pytest.raises(KeyUnusable):
            ec_public_key(CURVES[key_type], wrong)


@pytest.mark.parametrize("parameters", [CURVES[KeyType.ED25519], b"\x13\x0cedwards25519"])
def test_ed25519_is_read_under_both_names(parameters: bytes) -> None:
    key = private_key(KeyType.ED25519)
    raw = key.public_key.spki[-32:]
    assert ec_public_key(parameters, der(4, raw)) == ec_public_key(parameters, raw) == key.public_key


def test_another_curve_is_refused() -> None:
    with pytest.raises(KeyUnusable, match="curve"):
        key_type_of_curve(bytes.fromhex("06052b8104000a"))


def test_a_token_that_shows_no_public_key_is_refused() -> None:
    with pytest.raises(KeyUnusable, match="does not show"):
        public_key_from({"EC_PARAMS": None, "MODULUS": b""})


def test_raw_rsa_gets_digest_info() -> None:
    request = ToSign(b"message", RSA_PKCS1V15_SHA256)
    raw = operation_for(request.algorithm, {"RSA_PKCS"}).data(request)
    assert raw.endswith(request.digest)
    assert len(raw) == 19 + 32
    assert operation_for(request.algorithm, {"RSA_PKCS", "SHA256_RSA_PKCS"}).data(request) == b"message"


def test_pss_names_hash_mgf_and_salt() -> None:
    for mechanisms in ({"RSA_PKCS_PSS"}, {"SHA384_RSA_PKCS_PSS"}):
        assert operation_for(RSA_PSS_SHA384, mechanisms).parameter == ("SHA384", "SHA384", 48)


def test_ecdsa_is_hashed_here_and_ed25519_is_not() -> None:
    assert len(operation_for(ECDSA_SHA256, {"ECDSA"}).data(ToSign(b"m", ECDSA_SHA256))) == 32
    assert operation_for(ED25519, {"EDDSA"}).data(ToSign(b"m", ED25519)) == b"m"


def test_a_mechanism_that_is_missing_is_an_error() -> None:
    for algorithm in (ECDSA_SHA256, ED25519, ED25519PH):
        with pytest.raises(UnsupportedAlgorithm):
            operation_for(algorithm, set())


def test_ecdsa_may_be_hashed_by_a_token_that_does_not_sign_digests() -> None:
    operation = operation_for(ECDSA_SHA256, {"ECDSA_SHA256"})
    data = operation.data(ToSign(b"message", ECDSA_SHA256))
    assert (operation.mechanism, data) == ("ECDSA_SHA256", b"message")


@pytest.mark.parametrize(
    ("key_type", "mechanisms", "algorithms"),
    [
        (KeyType.RSA_2048, {"SHA256_RSA_PKCS", "SHA384_RSA_PKCS_PSS"}, (RSA_PKCS1V15_SHA256, RSA_PSS_SHA384)),
        (KeyType.ECDSA_P384, {"ECDSA_SHA256"}, (ECDSA_SHA256,)),
        (KeyType.ED25519, {"EDDSA", "ECDSA"}, (ED25519,)),
    ],
)
def test_a_key_names_only_what_its_token_can_do(
    key_type: KeyType, mechanisms: set[str], algorithms: tuple[Algorithm, ...]
) -> None:
    assert algorithms_for(key_type, mechanisms) == algorithms


def test_a_token_without_any_mechanism_for_a_key_is_an_error() -> None:
    with pytest.raises(UnsupportedAlgorithm, match="ed25519"):
        algorithms_for(KeyType.ED25519, {"ECDSA"})
