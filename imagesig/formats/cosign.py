"""cosign's classic signatures ("simple signing"): a JSON payload as a layer of the manifest tagged `sha256-<hex>.sig`.

Spec: sigstore/cosign specs/SIGNATURE_SPEC.md; the payload is Red Hat's simple signing with cosign's type. What is read
follows containers/image, the stricter of the two verifiers: what it refuses and cosign accepts, imagesig refuses too.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from imagesig import limits
from imagesig.crypto.algorithms import ToSign
from imagesig.encoding.json import go_json, parse_object
from imagesig.encoding.shape import Shape
from imagesig.errors import FormatViolation, ImagesigError, InvalidArgument, MalformedError
from imagesig.format_names import SIMPLE_SIGNING, Storage
from imagesig.formats.cosign_family import (
    SIGNATURE_ANNOTATION,
    CosignFamily,
    Signers,
    annotations_of,
    check_made_by,
    classic_chain,
    classic_leaf,
    is_of_leaf,
)
from imagesig.formats.format import check_members, decode_base64
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.oci.digest import parse_digest
from imagesig.signature import (
    AlreadySigned,
    Claim,
    Draft,
    Envelope,
    Examined,
    Part,
    SignerInfo,
    StoredSignature,
    Subject,
)
from imagesig.text import quote
from imagesig.trust import TrustAnchors

if TYPE_CHECKING:
    from imagesig.crypto.certificate import Certificate

PAYLOAD_TYPE = "cosign container image signature"

_PAYLOAD = Shape.of(
    "optional",
    critical=Shape.of("type", image=Shape.of("docker-manifest-digest"), identity=Shape.of("docker-reference")),
)


class _Body(Struct, frozen=True):
    payload: bytes
    chain: tuple[Certificate, ...]


class Cosign(CosignFamily, frozen=True):
    """The classic format. See `CosignFamily` for its options."""

    @property
    def name(self) -> str:
        return "cosign"

    @property
    def storage(self) -> Storage:
        return Storage.SIGNATURE_TAG

    def reads(self, media_type: str) -> bool:
        return media_type == SIMPLE_SIGNING

    def recognizes(self, envelope: Envelope) -> bool:
        return True

    def draft(
        self, claim: Claim, signer: SignerInfo, at: datetime, prior: Sequence[StoredSignature]
    ) -> Draft | AlreadySigned:
        """See `Format.draft`; `at` is not used: the payload has no time."""
        return self.draft_of(payload_bytes(claim), signer, prior)

    def draft_of(self, payload: bytes, signer: SignerInfo, prior: Sequence[StoredSignature]) -> Draft | AlreadySigned:
        """As `draft`, for a payload that is written already."""
        algorithm, chain = self.algorithm_of(signer, self.name), self.chain_of(signer, self.name)
        for stored in prior:
            same = stored.parts[0].content == payload and is_of_leaf(classic_leaf(stored), chain)
            if same and self._was_made_by(signer, stored):
                return AlreadySigned(self.name, stored.origin)
        return Draft(self.name, (ToSign(payload, algorithm),), _Body(payload, chain))

    def _was_made_by(self, signer: SignerInfo, stored: StoredSignature) -> bool:
        try:
            check_made_by(self.parse(stored), signer)
        except ImagesigError:
            return False
        return True

    def seal(self, draft: Draft, signatures: Sequence[bytes], timestamp: bytes = b"") -> StoredSignature:
        body = draft.body
        assert isinstance(body, _Body)
        return sealed(body.payload, signatures[0], body.chain)

    def parse(self, stored: StoredSignature) -> Envelope:
        (part,) = stored.parts
        if part.media_type != SIMPLE_SIGNING:
            raise FormatViolation(f"layer of type {quote(part.media_type)}, {SIMPLE_SIGNING} is needed")
        if SIGNATURE_ANNOTATION not in part.annotations:
            raise FormatViolation(f"the layer has no annotation {SIGNATURE_ANNOTATION}")
        signature = decode_base64(part.annotations[SIGNATURE_ANNOTATION], f"annotation {SIGNATURE_ANNOTATION}")
        try:
            chain = classic_chain(part.annotations)
        except MalformedError:
            chain = ()  # irrelevant if a bare key is trusted; otherwise `authenticate` raises the error
        return Envelope(stored, message=part.content, signature=signature, payload=part.content, chain=chain)

    def claim(self, envelope: Envelope) -> Claim:
        return parse_payload(envelope.payload)

    def authenticate(self, envelope: Envelope, anchors: TrustAnchors, now: datetime) -> Examined:
        """See `Format.authenticate`. A signature by a trusted key is valid regardless of its certificates."""
        return Signers(self.name, parse_payload).of_classic(envelope, anchors, now)


def sealed(payload: bytes, signature: bytes, chain: Sequence[Certificate]) -> StoredSignature:
    """The classic signature to store, with the certificates of a chain that is not empty."""
    encoded = base64.b64encode(signature).decode("ascii")
    annotations = {SIGNATURE_ANNOTATION: encoded} | (annotations_of(chain) if chain else {})
    return StoredSignature("new classic signature", (Part(SIMPLE_SIGNING, payload, Annotations(annotations)),))


def payload_bytes(claim: Claim) -> bytes:
    """The payload as cosign writes it, byte for byte.

    Raises:
        InvalidArgument: an annotation is one that containers/image refuses to read.
    """
    (subject,) = claim.subjects
    if "timestamp" in subject.annotations:
        raise InvalidArgument(
            "annotation 'timestamp': podman and skopeo refuse a payload in which it is text",
            hint="give the annotation another name",
        )
    return go_json(
        {
            "critical": {
                "identity": {"docker-reference": claim.reference or ""},
                "image": {"docker-manifest-digest": subject.digest},
                "type": PAYLOAD_TYPE,
            },
            "optional": dict(subject.annotations) or None,
        }
    )


def parse_payload(payload: bytes) -> Claim:
    """The claim in a payload whose signature has been checked.

    Raises:
        MalformedError: it is not strict JSON, or the digest is not SHA-256.
        FormatViolation: a member is missing, unknown or of the wrong type, or the payload type is another.
    """
    document = parse_object(payload, "payload", _PAYLOAD, nodes=limits.ENVELOPE_NODES)
    check_members(document, {"critical", "optional"}, "payload")
    critical = _object(document["critical"], {"type", "image", "identity"}, "critical")
    image = _object(critical["image"], {"docker-manifest-digest"}, "critical.image")
    identity = _object(critical["identity"], {"docker-reference"}, "critical.identity")
    if critical["type"] != PAYLOAD_TYPE:
        raise FormatViolation(f"critical.type is {quote(critical['type'])}, {PAYLOAD_TYPE!r} is needed")
    reference = identity["docker-reference"]
    if not isinstance(reference, str):
        raise FormatViolation(f"critical.identity.docker-reference is {quote(reference)}, a string is needed")
    digest = parse_digest(image["docker-manifest-digest"], "critical.image.docker-manifest-digest")
    return Claim((Subject(digest, annotations=_optional(document["optional"])),), reference)


def _optional(value: object) -> Annotations:
    if value is None:
        return NO_ANNOTATIONS
    if not isinstance(value, dict):
        raise FormatViolation(f"optional is {quote(value)}, null or an object is needed")
    creator, timestamp = value.get("creator"), value.get("timestamp", 0)
    if creator is not None and not isinstance(creator, str):
        raise FormatViolation(f"optional.creator is {quote(creator)}, a string is needed")
    whole = isinstance(timestamp, int) or (isinstance(timestamp, float) and timestamp.is_integer())
    if isinstance(timestamp, bool) or not whole:
        raise FormatViolation(f"optional.timestamp is {quote(timestamp)}, whole seconds are needed")
    # A policy can only require annotations that are text; other values are ignored.
    return Annotations({name: text for name, text in value.items() if isinstance(text, str)})


def _object(value: object, members: set[str], what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise FormatViolation(f"{what} is {quote(value)}, an object is needed")
    check_members(value, members, what)
    return value
