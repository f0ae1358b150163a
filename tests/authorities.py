"""Makers of certificates, OCSP responses and CRLs, with a knob for every fault that a verifier must see.

::

    root = Authority("root")
    leaf = root.leaf("signer", ocsp=("http://ocsp.example",))
    answer = root.ocsp(leaf, revoked=True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from imagesig.crypto.certificate import Certificate
from tests.makers import NOW

MONTH = timedelta(days=30)
TIME_STAMPING = (ExtendedKeyUsageOID.TIME_STAMPING,)
OCSP_SIGNING = (ExtendedKeyUsageOID.OCSP_SIGNING,)
CODE_SIGNING = (ExtendedKeyUsageOID.CODE_SIGNING,)
_USES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")  # fmt: skip


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """One key of each size for all tests: they take long to make."""
    return rsa.generate_private_key(65537, bits)


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "WA"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "imagesig"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def usage(*uses: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{item: item in uses for item in _USES})


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key."""

    certificate: Certificate
    key: Any

    @property
    def x509(self) -> x509.Certificate:
        return self.certificate.x509

    @property
    def der(self) -> bytes:
        return self.certificate.der


@dataclass(frozen=True)
class Profile:
    """What is in a certificate beyond names, key and time; None leaves an extension out."""

    authority: bool | None = None
    path_length: int | None = None
    constraints_critical: bool = True
    uses: tuple[str, ...] | None = ("digital_signature",)
    uses_critical: bool = True
    purposes: tuple[x509.ObjectIdentifier, ...] | None = None
    purposes_critical: bool = True
    ocsp: tuple[str, ...] = ()
    crl: tuple[str, ...] = ()
    extra: tuple[x509.Extension[Any], ...] = ()

    def extensions(self) -> Iterable[tuple[x509.ExtensionType, bool]]:
        if self.authority is not None:
            yield x509.BasicConstraints(self.authority, self.path_length), self.constraints_critical
        if self.uses is not None:
            yield usage(*self.uses), self.uses_critical
        if self.purposes is not None:
            yield x509.ExtendedKeyUsage(self.purposes), self.purposes_critical
        if self.ocsp:
            method = AuthorityInformationAccessOID.OCSP
            yield (
                x509.AuthorityInformationAccess([x509.AccessDescription(method, uri(url)) for url in self.ocsp]),
                False,
            )
        if self.crl:
            yield x509.CRLDistributionPoints([point(url) for url in self.crl]), False
        for item in self.extra:
            yield item.value, item.critical


