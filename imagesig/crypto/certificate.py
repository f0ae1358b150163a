"""X.509 certificates as values; whether one is to be trusted is for `imagesig.trust` to say."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from imagesig import limits
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import LimitExceeded, MalformedError

if TYPE_CHECKING:
    from cryptography import x509


class Certificate(Struct, frozen=True, dict=True):
    """One certificate, equal to another if their DER bytes are. Make it with `from_der` or `parse_certificates`."""

    der: bytes

    @classmethod
    def from_der(cls, der: bytes, what: str = "certificate") -> Certificate:
        """Raises `MalformedError` if this is no certificate, `LimitExceeded` if it is larger than any."""
        from cryptography import x509

        if len(der) > limits.CERTIFICATE_BYTES:
            raise LimitExceeded(f"{what}: {len(der)} bytes, at most {limits.CERTIFICATE_BYTES} are read")
        self = cls(der)
        try:
            parsed = self.x509
            # Read here, for `cryptography` would read them, and fail, only where somebody asks.
            _ = parsed.issuer, parsed.subject, parsed.not_valid_before_utc, parsed.not_valid_after_utc
        except (ValueError, TypeError, x509.InvalidVersion) as error:
            raise MalformedError(f"{what}: not a certificate in DER") from error
        return self

    @cached_property
    def x509(self) -> x509.Certificate:
        from cryptography import x509

        return x509.load_der_x509_certificate(self.der)

    @cached_property
    def public_key(self) -> PublicKey:
        """Raises `UnsupportedAlgorithm` for a key that imagesig does not work with, `MalformedError` for none."""
        from cryptography.exceptions import UnsupportedAlgorithm as Unknown

        try:
            key = self.x509.public_key()
        except (ValueError, Unknown) as error:
            raise MalformedError(f"certificate {self.fingerprint}: its public key cannot be read") from error
        return PublicKey.from_cryptography(key)

    @property
    def fingerprint(self) -> str:
        """`sha256:` and the hex SHA-256 of the DER bytes."""
        return "sha256:" + hashlib.sha256(self.der).hexdigest()

    @property
    def subject(self) -> str:
        """The subject's distinguished name as RFC 4514 writes it, for people."""
        return self.x509.subject.rfc4514_string()

    @property
    def issuer(self) -> str:
        return self.x509.issuer.rfc4514_string()

    @property
    def not_before(self) -> datetime:
        return self.x509.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        return self.x509.not_valid_after_utc

    def __repr__(self) -> str:
        return f"Certificate({self.fingerprint})"


def parse_certificates(data: bytes, what: str) -> tuple[Certificate, ...]:
    """Every certificate in PEM text, in its order, or the one in DER.

    Raises:
        MalformedError: none, or something that is no certificate.
        LimitExceeded: more than `limits.CERTIFICATES`.
    """
    from cryptography import x509

    if len(data) > limits.CERTIFICATE_FILE_BYTES:
        raise LimitExceeded(f"{what}: {len(data)} bytes, at most {limits.CERTIFICATE_FILE_BYTES} are read")
    count = data.count(b"-----BEGIN CERTIFICATE-----")
    if not count:
        return (Certificate.from_der(data, what),)
    if count > limits.CERTIFICATES:
        raise LimitExceeded(f"{what}: {count} certificates, at most {limits.CERTIFICATES} are read")
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        loaded = x509.load_pem_x509_certificates(data)
    except (ValueError, x509.InvalidVersion) as error:
        raise MalformedError(f"{what}: not certificates in PEM") from error
    return tuple(Certificate.from_der(item.public_bytes(Encoding.DER), what) for item in loaded)
