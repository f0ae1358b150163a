"""`verify_blob`: proof that a trusted key signed a file, a stream or bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from imagesig import limits
from imagesig.api.blob.reading_blob import Blob, BlobLike, read_blob
from imagesig.api.verify.evidence import verdict_of
from imagesig.api.verify.verified_statement import VerifiedStatement
from imagesig.api.verify.verifying import OpenPublicKeys
from imagesig.arguments import checks_arguments
from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.certificate import Certificate
from imagesig.deadlines import deadline
from imagesig.effort import one_image
from imagesig.errors import (
    AllowedUnverified,
    FormatViolation,
    ImagesigError,
    InvalidArgument,
    MalformedError,
    Rejection,
)
from imagesig.format_names import BUNDLE
from imagesig.formats.blob_bundle import MessageSignature, authenticate, hashes_for, parse_message_bundle
from imagesig.formats.bundle import Material
from imagesig.formats.bundle_attestation import BundleAttestation
from imagesig.formats.format import decode_base64
from imagesig.keys.certified import read_chain
from imagesig.keys.uri import open_public_keys
from imagesig.naming import PathLike
from imagesig.policy import AuthorityLike, Condition, Policy, Rule, Signed
from imagesig.policy.attested import Attested
from imagesig.policy.attesters import AttestationQuery
from imagesig.policy.judge import judge_rule
from imagesig.policy.judge_statements import StatementJudge
from imagesig.policy.verdict import NOT_JUDGED, Verdict
from imagesig.reading import read_bounded
from imagesig.signature import (
    Envelope,
    Examined,
    Part,
    StoredSignature,
    Subject,
    VerifiedSignature,
)

if TYPE_CHECKING:
    from imagesig.witnesses import RevocationChecker, Witnesses


_ORIGIN = "the signature"
_TYPE_HINT = "give the type of the attestation: --type, or predicate_type="
_BUNDLE_HINT = "give the bundle that attest-blob wrote, or verify the signature without a type"
_Found = MessageSignature | Envelope | ImagesigError
"""A message signature, an attestation split into its parts, or the reason why neither can be read."""


class VerifiedBlob(Struct, frozen=True):
    """Proof that the signature or attestation of a blob satisfies a policy.

    `digest` is the digest of the bytes that were read and verified. `statements` are the accepted attestations.
    """

    name: str
    size: int
    digest: str
    signatures: tuple[VerifiedSignature, ...]
    statements: tuple[VerifiedStatement, ...] = ()
    warnings: tuple[str, ...] = ()

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the blob. It has JSON types only."""
        return {
            "name": self.name,
            "size": self.size,
            "digest": self.digest,
            "signatures": [item.document() for item in self.signatures],
            "statements": [item.document() for item in self.statements],
            "warnings": list(self.warnings),
        }


@checks_arguments
def verify_blob(
    blob: BlobLike,
    policy: Policy | AuthorityLike,
    *,
    signature: bytes | str | None = None,
    bundle: bytes | str | PathLike | None = None,
    chain: bytes | str | Path | Sequence[Certificate] = (),
    predicate_type: str = "",
    conditions: Iterable[Condition | Mapping[str, object]] = (),
    cel: str | Iterable[str] = (),
    now: datetime | None = None,
    witnesses: Witnesses | None = None,
    open_keys: OpenPublicKeys = open_public_keys,
    timeout: float = limits.OPERATION_SECONDS,
) -> VerifiedBlob:
    """Proof that a file (its path), a stream or bytes have a signature that satisfies a policy; raises if not.

    The blob is read once in pieces. If the policy trusts an Ed25519 key, it is kept in memory up to
    `limits.BLOB_MESSAGE_BYTES`; a larger one cannot be verified with that key.

    Args:
        blob: what was signed.
        policy: a public key or other authority, or a policy, whose default rule applies: a blob has no name.
        signature: base64 text or raw bytes.
        bundle: a Sigstore bundle in place of `signature`: its JSON as bytes, or the path of a file.
        chain: the signer's certificates with `signature`, its own first: PEM, a file, or certificates.
        predicate_type, conditions, cel: as of `verify_attestation`. With a type, the bundle must contain a statement of
            this type about the blob, and the conditions must hold. Without one, it must contain a signature.
        now, witnesses, open_keys: as of `verify`.
        timeout: seconds for opening keys and judging; it does not limit reading the blob.

    Raises:
        NoSignatureAccepted: the signature or attestation does not satisfy the policy; every reason is in `rejections`.
        RefusedByPolicy, AllowedUnverified: the policy's default rule rejects everything, or requires no proof.
        InvalidArgument: the blob, the bundle or the policy cannot be read.
        KeyProviderError, TransportError, DeadlineExceeded: the policy's keys, or a revocation server, cannot be used.
    """
    query = AttestationQuery.of(predicate_type, conditions, cel, every=False)
    default = (policy if isinstance(policy, Policy) else Policy.any_of(policy)).default
    with deadline(timeout):
        rule = (query.rule(default) if predicate_type else default).opened(open_keys)
    found = _found(signature, bundle, chain, is_attested=bool(predicate_type))
    read = _read(blob, found, rule)
    with deadline(timeout), one_image():
        verdict = judge_rule(rule, _Evidence(read, found, now or datetime.now(UTC), witnesses), read.title)
    if not verdict.verified:
        raise AllowedUnverified(
            f"{read.title}: the policy allows it without proof",
            reasons=verdict.warnings or ("the rule accepts anything",),
            hint="require a signature in the policy",
        )
    statements = tuple(map(VerifiedStatement, verdict.statements))
    return VerifiedBlob(read.name, read.size, read.digest, verdict.accepted, statements, verdict.warnings)


