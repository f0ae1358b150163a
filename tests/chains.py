"""Certificates as the tests want them: good by default, with one thing wrong where a test says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct
from msgspec.structs import replace

from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.keys.file.private_key import PrivateKey
from imagesig.signature import SignerInfo
from imagesig.trust import CertificateAuthority, Role, TimestampAuthorities, TrustAnchors
from imagesig.trust.holder import Holder
from tests.makers import NOW, private_key

_OIDS = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
    "E": NameOID.EMAIL_ADDRESS,
}
SUBJECT = "C=US,ST=WA,O=imagesig"
CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING
START, END = NOW - timedelta(days=10), NOW + timedelta(days=10)


class Issuer(Struct, frozen=True, dict=True):
    """A certificate with its private key."""

    certificate: Certificate
    key: PrivateKey | PublicKey
    above: tuple[Certificate, ...] = ()

    @property
    def chain(self) -> tuple[Certificate, ...]:
        """It and those above it, in order."""
        return (self.certificate, *self.above)

    @property
    def signer(self) -> SignerInfo:
        return SignerInfo(self.certificate.public_key, "test:key", chain=self.chain)

    @property
    def private_key(self) -> PrivateKey:
        assert isinstance(self.key, PrivateKey)
        return self.key


def key_usage(*names: str) -> x509.KeyUsage:
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in names for name in every})


SIGNS = (key_usage("digital_signature"), True)
CERTIFIES = (key_usage("key_cert_sign", "crl_sign"), True)


def issue(
    issuer: Issuer | None,
    key: PrivateKey | PublicKey,
    subject: str | x509.Name,
    *extensions: tuple[x509.ExtensionType, bool] | None,
    start: datetime = START,
    end: datetime = END,
    hash_: Any = None,
) -> Issuer:
    """A certificate for the key: by the issuer, or by itself. Extensions come with whether they are critical."""
    by = issuer.key if issuer else key
    assert isinstance(by, PrivateKey), "a self-signed certificate needs the private key"
    public_key = key if isinstance(key, PublicKey) else key.public_key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(issuer.certificate.x509.subject if issuer else name(subject))
        .public_key(load_der_public_key(public_key.spki))  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    for item in extensions:
        if item is not None:
            builder = builder.add_extension(item[0], critical=item[1])
    algorithm = None if isinstance(by.loaded, ed25519.Ed25519PrivateKey) else hash_ or hashes.SHA256()
    made = builder.sign(by.loaded, algorithm)  # type: ignore[arg-type]
    return Issuer(Certificate.from_der(made.public_bytes(Encoding.DER)), key, issuer.chain if issuer else ())


def name(text: str | x509.Name) -> x509.Name:
    if isinstance(text, x509.Name):
        return text
    pairs = [part.split("=", 1) for part in text.split(",")]
    return x509.Name([x509.NameAttribute(_OIDS[kind], value) for kind, value in pairs])


def root(
    subject: str = f"{SUBJECT},CN=root",
    *,
    number: int = 900,
    constraints: tuple[x509.ExtensionType, bool] | None = (x509.BasicConstraints(ca=True, path_length=None), True),
    usage: tuple[x509.ExtensionType, bool] | None = CERTIFIES,
    **more: Any,
) -> Issuer:
    return issue(None, private_key(number=number), subject, constraints, usage, **more)


def intermediate(
    issuer: Issuer,
    subject: str = f"{SUBJECT},CN=intermediate",
    *extensions: tuple[x509.ExtensionType, bool],
    number: int = 901,
    constraints: tuple[x509.ExtensionType, bool] | None = (x509.BasicConstraints(ca=True, path_length=0), True),
    usage: tuple[x509.ExtensionType, bool] | None = CERTIFIES,
    **more: Any,
) -> Issuer:
    return issue(issuer, private_key(number=number), subject, constraints, usage, *extensions, **more)


def leaf(
    issuer: Issuer | None,
    subject: str | x509.Name = f"{SUBJECT},CN=leaf",
    *extensions: tuple[x509.ExtensionType, bool],
    key: PrivateKey | PublicKey | None = None,
    constraints: tuple[x509.ExtensionType, bool] | None = (x509.BasicConstraints(ca=False, path_length=None), True),
    usage: tuple[x509.ExtensionType, bool] | None = SIGNS,
    purposes: Sequence[x509.ObjectIdentifier] | None = (CODE_SIGNING,),
    **more: Any,
) -> Issuer:
    """The signer's certificate; without an issuer a self-signed one."""
    extended = (x509.ExtendedKeyUsage(purposes), False) if purposes else None
    return issue(
        issuer, key or private_key(KeyType.ECDSA_P256), subject, constraints, usage, extended, *extensions, **more
    )


@cache
def certified(key_type: KeyType = KeyType.ECDSA_P256) -> Issuer:
    """A signer of this type below an intermediate below a root; the same for the whole test process."""
    return leaf(intermediate(root()), key=private_key(key_type))


def trusting(
    *certificates: Certificate,
    holders: Sequence[str] = (),
    role: Role = Role.CA,
    timestamps: TimestampAuthorities | None = None,
) -> TrustAnchors:
    authority = CertificateAuthority("acme", certificates, tuple(Holder.of(item) for item in holders), role)
    return TrustAnchors((), (authority,), timestamps)


def pem(chain: Sequence[Certificate]) -> str:
    return "".join(item.x509.public_bytes(Encoding.PEM).decode() for item in chain)


def spliced(signer: SignerInfo, *chain: Certificate) -> SignerInfo:
    return replace(signer, chain=chain)
