"""The rules for a code-signing chain, independent of trust and time.

As in the specification, only basic constraints, key usage and extended key usage are checked: trust comes from pinned
certificates in the policy, not from the chain's content.

Spec: Notary Project signature-specification, "Certificate Requirements".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from imagesig import limits
from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import FormatViolation, ImagesigError, LimitExceeded, MalformedError

if TYPE_CHECKING:
    from cryptography import x509

    _Extension = TypeVar("_Extension", bound=x509.ExtensionType)

_FORBIDDEN_USAGES = (
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)

CODE_SIGNING = "1.3.6.1.5.5.7.3.3"
ANY_PURPOSE = "2.5.29.37.0"
_OTHER_PURPOSES = {
    ANY_PURPOSE: "any purpose",
    "1.3.6.1.5.5.7.3.1": "TLS servers",
    "1.3.6.1.5.5.7.3.2": "TLS clients",
    "1.3.6.1.5.5.7.3.4": "e-mail protection",
    "1.3.6.1.5.5.7.3.8": "timestamps",
    "1.3.6.1.5.5.7.3.9": "OCSP answers",
}


# speed: all signatures of one signer have the same chain (benchmarks/test_notation.py)
@lru_cache(maxsize=256)
def check_code_signing_chain(chain: tuple[Certificate, ...]) -> None:
    """Returns if this is a complete chain for code signing: the signer's certificate, its issuers in order, the root.

    A chain of one is a self-signed signer: the rules for signers apply, not those for authorities. Validity periods are
    checked in `imagesig.trust.chain`.

    Raises:
        FormatViolation: it is not.
        LimitExceeded: more than `limits.CHAIN_CERTIFICATES`.
    """
    check_issuance(chain)
    check_signer(chain[0])


def check_issuance(chain: Sequence[Certificate]) -> None:
    """Returns if each certificate was issued by the next one, the last by itself, and none with a weak hash.

    Raises as `check_code_signing_chain` does. The caller checks the rules for the first certificate.
    """
    if not chain:
        raise FormatViolation("certificate chain: empty, at least the signer's certificate is needed")
    if len(chain) > limits.CHAIN_CERTIFICATES:
        raise LimitExceeded(
            f"certificate chain: {len(chain)} certificates, at most {limits.CHAIN_CERTIFICATES} are read"
        )
    for certificate in chain:
        check_hash(certificate)
        check_not_critical(certificate)
    for number, (certificate, issuer) in enumerate(pairwise(chain)):
        if certificate.is_self_signed:
            raise FormatViolation(
                f"certificate chain: {certificate.label} at place {number} is self-signed, only the last one may be"
            )
        if not certificate.is_issued_by(issuer):
            raise not_issued(certificate, issuer)
        check_authority(issuer, number)
    if not chain[-1].is_self_signed:
        raise FormatViolation(
            f"certificate chain: it ends with {chain[-1].label}, which is not self-signed: the root is missing"
        )


def not_issued(certificate: Certificate, issuer: Certificate) -> FormatViolation:
    """The error for a certificate of a chain that the next one did not issue."""
    return FormatViolation(
        f"certificate chain: {certificate.label} was not issued by the next one, {issuer.label}; "
        "the order is signer, its issuer, and so on to the root"
    )


def check_signer(certificate: Certificate) -> None:
    """The rules for the certificate of a signer. Raises `FormatViolation`."""
    from cryptography import x509

    what = f"signer's certificate {certificate.label}"
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints and constraints.value.ca:
        raise FormatViolation(
            f"{what}: basicConstraints are those of a certificate authority, which must not sign images"
        )
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None or not usage.critical:
        seen = "missing" if usage is None else "not critical"
        raise FormatViolation(f"{what}: keyUsage is {seen}, a critical one with digitalSignature is needed")
    if not usage.value.digital_signature:
        raise FormatViolation(f"{what}: keyUsage has no digitalSignature")
    forbidden = [name for name in _FORBIDDEN_USAGES if getattr(usage.value, name)]
    if usage.value.key_agreement:
        forbidden += [name for name in ("encipher_only", "decipher_only") if getattr(usage.value, name)]
    if forbidden:
        raise FormatViolation(f"{what}: keyUsage has {', '.join(forbidden)} beside digitalSignature")
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    for purpose in purposes.value if purposes else ():
        if purpose.dotted_string in _OTHER_PURPOSES:
            purpose_name = _OTHER_PURPOSES[purpose.dotted_string]
            raise FormatViolation(f"{what}: extendedKeyUsage is for {purpose_name}; codeSigning is needed, or none")
    if signer_key(certificate).key_type is KeyType.ED25519:
        raise FormatViolation(f"{what}: its key is Ed25519, an ECDSA or RSA key is needed")


def check_may_sign(certificate: Certificate) -> None:
    """Raises `FormatViolation` if a certificate has a keyUsage that excludes signatures other than certificates'."""
    from cryptography import x509

    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not (usage.value.digital_signature or usage.value.content_commitment):
        raise FormatViolation(f"signer's certificate {certificate.label}: keyUsage has no digitalSignature")


