"""X.509 certificates as values; whether one is to be trusted is for `imagesig.trust` to say.

This is the one place that touches `cryptography`'s certificate objects. They read fields and extensions only where
somebody asks, and raise anything for what is well formed and impossible: here each of that becomes a `MalformedError`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from msgspec import Struct

from imagesig import limits
from imagesig.crypto.public_key import PublicKey, check_issuing_key
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

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
_UNREAD_VALUES = 10
"""ASN.1 values that are looked at where only names are compared."""
_WEAK_HASHES = frozenset({"md2", "md4", "md5", "sha1"})
_NO_HASH = frozenset({"1.3.101.112"})
"""Ed25519: the algorithm that names no hash and is good."""


class _Frame(NamedTuple):
    """Where the first fields of a certificate are: `serial`, `key` and the names as they are in its bytes."""

    serial: bytes
    issuer: bytes
    subject: bytes
    key: bytes


class Certificate(Struct, frozen=True, dict=True):
    """One certificate, equal to another if their DER bytes are. Make it with `from_der` or `parse_certificates`."""

    der: bytes

    @classmethod
    def from_der(cls, der: bytes, what: str = "certificate") -> Certificate:
        """The certificate in these bytes; its extensions and its key are read where they are needed.

        Raises:
            MalformedError: no certificate, one whose names or times cannot be read, or whose serial number is negative,
                longer than 20 octets, or zero where it is not its own issuer's (RFC 5280 section 4.1.2.2).
            LimitExceeded: larger than any.
        """
        self = cls.unread(der, what)
        self.check_readable(what)
        return self

    @classmethod
    def unread(cls, der: bytes, what: str = "certificate") -> Certificate:
        """The certificate, of which only the serial number and the bytes of its names were looked at.

        Good for comparing names and for `is_issued_by`; `check_readable` comes before anything else. Raises as
        `from_der` does.
        """
        if len(der) > limits.CERTIFICATE_BYTES:
            raise LimitExceeded(f"{what}: {len(der)} bytes, at most {limits.CERTIFICATE_BYTES} are read")
        spend(Cost.NODES, _UNREAD_VALUES, what)
        self = cls(der)
        with external_call(what, lambda error: MalformedError(f"{what}: not a certificate in DER")):
            _check_serial(self._frame, what)
        return self

    def check_readable(self, what: str = "certificate") -> None:
        """Returns if names and times can be read. Raises `MalformedError` else."""
        spend(Cost.CERTIFICATES, 1, what)
        with external_call(what, lambda error: MalformedError(f"{what}: not a certificate in DER")):
            parsed = self.x509
            # Read here, for `cryptography` would read them, and fail, only where somebody asks.
            self.__dict__["not_before"] = parsed.not_valid_before_utc
            self.__dict__["not_after"] = parsed.not_valid_after_utc
            self.__dict__["subject_name"] = parsed.subject
            self.__dict__["issuer_name"] = parsed.issuer
            signature = parsed.signature
        # The last element is a BIT STRING: bits that are called unused would make one certificate several.
        if self.der[-len(signature) - 1] != 0:
            raise MalformedError(f"{what}: its signature is not whole bytes")

    def _reading(self, part: str) -> external_call:
        """For every use of `cryptography`'s object: what it raises says that this part cannot be read."""
        whose = self.label if "subject_name" in self.__dict__ else self.fingerprint
        return external_call("certificate", lambda error: MalformedError(f"certificate {whose}: {part} cannot be read"))

    @cached_property
    def x509(self) -> x509.Certificate:
        """`cryptography`'s object: for this package and for tests, since what it does may raise anything."""
        from cryptography import x509

        return x509.load_der_x509_certificate(self.der)

    @cached_property
    def _frame(self) -> _Frame:
        return _frame(self.der)

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
        """The subject's name as it is in the certificate. Names are compared byte by byte."""
        return self._frame.subject

    @property
    def issuer_der(self) -> bytes:
        return self._frame.issuer

    @property
    def key_bits(self) -> bytes:
        """The content of the BIT STRING that holds the public key: what OCSP names an issuer's key by."""
        return self._frame.key

    @property
    def subject(self) -> str:
        """The subject's distinguished name as RFC 4514 writes it: untrusted text, for people."""
        return _as_text(self.subject_name)

    @property
    def issuer(self) -> str:
        return _as_text(self.issuer_name)

    @cached_property
    def label(self) -> str:
        """The subject for one sentence: untrusted text, escaped and cut; the fingerprint where there is none."""
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
                return self.x509.extensions
        except MalformedError as error:
            return error

    @property
    def extensions(self) -> Extensions:
        """All of them.

        Raises:
            MalformedError: one of them cannot be read, or is there twice.
        """
        found = self._extensions
        if isinstance(found, MalformedError):
            raise MalformedError(str(found)) from found
        return found

    def extension(self, kind: type[_Kind]) -> Extension[_Kind] | None:
        """The extension of this kind, None if there is none. Raises as `extensions` does."""
        return next((item for item in self.extensions if item.oid == kind.oid and isinstance(item.value, kind)), None)

    # --- keys and signatures -----------------------------------------------------------------------------------------

    @cached_property
    def public_key(self) -> PublicKey:
        """Raises `UnsupportedAlgorithm` for a key that imagesig does not work with, `MalformedError` for none."""
        with self._reading("its public key"):
            return PublicKey.from_cryptography(self.x509.public_key())

    @cached_property
    def issuing_key(self) -> PublicKeyTypes:
        """The key for what an issuer signs: certificates, lists, OCSP responses, timestamps.

        Raises:
            UnsupportedAlgorithm: another curve, RSA size or exponent, or kind of key, than an issuer may have.
            MalformedError: it cannot be read.
        """
        with self._reading("its public key"):
            key = self.x509.public_key()
        check_issuing_key(key)
        return key

    @cached_property
    def is_self_signed(self) -> bool:
        return self.is_issued_by(self)

    def is_issued_by(self, other: Certificate) -> bool:
        """Whether the other's name and key are behind this certificate; whether it may issue is not looked at.

        The signature is checked only if the names are equal and the other's key is one that an issuer may have.
        """
        return self._frame.issuer == other._frame.subject and _is_signed_by(self, other)

    @cached_property
    def has_weak_signature(self) -> bool:
        """Whether it is signed with MD2, MD4, MD5 or SHA-1, in part or whole, or with a hash that nobody here knows."""
        return self.signature_hash in _WEAK_HASHES or not self.signature_hash

    @cached_property
    def signature_hash(self) -> str:
        """The name of the weakest hash in its signature, `none` for Ed25519, which has none; empty if not known."""
        from cryptography.hazmat.primitives.asymmetric import padding

        try:
            with self._reading("its signature algorithm"):
                used = self.x509.signature_hash_algorithm
                if used is None:
                    return "none" if self.x509.signature_algorithm_oid.dotted_string in _NO_HASH else ""
                parameters = self.x509.signature_algorithm_parameters
                mask = parameters.mgf._algorithm.name if isinstance(parameters, padding.PSS) else used.name
                return mask if mask in _WEAK_HASHES else used.name
        except MalformedError:
            return ""

    @property
    def pem(self) -> str:
        """The certificate in PEM, with a newline at its end."""
        text = base64.b64encode(self.der).decode("ascii")
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        return "\n".join([_BEGIN.decode(), *lines, _END.decode(), ""])

    def __repr__(self) -> str:
        return f"Certificate({self.fingerprint})"


