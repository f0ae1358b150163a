"""A format whose signers have certificates and timestamps, to try what the api does with them, whatever the format."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from imagesig.crypto.algorithms import Hash
from imagesig.crypto.certificate import Certificate
from imagesig.formats.cosign import Cosign
from imagesig.oci.annotations import Annotations
from imagesig.signature import (
    AlreadySigned,
    Claim,
    Draft,
    Envelope,
    Examined,
    SignerInfo,
    StoredSignature,
    TimestampRequest,
)
from imagesig.trust import TrustAnchors, TrustedKey

TOKEN = "example.token"


class Certified(Cosign, frozen=True):
    """The classic format; what it examines was made by the leaf of `chain`, in the name of `authority`.

    With a `url` it wants a timestamp by one of `roots`, and stores it in hexadecimal as an annotation.
    """

    chain: tuple[Certificate, ...] = ()
    authority: str = "ca"
    timestamp_chain: tuple[Certificate, ...] = ()
    authentic_time: datetime | None = None
    url: str = ""
    roots: tuple[Certificate, ...] = ()

    def draft(
        self, claim: Claim, signer: SignerInfo, at: datetime, prior: Sequence[StoredSignature]
    ) -> Draft | AlreadySigned:
        draft = Cosign.draft(self, claim, signer, at, prior)
        if isinstance(draft, AlreadySigned) or not self.url:
            return draft
        return replace(draft, timestamp=TimestampRequest(self.url, Hash.SHA256, self.roots))

    def seal(self, draft: Draft, signatures: Sequence[bytes], timestamp: bytes = b"") -> StoredSignature:
        sealed = Cosign.seal(self, draft, signatures)
        (part,) = sealed.parts
        return replace(
            sealed, parts=(replace(part, annotations=Annotations({**part.annotations, TOKEN: timestamp.hex()})),)
        )

    def authenticate(self, envelope: Envelope, anchors: TrustAnchors, now: datetime) -> Examined:
        leaf = TrustedKey(self.authority, (self.chain[0].public_key,))
        examined = Cosign.authenticate(self, envelope, TrustAnchors((leaf,)), now)
        return replace(
            examined,
            authority=self.authority,
            chain=self.chain,
            timestamp_chain=self.timestamp_chain,
            authentic_time=self.authentic_time,
        )