class _Evidence(Struct, frozen=True):
    """The one signature or attestation of a blob. See `policy.judge.Evidence`."""

    blob: Blob
    found: _Found
    now: datetime
    witnesses: Witnesses | None

    def signatures(self, requirement: Signed) -> Verdict:
        examined: list[Examined] = []
        rejections: list[Rejection] = []
        try:
            examined.append(self._signature(requirement))
        except NOT_JUDGED:
            raise
        except ImagesigError as error:
            rejections.append(Rejection(_ORIGIN, error))
        subject, what = Subject(self.blob.digest), self.blob.title
        return _holds(verdict_of(examined, rejections, requirement, subject, None, what, self._revocation, self.now))

    def attestations(self, requirement: Attested) -> Verdict:
        judge = StatementJudge(requirement, Subject(self.blob.digest), self.now)
        try:
            judge.add(self._attestation(requirement))
        except NOT_JUDGED:
            raise
        except ImagesigError as error:
            judge.reject(Rejection(_ORIGIN, error))
        return _holds(judge.verdict(self.blob.title))

    def _signature(self, requirement: Signed) -> Examined:
        if isinstance(self.found, ImagesigError):
            raise self.found
        if not isinstance(self.found, MessageSignature):
            raise FormatViolation("the bundle has an attestation, a signature is needed", hint=_TYPE_HINT)
        return authenticate(self.found, self.blob.digests, self.blob.message, requirement.anchors, self.now)

    def _attestation(self, requirement: Attested) -> Examined:
        if isinstance(self.found, ImagesigError):
            raise self.found
        if not isinstance(self.found, Envelope):
            raise FormatViolation("a signature was given, an attestation is needed", hint=_BUNDLE_HINT)
        examined = BundleAttestation().authenticate(self.found, requirement.anchors, self.now)
        if not any(item.chain for item in examined.by_all):
            return examined
        from imagesig.api.verify.revoking import with_revocation

        (checked,) = with_revocation([examined], requirement, self._revocation(), self.now, {})
        return checked

    def _revocation(self) -> RevocationChecker:
        from imagesig.witnesses import online

        return (self.witnesses or online()).revocation


def _holds(verdict: Verdict) -> Verdict:
    if verdict.failure:
        raise verdict.failure
    return verdict


def _found(
    signature: bytes | str | None,
    bundle: bytes | str | PathLike | None,
    chain: bytes | str | Path | Sequence[Certificate],
    *,
    is_attested: bool,
) -> _Found:
    """The signature or attestation in the arguments, or why it cannot be read. Raises `InvalidArgument`."""
    if (signature is None) == (bundle is None):
        raise InvalidArgument("verify_blob: either a signature or a bundle is needed")
    if bundle is not None and chain:
        raise InvalidArgument("verify_blob: a bundle has its own certificate; give a chain with a signature only")
    try:
        if bundle is None:
            return _bare(signature or b"", chain)
        limit = limits.ATTESTATION_ENVELOPE_BYTES if is_attested else limits.BUNDLE_BYTES
        content = bundle if isinstance(bundle, bytes) else read_bounded(bundle, limit, "bundle", streams=True)
        if not is_attested:
            return parse_message_bundle(content)
        return _attestation_in(content)
    except InvalidArgument:
        raise
    except ImagesigError as error:
        return error


def _attestation_in(content: bytes) -> Envelope | MessageSignature:
    """The attestation in a bundle, or the signature in its place: the error says which of the two was given."""
    try:
        return BundleAttestation().parse(StoredSignature(_ORIGIN, (Part(BUNDLE, content),), BUNDLE))
    except (FormatViolation, MalformedError):
        if len(content) <= limits.BUNDLE_BYTES:
            with contextlib.suppress(FormatViolation, MalformedError):
                return parse_message_bundle(content)
        raise


def _bare(signature: bytes | str, chain: bytes | str | Path | Sequence[Certificate]) -> MessageSignature:
    certificates = read_chain(chain)[0] if chain else ()
    return MessageSignature(_ORIGIN, _raw(signature), material=Material(chain=tuple(item.der for item in certificates)))


def _raw(signature: bytes | str) -> bytes:
    """The bytes of the signature: base64 is decoded, and other bytes are the signature itself."""
    text = signature if isinstance(signature, str) else signature.decode("ascii", "replace")
    try:
        return decode_base64(text.strip(), "signature")
    except FormatViolation:
        if isinstance(signature, str) or len(signature) > limits.SIGNATURE_VALUE_BYTES:
            raise
        return signature


def _read(blob: BlobLike, found: _Found, rule: Rule) -> Blob:
    """The blob with the digests that the rule's keys may have signed, in memory if one of them signs the message."""
    if not isinstance(found, MessageSignature):
        return read_blob(blob, ())
    anchors = [requirement.anchors for requirement in rule.signed]
    kinds = {key.key_type for item in anchors for trusted in item.keys for key in trusted.public_keys}
    if any(item.authorities for item in anchors):
        kinds |= {*KeyType}
    whole = limits.BLOB_MESSAGE_BYTES if KeyType.ED25519 in kinds else 0
    return read_blob(blob, hashes_for(found, tuple(kinds)), whole=whole)
