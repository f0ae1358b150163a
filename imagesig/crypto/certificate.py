"""X.509 certificates as values. Trust decisions are made in `imagesig.trust`.

Only this module uses `cryptography`'s certificate objects. They read fields and extensions when they are accessed, and
raise various exceptions for well-formed but impossible values. Here each becomes a `MalformedError`.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import STRONG_HASHES
from imagesig.crypto.certificate_frame import Frame, check_serial_number, frame_of
from imagesig.crypto.certificate_pem import BEGIN, pem_blocks, to_pem
from imagesig.crypto.public_key import PublicKey, check_issuing_key
from imagesig.crypto.restricted import RSASSA_PSS, restricted
from imagesig.effort import Cost, spend
from imagesig.encoding import asn1
from imagesig.errors import ImagesigError, LimitExceeded, MalformedError
from imagesig.external import external_call
from imagesig.text import quote

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
    from cryptography.x509 import Extension, Extensions, Name

    _Kind = TypeVar("_Kind", bound=x509.ExtensionType)

_UNREAD_VALUES = 10
"""ASN.1 values that are read for comparing names."""
_NO_HASH = frozenset({"1.3.101.112"})
"""Ed25519, which names no hash."""


class Certificate(Struct, frozen=True, dict=True):
    """One certificate, equal to others with the same DER bytes. Make it with `from_der` or `parse_certificates`."""

    der: bytes

    @classmethod
    def from_der(cls, der: bytes, what: str = "certificate") -> Certificate:
        """The certificate in these bytes. Its extensions and its key are read later, when they are needed.

        Raises:
            MalformedError: not a certificate, or its names or times cannot be read, or its serial number is negative,
                longer than 20 octets, or zero although it is not its own issuer (RFC 5280 section 4.1.2.2).
            LimitExceeded: more than `limits.CERTIFICATE_BYTES`.
        """
        self = cls.unread(der, what)
        self.check_readable(what)
        return self

    @classmethod
    def unread(cls, der: bytes, what: str = "certificate") -> Certificate:
        """The certificate, of which only the serial number and the bytes of its names were read.

        Use it to compare names and for `is_issued_by`. Call `check_readable` before any other use. Raises as `from_der`
        does.
        """
        if len(der) > limits.CERTIFICATE_BYTES:
            raise LimitExceeded(f"{what}: {len(der)} bytes, at most {limits.CERTIFICATE_BYTES} are read")
        spend(Cost.NODES, _UNREAD_VALUES, what)
        self = cls(der)
        with external_call(what, lambda error: MalformedError(f"{what}: not a certificate in DER")):
            check_serial_number(self._frame, what)
        return self

    def check_readable(self, what: str = "certificate") -> None:
        """Raises `MalformedError` unless names and times can be read."""
        spend(Cost.CERTIFICATES, 1, what)
        with external_call(what, lambda error: MalformedError(f"{what}: not a certificate in DER")):
            parsed = self.x509
            # Read them now: `cryptography` reads them, and fails, only on access.
            self.__dict__["not_before"] = parsed.not_valid_before_utc
            self.__dict__["not_after"] = parsed.not_valid_after_utc
            self.__dict__["subject_name"] = parsed.subject
            self.__dict__["issuer_name"] = parsed.issuer
            signature = parsed.signature
        # The last element is a BIT STRING: unused bits would give one certificate several encodings.
        if self.der[-len(signature) - 1] != 0:
            raise MalformedError(f"{what}: its signature is not whole bytes")

    def _reading(self, part: str) -> external_call:
        """For every use of `cryptography`'s object: its exceptions become "this part cannot be read"."""
        whose = self.label if "subject_name" in self.__dict__ else self.fingerprint
        return external_call("certificate", lambda error: MalformedError(f"certificate {whose}: {part} cannot be read"))

    @cached_property
    def x509(self) -> x509.Certificate:
        """`cryptography`'s object, for this package and tests. Its methods may raise any exception."""
        from cryptography import x509

        return x509.load_der_x509_certificate(self.der)

    @cached_property
    def _frame(self) -> Frame:
        return frame_of(self.der)

    # --- names, number, times ----------------------------------------------------------------------------------------

    @cached_property
    def subject_name(self) -> Name:
        with self._reading("its subject"):
            return self.x509.subject

    @cached_property
    def issuer_name(self) -> Name:
        with self._reading("its issuer's name"):
            return self.x509.issuer

    @property
    def subject_der(self) -> bytes:
        """The subject's name in the certificate's own bytes. Names are compared byte by byte."""
        return self._frame.subject

    @property
    def issuer_der(self) -> bytes:
        return self._frame.issuer

    @property
    def key_bits(self) -> bytes:
        """The content of the BIT STRING with the public key, which identifies an issuer's key in OCSP."""
        return self._frame.key

    @property
    def subject(self) -> str:
        """The subject's distinguished name (RFC 4514): untrusted text, for people."""
        return _as_text(self.subject_name)

    @property
    def issuer(self) -> str:
        return _as_text(self.issuer_name)

    @cached_property
    def label(self) -> str:
        """The subject, escaped and cut, for one sentence; the fingerprint if it has no readable subject."""
        try:
            return quote(self.subject) if self.subject else self.fingerprint
        except MalformedError:
            return self.fingerprint

    @property
    def fingerprint(self) -> str:
        """`sha256:` and the hex SHA-256 of the DER bytes."""
        return "sha256:" + hashlib.sha256(self.der).hexdigest()

    @property
    def serial_number(self) -> int:
        return int.from_bytes(self._frame.serial)

    @cached_property
    def not_before(self) -> datetime:
        with self._reading("its validity"):
            return self.x509.not_valid_before_utc

    @cached_property
    def not_after(self) -> datetime:
        with self._reading("its validity"):
            return self.x509.not_valid_after_utc

    # --- extensions --------------------------------------------------------------------------------------------------

    @cached_property
    def _extensions(self) -> Extensions | MalformedError:
        try:
            with self._reading("its extensions"):
                if len(found := self.x509.extensions) and self.x509.version.name != "v3":
                    raise MalformedError(f"certificate {self.label}: version 1 with extensions, version 3 is needed")
                return found
        except MalformedError as error:
            return error

    @property
    def extensions(self) -> Extensions:
        """All extensions.

        Raises:
            MalformedError: one cannot be read, or occurs twice, or the certificate is not of version 3.
        """
        found = self._extensions
        if isinstance(found, MalformedError):
            raise MalformedError(str(found)) from found
        return found

    def extension(self, kind: type[_Kind]) -> Extension[_Kind] | None:
        """The extension of this kind, or None. Raises as `extensions` does."""
        return next((item for item in self.extensions if item.oid == kind.oid and isinstance(item.value, kind)), None)

    # --- keys and signatures -----------------------------------------------------------------------------------------

    @cached_property
    def public_key(self) -> PublicKey:
        """Raises `UnsupportedAlgorithm` for an unsupported key, and `MalformedError` for an invalid one."""
        with self._reading("its public key"):
            return PublicKey.from_cryptography(self._loaded_key)

    @cached_property
    def issuing_key(self) -> PublicKeyTypes:
        """The key for verifying certificates, lists, OCSP responses and timestamps.

        Raises:
            UnsupportedAlgorithm: see `check_issuing_key`.
            MalformedError: the key cannot be read.
        """
        with self._reading("its public key"):
            key = self._loaded_key
        check_issuing_key(key)
        return key

    @property
    def _loaded_key(self) -> PublicKeyTypes:
        if self.x509.public_key_algorithm_oid.dotted_string == RSASSA_PSS:
            raise restricted("public key")
        return self.x509.public_key()

    @cached_property
    def is_self_signed(self) -> bool:
        return self.is_issued_by(self)

    def is_issued_by(self, other: Certificate) -> bool:
        """Whether the other has the issuer's name and its key signed this certificate. It need not be an authority.

        The signature is checked only if the names are equal and an issuer may have the other's key.
        """
        return self._frame.issuer == other._frame.subject and _is_signed_by(self, other)

    @cached_property
    def has_weak_signature(self) -> bool:
        """Whether its signature uses another hash than `STRONG_HASHES`, or one that is not known."""
        return self.signature_hash not in STRONG_HASHES

    @cached_property
    def signature_hash(self) -> str:
        """The name of the weakest hash in its signature; of Ed25519, its own SHA-512; empty if not known."""
        from cryptography.hazmat.primitives.asymmetric import padding

        try:
            with self._reading("its signature algorithm"):
                used = self.x509.signature_hash_algorithm
                if used is None:
                    return "sha512" if self.x509.signature_algorithm_oid.dotted_string in _NO_HASH else ""
                parameters = self.x509.signature_algorithm_parameters
                mask = parameters.mgf._algorithm.name if isinstance(parameters, padding.PSS) else used.name
                return used.name if mask in STRONG_HASHES else mask
        except MalformedError:
            return ""

    @property
    def pem(self) -> str:
        """The certificate in PEM, with a newline at its end."""
        return to_pem(self.der)

    def __repr__(self) -> str:
        return f"Certificate({self.fingerprint})"


