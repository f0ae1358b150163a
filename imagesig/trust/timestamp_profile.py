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
from imagesig.trust.profile import not_understood

if TYPE_CHECKING:
    from cryptography import x509

    _Kind = TypeVar("_Kind", bound=x509.ExtensionType)

_ANY_POLICY = "2.5.29.32.0"


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
            for number, certificate in enumerate(chain):
                if number:
                    _check_authority(certificate, number - 1)
                _check_any(certificate, at)
                _check_names(certificate, chain[:number])
            _check_policies(chain[:-1])  # the root's policies are not evaluated (RFC 5280 section 6.1)
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
    from cryptography.x509.oid import ExtendedKeyUsageOID

    constraints = _read(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.critical or not constraints.value.ca:
        raise _unfit(certificate, "its basic constraints are not critical, or not those of an authority")
    if constraints.value.path_length is not None and constraints.value.path_length < below:
        raise _unfit(certificate, f"it allows {constraints.value.path_length} authorities below it, not {below}")
    usage = _read(certificate, x509.KeyUsage)
    if usage is None or not usage.value.key_cert_sign:
        raise _unfit(certificate, "its key usage has no keyCertSign")
    purposes = _read(certificate, x509.ExtendedKeyUsage)
    if purposes is not None and not {
        ExtendedKeyUsageOID.TIME_STAMPING,
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    }.intersection(purposes.value):
        raise _unfit(certificate, "its extended key usage does not have timeStamping")


def _check_names(certificate: Certificate, below: Sequence[Certificate]) -> None:
    """Raises `TimestampInvalid` if the certificate constrains names that nobody here compares with those below it."""
    from cryptography import x509

    names = _read(certificate, x509.NameConstraints)
    if names is None:
        return
    kinds = (x509.DNSName, x509.RFC822Name, x509.IPAddress, x509.UniformResourceIdentifier)
    subtrees = (*(names.value.permitted_subtrees or ()), *(names.value.excluded_subtrees or ()))
    if names.critical and not all(isinstance(item, kinds) for item in subtrees):
        raise _unfit(certificate, "it constrains names of a kind that is not understood")
    if any(_read(item, x509.SubjectAlternativeName) is not None for item in below):
        raise _unfit(certificate, "it constrains names, and a certificate below it has alternative names")


def _check_policies(chain: Sequence[Certificate]) -> None:
    """Raises `TimestampInvalid` if one of these certificates needs a policy that all of them have, and they do not."""
    from cryptography import x509

    for certificate in chain:
        constraints = _read(certificate, x509.PolicyConstraints)
        explicit = constraints is not None and constraints.value.require_explicit_policy is not None
        if explicit and not _common_policy(chain):
            raise _unfit(certificate, "it needs a policy that all certificates below the root have")


def _common_policy(chain: Sequence[Certificate]) -> bool:
    """Whether all these certificates have the same policy, or any policy."""
    from cryptography import x509

    common: set[str] | None = None
    for certificate in chain:
        found = _read(certificate, x509.CertificatePolicies)
        if found is None:
            return False
        listed = {item.policy_identifier.dotted_string for item in found.value}
        if _ANY_POLICY not in listed:
            common = listed if common is None else common & listed
    return common is None or bool(common)


def _check_any(certificate: Certificate, at: datetime) -> None:
    _check_hash(certificate)
    if unknown := not_understood(_readable(certificate)):
        raise _unfit(certificate, f"its critical extension {unknown} is not understood")
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
