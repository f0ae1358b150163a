"""Points, parameters and mechanisms as modules write them."""

from __future__ import annotations

import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
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
from imagesig.errors import KeyUnusable, MalformedError, UnsupportedAlgorithm
from imagesig.keys.pkcs11.encoding import (
    CURVES,
    algorithms_for,
    ec_public_key,
    key_type_of_curve,
    operations_for,
    public_key_from,
    signature_from_token,
)
from tests.makers import private_key
from tests.peers import binary

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


@pytest.mark.parametrize("key_type", ECDSA_TYPES)
def test_a_compressed_point_is_read_in_all_three_forms(key_type: KeyType) -> None:
    public = private_key(key_type).loaded.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    bare = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    for written in (bare, der(4, bare), der(3, b"\0" + bare)):
        assert ec_public_key(CURVES[key_type], written) == private_key(key_type).public_key


@pytest.mark.interop
@pytest.mark.parametrize("options", [[], ["-no_seed"]], ids=["seed", "no seed"])
@pytest.mark.parametrize("curve", ["prime256v1", "secp384r1", "secp521r1"])
def test_a_curve_written_out_is_the_one_with_that_name(curve: str, options: list[str]) -> None:
    written_out, named = (
        openssl_parameters(curve, "-param_enc", form, *options) for form in ("explicit", "named_curve")
    )
    assert key_type_of_curve(written_out) is key_type_of_curve(named)


@pytest.mark.interop
def test_another_curve_written_out_and_a_changed_one_are_refused() -> None:
    changed = openssl_parameters("prime256v1", "-param_enc", "explicit").replace(b"\x6b\x17\xd1", b"\x6b\x17\xd2")
    for parameters in (openssl_parameters("secp256k1", "-param_enc", "explicit"), changed, b"\x30\x00", b"\x30"):
        with pytest.raises(KeyUnusable, match="curve"):
            key_type_of_curve(parameters)


def openssl_parameters(curve: str, *options: str) -> bytes:
    command = [str(binary("openssl")), "ecparam", "-name", curve, "-outform", "DER", *options]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.parametrize(
    ("name", "key_type"),
    [("prime256v1", KeyType.ECDSA_P256), ("P-384", KeyType.ECDSA_P384), ("secp521r1", KeyType.ECDSA_P521)],
)
def test_a_curve_may_be_named_in_words(name: str, key_type: KeyType) -> None:
    for tag in (0x13, 0x0C):
        assert key_type_of_curve(der(tag, name.encode())) is key_type


@pytest.mark.parametrize("parameters", [CURVES[KeyType.ED25519], b"\x13\x0cedwards25519"])
def test_ed25519_is_read_under_both_names(parameters: bytes) -> None:
    key = private_key(KeyType.ED25519)
    raw = key.public_key.spki[-32:]
    assert ec_public_key(parameters, der(4, raw)) == ec_public_key(parameters, raw) == key.public_key


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("06052b8104000a", r"curve is 1\.3\.132\.0\.10,"),  # secp256k1
        ("06092b2403030208010107", r"curve is 1\.3\.36\.3\.3\.2\.8\.1\.1\.7,"),  # brainpoolP256r1
        ("06032b6571", r"curve is 1\.3\.101\.113,"),  # Ed448
        ("0603883703", r"curve is 2\.999\.3,"),
        ("06", "curve is 06,"),
        ("060180", "curve is 060180,"),
        ("0500", "curve is 0500,"),
    ],
)
def test_another_curve_is_refused_by_its_identifier(parameters: str, said: str) -> None:
    with pytest.raises(KeyUnusable, match=said):
        key_type_of_curve(bytes.fromhex(parameters))


def test_a_token_that_shows_no_public_key_is_refused() -> None:
    with pytest.raises(KeyUnusable, match="does not show"):
        public_key_from({"EC_PARAMS": None, "MODULUS": b""})


def test_raw_rsa_gets_digest_info() -> None:
    request = ToSign(b"message", RSA_PKCS1V15_SHA256)
    raw = operations_for(request.algorithm, {"RSA_PKCS"})[0].data(request)
    assert raw.endswith(request.digest)
    assert len(raw) == 19 + 32
    assert operations_for(request.algorithm, {"RSA_PKCS", "SHA256_RSA_PKCS"})[0].data(request) == b"message"


def test_pss_names_hash_mgf_and_salt() -> None:
    for mechanisms in ({"RSA_PKCS_PSS"}, {"SHA384_RSA_PKCS_PSS"}):
        assert operations_for(RSA_PSS_SHA384, mechanisms)[0].parameter == ("SHA384", "SHA384", 48)


def test_ecdsa_is_hashed_here_and_ed25519_is_not() -> None:
    assert len(operations_for(ECDSA_SHA256, {"ECDSA"})[0].data(ToSign(b"m", ECDSA_SHA256))) == 32
    assert operations_for(ED25519, {"EDDSA"})[0].data(ToSign(b"m", ED25519)) == b"m"


def test_a_mechanism_that_is_missing_is_an_error() -> None:
    for algorithm in (ECDSA_SHA256, ED25519, ED25519PH):
        with pytest.raises(UnsupportedAlgorithm):
            operations_for(algorithm, {"AES_GCM"})


def test_ecdsa_may_be_hashed_by_a_token_that_does_not_sign_digests() -> None:
    (operation,) = operations_for(ECDSA_SHA256, {"ECDSA_SHA256"})
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


def test_mechanisms_that_are_not_known_are_all_tried() -> None:
    assert [item.mechanism for item in operations_for(ECDSA_SHA256, ())] == ["ECDSA", "ECDSA_SHA256"]
    assert algorithms_for(KeyType.ED25519, ()) == (ED25519,)


def test_a_token_without_any_mechanism_for_a_key_is_an_error() -> None:
    with pytest.raises(UnsupportedAlgorithm, match="ed25519"):
        algorithms_for(KeyType.ED25519, {"ECDSA"})


R, S = 0x1234, 0x80 << 232
"""Numbers that are shorter than the order of P-256: 2 and 30 bytes."""


@pytest.mark.parametrize(
    "written",
    [
        R.to_bytes(32) + S.to_bytes(32),
        R.to_bytes(30) + S.to_bytes(30),
        R.to_bytes(31) + S.to_bytes(31),
        encode_dss_signature(R, S),
    ],
    ids=["whole", "shortest", "short", "DER"],
)
def test_a_signature_without_leading_zeros_or_in_der_is_read(written: bytes) -> None:
    assert signature_from_token(written, KeyType.ECDSA_P256) == encode_dss_signature(R, S)


@pytest.mark.parametrize("written", [b"", b"1", b"1" * 63, b"1" * 65, b"1" * 66, b"0" * 70, b"\0" * 96])
def test_a_signature_of_another_length_is_refused(written: bytes) -> None:
    with pytest.raises(MalformedError):
        signature_from_token(written, KeyType.ECDSA_P256)


def test_64_bytes_are_two_numbers_also_if_they_look_like_der() -> None:
    r, s = 1 << 200, 1 << 220
    der = encode_dss_signature(r, s)
    padded = der + b"\x05" * (64 - len(der))
    assert decode_dss_signature(signature_from_token(padded, KeyType.ECDSA_P256)) != (r, s)
