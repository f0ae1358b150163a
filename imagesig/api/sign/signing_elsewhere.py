"""Signing with keys that imagesig cannot reach: `generate_payload` gives the bytes, `attach` stores the signature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from imagesig.api.removing import anchors_of
from imagesig.api.sign.signature_run import Drafted, Plan, Sealed, plan, signed_name
from imagesig.api.sign.signed_image import SignedImage, identity_warnings, signed_image
from imagesig.api.sign.signing import attach_and_settle
from imagesig.api.sign.signing_job import signing_job
from imagesig.api.stored_signatures import ImageLike, pinned_name
from imagesig.arguments import checks_arguments
from imagesig.crypto.certificate import Certificate
from imagesig.deadlines import deadline
from imagesig.errors import FormatViolation, InvalidArgument, MalformedError, SignatureInvalid, SubjectMismatch
from imagesig.formats import Cosign
from imagesig.formats.cosign import payload_bytes, sealed
from imagesig.formats.format import decode_base64
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.images.target import targets_of
from imagesig.keys.certified import read_chain
from imagesig.keys.chain import check_leaf
from imagesig.oci.annotations import NO_ANNOTATIONS, check_annotations
from imagesig.oci.digest import sha256
from imagesig.oci.manifest import INDEX_TYPES
from imagesig.oci.reference import Reference, parse_reference
from imagesig.policy import KeyLike
from imagesig.policy.authority import keys_of
from imagesig.signature import AlreadySigned, Claim, Examined, SignerInfo, StoredSignature, Subject
from imagesig.text import quote
from imagesig.trust import TrustAnchors

_OF_INDEX = "this is an index, and podman verifies the images that it lists: sign each of them too, by its digest"


class Payload(Struct, frozen=True):
    """The bytes to sign for one image, in cosign's classic format. `identity` is the name in them."""

    image: str
    digest: str
    pinned: str
    identity: str
    payload: bytes
    warnings: tuple[str, ...] = ()

    @property
    def payload_digest(self) -> str:
        """`sha256:` and the hex digest of the payload, for a service that signs digests."""
        return sha256(self.payload)

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the image. It has JSON types only."""
        return {
            "image": self.image,
            "digest": self.digest,
            "pinned": self.pinned,
            "identity": self.identity,
            "payload": self.payload.decode("utf-8"),
            "payload_digest": self.payload_digest,
            "warnings": list(self.warnings),
        }


@checks_arguments
def generate_payload(
    image: ImageLike,
    *,
    annotations: Mapping[str, str] = NO_ANNOTATIONS,
    identity: str = "",
    transport: TransportLike | None = None,
    timeout: float | None = None,
) -> Payload:
    """The bytes to sign for an image, as `cosign generate` gives them. Sign them elsewhere, then call `attach`.

    Of an index only the index is signed: call this for each image that it lists, by digest, for podman. Arguments are
    as of `sign`.

    Raises:
        InvalidArgument: a reference, identity or annotation is not valid.
        ImageNotFound, TransportError: the image could not be read.
    """
    opened = ImageOpener(transport, timeout).open(image)
    signable = check_annotations(annotations, "annotation")
    name = signed_name(opened, identity)
    with deadline(opened.timeout):
        root = targets_of(opened, recursive=False).found[0].descriptor
    content = payload_bytes(Claim((Subject(root.digest, annotations=signable),), str(name or "")))
    warnings = (*identity_warnings(name, chosen=False), *((_OF_INDEX,) if root.media_type in INDEX_TYPES else ()))
    return Payload(str(opened), root.digest, pinned_name(opened, root.digest), str(name or ""), content, warnings)


@checks_arguments
def attach(
    image: ImageLike,
    signature: bytes | str,
    *,
    key: KeyLike | None = None,
    payload: bytes = b"",
    chain: bytes | str | Path | Sequence[Certificate] = (),
    annotations: Mapping[str, str] = NO_ANNOTATIONS,
    identity: str = "",
    now: datetime | None = None,
    transport: TransportLike | None = None,
    timeout: float | None = None,
) -> SignedImage:
    """Stores a signature that was made elsewhere, once the key has verified it over a payload for this very image.

    Attaching again adds nothing. The signature is stored in cosign's classic format.

    Args:
        image: the image that was signed.
        signature: base64 text or raw bytes; ECDSA in DER or as r||s.
        key: the signer's public key; that of the chain's first certificate by default.
        payload: the bytes that were signed; by default those of `generate_payload` with the same arguments.
        chain: the signer's certificates to store too, its own first: PEM, a file, or certificates.
        annotations, identity: those in the payload, if `payload` is not given.
        now, transport, timeout: as of `sign`.

    Raises:
        InvalidArgument: neither a key nor a chain, or a payload together with an identity or annotations.
        SignatureInvalid: the key did not make this signature over this payload; nothing was attached.
        SubjectMismatch: the payload is about another image; nothing was attached.
        FormatViolation, MalformedError: it is not a payload that verifiers read; nothing was attached.
        KeyMismatch: the chain's first certificate is for another key.
        ImageNotFound, TransportError: the image could not be read, or the signature could not be stored.
    """
    if payload and (annotations or identity):
        raise InvalidArgument("attach: a payload has its own identity and annotations; give either them or the payload")
    certificates = read_chain(chain)[0] if chain else ()
    if key is None and not certificates:
        raise InvalidArgument("attach: a key or a certificate chain is needed, to verify the signature")
    anchors = anchors_of(keys_of(certificates[0].public_key if key is None else key))
    formats = (Cosign(certificates=bool(certificates)),)
    job = signing_job(formats=formats, annotations=annotations, identity=identity, recursive=False, now=now)
    named = plan(ImageOpener(transport, timeout).open(image), job)
    content = payload or payload_bytes(named.signatures[0].claim)
    stored, examined = _verified(_as_bytes(signature), content, certificates, anchors, job.now)
    planned = _planned_as_signed(named, examined.claim)
    if certificates:
        check_leaf(certificates, (examined.public_key,), examined.authority, "the certificate chain")
    signer = SignerInfo(examined.public_key, examined.authority, chain=certificates)
    (item,) = planned.signatures
    draft = formats[0].draft_of(content, signer, item.stored)
    drafted = Drafted(planned, signer, (draft,))
    attach_and_settle([Sealed(drafted, () if isinstance(draft, AlreadySigned) else ((item, stored),))])
    return _with_warning(signed_image(drafted, job), planned.identity, named.identity)


def _with_warning(made: SignedImage, signed: Reference | None, own: Reference | None) -> SignedImage:
    """The result, with a warning if verifiers refuse the signature for the image's own name."""
    if signed is None or own is None:
        return made
    if signed.repository == own.repository and (not signed.tag or not own.tag or signed.tag == own.tag):
        return made
    warning = (
        f"the payload names {signed}, the image is {own}: verifiers refuse the signature under that name; sign a "
        "payload with the image's name, or verify with the identity in the payload"
    )
    return replace(made, warnings=(*made.warnings, warning))


