"""Converts between PKCS#11 and our types: public keys of attributes, mechanisms for algorithms, DER signatures. Pure.

Modules encode points and parameters differently, and their default mechanisms sign unexpected data. So everything here
is explicit, and unknown values are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from msgspec import Struct

from imagesig.crypto.algorithms import FIELD_BYTES, Algorithm, Hash, KeyType, Scheme, ToSign, signing_algorithms
from imagesig.crypto.ecdsa import der_from_rs, is_canonical_der
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import KeyUnusable, UnsupportedAlgorithm

CURVES = {
    KeyType.ECDSA_P256: bytes.fromhex("06082a8648ce3d030107"),
    KeyType.ECDSA_P384: bytes.fromhex("06052b81040022"),
    KeyType.ECDSA_P521: bytes.fromhex("06052b81040023"),
    KeyType.ED25519: bytes.fromhex("06032b6570"),
}
"""EC_PARAMS: the DER of the curve's object identifier (RFC 5480, RFC 8410)."""
_ED25519_OF_GNU = bytes.fromhex("06092b06010401da470f01")
"""1.3.6.1.4.1.11591.15.1: how OpenSC names Ed25519 on OpenPGP cards."""
_IDENTIFIER_BYTES = 64
"""Object identifiers of curves are shorter."""
_CURVE_NAMES = {
    name: key_type
    for names, key_type in (
        ("prime256v1 secp256r1 p-256", KeyType.ECDSA_P256),
        ("secp384r1 p-384", KeyType.ECDSA_P384),
        ("secp521r1 p-521", KeyType.ECDSA_P521),
        ("edwards25519 ed25519 1.3.101.112", KeyType.ED25519),
    )
    for name in names.split()
}
_EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
_DIGEST_INFO = {
    Hash.SHA256: bytes.fromhex("3031300d060960864801650304020105000420"),
    Hash.SHA384: bytes.fromhex("3041300d060960864801650304020205000430"),
    Hash.SHA512: bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""The bytes before the digest in DigestInfo. Spec: RFC 8017 section 9.2, note 1."""
NO_MECHANISM = (
    "use another algorithm or type of key. If the module is p11-kit's client, name the token's own module: the client "
    "passes only some mechanisms"
)
"""The hint for a token that lacks a mechanism."""


def key_type_of_curve(parameters: bytes) -> KeyType:
    """The key type for EC_PARAMS: an object identifier, a name, or P-256, P-384 and P-521 written out.

    Raises:
        KeyUnusable: an unsupported curve.
    """
    for key_type, known in (*CURVES.items(), (KeyType.ED25519, _ED25519_OF_GNU)):
        if parameters == known:
            return key_type
    if parameters[:1] in (b"\x13", b"\x0c"):  # PrintableString, UTF8String
        name = parameters[2:].decode("ascii", "replace").lower()
        if name in _CURVE_NAMES:
            return _CURVE_NAMES[name]
    written_out = _written_out(parameters) if parameters[:1] == b"\x30" else None
    if written_out is not None:
        return written_out
    raise KeyUnusable(
        f"its curve is {_curve_name(parameters)}, one of P-256, P-384, P-521 and Ed25519 is needed",
        hint="use a key of one of these curves" if parameters[:1] == b"\x06" else "",
    )


def _curve_name(parameters: bytes) -> str:
    """The object identifier with its dots, or the first bytes in hex of parameters in another form."""
    from asn1crypto.core import ObjectIdentifier

    shown = ""
    with suppress(ValueError, TypeError):
        shown = ObjectIdentifier.load(parameters[:_IDENTIFIER_BYTES], strict=True).dotted
    return shown or parameters[:16].hex()


def _written_out(parameters: bytes) -> KeyType | None:
    """The curve of SpecifiedECDomain (X9.62), which `cryptography` compares with the curves that it knows."""
    from cryptography.exceptions import UnsupportedAlgorithm as UnknownCurve
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    for key_type, curve in _curves().items():
        point = ec.derive_private_key(1, curve).public_key().public_numbers()
        size = FIELD_BYTES[key_type]
        encoded = b"\0\x04" + point.x.to_bytes(size) + point.y.to_bytes(size)
        algorithm = _der(0x30, _EC_PUBLIC_KEY + parameters)
        try:
            key = load_der_public_key(_der(0x30, algorithm + _der(0x03, encoded)))
        except (ValueError, UnknownCurve):
            continue
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == curve.name:
            return key_type
    return None


def _curves() -> dict[KeyType, Any]:
    from cryptography.hazmat.primitives.asymmetric import ec

    return {
        KeyType.ECDSA_P256: ec.SECP256R1(),
        KeyType.ECDSA_P384: ec.SECP384R1(),
        KeyType.ECDSA_P521: ec.SECP521R1(),
    }


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def ec_public_key(parameters: bytes, point: bytes) -> PublicKey:
    """The public key of EC_PARAMS and EC_POINT.

    In the standard EC_POINT is an OCTET STRING. Some modules write a BIT STRING or the bare point, or compress it.

    Raises:
        KeyUnusable: an unsupported curve, or not a point of it.
    """
    key_type = key_type_of_curve(parameters)
    if key_type is KeyType.ED25519:
        return PublicKey.from_der(_ED25519_SPKI + _bare_point(point, 32))
    from cryptography.hazmat.primitives.asymmetric import ec

    bare = _bare_point(point, 1 + 2 * FIELD_BYTES[key_type], 1 + FIELD_BYTES[key_type])
    try:
        return PublicKey.from_cryptography(ec.EllipticCurvePublicKey.from_encoded_point(_curves()[key_type], bare))
    except ValueError as error:
        raise KeyUnusable(f"its EC_POINT is not a point of {key_type.value}") from error


def _bare_point(point: bytes, *sizes: int) -> bytes:
    for size in sizes:
        # Decide by the length: an uncompressed point and an OCTET STRING both begin with 04.
        if len(point) == size:
            return point
        bare = point[-size:]
        if point in (_der(0x04, bare), _der(0x03, b"\0" + bare)):
            return bare
    raise KeyUnusable(
        f"its EC_POINT has {len(point)} bytes in an unknown encoding, a point of {sizes[0]} bytes is needed"
    )


def rsa_public_key(modulus: bytes, exponent: bytes) -> PublicKey:
    """The public key of MODULUS and PUBLIC_EXPONENT, both big-endian.

    Raises:
        KeyUnusable: not an RSA key.
        UnsupportedAlgorithm: an unsupported size.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    try:
        numbers = RSAPublicNumbers(int.from_bytes(exponent), int.from_bytes(modulus))
        return PublicKey.from_cryptography(numbers.public_key())
    except ValueError as error:
        raise KeyUnusable("its modulus and exponent do not make an RSA key") from error


class Operation(Struct, frozen=True):
    """One use of C_Sign: mechanism and parameter by their PKCS#11 names, and a function for the data to sign."""

    mechanism: str
    data: Callable[[ToSign], bytes]
    parameter: tuple[str, str, int] | None = None

    @property
    def takes_digest(self) -> bool:
        return self.data is not _message


def operations_for(algorithm: Algorithm, mechanisms: Collection[str]) -> list[Operation]:
    """The operations for a token with these mechanisms (`SHA256_RSA_PKCS`, without `CKM_`), the best first.

    No mechanisms means that they are unknown: each operation may work.

    Raises:
        UnsupportedAlgorithm: the token has no mechanism for this algorithm.
    """
    candidates = _candidates(algorithm)
    found = [item for item in candidates if item.mechanism in mechanisms] if mechanisms else candidates
    if not found:
        raise UnsupportedAlgorithm(f"the token has no mechanism for {algorithm}", hint=NO_MECHANISM)
    return found


def algorithms_for(key_type: KeyType, mechanisms: Collection[str]) -> tuple[Algorithm, ...]:
    """The algorithms of a token with these mechanisms for a key of this type, the most widely accepted first.

    Raises:
        UnsupportedAlgorithm: there are none.
    """
    possible = signing_algorithms(key_type)
    found = tuple(
        algorithm
        for algorithm in possible
        if not mechanisms or any(operation.mechanism in mechanisms for operation in _candidates(algorithm))
    )
    if not found:
        raise UnsupportedAlgorithm(
            f"the token has no mechanism that signs with a key of type {key_type.value}", hint=NO_MECHANISM
        )
    return found


def _candidates(algorithm: Algorithm) -> list[Operation]:
    if algorithm.scheme is Scheme.ED25519:
        return [Operation("EDDSA", _message)]
    assert algorithm.hash is not None
    hash_name = algorithm.hash.value.upper()
    if algorithm.scheme is Scheme.ECDSA:
        return [Operation("ECDSA", _digest), Operation(f"ECDSA_{hash_name}", _message)]
    if algorithm.scheme is Scheme.RSA_PKCS1V15:
        return [Operation(f"{hash_name}_RSA_PKCS", _message), Operation("RSA_PKCS", _digest_info)]
    if algorithm.scheme is Scheme.RSA_PSS:
        parameter = (hash_name, hash_name, _salt_length(algorithm))
        whole = Operation(f"{hash_name}_RSA_PKCS_PSS", _message, parameter)
        return [whole, Operation("RSA_PKCS_PSS", _digest, parameter)]
    raise UnsupportedAlgorithm(f"PKCS#11 tokens do not sign {algorithm}")


def _message(request: ToSign) -> bytes:
    return request.message


def _digest(request: ToSign) -> bytes:
    return request.digest


def _digest_info(request: ToSign) -> bytes:
    # RSA_PKCS pads any data. A signature without DigestInfo verifies nowhere.
    assert request.algorithm.hash is not None
    return _DIGEST_INFO[request.algorithm.hash] + request.digest


def _salt_length(algorithm: Algorithm) -> int:
    assert algorithm.hash is not None
    return algorithm.hash.size if algorithm.salt_length is None else algorithm.salt_length


def signature_from_token(signature: bytes, key_type: KeyType) -> bytes:
    """A token's signature in our encoding: converts ECDSA from r||s to DER.

    Tokens may leave out leading zeros of both numbers, and some modules write DER themselves. The signature is verified
    afterwards.
    Spec: PKCS#11 3.1, "ECDSA": r and s have the same length, at most that of the order of the base point.
    """
    if not key_type.is_ecdsa:
        return signature
    size, half = FIELD_BYTES[key_type], len(signature) // 2
    if len(signature) % 2 == 0 and 0 < half < size and not is_canonical_der(signature):
        signature = signature[:half].rjust(size, b"\0") + signature[half:].rjust(size, b"\0")
    return signature if is_canonical_der(signature) and len(signature) != 2 * size else der_from_rs(signature, key_type)


def public_key_of_certificate(der: bytes) -> PublicKey:
    """The public key in a certificate, whose other fields are ignored."""
    from cryptography import x509

    try:
        return PublicKey.from_cryptography(x509.load_der_x509_certificate(der).public_key())
    except ValueError as error:
        raise KeyUnusable("its certificate cannot be read") from error


Attributes = Mapping[str, Any]


def public_key_from(attributes: Attributes) -> PublicKey:
    """The public key of an object's attributes, by their names in PKCS#11 without `CKA_`.

    Raises:
        KeyUnusable: attributes are missing, or of an unsupported key.
    """
    if attributes.get("EC_PARAMS") and attributes.get("EC_POINT"):
        return ec_public_key(attributes["EC_PARAMS"], attributes["EC_POINT"])
    if attributes.get("MODULUS") and attributes.get("PUBLIC_EXPONENT"):
        return rsa_public_key(attributes["MODULUS"], attributes["PUBLIC_EXPONENT"])
    raise KeyUnusable("the token does not show its public key")
