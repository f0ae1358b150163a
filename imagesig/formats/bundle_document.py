"""The JSON document of a Sigstore bundle v0.3, around its DSSE envelope: for signatures and for attestations.

Spec: sigstore/protobuf-specs sigstore_bundle.proto.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime

from imagesig.crypto.public_key import PublicKey
from imagesig.encoding.json import go_json
from imagesig.encoding.shape import Shape, refuse_two_spellings
from imagesig.errors import FormatViolation, LimitExceeded
from imagesig.format_names import BUNDLE
from imagesig.formats.cosign_family import bundle_chain
from imagesig.formats.dsse_envelope import ENVELOPE, envelope_members
from imagesig.formats.format import check_members
from imagesig.oci.annotations import Annotations
from imagesig.signature import Part, StoredSignature
from imagesig.text import quote

BUNDLE_FAMILY = "application/vnd.dev.sigstore.bundle"
READABLE_TYPES = (BUNDLE, "application/vnd.dev.sigstore.bundle+json;version=0.3")
DOCUMENT = Shape.of(
    "mediaType messageSignature",
    verificationMaterial=Shape.of("publicKey certificate x509CertificateChain tlogEntries timestampVerificationData"),
    dsseEnvelope=ENVELOPE,
)
_LIST_ITEMS = 32
"""The most log entries and timestamps of one bundle: sigstore-go's limit (CVE-2024-45395)."""
_KEY_MATERIAL = ("publicKey", "certificate", "x509CertificateChain")


def content_of(stored: StoredSignature) -> bytes:
    """The text of the one bundle in an artefact. Raises `FormatViolation` if there is not exactly one."""
    if len(stored.parts) != 1:
        raise FormatViolation(f"{len(stored.parts)} layers, exactly one bundle is needed")
    content = stored.parts[0].content
    if content[:2] == b"\x1f\x8b":
        raise FormatViolation("the bundle is compressed with gzip; it is read as plain JSON only")
    return content


def read_document(document: Mapping[str, object]) -> tuple[object, str, tuple[bytes, ...]]:
    """The DSSE envelope of a parsed bundle, the hint to a bare key, and the certificates in DER, signer first.

    Raises:
        FormatViolation: it is no bundle of this version with a DSSE envelope.
    """
    refuse_two_spellings(document, "bundle")
    check_members(document, {"mediaType", "verificationMaterial", "dsseEnvelope"}, "bundle", {"messageSignature"})
    if document["mediaType"] not in READABLE_TYPES:
        raise FormatViolation(f"bundle of type {quote(document['mediaType'])}, {BUNDLE} is needed")
    if document.get("messageSignature") is not None:
        raise FormatViolation("the bundle has a DSSE envelope and a message signature, one of them is needed")
    key_hint, chain = read_material(document["verificationMaterial"])
    return document["dsseEnvelope"], key_hint, chain


def key_material(public_key: PublicKey) -> dict[str, object]:
    """The `verificationMaterial` of a bundle by a bare key."""
    return {"publicKey": {"hint": base64.b64encode(public_key.spki_sha256).decode("ascii")}}


def stored_bundle(
    payload: bytes, signature: bytes, material: Mapping[str, object], predicate_type: str, created: datetime
) -> StoredSignature:
    """The bundle to store, with the annotations of cosign 3."""
    envelope = envelope_members(payload, signature)
    content = go_json(
        {
            "mediaType": BUNDLE,
            "verificationMaterial": material,
            "dsseEnvelope": {name: envelope[name] for name in ("payload", "payloadType", "signatures")},
        }
    )
    return StoredSignature(
        origin="new bundle",
        parts=(Part(BUNDLE, content),),
        artifact_type=BUNDLE,
        annotations=Annotations(
            {
                "dev.sigstore.bundle.content": "dsse-envelope",
                "dev.sigstore.bundle.predicateType": predicate_type,
                "org.opencontainers.image.created": created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        ),
    )


def read_material(material: object) -> tuple[str, tuple[bytes, ...]]:
    """The hint to a bare key, or the certificates in DER, signer first, of a bundle's `verificationMaterial`.

    Raises:
        FormatViolation, LimitExceeded: it has neither, both, or more entries than are read.
    """
    if not isinstance(material, dict):
        raise FormatViolation(f"verificationMaterial is {quote(material)}, an object is needed")
    kinds = [name for name in _KEY_MATERIAL if name in material] or ["publicKey"]
    check_members(material, set(kinds[:1]), "verificationMaterial", {"tlogEntries", "timestampVerificationData"})
    entries = material.get("tlogEntries") or []
    if not isinstance(entries, list) or len(entries) > _LIST_ITEMS:
        raise LimitExceeded(f"bundle: tlogEntries is no list of at most {_LIST_ITEMS} entries")
    stamps = material.get("timestampVerificationData") or {}
    listed = stamps.get("rfc3161Timestamps") or [] if isinstance(stamps, dict) else None
    if not isinstance(listed, list) or len(listed) > _LIST_ITEMS:
        raise LimitExceeded(f"bundle: rfc3161Timestamps is no list of at most {_LIST_ITEMS} entries")
    if kinds[0] == "publicKey":
        return _key_hint(material["publicKey"]), ()
    return "", bundle_chain(material[kinds[0]])


def _key_hint(public_key: object) -> str:
    if not isinstance(public_key, dict):
        raise FormatViolation(f"publicKey is {quote(public_key)}, an object is needed")
    check_members(public_key, set(), "publicKey", {"hint"})
    hint = public_key.get("hint", "")
    if not isinstance(hint, str):
        raise FormatViolation(f"publicKey.hint is {quote(hint)}, a string is needed")
    return hint
