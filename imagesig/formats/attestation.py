"""cosign's classic attestations: a DSSE envelope as a layer of the manifest tagged `sha256-<hex>.att`.

Spec: sigstore/cosign specs/ATTESTATION_SPEC.md; in-toto Statement v1 and v0.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from imagesig.crypto.algorithms import ToSign
from imagesig.crypto.dsse import pre_authentication_encoding
from imagesig.encoding.json import go_json
from imagesig.errors import FormatViolation, MalformedError
from imagesig.format_names import DSSE, Storage
from imagesig.formats.cosign_family import SIGNATURE_ANNOTATION, CosignFamily, Signers, annotations_of, classic_chain
from imagesig.formats.dsse_envelope import ENVELOPE, envelope_members, parse_large, payload_of, read_large_envelope
from imagesig.formats.statement_claims import already_attested, statement_claim, statement_to_sign
from imagesig.in_toto.statement import IN_TOTO
from imagesig.oci.annotations import Annotations
from imagesig.signature import (
    AlreadySigned,
    Claim,
    Draft,
    Envelope,
    Examined,
    Part,
    SignerInfo,
    StatementClaim,
    StoredSignature,
)
from imagesig.text import quote
from imagesig.trust import TrustAnchors

if TYPE_CHECKING:
    from imagesig.crypto.certificate import Certificate


class _Body(Struct, frozen=True):
    payload: bytes
    predicate_type: str
    chain: tuple[Certificate, ...]


class CosignAttestation(CosignFamily, frozen=True):
    """The classic format of attestations. See `CosignFamily` for its options."""

    @property
    def name(self) -> str:
        return "cosign"

    @property
    def storage(self) -> Storage:
        return Storage.ATTESTATION_TAG

    def reads(self, media_type: str) -> bool:
        return media_type == DSSE

    def recognizes(self, envelope: Envelope) -> bool:
        return True

    def draft(
        self, claim: Claim, signer: SignerInfo, at: datetime, prior: Sequence[StoredSignature]
    ) -> Draft | AlreadySigned:
        """See `Format.draft`; `at` is not used: the envelope has no time."""
        predicate_type, payload = statement_to_sign(claim, self.name)
        algorithm, chain = self.algorithm_of(signer, self.name), self.chain_of(signer, self.name)
        if found := already_attested(self, claim, signer, prior, chain[0].der if chain else b""):
            return found
        request = ToSign(pre_authentication_encoding(IN_TOTO, payload), algorithm)
        return Draft(self.name, (request,), _Body(payload, predicate_type, chain))

    def seal(self, draft: Draft, signatures: Sequence[bytes], timestamp: bytes = b"") -> StoredSignature:
        body = draft.body
        assert isinstance(body, _Body)
        annotations = {SIGNATURE_ANNOTATION: "", "predicateType": body.predicate_type}
        annotations |= annotations_of(body.chain) if body.chain else {}
        content = go_json(envelope_members(body.payload, signatures[0]))
        return StoredSignature("new classic attestation", (Part(DSSE, content, Annotations(annotations)),))

    def parse(self, stored: StoredSignature) -> Envelope:
        """See `Format.parse`. The envelope is without the text that was found: a caller can drop that."""
        (part,) = stored.parts
        if part.media_type != DSSE:
            raise FormatViolation(f"layer of type {quote(part.media_type)}, {DSSE} is needed")
        document, payload = parse_large(part.content, "envelope", ENVELOPE, 1)
        signed = read_large_envelope(document, part.content, payload, "envelope")
        try:
            chain = classic_chain(part.annotations)
        except MalformedError:
            chain = ()  # irrelevant if a bare key is trusted; otherwise `authenticate` raises the error
        light = replace(stored, parts=(replace(part, content=b""),))
        return Envelope(light, signed.message, signed.signature, b"", chain=chain)

    def claim(self, envelope: Envelope) -> StatementClaim:
        return statement_claim(payload_of(envelope.message))

    def authenticate(self, envelope: Envelope, anchors: TrustAnchors, now: datetime) -> Examined:
        """See `Format.authenticate`. An attestation by a trusted key is valid regardless of its certificates."""
        return Signers(self.name, lambda _: self.claim(envelope)).of_classic(envelope, anchors, now)
