"""Signatures with certificates, for all formats: which authority certified the signer, and when the chain is valid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.crypto.algorithms import Algorithm, KeyType
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.effort import Cost, spend
from imagesig.errors import (
    Expired,
    FormatViolation,
    InvalidArgument,
    LimitExceeded,
    NotTrusted,
    SignatureInvalid,
    TimestampInvalid,
)
from imagesig.formats.format import signed_claim
from imagesig.signature import AUTHENTIC_TIMESTAMP, AUTHENTICITY, Check, Claim, Envelope, Examined
from imagesig.trust import CertificateAuthority, Strangers, TimestampAuthorities, TrustAnchors
from imagesig.trust.chain import all_paths_to_authorities, check_validity, is_valid
from imagesig.trust.holder import describe_holder
from imagesig.trust.profile import signer_key


class Timing(Struct, frozen=True):
    """The check of the chain's validity, the proven time, and the chain of the timestamp service that proves it."""

    check: Check
    authentic_time: datetime | None = None
    timestamp_chain: tuple[Certificate, ...] = ()


def read_chain(chain: Sequence[bytes]) -> tuple[Certificate, ...]:
    """The certificates of a signature, parsed.

    Raises:
        MalformedError: one of them is not a certificate.
        LimitExceeded: more than `limits.CHAIN_CERTIFICATES`.
    """
    if len(chain) > limits.CHAIN_CERTIFICATES:
        raise LimitExceeded(f"{len(chain)} certificates, at most {limits.CHAIN_CERTIFICATES} are read")
    return tuple(Certificate.from_der(der, f"certificate {number}") for number, der in enumerate(chain))


def timing(
    chain: Sequence[Certificate],
    timestamps: TimestampAuthorities | None,
    now: datetime,
    *,
    signature: bytes,
    token: bytes,
    known: Sequence[Certificate] = (),
) -> Timing:
    """Whether a signer's chain is valid: now, or at the time of a timestamp if the policy names timestamp services.

    `token` is the RFC 3161 token over `signature`, empty if there is none. If the policy names timestamp services, it
    must be there. `known` are certificates that complete those in the token.
    Spec: Notary Project trust-store-trust-policy, "Signature Verification", authenticTimestamp.
    """
    try:
        if timestamps is None or (timestamps.after_expiry_only and all(now <= item.not_after for item in chain)):
            check_validity(chain, now, now)
            return Timing(Check(AUTHENTIC_TIMESTAMP, True, f"the certificates are valid at {now.isoformat()}"))
        if not token:
            raise TimestampInvalid("the signature has no timestamp (RFC 3161), and the policy needs one")
        from imagesig.trust.timestamp import examine_timestamp

        stamp = examine_timestamp(token, signature, timestamps, now, known=known)
        check_validity(chain, stamp.earliest, stamp.latest)
    except (Expired, TimestampInvalid) as error:
        return Timing(Check.failed(AUTHENTIC_TIMESTAMP, error))
    detail = f"timestamped at {stamp.latest.isoformat()}, when the certificates were valid"
    return Timing(Check(AUTHENTIC_TIMESTAMP, True, detail), stamp.latest, stamp.chain)


def examine_certified(
    format_name: str,
    envelope: Envelope,
    chain: Sequence[bytes],
    anchors: TrustAnchors,
    now: datetime,
    candidates: Mapping[KeyType, tuple[Algorithm, ...]],
    parse_claim: Callable[[bytes], Claim],
    timed: Callable[[Sequence[Certificate]], Timing],
) -> Examined:
    """`Format.authenticate` for cosign's signatures with a certificate. Raises as that does.

    `chain` came with the signature, in DER: the signer's certificate, then others in any order. Trusted paths are
    searched before the signature is verified: an untrusted signer costs little. `timed` judges the validity of one.
    """
    signer, others = _signer_and_others(chain)
    paths, unknown = _paths(signer, others, anchors, now)
    public_key, algorithm = verified_by_signer(envelope, signer, candidates)
    claim = signed_claim(parse_claim, envelope.payload, paths[0][0].name if paths else "")

    def examined(authority: str, certified: Check, path: tuple[Certificate, ...], stamped: Timing) -> Examined:
        return Examined(
            format=format_name,
            origin=envelope.stored.origin,
            authority=authority,
            public_key=public_key,
            algorithm=algorithm,
            claim=claim,
            checks=(made_by(signer, algorithm), certified, stamped.check),
            authentic_time=stamped.authentic_time,
            chain=path,
            timestamp_chain=stamped.timestamp_chain,
        )

    if unknown is not None:
        unread = timing((signer, *others), anchors.timestamps, now, signature=envelope.signature, token=b"")
        return examined("", Check.failed(AUTHENTICITY, unknown), (signer, *others), unread)
    chosen = ((item.name, *_first_valid(found, timed)) for item, found in paths)
    first, *rest = (examined(name, certified_by(name, signer), path, stamped) for name, path, stamped in chosen)
    return replace(first, by_others=tuple(rest)) if rest else first


