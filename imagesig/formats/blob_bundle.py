"""Sigstore bundles v0.3 of blobs: a message signature over the bytes of a file.

Spec: sigstore/protobuf-specs sigstore_bundle.proto, `messageSignature`. Such a signature contains only a digest: no
name and no type. So it is not in the table of formats, and no image is ever verified by it.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from imagesig import limits
from imagesig.crypto.algorithms import Hash, KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.encoding.json import go_json, parse_object
from imagesig.encoding.shape import Shape, refuse_two_spellings
from imagesig.errors import FormatViolation, SubjectMismatch
from imagesig.format_names import BUNDLE
from imagesig.formats.bundle import READABLE_TYPES, Material, key_material, read_material
from imagesig.formats.cosign_family import CANDIDATES, Signers, bundle_material
from imagesig.formats.format import check_members, decode_base64
from imagesig.redacted import RedactedStruct
from imagesig.signature import Claim, Envelope, Examined, StoredSignature, Subject
from imagesig.text import quote
from imagesig.trust import TrustAnchors

if TYPE_CHECKING:
    from imagesig.crypto.certificate import Certificate

NAME = "blob"
_DOCUMENT = Shape.of(
    "mediaType dsseEnvelope",
    verificationMaterial=Shape.of("publicKey certificate x509CertificateChain tlogEntries timestampVerificationData"),
    messageSignature=Shape.of("signature", messageDigest=Shape.of("algorithm digest")),
)
_ALGORITHMS = {"SHA2_256": Hash.SHA256, "SHA2_384": Hash.SHA384, "SHA2_512": Hash.SHA512}
_NAMES = {hash_: name for name, hash_ in _ALGORITHMS.items()}


class MessageSignature(RedactedStruct, frozen=True):
    """A signature over a blob: from a bundle, or alone.

    `digest` is what the bundle says about the blob, `hash` the algorithm of it; both are empty if it says nothing.
    `material` has the key's hint, or certificates in DER, not parsed, and timestamps.
    """

    hidden = ("signature",)

    origin: str
    signature: bytes
    hash: Hash | None = None
    digest: bytes = b""
    material: Material = Material()


def message_bundle(
    signature: bytes, hash_: Hash, digest: bytes, public_key: PublicKey, chain: Sequence[Certificate]
) -> bytes:
    """The bundle with a signature over a blob, as cosign 3 writes it. With a chain, its leaf takes the key's place."""
    return go_json(
        {
            "mediaType": BUNDLE,
            "verificationMaterial": bundle_material(chain) if chain else key_material(public_key),
            "messageSignature": {
                "messageDigest": {"algorithm": _NAMES[hash_], "digest": base64.b64encode(digest).decode("ascii")},
                "signature": base64.b64encode(signature).decode("ascii"),
            },
        }
    )


def parse_message_bundle(content: bytes) -> MessageSignature:
    """The message signature in a bundle; nothing is verified.

    Raises:
        FormatViolation, MalformedError, LimitExceeded: it is not a bundle with exactly one.
    """
    document = _document(content)
    if document.get("dsseEnvelope") is not None:
        raise FormatViolation(
            "the bundle has an attestation, a signature is needed",
            hint="give the type of the attestation: --type, or predicate_type=",
        )
    check_members(document, {"mediaType", "verificationMaterial", "messageSignature"}, "bundle", {"dsseEnvelope"})
    message = document["messageSignature"]
    if not isinstance(message, dict):
        raise FormatViolation(f"messageSignature is {quote(message)}, an object is needed")
    check_members(message, {"signature"}, "messageSignature", {"messageDigest"})
    hash_, digest = _message_digest(message.get("messageDigest") or {})
    material = read_material(document["verificationMaterial"])
    value = decode_base64(message["signature"], "messageSignature.signature")
    return MessageSignature("the bundle", value, hash_, digest, material)


def _document(content: bytes) -> Mapping[str, object]:
    document = parse_object(content, "bundle", _DOCUMENT, nodes=limits.ENVELOPE_NODES)
    refuse_two_spellings(document, "bundle")
    if document.get("mediaType") not in READABLE_TYPES:
        raise FormatViolation(f"bundle of type {quote(document.get('mediaType'))}, {BUNDLE} is needed")
    return document


def _message_digest(value: object) -> tuple[Hash | None, bytes]:
    if not isinstance(value, dict):
        raise FormatViolation(f"messageDigest is {quote(value)}, an object is needed")
    if not value:  # cosign writes it like this for Ed25519
        return None, b""
    check_members(value, {"algorithm", "digest"}, "messageDigest")
    algorithm = value["algorithm"]
    hash_ = _ALGORITHMS.get(algorithm) if isinstance(algorithm, str) else None
    if hash_ is None:
        raise FormatViolation(
            f"messageDigest.algorithm is {quote(algorithm)}, one of {', '.join(_ALGORITHMS)} is needed"
        )
    digest = decode_base64(value["digest"], "messageDigest.digest")
    if len(digest) != hash_.size:
        raise FormatViolation(f"messageDigest.digest: {len(digest)} bytes, {algorithm} has {hash_.size}")
    return hash_, digest


def hashes_for(found: MessageSignature, key_types: Sequence[KeyType]) -> frozenset[Hash]:
    """The hashes that keys of these types may have signed: the one that the bundle names, or all."""
    if found.hash is not None:
        return frozenset({found.hash})
    return frozenset(item.hash for kind in key_types for item in CANDIDATES[kind] if item.hash is not None)


def authenticate(
    found: MessageSignature,
    digests: Mapping[Hash, bytes],
    message: bytes | None,
    anchors: TrustAnchors,
    now: datetime,
) -> Examined:
    """The signature, verified over a blob with these digests. `message` is the blob itself, None if it is too long.

    Raises as `Format.authenticate`, and:
        SubjectMismatch: the bundle is for a blob with another digest.
    """
    if found.hash is not None and digests[found.hash] != found.digest:
        raise SubjectMismatch(
            f"the bundle is for {found.hash.value}:{found.digest.hex()}, the blob has "
            f"{found.hash.value}:{digests[found.hash].hex()}"
        )
    envelope = Envelope(
        StoredSignature(found.origin, ()),
        message or b"",
        found.signature,
        payload=b"",
        digests=digests,
        in_memory=message is not None,
    )
    candidates = {
        kind: tuple(item for item in algorithms if found.hash in (None, item.hash) or kind is KeyType.ED25519)
        for kind, algorithms in CANDIDATES.items()
    }
    claim = Claim((Subject(f"sha256:{digests[Hash.SHA256].hex()}"),))
    return Signers(NAME, lambda _: claim, candidates).of_bundle(found.material.on(envelope), anchors, now)
