"""Reading single extensions of certificates, and whether one certificate was issued by another."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from imagesig.crypto.certificate import Certificate
from imagesig.errors import MalformedError

if TYPE_CHECKING:
    from cryptography import x509

    _Kind = TypeVar("_Kind", bound=x509.ExtensionType)

_WEAK_ALGORITHMS = frozenset(
    {"1.2.840.10045.4.1", "1.2.840.113549.1.1.5", "1.2.840.113549.1.1.4", "1.2.840.113549.1.1.2"}
)
_WEAK_HASHES = frozenset({"sha1", "md5", "md2", "md4"})


def extension(certificate: Certificate, kind: type[_Kind]) -> x509.Extension[_Kind] | None:
    """The certificate's extension of this kind, None if it has none.

    Raises:
        MalformedError: its extensions cannot be read.
    """
    from cryptography import x509

    try:
        return certificate.x509.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise MalformedError(f"certificate {name_of(certificate)}: its extensions cannot be read") from error


def name_of(certificate: Certificate) -> str:
    """The certificate's subject, for messages: untrusted text, cut."""
    try:
        text = certificate.x509.subject.rfc4514_string()
    except ValueError:
        return certificate.fingerprint
    return (text if len(text) <= 80 else f"{text[:80]}...") if text.isprintable() else repr(text)[:80]


def is_self_signed(certificate: Certificate) -> bool:
    return is_issued_by(certificate, certificate)


def is_issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether the issuer's name and key are behind the certificate; whether it may issue is not looked at."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        certificate.x509.verify_directly_issued_by(issuer.x509)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def has_weak_signature(certificate: Certificate) -> bool:
    """Whether it is signed with SHA-1, MD5 or a hash that cannot be found out."""
    from cryptography.exceptions import UnsupportedAlgorithm

    if certificate.x509.signature_algorithm_oid.dotted_string in _WEAK_ALGORITHMS:
        return True
    try:
        used = certificate.x509.signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        return True
    return used is not None and used.name in _WEAK_HASHES