def check_authority(certificate: Certificate, below: int, *, lenient: bool = False) -> None:
    """The rules for an issuer's certificate; `below` is the number of authorities between it and the signer.

    With `lenient` the rules of RFC 5280 section 6.1.4 for a private authority apply: the extensions need not be
    critical, and keyUsage may be missing. Raises `FormatViolation`.
    """
    from cryptography import x509

    what = f"issuer's certificate {certificate.label}"
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is None or not (constraints.critical or lenient) or not constraints.value.ca:
        raise FormatViolation(f"{what}: no critical basicConstraints that make it a certificate authority")
    if constraints.value.path_length is not None and constraints.value.path_length < below:
        raise FormatViolation(
            f"{what}: basicConstraints allow {constraints.value.path_length} authorities below it, there are {below}"
        )
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None and lenient:
        return
    if usage is None or not (usage.critical or lenient) or not usage.value.key_cert_sign:
        raise FormatViolation(f"{what}: no critical keyUsage with keyCertSign")


def check_hash(certificate: Certificate) -> None:
    """Raises `FormatViolation` for a certificate that was signed with SHA-1 or another weak hash, also for a root."""
    if certificate.has_weak_signature:
        used = certificate.signature_hash or "an algorithm that is not known"
        raise FormatViolation(f"certificate {certificate.label}: signed with {used}, SHA-256 or more is needed")


_NEVER_CRITICAL = {
    "2.5.29.14": "a key identifier",
    "2.5.29.35": "a key identifier",
    "1.3.6.1.5.5.7.1.1": "the access to its issuer's information",
}
"""Extensions that must not be critical. Spec: RFC 5280 sections 4.2.1.1, 4.2.1.2 and 4.2.2.1."""


def check_not_critical(certificate: Certificate) -> None:
    """Raises `FormatViolation` if an extension is critical that must not be: Go refuses such a certificate."""
    for item in extensions_of(certificate):
        oid = item.oid.dotted_string
        if item.critical and oid in _NEVER_CRITICAL:
            raise FormatViolation(
                f"certificate {certificate.label}: its extension {oid}, {_NEVER_CRITICAL[oid]}, is critical, one that "
                "is not critical is needed"
            )


_UNDERSTOOD = frozenset(f"2.5.29.{number}" for number in (15, 17, 19, 30, 31, 32, 33, 36, 37, 54))
"""Extensions of RFC 5280 section 4.2 that may be critical, as in Go's crypto/x509."""


def not_understood(extensions: x509.Extensions) -> str:
    """The OID of a critical extension that nobody here evaluates; empty if there is none."""
    return next(
        (item.oid.dotted_string for item in extensions if item.critical and item.oid.dotted_string not in _UNDERSTOOD),
        "",
    )


def signer_key(certificate: Certificate) -> PublicKey:
    """The public key of a signer's certificate. Raises `FormatViolation` if it is not supported."""
    try:
        return certificate.public_key
    except ImagesigError as error:
        raise FormatViolation(f"signer's certificate {certificate.label}: {error}") from error


def is_authority(certificate: Certificate) -> bool:
    """Whether its basicConstraints are those of a certificate authority."""
    from cryptography import x509

    try:
        constraints = certificate.extension(x509.BasicConstraints)
    except MalformedError:
        return False
    return constraints is not None and constraints.value.ca


def purposes_of(certificate: Certificate) -> frozenset[str] | None:
    """The OIDs of its extendedKeyUsage; None if it has none. Raises `FormatViolation` if it cannot be read."""
    from cryptography import x509

    found = _extension(certificate, x509.ExtendedKeyUsage)
    return None if found is None else frozenset(purpose.dotted_string for purpose in found.value)


def extensions_of(certificate: Certificate) -> x509.Extensions:
    """Raises `FormatViolation` if they cannot be read, or one occurs twice."""
    try:
        return certificate.extensions
    except MalformedError as error:
        raise FormatViolation(str(error)) from None


def _extension(certificate: Certificate, kind: type[_Extension]) -> x509.Extension[_Extension] | None:
    try:
        return certificate.extension(kind)
    except MalformedError as error:
        raise FormatViolation(str(error)) from None
