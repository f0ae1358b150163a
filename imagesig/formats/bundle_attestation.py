"""Attestations as Sigstore bundles v0.3: a DSSE envelope over an in-toto statement, stored as an OCI referrer.

Spec: sigstore/protobuf-specs sigstore_bundle.proto; in-toto Statement v1 and v0.1. A bundle whose predicate is an image
signature's is no attestation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.crypto.algorithms import ToSign
from imagesig.crypto.dsse import pre_authentication_encoding
from imagesig.format_names import BUNDLE_FAMILY, Storage
from imagesig.formats.bundle import (
    DOCUMENT,
    content_of,
    key_material,
    read_document,
    stored_bundle,
)
from imagesig.formats.cosign_family import CosignFamily, Signers, bundle_material
from imagesig.formats.dsse_envelope import parse_large, payload_of, read_large_envelope
from imagesig.formats.statement_claims import already_attested, statement_claim, statement_to_sign
from imagesig.in_toto.statement import IN_TOTO, SIGN_PREDICATE
from imagesig.signature import (
    AlreadySigned,
    Claim,
    Draft,
    Envelope,
    Examined,
    SignerInfo,
    StatementClaim,
    StoredSignature,
)
from imagesig.trust import TrustAnchors


class _Body(Struct, frozen=True):
    payload: bytes
    predicate_type: str
    material: Mapping[str, object]
    created: datetime


class _Kind(Struct, frozen=True):
    predicateType: str = SIGN_PREDICATE  # noqa: N815 - in-toto's name


class BundleAttestation(CosignFamily, frozen=True):
    """The bundle format of attestations. See `CosignFamily` for its options."""

    @property
    def name(self) -> str:
        return "bundle"

    @property
    def storage(self) -> Storage:
        return Storage.ATTESTATION_REFERRER

    def reads(self, media_type: str) -> bool:
        return media_type.startswith(BUNDLE_FAMILY)

    def recognizes(self, envelope: Envelope) -> bool:
        """False for an image signature, and for a payload whose type cannot be read."""
        if len(envelope.message) > limits.BUNDLE_BYTES:
            return True  # speed: no image signature is so large (benchmarks/test_attestations.py)
        try:
            return msgspec.json.decode(payload_of(envelope.message), type=_Kind).predicateType != SIGN_PREDICATE
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return False

    def draft(
        self, claim: Claim, signer: SignerInfo, at: datetime, prior: Sequence[StoredSignature]
    ) -> Draft | AlreadySigned:
        predicate_type, payload = statement_to_sign(claim, self.name)
        algorithm, chain = self.algorithm_of(signer, self.name), self.chain_of(signer, self.name)
        if found := already_attested(self, claim, signer, prior, chain[0].der if chain else b""):
            return found
        material = bundle_material(chain) if chain else key_material(signer.public_key)
        request = ToSign(pre_authentication_encoding(IN_TOTO, payload), algorithm)
        return Draft(self.name, (request,), _Body(payload, predicate_type, material, at))

    def seal(self, draft: Draft, signatures: Sequence[bytes], timestamp: bytes = b"") -> StoredSignature:
        body = draft.body
        assert isinstance(body, _Body)
        return stored_bundle(body.payload, signatures[0], body.material, body.predicate_type, body.created)

    def parse(self, stored: StoredSignature) -> Envelope:
        """See `Format.parse`. The envelope is without the text that was found: a caller can drop that."""
        content = content_of(stored)
        document, payload = parse_large(content, "bundle", DOCUMENT, 2)
        dsse, material = read_document(document)
        signed = read_large_envelope(dsse, content, payload, "dsseEnvelope")
        light = replace(stored, parts=(replace(stored.parts[0], content=b""),))
        return material.on(Envelope(light, signed.message, signed.signature, b""))

    def claim(self, envelope: Envelope) -> StatementClaim:
        return statement_claim(payload_of(envelope.message))

    def authenticate(self, envelope: Envelope, anchors: TrustAnchors, now: datetime) -> Examined:
        """See `Format.authenticate`. A bundle with a certificate is trusted by its authority, never by a bare key."""
        return Signers(self.name, lambda _: self.claim(envelope)).of_bundle(envelope, anchors, now)
