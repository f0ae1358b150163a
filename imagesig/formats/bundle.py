"""Sigstore bundles v0.3 of image signatures: a DSSE envelope over an in-toto statement, stored as an OCI referrer.

Spec: sigstore/protobuf-specs sigstore_bundle.proto; in-toto Statement v1; the predicate is cosign's. Stricter than
cosign: only this predicate is a signature of an image; an attestation by the same key is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from imagesig import limits
from imagesig.crypto.algorithms import ToSign
from imagesig.crypto.dsse import pre_authentication_encoding
from imagesig.encoding.json import go_json, parse_object
from imagesig.errors import FormatViolation, ImagesigError
from imagesig.format_names import Storage
from imagesig.formats.bundle_document import (
    BUNDLE_FAMILY,
    DOCUMENT,
    content_of,
    key_material,
    read_document,
    stored_bundle,
)
from imagesig.formats.cosign_family import CosignFamily, bundle_material, check_made_by, has_leaf
from imagesig.formats.cosign_signers import Signers
from imagesig.formats.dsse_envelope import read_envelope
from imagesig.formats.format import check_members
from imagesig.signature import (
    AlreadySigned,
    Claim,
    Draft,
    Envelope,
    Examined,
    SignerInfo,
    StoredSignature,
)
from imagesig.statement import IN_TOTO, SIGN_PREDICATE, STATEMENT_SHAPE, STATEMENT_V1, STATEMENTS, parse_subjects
from imagesig.text import quote
from imagesig.trust import TrustAnchors

STATEMENT = STATEMENT_V1


class _Body(Struct, frozen=True):
    payload: bytes
    material: Mapping[str, object]
    created: datetime


class _Predicate(Struct, frozen=True):
    """The one member of a statement that says what the bundle is for."""

    predicateType: str = SIGN_PREDICATE  # noqa: N815 - in-toto's name


class Bundle(CosignFamily, frozen=True):
    """The bundle format. See `CosignFamily` for its options; a certificate takes the place of the hint to the key."""

    @property
    def name(self) -> str:
        return "bundle"

    @property
    def storage(self) -> Storage:
        return Storage.REFERRER

    def reads(self, media_type: str) -> bool:
        return media_type.startswith(BUNDLE_FAMILY)

    def recognizes(self, envelope: Envelope) -> bool:
        """False for an attestation: a statement with another predicate than an image signature's.

        Only that member is decoded, so the cost need not be counted. This never accepts a signature: `claim` reads the
        statement strictly.
        """
        try:
            return msgspec.json.decode(envelope.payload, type=_Predicate).predicateType == SIGN_PREDICATE
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return True

    def draft(
        self, claim: Claim, signer: SignerInfo, at: datetime, prior: Sequence[StoredSignature]
    ) -> Draft | AlreadySigned:
        payload = statement_bytes(claim)
        algorithm, chain = self.algorithm_of(signer, self.name), self.chain_of(signer, self.name)
        for stored in prior:
            if has_leaf(stored, chain) and self._says(stored, claim, signer):
                return AlreadySigned(self.name, stored.origin)
        material = bundle_material(chain) if chain else key_material(signer.public_key)
        request = ToSign(pre_authentication_encoding(IN_TOTO, payload), algorithm)
        return Draft(self.name, (request,), _Body(payload, material, at))

    def _says(self, stored: StoredSignature, claim: Claim, signer: SignerInfo) -> bool:
        try:
            envelope = self.parse(stored)
            check_made_by(envelope, signer)
            prior = self.claim(envelope)
        except ImagesigError:
            return False
        (ours,) = claim.subjects
        return any(
            subject.digest == ours.digest and dict(subject.annotations) == dict(ours.annotations)
            for subject in prior.subjects
        )

    def seal(self, draft: Draft, signatures: Sequence[bytes], timestamp: bytes = b"") -> StoredSignature:
        body = draft.body
        assert isinstance(body, _Body)
        return stored_bundle(body.payload, signatures[0], body.material, SIGN_PREDICATE, body.created)

    def parse(self, stored: StoredSignature) -> Envelope:
        document = parse_object(content_of(stored), "bundle", DOCUMENT, nodes=limits.ENVELOPE_NODES)
        dsse, key_hint, chain = read_document(document)
        payload, signed = read_envelope(dsse, "dsseEnvelope", limits.BUNDLE_BYTES)
        return Envelope(stored, signed.message, signed.signature, payload, key_hint, chain)

    def claim(self, envelope: Envelope) -> Claim:
        return parse_statement(envelope.payload)

    def authenticate(self, envelope: Envelope, anchors: TrustAnchors, now: datetime) -> Examined:
        """See `Format.authenticate`. A bundle with a certificate is trusted by its authority, never by a bare key."""
        return Signers(self.name, parse_statement).of_bundle(envelope, anchors, now)


def statement_bytes(claim: Claim) -> bytes:
    """The in-toto statement as cosign 3 writes it."""
    (subject,) = claim.subjects
    return go_json(
        {
            "_type": STATEMENT,
            "subject": [
                {
                    "digest": {"sha256": subject.digest.removeprefix("sha256:")},
                    "annotations": dict(subject.annotations),
                }
            ],
            "predicateType": SIGN_PREDICATE,
            "predicate": {},
        }
    )


def parse_statement(payload: bytes) -> Claim:
    """The claim in a statement whose signature has been checked.

    Raises:
        MalformedError: it is not strict JSON.
        FormatViolation: it is not an in-toto statement, or its predicate is not an image signature's.
        LimitExceeded: it has more subjects or digests than sigstore allows (CVE-2024-45395).
    """
    document = parse_object(payload, "statement", STATEMENT_SHAPE, nodes=limits.ENVELOPE_NODES)
    check_members(document, {"_type", "subject", "predicateType"}, "statement", {"predicate"})
    if document["_type"] not in STATEMENTS:
        raise FormatViolation(f"statement of type {quote(document['_type'])}, {STATEMENT} is needed")
    if document["predicateType"] != SIGN_PREDICATE:
        raise FormatViolation(
            f"predicate type {quote(document['predicateType'])} is not an image signature; {SIGN_PREDICATE} is needed"
        )
    if not isinstance(document.get("predicate"), dict | None):
        raise FormatViolation(f"statement predicate is {quote(document['predicate'])}, an object is needed")
    return Claim(parse_subjects(document["subject"], needs_sha256=True))
