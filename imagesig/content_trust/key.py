"""Keys of trust data: their ids, and the signatures that they make.

Two ids: the id in the metadata ("scoped") is a hash of what is written there, of a certificate for root keys. The
canonical id is a hash of the bare public key, and the name of the private key's file.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from msgspec import Struct

from imagesig.arguments import checks_arguments
from imagesig.content_trust.canonical import canonical_json
from imagesig.crypto.algorithms import ECDSA_SHA256, ED25519, RSA_PKCS1V15_SHA256, RSA_PSS_SHA256, Algorithm, KeyType
from imagesig.crypto.certificate import Certificate, parse_certificates
from imagesig.crypto.certificate_pem import to_pem
from imagesig.crypto.ecdsa import der_from_rs
from imagesig.crypto.public_key import PublicKey
from imagesig.effort import Cost, spend
from imagesig.encoding.shape import Shape, as_bytes, as_text, members_of
from imagesig.errors import FormatViolation, InvalidArgument, MalformedError, SignatureInvalid
from imagesig.text import quote

_METHODS: dict[str, tuple[str, Algorithm]] = {
    "ecdsa": ("ecdsa", ECDSA_SHA256),  # SHA-256 for every curve
    "rsapss": ("rsa", RSA_PSS_SHA256),
    "rsapkcs1v15": ("rsa", RSA_PKCS1V15_SHA256),
    "eddsa": ("ed25519", ED25519),
}
"""The methods by name, each with the only family of keys that it is for: a message never chooses the algorithm."""
_X509 = "-x509"
_FAMILIES = ("ecdsa", "rsa", "ed25519")
KEY_TYPES = (*_FAMILIES, "ecdsa-x509", "rsa-x509")

KEY_SHAPE = Shape.of("keytype", keyval=Shape.of("private public"))


class TrustKey(Struct, frozen=True):
    """One public key of trust data. `certificates` are those of a root key, leaf first."""

    id: str
    public_key: PublicKey
    certificates: tuple[Certificate, ...] = ()

    @classmethod
    def of(cls, public_key: PublicKey, certificates: Sequence[Certificate] = ()) -> TrustKey:
        """The key with the id that its `written_key` has."""
        return cls(_id_of(written_key(public_key, certificates)), public_key, tuple(certificates))

    @property
    def canonical_id(self) -> str:
        """The id that all spellings of this key share: with a certificate, without one, with another encoding."""
        return canonical_id(self.public_key)

    @property
    def family(self) -> str:
        return family_of(self.public_key)

    def verify(self, method: str, signature: bytes, message: bytes) -> Algorithm:
        """The algorithm of a signature that this key made over the message.

        Raises:
            FormatViolation: the method is not known, or not for this type of key.
            SignatureInvalid: the key did not make it.
        """
        family, algorithm = _METHODS.get(method.lower(), ("", ED25519))
        if family != self.family:
            raise FormatViolation(f"signature method {quote(method)} is not one for a key of type {self.family}")
        spend(Cost.SIGNATURE_CHECKS, 1, "trust data")
        try:
            encoded = der_from_rs(signature, self.public_key.key_type) if family == "ecdsa" else signature
        except MalformedError as error:
            raise SignatureInvalid(str(error)) from error
        self.public_key.verify(encoded, message, algorithm)
        return algorithm


def family_of(public_key: PublicKey) -> str:
    """The type of key as notary calls it: `ecdsa`, `rsa` or `ed25519`."""
    kind = public_key.key_type
    return "ecdsa" if kind.is_ecdsa else "rsa" if kind.is_rsa else "ed25519"


def key_id(key_type: str, public: str) -> str:
    """The id of a key that is written with this type and this text."""
    return _id_of(_written(key_type, public))


def _written(key_type: str, public: str) -> dict[str, object]:
    return {"keytype": key_type, "keyval": {"private": None, "public": public}}


def _id_of(written: dict[str, object]) -> str:
    return hashlib.sha256(canonical_json(written)).hexdigest()


@checks_arguments
def canonical_id(public_key: PublicKey) -> str:
    """The id of the bare key: 64 hex digits."""
    return key_id(family_of(public_key), public_text(public_key))


def public_text(public_key: PublicKey) -> str:
    """The key as it is written in metadata: base64 of its DER, for Ed25519 of its 32 bytes."""
    raw = public_key.spki[-32:] if public_key.key_type is KeyType.ED25519 else public_key.spki
    return base64.b64encode(raw).decode("ascii")


def written_key(public_key: PublicKey, certificates: Sequence[Certificate] = ()) -> dict[str, object]:
    """The key as metadata write it; a root key with its certificates, leaf first."""
    key_type, public = family_of(public_key), public_text(public_key)
    if certificates:
        pem = "".join(to_pem(certificate.der) for certificate in certificates)
        key_type, public = key_type + _X509, base64.b64encode(pem.encode("ascii")).decode("ascii")
    return _written(key_type, public)


def parse_key(identifier: str, value: object, what: str) -> TrustKey:
    """The key under this id.

    Raises:
        MalformedError: the id is not the hash of the key, or the key cannot be read.
        UnsupportedAlgorithm: a curve or size that imagesig does not support.
    """
    members = members_of(value, KEY_SHAPE, what)
    values = members_of(members.get("keyval"), KEY_SHAPE.inner[0][1], f"{what}: keyval")
    key_type = as_text(members.get("keytype"), f"{what}: keytype")
    public = as_text(values.get("public"), f"{what}: public")
    if key_type not in KEY_TYPES:
        raise MalformedError(f"{what}: keytype {quote(key_type)}, one of {', '.join(KEY_TYPES)} is needed")
    if values.get("private") is not None:
        raise MalformedError(f"{what}: the metadata contain a private key, null is needed")
    if key_id(key_type, public) != identifier:
        raise MalformedError(f"{what}: the id is not the hash of the key")
    data = as_bytes(public, f"{what}: public")
    certificates: tuple[Certificate, ...] = ()
    if key_type.endswith(_X509):
        certificates = parse_certificates(data, what)
        public_key = certificates[0].public_key
    elif key_type == "ed25519":
        public_key = _ed25519(data, what)
    else:
        public_key = _spki(data, what)
    if family_of(public_key) != key_type.removesuffix(_X509):
        raise MalformedError(f"{what}: keytype {key_type}, but the key is of type {family_of(public_key)}")
    return TrustKey(identifier, public_key, certificates)


def _spki(data: bytes, what: str) -> PublicKey:
    try:
        return PublicKey.from_der(data)
    except InvalidArgument as error:
        raise MalformedError(f"{what}: {error}") from error


_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
"""The bytes before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410)."""


def _ed25519(data: bytes, what: str) -> PublicKey:
    if len(data) != 32:
        raise MalformedError(f"{what}: an Ed25519 key of {len(data)} bytes, 32 are needed")
    return _spki(_ED25519_SPKI + data, what)
