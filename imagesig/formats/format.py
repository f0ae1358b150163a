"""The interface of signature formats: pure functions from claims to bytes and back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from imagesig import limits
from imagesig.crypto.algorithms import Algorithm, KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.effort import Cost, spend
from imagesig.errors import Expired, FormatViolation, ImagesigError, SignatureInvalid, UnsupportedAlgorithm
from imagesig.format_names import Storage
from imagesig.signature import (
    EXPIRY,
    AlreadySigned,
    Check,
    Claim,
    Draft,
    Envelope,
    Examined,
    SignerInfo,
    StoredSignature,
)
from imagesig.text import quote
from imagesig.trust import TrustAnchors, TrustedKey
from imagesig.trust.anchors import ALWAYS

_SHA256_BYTES = 32


class Format(Protocol):
    """One signature format. An instance may have options of its own; none of its functions does I/O."""

    @property
    def name(self) -> str:
        """The name users select it by."""
        ...

    @property
    def storage(self) -> Storage: ...

    def reads(self, media_type: str) -> bool:
        """Whether a stored part, or a manifest, with this media type may be a signature of this format."""
        ...

    def recognizes(self, envelope: Envelope) -> bool:
        """Whether a split artefact is of this format. False for another kind of artefact with the same media type.

        This may read the payload although nothing is verified yet: the answer only decides whether the format
        authenticates the artefact or leaves it to others.
        """
        ...

    def draft(
        self, claim: Claim, signer: SignerInfo, at: datetime, prior: Sequence[StoredSignature]
    ) -> Draft | AlreadySigned:
        """What `signer` has to sign to say `claim`, or the one among `prior` that already says it.

        Raises:
            UnsupportedAlgorithm: the format has no algorithm that this signer can sign with.
            InvalidArgument: the format cannot express the claim.
        """
        ...

    def seal(self, draft: Draft, signatures: Sequence[bytes], timestamp: bytes = b"") -> StoredSignature:
        """The signature to store, from the draft and the signatures of its requests, in order.

        `timestamp` is the token that `draft.timestamp` asked for: a DER ContentInfo (RFC 3161 section 2.4.2).
        """
        ...

    def parse(self, stored: StoredSignature) -> Envelope:
        """The stored bytes, split; the payload is still bytes.

        Raises:
            FormatViolation, MalformedError: it is not a signature of this format.
        """
        ...

    def claim(self, envelope: Envelope) -> Claim:
        """What the payload says. It is unverified until `authenticate` has returned.

        Raises:
            FormatViolation, MalformedError: the payload breaks the format's rules.
        """
        ...

    def authenticate(self, envelope: Envelope, anchors: TrustAnchors, now: datetime) -> Examined:
        """Finds the trusted signer, verifies exactly the received bytes, and only then reads the claim.

        `now` is the time to judge at. Raises if the signature is not intact or its signer is not trusted (but see
        `TrustAnchors.strangers`). Every other problem with a signer's certificate, time or expiry is a failed `Check`,
        which the rule enforces or logs. A signature that these anchors cannot trust is refused before it is parsed.

        Raises:
            SignatureInvalid: no trusted key made it, or the key of its certificate did not.
            NotTrusted: it has a certificate, and no trusted authority issued it.
            FormatViolation, MalformedError: it breaks the format's rules.
            BudgetExceeded: the image's signatures cost too much; see `imagesig.effort`.
        """
        ...


@runtime_checkable
class Describes(Protocol):
    """Optional: formats whose signatures have attributes."""

    def describe(self, envelope: Envelope) -> Mapping[str, str]:
        """The attributes by name, for people; all unverified. Raises as `parse` does."""
        ...


def examine(
    format_name: str,
    envelope: Envelope,
    anchors: TrustAnchors,
    now: datetime,
    candidates: Mapping[KeyType, tuple[Algorithm, ...]],
    parse_claim: Callable[[bytes], Claim],
) -> Examined:
    """`Format.authenticate` for signatures by bare keys. Raises as that does."""
    trusted, public_key, algorithm = find_signer(envelope, anchors, candidates)
    signature = Check("signature", True, f"made by {trusted.name}, {algorithm}")
    return Examined(
        format=format_name,
        origin=envelope.stored.origin,
        authority=trusted.name,
        public_key=public_key,
        algorithm=algorithm,
        claim=signed_claim(parse_claim, envelope.payload, trusted.name),
        checks=(signature, *key_window_check(trusted, now)),
    )


def signed_claim(parse_claim: Callable[[bytes], Claim], payload: bytes, authority: str) -> Claim:
    """The claim that this authority signed. The error for one that cannot be read names the authority."""
    try:
        return parse_claim(payload)
    except ImagesigError as error:
        error.authority = authority
        raise


def key_window_check(trusted: TrustedKey, at: datetime) -> tuple[Check, ...]:
    """The check that a trusted key is valid at a time; empty for a key without a window (CVE-2026-54787)."""
    if trusted.window == ALWAYS:
        return ()
    if trusted.window.contains(at):
        return (Check(EXPIRY, True, f"{trusted.name} is valid from {trusted.window}"),)
    return (Check.failed(EXPIRY, Expired(f"{trusted.name} is valid from {trusted.window}, not at {at.isoformat()}")),)


def find_signer(
    envelope: Envelope, anchors: TrustAnchors, candidates: Mapping[KeyType, tuple[Algorithm, ...]]
) -> tuple[TrustedKey, PublicKey, Algorithm]:
    """The trusted key that verifies the envelope, and the algorithm, one of those that the format allows for it.

    Raises:
        SignatureInvalid: no trusted key does.
    """
    for trusted in anchors.keys:
        for public_key in trusted.public_keys:
            if not public_key.may_have_made(envelope.signature):
                continue
            for algorithm in candidates[public_key.key_type]:
                spend(Cost.SIGNATURE_CHECKS, 1, envelope.stored.origin)
                try:
                    envelope.verify(public_key, algorithm)
                except SignatureInvalid:
                    continue
                return trusted, public_key, algorithm
    if not anchors.keys:
        raise SignatureInvalid("the signature has no certificate, and the policy trusts no bare key")
    names = ", ".join(trusted.name for trusted in anchors.keys)
    hint = f"; it names the key {quote(readable_hint(envelope.key_hint))}" if envelope.key_hint else ""
    raise SignatureInvalid(f"none of the trusted keys made this signature (trusted: {names}{hint})")


def readable_hint(key_hint: str) -> str:
    """The fingerprint of a key, as imagesig writes it everywhere, for the base64 that Sigstore bundles have.

    Another hint is given as it is.
    """
    try:
        digest = base64.b64decode(key_hint, validate=True)
    except ValueError:
        return key_hint
    return f"sha256:{digest.hex()}" if len(digest) == _SHA256_BYTES else key_hint


def choose_algorithm(signer: SignerInfo, wanted: Sequence[Algorithm], format_name: str) -> Algorithm:
    """The first of the wanted algorithms that the signer can sign with.

    Raises:
        UnsupportedAlgorithm: the signer can use none of them.
    """
    for algorithm in wanted:
        if algorithm in signer.algorithms:
            return algorithm
    raise UnsupportedAlgorithm(
        f"{signer.key_id}: signs {', '.join(map(str, signer.algorithms))}; "
        f"the {format_name} format needs one of {', '.join(map(str, wanted))}"
    )


def decode_base64(text: object, what: str, limit: int = limits.SIGNATURE_VALUE_BYTES) -> bytes:
    """The bytes of a standard base64 text. Line breaks are skipped; no other second text for the same bytes is read.

    `openssl base64` breaks lines, and Go's decoder skips CR and LF anywhere.

    Raises:
        FormatViolation: the text is missing, is not base64, or has more than `limit` bytes.
    """
    if not isinstance(text, str):
        raise FormatViolation(f"{what}: {quote(text)}, base64 text is needed")
    text = text.replace("\r", "").replace("\n", "")
    if len(text) > 4 * (limit // 3 + 1):
        raise FormatViolation(f"{what}: {len(text)} characters of base64, at most {limit} bytes are read")
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        decoded = None
    # Python before 3.13 accepts excess padding, and every version accepts bits in the padding.
    if decoded is None or base64.b64encode(decoded) != text.encode():
        raise FormatViolation(f"{what}: {quote(text)} is not standard base64")
    return decoded


def check_members(value: Mapping[str, object], needed: set[str], what: str, allowed: Collection[str] = ()) -> None:
    """Returns if an object has all needed members, and no others than the allowed ones.

    Raises:
        FormatViolation: a member is missing or unknown.
    """
    if missing := needed - value.keys():
        raise FormatViolation(f"{what} has no member {sorted(missing)[0]!r}")
    if unknown := value.keys() - needed - set(allowed):
        raise FormatViolation(f"{what} has the unknown member {quote(sorted(unknown)[0])}")
