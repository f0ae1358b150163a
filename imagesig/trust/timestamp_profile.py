"""The certificates of a timestamp service: the path to a trusted root, and the rules for each certificate.

Spec: Notary Project signature-specification, "Certificate Requirements"; RFC 3161 section 2.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from imagesig.crypto.certificate import Certificate
from imagesig.errors import BudgetExceeded, ImagesigError, LimitExceeded, MalformedError, TimestampInvalid
from imagesig.trust.path import Paths, find_paths

if TYPE_CHECKING:
    from cryptography import x509

    _Kind = TypeVar("_Kind", bound=x509.ExtensionType)

_KNOWN = frozenset(f"2.5.29.{number}" for number in (15, 17, 18, 19, 30, 31, 32, 33, 36, 37, 46, 54))
"""Extensions of RFC 5280 section 4.2 that may be critical. Other critical extensions are refused.

Constraints on names and policies are accepted but not evaluated, as in the specification, because the root is pinned.
"""


def timestamp_chain(
    signer: Certificate, others: Sequence[Certificate], roots: Sequence[Certificate], at: datetime
) -> tuple[Certificate, ...]:
    """The signer's certificates, leaf first, up to one of the trusted roots, all valid at that time.

    `others` are untrusted certificates for intermediate steps.

    Raises:
        TimestampInvalid: there is no such path, or one of its certificates is not for timestamps.
    """
    if not roots:
        raise TimestampInvalid("no timestamp authority is trusted")
    for root in roots:
        _check_root(root)
    _check_leaf(signer)
    _check_hash(signer)
    problem: TimestampInvalid | None = None
    # Steps are checked below, where their place in the path is known.
    for chain in _verified(signer, others, roots).to(signer, roots):
        try:
            for below, certificate in enumerate(chain[1:]):
                _check_authority(certificate, below)
            for certificate in chain:
                _check_any(certificate, at)
        except TimestampInvalid as error:
            problem = problem or error
        else:
            return chain
    raise problem or TimestampInvalid(
        f"the timestamp's certificate {signer.label} does not lead to a trusted timestamp authority"
    )


def _verified(signer: Certificate, others: Sequence[Certificate], roots: Sequence[Certificate]) -> Paths:
    try:
        return find_paths(signer, others, roots, lambda issuer, below: None)
    except BudgetExceeded:
        raise
    except LimitExceeded as error:
        raise TimestampInvalid(f"timestamp: {error}") from error


def _check_root(root: Certificate) -> None:
    from cryptography import x509

    _check_hash(root)
    constraints = _read(root, x509.BasicConstraints)
    if not root.is_self_signed or constraints is None or not constraints.value.ca:
        raise TimestampInvalid(
            f"the trusted timestamp authority {root.label} is not a self-signed certificate of an authority",
            hint="trust the root certificate of the timestamp service",
        )


def _check_leaf(leaf: Certificate) -> None:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    constraints = _read(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.value.ca:
        raise _unfit(leaf, "it is an authority's certificate")
    usage = _read(leaf, x509.KeyUsage)
    if usage is None or not usage.value.digital_signature:
        raise _unfit(leaf, "its key usage has no digitalSignature")
    if excess := [name for name in _FORBIDDEN_USES if getattr(usage.value, name)]:
        raise _unfit(leaf, f"its key usage has {', '.join(excess)}")
    purposes = _read(leaf, x509.ExtendedKeyUsage)
    if purposes is None or not purposes.critical or list(purposes.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise _unfit(leaf, "its extended key usage is not critical, or not only timeStamping")
    _check_key(leaf)


_FORBIDDEN_USES = ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
"""encipherOnly and decipherOnly are only possible with key_agreement."""


def _check_key(leaf: Certificate) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    try:
        key = leaf.issuing_key
    except ImagesigError as error:
        raise _unfit(leaf, str(error)) from error
    if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return
    raise _unfit(leaf, "its key is not RSA with 2048 bits or more, P-256, P-384 or P-521")


def _check_authority(certificate: Certificate, below: int) -> None:
    """`below` is the number of other authorities between it and the leaf."""
    from cryptography import x509

    constraints = _read(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.critical or not constraints.value.ca:
        raise _unfit(certificate, "its basic constraints are not critical, or not those of an authority")
    if constraints.value.path_length is not None and constraints.value.path_length < below:
        raise _unfit(certificate, f"it allows {constraints.value.path_length} authorities below it, not {below}")
    usage = _read(certificate, x509.KeyUsage)
    if usage is None or not usage.value.key_cert_sign:
        raise _unfit(certificate, "its key usage has no keyCertSign")


def _check_any(certificate: Certificate, at: datetime) -> None:
    _check_hash(certificate)
    for item in _readable(certificate):
        if item.critical and item.oid.dotted_string not in _KNOWN:
            raise _unfit(certificate, f"its critical extension {item.oid.dotted_string} is not understood")
    if not certificate.not_before <= at <= certificate.not_after:
        raise _unfit(
            certificate,
            f"it is valid from {certificate.not_before.isoformat()} to {certificate.not_after.isoformat()}, "
            f"not at {at.isoformat()}, the time of the timestamp",
        )


def _check_hash(certificate: Certificate) -> None:
    if certificate.has_weak_signature:
        raise _unfit(certificate, "it is signed with SHA-1 or another weak hash")


def _read(certificate: Certificate, kind: type[_Kind]) -> x509.Extension[_Kind] | None:
    _readable(certificate)
    return certificate.extension(kind)


def _readable(certificate: Certificate) -> x509.Extensions:
    try:
        return certificate.extensions
    except MalformedError as error:
        raise TimestampInvalid(str(error)) from error


def _unfit(certificate: Certificate, why: str) -> TimestampInvalid:
    return TimestampInvalid(f"the timestamp's certificate {certificate.label} is not for timestamps: {why}")
