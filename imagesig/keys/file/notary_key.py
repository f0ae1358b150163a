"""Private keys as notary and docker write them: PKCS#8 of their own kind, with the role in the headers of the PEM.

Version 1 without the public key for ECDSA, a private OID for Ed25519, PBES2 with PBKDF2-HMAC-SHA1 and AES-256-CBC.

Spec: notary 0.7, tuf/utils/pkcs8.go; RFC 8018 (PBES2).
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from typing import TYPE_CHECKING

from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.encoding import asn1
from imagesig.errors import ImagesigError, InvalidArgument, KeyUnusable
from imagesig.external import external_call
from imagesig.keys.file.form import pem_content, pem_headers, pem_label
from imagesig.keys.file.private_key import PrivateKey
from imagesig.redacted import RedactedStruct
from imagesig.text import quote

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_OCTETS = 0x04
_EC = bytes.fromhex("06072a8648ce3d0201")
_RSA = bytes.fromhex("06092a864886f70d010101")
_ED25519 = bytes.fromhex("06092b06010401da470f01")
"""1.3.6.1.4.1.11591.15.1"""
_CURVES = {
    KeyType.ECDSA_P256: bytes.fromhex("06082a8648ce3d030107"),
    KeyType.ECDSA_P384: bytes.fromhex("06052b81040022"),
    KeyType.ECDSA_P521: bytes.fromhex("06052b81040023"),
}
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
_AES_256_CBC = bytes.fromhex("060960864801650304012a")
_ROUNDS = 2048
"""As notary writes them."""
_LINE = 64
_HEADER_VALUE = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


class Attributes(RedactedStruct, frozen=True):
    """What the headers of a key file say: the role, or the signer's name, and the repository. Not verified."""

    role: str = ""
    repository: str = ""


def attributes_of(data: bytes) -> Attributes:
    """The attributes of the only private key in a file; empty for a file of other tools."""
    headers = pem_headers(data)
    return Attributes(headers.get("role", ""), headers.get("gun", ""))


def read_pkcs8(der: bytes) -> PrivateKey | None:
    """The key in notary's kind of PKCS#8; None for another kind.

    Raises:
        ValueError: a damaged key, or a public key that does not belong to the private one.
    """
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        (outer,) = asn1.fields(der, 0, len(der), "key")
        version, algorithm, octets = asn1.fields(der, outer.content, outer.end, "key")
    except (ImagesigError, ValueError):
        return None
    if (version.tag, algorithm.tag, octets.tag) != (asn1.INTEGER, asn1.SEQUENCE, _OCTETS):
        return None
    name, key = der[algorithm.content : algorithm.end], der[octets.content : octets.end]
    if name == _ED25519:
        return read_ed25519(key)
    if der[version.content : version.end] != b"\x01" or not name.startswith(_EC):
        return None
    made = PrivateKey.of(load_der_private_key(key, None))
    if name != _EC + _CURVES.get(made.public_key.key_type, b""):
        raise ValueError("the curve of the key is another one")
    return made


def read_ed25519(key: bytes) -> PrivateKey:
    """The key in the 96 bytes that notary writes: the public key, then the private key and the public key again."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    loaded = Ed25519PrivateKey.from_private_bytes(key[32:64])
    if key != _ed25519_bytes(loaded):
        raise ValueError("the public key does not belong to the private key")
    return PrivateKey.of(loaded)


def to_notary_pem(private_key: PrivateKey, passphrase: bytes, attributes: Attributes) -> bytes:
    """The key file that notary and docker read. An empty passphrase leaves the key unencrypted.

    Raises:
        InvalidArgument: a role or repository that cannot be written into a header.
    """
    with external_call("private key"):
        der = _pkcs8(private_key)
        label = "PRIVATE KEY"
        if passphrase:
            der, label = _encrypted(der, passphrase), f"ENCRYPTED {label}"
    return notary_pem(label, der, {"gun": attributes.repository, "role": attributes.role}).encode("ascii")


def notary_pem(label: str, der: bytes, headers: dict[str, str]) -> str:
    """One PEM block with headers as Go writes them: sorted, and a blank line after them. Empty values are left out.

    Raises:
        InvalidArgument: a value with a blank, a control character or one that is not ASCII, or a long one.
    """
    lines = [f"-----BEGIN {label}-----"]
    for name, value in sorted(headers.items(), key=lambda item: (item[0] != "Proc-Type", item[0])):
        if value and not _HEADER_VALUE.fullmatch(value):
            raise InvalidArgument(f"key file: {name} {quote(value)}, 1 to 255 characters of ASCII are needed")
        lines += [f"{name}: {value}"] if value else []
    lines += [""] if len(lines) > 1 else []
    text = base64.b64encode(der).decode("ascii")
    lines += [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return "\n".join([*lines, f"-----END {label}-----", ""])


def exported(content: bytes, key_id: str) -> bytes:
    """A key file as `notary key export` writes it: as it is, with a header that names its place in a folder of keys.

    Raises:
        KeyUnusable: not one private key in PEM.
    """
    label, headers = pem_label(content), pem_headers(content)
    with external_call("key file", lambda _: KeyUnusable(f"key {key_id}: its file is not one private key in PEM")):
        return notary_pem(label, pem_content(content), headers | {"path": key_id}).encode("ascii")


def public_key_file(public_key: PublicKey, name: str) -> bytes:
    """A public key as `docker trust key generate` writes it, for `docker trust signer add --key`."""
    return notary_pem("PUBLIC KEY", public_key.spki, {"role": name}).encode("ascii")


def _pkcs8(private_key: PrivateKey) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key_type, loaded = private_key.public_key.key_type, private_key.loaded
    if isinstance(loaded, Ed25519PrivateKey):
        version, algorithm, key = b"\x00", _ED25519, _ed25519_bytes(loaded)
    else:
        key = loaded.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        is_rsa = key_type.is_rsa
        version, algorithm = (b"\x00", _RSA) if is_rsa else (b"\x01", _EC + _CURVES[key_type])
    return _sequence(_value(asn1.INTEGER, version), _sequence(algorithm), _value(_OCTETS, key))


def _ed25519_bytes(key: Ed25519PrivateKey) -> bytes:
    public = key.public_key().public_bytes_raw()
    return public + key.private_bytes_raw() + public


def _encrypted(der: bytes, passphrase: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.padding import PKCS7

    salt, vector = os.urandom(8), os.urandom(16)
    key = hashlib.pbkdf2_hmac("sha1", passphrase, salt, _ROUNDS, 32)
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    encrypted = encryptor.update(padder.update(der) + padder.finalize()) + encryptor.finalize()
    derivation = _sequence(_value(_OCTETS, salt), _value(asn1.INTEGER, _ROUNDS.to_bytes(2)))
    scheme = _sequence(_sequence(_PBKDF2, derivation), _sequence(_AES_256_CBC, _value(_OCTETS, vector)))
    return _sequence(_sequence(_PBES2, scheme), _value(_OCTETS, encrypted))


def _sequence(*items: bytes) -> bytes:
    return _value(asn1.SEQUENCE, b"".join(items))


def _value(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2) if size > 255 else bytes([0x81, size])
    return bytes([tag]) + length + content