def _as_bytes(signature: bytes | str) -> bytes:
    if not isinstance(signature, bytes | str):
        raise InvalidArgument(f"signature {quote(signature)}: bytes or base64 text is needed")
    return signature.encode("utf-8", "replace") if isinstance(signature, str) else signature


def _verified(
    signature: bytes, payload: bytes, chain: Sequence[Certificate], anchors: TrustAnchors, now: datetime
) -> tuple[StoredSignature, Examined]:
    """The signature to store and who made it, in the first encoding that a key verifies."""
    reader = Cosign()
    for candidate in _encodings(signature, anchors):
        stored = sealed(payload, candidate, chain)
        with suppress(SignatureInvalid):
            return stored, reader.authenticate(reader.parse(stored), replace(anchors, authorities=()), now)
    names = ", ".join(trusted.name for trusted in anchors.keys)
    raise SignatureInvalid(
        f"the key ({names}) did not make this signature over the payload of {len(payload)} bytes with "
        f"{sha256(payload)}; nothing was attached",
        hint="sign the bytes that imagesig generate-payload prints, or give the bytes that were signed with --payload",
    )


def _encodings(signature: bytes, anchors: TrustAnchors) -> Iterator[bytes]:
    """The bytes that the signature may mean: each is stored only if a key verifies it."""
    raw = [signature]
    with suppress(FormatViolation):
        raw.insert(0, decode_base64(signature.decode("ascii", "replace"), "signature"))
    types = {key.key_type for trusted in anchors.keys for key in trusted.public_keys if key.key_type.is_ecdsa}
    for given in raw:
        yield given
        from imagesig.crypto.ecdsa import der_from_rs

        for key_type in sorted(types, key=lambda item: item.value):
            with suppress(MalformedError):
                yield der_from_rs(given, key_type)


def _planned_as_signed(planned: Plan, claim: Claim) -> Plan:
    """The plan with what was signed, which must be about its image."""
    (item,) = planned.signatures
    digest = item.target.descriptor.digest
    claimed = claim.subjects[0].digest
    if claimed != digest:
        raise SubjectMismatch(
            f"{item.image}: the payload is for {claimed}, the image is {digest}; nothing was attached",
            hint="name the image that was signed",
        )
    return replace(planned, identity=_identity_in(claim), signatures=(replace(item, claim=claim),))


def _identity_in(claim: Claim) -> Reference | None:
    return parse_reference(claim.reference) if claim.reference else None