def uri(url: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(url)


def point(url: str, **fields: Any) -> x509.DistributionPoint:
    return x509.DistributionPoint(
        **{"full_name": [uri(url)], "relative_name": None, "reasons": None, "crl_issuer": None} | fields
    )


class Authority:
    """A certificate authority, valid a month around `now`; a root unless it has an `issuer`."""

    def __init__(
        self,
        common_name: str = "root",
        issuer: Authority | None = None,
        *,
        now: datetime = NOW,
        key: Any = None,
        hash: hashes.HashAlgorithm | None = None,
        **profile: Any,
    ) -> None:
        self.now = now
        self.key = key or ec_key()
        profile = {"authority": True, "uses": ("key_cert_sign", "crl_sign", "digital_signature")} | profile
        self.certificate = (issuer or self)._make(common_name, self.key, Profile(**profile), hash=hash)

    @property
    def x509(self) -> x509.Certificate:
        return self.certificate.x509

    def intermediate(self, common_name: str = "intermediate", **options: Any) -> Authority:
        return Authority(common_name, self, **{"now": self.now, **options})

    def leaf(self, common_name: str = "leaf", **options: Any) -> Issued:
        """A certificate for code signing."""
        return self.issue(common_name, **{"purposes": CODE_SIGNING, "purposes_critical": False, **options})

    def tsa(self, common_name: str = "tsa", **options: Any) -> Issued:
        return self.issue(common_name, **{"purposes": TIME_STAMPING, **options})

    def delegate(self, common_name: str = "responder", **options: Any) -> Issued:
        """A certificate for answering OCSP requests in this authority's name."""
        return self.issue(common_name, **{"purposes": OCSP_SIGNING, "purposes_critical": False, **options})

    def issue(
        self,
        common_name: str,
        *,
        key: Any = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        hash: hashes.HashAlgorithm | None = None,
        serial: int = 0,
        **profile: Any,
    ) -> Issued:
        """A certificate with the fields of `Profile` that are given."""
        key = key or ec_key()
        made = self._make(
            common_name, key, Profile(**profile), not_before=not_before, not_after=not_after, hash=hash, serial=serial
        )
        return Issued(made, key)

    def _make(
        self,
        common_name: str,
        key: Any,
        profile: Profile,
        *,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        hash: hashes.HashAlgorithm | None = None,
        serial: int = 0,
    ) -> Certificate:
        issuer = self.x509.subject if hasattr(self, "certificate") else name(common_name)
        builder = (
            x509.CertificateBuilder(issuer, name(common_name), key.public_key(), serial or x509.random_serial_number())
            .not_valid_before(not_before or self.now - MONTH)
            .not_valid_after(not_after or self.now + MONTH)
        )
        for value, critical in profile.extensions():
            builder = builder.add_extension(value, critical)
        return Certificate.from_der(builder.sign(self.key, _hash(self.key, hash)).public_bytes(Encoding.DER))

    def ocsp(
        self,
        certificate: Issued | Authority,
        *,
        signer: Issued | None = None,
        brought: Sequence[Issued] | None = None,
        revoked: bool = False,
        unknown: bool = False,
        reason: x509.ReasonFlags | None = None,
        issuer: Authority | None = None,
        this_update: datetime | None = None,
        next_update: datetime | None = None,
        endless: bool = False,
        id_hash: hashes.HashAlgorithm | None = None,
        hash: hashes.HashAlgorithm | None = None,
    ) -> bytes:
        """A response about the certificate, by this authority or by `signer`, who brings his certificate."""
        status = ocsp.OCSPCertStatus.GOOD
        if revoked or unknown:
            status = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.UNKNOWN
        by = signer or self
        builder = ocsp.OCSPResponseBuilder().add_response(
            certificate.x509,
            (issuer or self).x509,
            id_hash or hashes.SHA1(),
            status,
            this_update or min(self.now, next_update or self.now) - timedelta(hours=1),
            None if endless else next_update or self.now + timedelta(days=1),
            self.now - timedelta(days=2) if revoked else None,
            reason if revoked else None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, by.x509)
        carried = [item.x509 for item in ([signer] if signer else []) if brought is None] + [
            item.x509 for item in brought or ()
        ]
        if carried:
            builder = builder.certificates(carried)
        return builder.sign(by.key, _hash(by.key, hash)).public_bytes(Encoding.DER)

    def crl(
        self,
        *revoked: Revoked,
        number: int | None = 1,
        base: int | None = None,
        this_update: datetime | None = None,
        next_update: datetime | None = None,
        extra: Iterable[tuple[x509.ExtensionType, bool]] = (),
        signer: Any = None,
        issuer: x509.Name | None = None,
        hash: hashes.HashAlgorithm | None = None,
    ) -> bytes:
        """A list of the revoked; `base` makes it a delta list to that number."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer or self.x509.subject)
            .last_update(this_update or min(self.now, next_update or self.now) - timedelta(hours=1))
            .next_update(next_update or self.now + timedelta(days=1))
        )
        if number is not None:
            builder = builder.add_extension(x509.CRLNumber(number), False)
        if base is not None:
            builder = builder.add_extension(x509.DeltaCRLIndicator(base), True)
        for value, critical in extra:
            builder = builder.add_extension(value, critical)
        for item in revoked:
            builder = builder.add_revoked_certificate(item.entry(self.now))
        key = signer or self.key
        return builder.sign(key, _hash(key, hash)).public_bytes(Encoding.DER)


@dataclass(frozen=True)
class Revoked:
    """An entry of a CRL. `days_ago` counts from the authority's `now`."""

    certificate: Issued | Authority
    reason: x509.ReasonFlags | None = None
    days_ago: float = 2
    invalid_since: datetime | None = None
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = ()

    def entry(self, now: datetime) -> x509.RevokedCertificate:
        builder = (
            x509.RevokedCertificateBuilder()
            .serial_number(self.certificate.x509.serial_number)
            .revocation_date(now - timedelta(days=self.days_ago))
        )
        if self.reason is not None:
            builder = builder.add_extension(x509.CRLReason(self.reason), False)
        if self.invalid_since is not None:
            builder = builder.add_extension(x509.InvalidityDate(self.invalid_since.replace(tzinfo=None)), False)
        for value, critical in self.extra:
            builder = builder.add_extension(value, critical)
        return builder.build()


def scope(*urls: str, **flags: Any) -> tuple[x509.ExtensionType, bool]:
    """An issuing distribution point for `Authority.crl(extra=[...])`."""
    fields = {
        "full_name": [uri(url) for url in urls] or None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**fields | flags), True


def freshest(*urls: str) -> tuple[x509.ExtensionType, bool]:
    """The extension by which a complete list names its delta list."""
    return x509.FreshestCRL([point(url) for url in urls]), False


def with_invalidity_date(response: bytes, invalid_since: datetime, resign: Callable[[bytes], bytes]) -> bytes:
    """The OCSP response (ECDSA) with an invalidityDate in its one answer, signed again."""
    from asn1crypto.ocsp import OCSPResponse

    parsed = OCSPResponse.load(response)
    basic = parsed["response_bytes"]["response"].parsed
    single = basic["tbs_response_data"]["responses"][0]
    value = invalid_since.strftime("%Y%m%d%H%M%SZ")
    single["single_extensions"] = [{"extn_id": "2.5.29.24", "critical": False, "extn_value": value}]
    basic["signature"] = resign(basic["tbs_response_data"].dump(force=True))
    parsed["response_bytes"]["response"] = basic
    encoded: bytes = parsed.dump(force=True)
    return encoded


def _hash(key: Any, chosen: hashes.HashAlgorithm | None) -> hashes.HashAlgorithm | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else chosen or hashes.SHA256()


def with_sha1(certificate: Certificate, signer: Any) -> Certificate:
    """The certificate signed with SHA-1 by this key, which `cryptography` refuses to do."""
    from asn1crypto.x509 import Certificate as Parsed

    algorithm = "sha1_rsa" if isinstance(signer, rsa.RSAPrivateKey) else "sha1_ecdsa"
    parsed = Parsed.load(certificate.der)
    parsed["tbs_certificate"]["signature"] = {"algorithm": algorithm}
    parsed["signature_algorithm"] = {"algorithm": algorithm}
    signed = parsed["tbs_certificate"].dump(force=True)
    if isinstance(signer, rsa.RSAPrivateKey):
        parsed["signature_value"] = signer.sign(signed, padding.PKCS1v15(), hashes.SHA1())
    else:
        parsed["signature_value"] = signer.sign(signed, ec.ECDSA(hashes.SHA1()))
    return Certificate.from_der(parsed.dump(force=True))