@lru_cache(maxsize=128)
def _is_signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Costly, and asked again of the same pair by every signature of one signer."""
    try:
        _ = issuer.issuing_key  # refused before use, if it is to be
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


def _frame(der: bytes) -> _Frame:
    """Raises `MalformedError`, or `IndexError` and the like, where this is no certificate."""
    what = "certificate"
    (outer,) = asn1.fields(der, 0, len(der), what)
    signed = next(asn1.fields(der, outer.content, outer.end, what))
    values = asn1.fields(der, signed.content, signed.end, what)
    serial = next(values)
    if serial.tag == 0xA0:  # the version
        serial = next(values)
    _algorithm, issuer, _validity, subject, key_info = (next(values) for _ in range(5))
    _, key = asn1.fields(der, key_info.content, key_info.end, what)
    if (outer.tag, signed.tag, serial.tag, key.tag) != (asn1.SEQUENCE, asn1.SEQUENCE, asn1.INTEGER, asn1.BIT_STRING):
        raise MalformedError(f"{what}: its fields are not those of one")
    return _Frame(
        der[serial.content : serial.end],
        der[issuer.start : issuer.end],
        der[subject.start : subject.end],
        der[key.content + 1 : key.end],
    )


def _check_serial(frame: _Frame, what: str) -> None:
    number = int.from_bytes(frame.serial[: limits.SERIAL_NUMBER_BITS], signed=True)
    if number < 0:
        raise MalformedError(f"{what}: its serial number is negative")
    if len(frame.serial) * 8 > limits.SERIAL_NUMBER_BITS + 8 or number.bit_length() > limits.SERIAL_NUMBER_BITS:
        raise MalformedError(f"{what}: its serial number has more than {limits.SERIAL_NUMBER_BITS // 8} octets")
    if not number and frame.issuer != frame.subject:
        # Roots of well-known authorities have the number 0, and no list or responder speaks of them.
        raise MalformedError(f"{what}: its serial number is zero")


def pem_blocks(data: bytes, what: str, most: int = limits.CERTIFICATES) -> tuple[bytes, ...]:
    """The DER bytes of every certificate in PEM text, in its order; what is between them does not matter.

    Raises:
        MalformedError: a block that does not end, or is not base64.
        LimitExceeded: more than `most`.
    """
    count = data.count(_BEGIN)
    if count > most:
        raise LimitExceeded(f"{what}: {count} certificates, at most {most} are read")
    return tuple(_blocks(data, what))


def _blocks(data: bytes, what: str) -> Iterator[bytes]:
    at = 0
    while (start := data.find(_BEGIN, at)) >= 0:
        start += len(_BEGIN)
        at = data.find(_END, start)
        if at < 0:
            raise MalformedError(f"{what}: not certificates in PEM")
        text = b"".join(data[start:at].split())
        try:
            decoded = binascii.a2b_base64(text, strict_mode=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedError(f"{what}: not certificates in PEM") from error
        if len(text) != 4 * ((len(decoded) + 2) // 3):
            raise MalformedError(f"{what}: not certificates in PEM")
        yield decoded


def parse_certificates(data: bytes, what: str) -> tuple[Certificate, ...]:
    """Every certificate in PEM text, in its order, or the one in DER.

    Raises:
        MalformedError: none, or something that is no certificate.
        LimitExceeded: more than `limits.CERTIFICATES`.
    """
    if len(data) > limits.CERTIFICATE_FILE_BYTES:
        raise LimitExceeded(f"{what}: {len(data)} bytes, at most {limits.CERTIFICATE_FILE_BYTES} are read")
    if _BEGIN not in data:
        return (Certificate.from_der(data, what),)
    return tuple(Certificate.from_der(der, what) for der in pem_blocks(data, what))
