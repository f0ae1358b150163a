"""Who made a signature in one of cosign's formats: a trusted key, or a signer that a trusted authority certified."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from imagesig.crypto.algorithms import Algorithm, KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import FormatViolation, ImagesigError, SignatureInvalid
from imagesig.formats.cosign_family import CANDIDATES, classic_chain
from imagesig.formats.format import examine
from imagesig.signature import Claim, Envelope, Examined
from imagesig.trust import TrustAnchors


class Signers(Struct, frozen=True):
    """How one format's signatures are authenticated. See `Format.authenticate`.

    `candidates` are the algorithms by type of key, those of cosign by default.
    """

    format: str
    parse_claim: Callable[[bytes], Claim]
    candidates: Mapping[KeyType, tuple[Algorithm, ...]] | None = None

    def of_bundle(self, envelope: Envelope, anchors: TrustAnchors, now: datetime) -> Examined:
        """A bundle with a certificate is trusted by its authority, never by a bare key."""
        if not envelope.chain:
            return examine(self.format, envelope, anchors, now, self.candidates or CANDIDATES, self.parse_claim)
        if not anchors.authorities:
            raise FormatViolation("the bundle has a certificate; the policy trusts bare keys only")
        return self._of_certificate(envelope, envelope.chain, anchors, now)

    def of_classic(self, envelope: Envelope, anchors: TrustAnchors, now: datetime) -> Examined:
        """A classic signature by a trusted key is valid regardless of its certificates."""
        try:
            by_key = examine(self.format, envelope, anchors, now, self.candidates or CANDIDATES, self.parse_claim)
        except SignatureInvalid:
            chain = classic_chain(envelope.stored.parts[0].annotations) if anchors.authorities else ()
            if not chain:
                raise
            return self._of_certificate(envelope, chain, anchors, now)
        if not anchors.authorities or not envelope.chain:
            return by_key
        return replace(by_key, by_others=self._by_certificate(envelope, by_key.public_key, anchors, now))

    def _by_certificate(
        self, envelope: Envelope, public_key: PublicKey, anchors: TrustAnchors, now: datetime
    ) -> tuple[Examined, ...]:
        """The signature of a trusted key for each authority that certified this very key; empty if none did."""
        try:
            chain = classic_chain(envelope.stored.parts[0].annotations)
            found = self._of_certificate(envelope, chain, anchors, now)
        except ImagesigError:
            return ()
        # A certificate for another key that also verifies these bytes must not make two signers of one.
        return found.by_all if found.authority and found.public_key == public_key else ()

    def _of_certificate(
        self, envelope: Envelope, chain: Sequence[bytes], anchors: TrustAnchors, now: datetime
    ) -> Examined:
        # speed: most signatures have no certificate (benchmarks/test_start.py)
        from imagesig.formats.certified import examine_certified

        return examine_certified(
            self.format, envelope, chain, anchors, now, self.candidates or CANDIDATES, self.parse_claim
        )