# speed: all signatures of one signer have the same chain (benchmarks/test_notation.py)
@lru_cache(maxsize=128)
def _is_signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        _ = issuer.issuing_key  # refuses unsupported keys before their use
    except ImagesigError:
        return False
    spend(Cost.CERTIFICATE_CHECKS, 1, "certificates")
    try:
        with external_call("certificate", lambda error: MalformedError("not issued by that one")):
            certificate.x509.verify_directly_issued_by(issuer.x509)
    except MalformedError:
        return False
    return True


def _as_text(name: Name) -> str:
    try:
        with external_call("certificate", asn1.unreadable("the name")):
            return name.rfc4514_string()
    except MalformedError:
        return "(a name that cannot be read)"


@checks_arguments
def parse_certificates(data: bytes, what: str) -> tuple[Certificate, ...]:
    """Every certificate in PEM text, in order, or the one in DER.

    Raises:
        MalformedError: none, or a block that is not a certificate.
        LimitExceeded: more than `limits.CERTIFICATES`.
    """
    if len(data) > limits.CERTIFICATE_FILE_BYTES:
        raise LimitExceeded(f"{what}: {len(data)} bytes, at most {limits.CERTIFICATE_FILE_BYTES} are read")
    if BEGIN not in data:
        return (Certificate.from_der(data, what),)
    return tuple(Certificate.from_der(der, what) for der in pem_blocks(data, what))