def _signer_and_others(chain: Sequence[bytes]) -> tuple[Certificate, list[Certificate]]:
    signer = Certificate.from_der(chain[0], "signer's certificate")
    return signer, [Certificate.unread(der, f"certificate {number}") for number, der in enumerate(chain[1:], 1)]


_Path = tuple[Certificate, ...]


def _first_valid(paths: Sequence[_Path], timed: Callable[[Sequence[Certificate]], Timing]) -> tuple[_Path, Timing]:
    """The first path whose validity is proven, else the first of all: a renewed authority hides no earlier one.

    Of too many paths the last ones are left out.
    """
    first: tuple[_Path, Timing] | None = None
    for path in paths[: limits.SIGNER_PATHS]:
        found = path, timed(path)
        if found[1].check.passed:
            return found
        first = first or found
    assert first is not None
    return first


def _paths(
    signer: Certificate, others: Sequence[Certificate], anchors: TrustAnchors, now: datetime
) -> tuple[Sequence[tuple[CertificateAuthority, tuple[_Path, ...]]], NotTrusted | None]:
    """The paths from the signer to trusted authorities, those that are valid now first.

    If there are none, the reason, if such signers are judged.
    """
    try:
        found = all_paths_to_authorities(signer, others, anchors.authorities)
    except NotTrusted as error:
        if anchors.strangers is not Strangers.JUDGED:
            raise
        for other in others:
            other.check_readable()
        return (), error
    return [(item, tuple(sorted(paths, key=lambda path: not is_valid(path, now)))) for item, paths in found], None


def made_by(signer: Certificate, algorithm: Algorithm) -> Check:
    return Check("signature", True, f"made by {describe_holder(signer)}, {algorithm}")


def certified_by(authority: str, signer: Certificate) -> Check:
    return Check(AUTHENTICITY, True, f"{authority} certified {describe_holder(signer)}")


def verified_by_signer(
    envelope: Envelope, signer: Certificate, candidates: Mapping[KeyType, tuple[Algorithm, ...]]
) -> tuple[PublicKey, Algorithm]:
    """The certificate's key that made the signature over exactly these bytes, and the algorithm.

    Raises:
        SignatureInvalid: the key did not make it.
        FormatViolation: imagesig does not support the certificate's key.
    """
    public_key = signer_key(signer)
    for algorithm in candidates[public_key.key_type] if public_key.may_have_made(envelope.signature) else ():
        spend(Cost.SIGNATURE_CHECKS, 1, envelope.stored.origin)
        try:
            envelope.verify(public_key, algorithm)
        except SignatureInvalid:
            continue
        return public_key, algorithm
    raise SignatureInvalid(f"the key of its own certificate ({describe_holder(signer)}) did not make this signature")


def check_chain_of_key(chain: Sequence[Certificate], public_key: PublicKey, key_id: str) -> None:
    """Returns if the first certificate is for this key; otherwise raises `InvalidArgument`: the chain is useless."""
    try:
        found = signer_key(chain[0])
    except FormatViolation as error:
        raise InvalidArgument(f"{key_id}: {error}", hint="sign with another key and its certificate") from error
    if found != public_key:
        raise InvalidArgument(
            f"{key_id}: the first certificate of its chain, {describe_holder(chain[0])}, is of another key "
            f"({found.fingerprint}); this one is {public_key.fingerprint}",
            hint="give the chain of this key, the signer's certificate first",
        )
    check_names(chain, key_id)


def check_names(chain: Sequence[Certificate], key_id: str) -> None:
    """Raises `InvalidArgument` for a chain with names that other verifiers cannot read."""
    from imagesig.crypto.name_strings import check_strings  # speed: for signing only (benchmarks/test_start.py)

    for certificate in chain:
        check_strings(certificate, key_id)
