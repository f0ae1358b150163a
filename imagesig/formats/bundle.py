"""Sigstore bundles v0.3 of image signatures: a DSSE envelope over an in-toto statement, stored as an OCI referrer.

Spec: sigstore/protobuf-specs sigstore_bundle.proto; in-toto Statement v1; the predicate is cosign's. Stricter than
cosign: only this predicate is a signature of an image; an attestation by the same key is not.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.crypto.algorithms import ToSign
from imagesig.crypto.dsse import pre_authentication_encoding
from imagesig.crypto.public_key import PublicKey
from imagesig.encoding.json import go_json, parse_object
from imagesig.encoding.shape import Shape, refuse_two_spellings
from imagesig.errors import FormatViolation, ImagesigError, LimitExceeded
from imagesig.format_names import BUNDLE, BUNDLE_FAMILY, Storage
from imagesig.formats.cosign_family import CosignFamily, Signers, bundle_chain, bundle_material, check_made_by, has_leaf
from imagesig.formats.dsse_envelope import ENVELOPE, envelope_members, read_envelope
from imagesig.formats.format import check_members
from imagesig.in_toto.statement import (
    IN_TOTO,
    SIGN_PREDICATE,
    STATEMENT_SHAPE,
    STATEMENT_V1,
    STATEMENTS,
    parse_subjects,
)
from imagesig.oci.annotations import Annotations
from imagesig.signature import (
    AlreadySigned,
    Claim,
    Draft,
    Envelope,
    Examined,
    Part,
    SignerInfo,
    StoredSignature,
)
from imagesig.text import quote
from imagesig.trust import TrustAnchors

READABLE_TYPES = (BUNDLE, f"{BUNDLE_FAMILY}+json;version=0.3")
DOCUMENT = Shape.of(
    "mediaType messageSignature",
    verificationMaterial=Shape.of("publicKey certificate x509CertificateChain tlogEntries timestampVerificationData"),
    dsseEnvelope=ENVELOPE,
)
_LIST_ITEMS = 32
"""The most log entries and timestamps of one bundle: sigstore-go's limit (CVE-2024-45395)."""
_KEY_MATERIAL = ("publicKey", "certificate", "x509CertificateChain")


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
        dsse, material = read_document(document)
        payload, signed = read_envelope(dsse, "dsseEnvelope", limits.BUNDLE_BYTES)
        return material.on(Envelope(stored, signed.message, signed.signature, payload))

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
            "_type": STATEMENT_V1,
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
        raise FormatViolation(f"statement of type {quote(document['_type'])}, {STATEMENT_V1} is needed")
    if document["predicateType"] != SIGN_PREDICATE:
        raise FormatViolation(
            f"predicate type {quote(document['predicateType'])} is not an image signature; {SIGN_PREDICATE} is needed"
        )
    if not isinstance(document.get("predicate"), dict | None):
        raise FormatViolation(f"statement predicate is {quote(document['predicate'])}, an object is needed")
    return Claim(parse_subjects(document["subject"], needs_sha256=True))


def content_of(stored: StoredSignature) -> bytes:
    """The text of the one bundle in an artefact. Raises `FormatViolation` if there is not exactly one."""
    if len(stored.parts) != 1:
        raise FormatViolation(f"{len(stored.parts)} layers, exactly one bundle is needed")
    content = stored.parts[0].content
    if content[:2] == b"\x1f\x8b":
        raise FormatViolation("the bundle is compressed with gzip; it is read as plain JSON only")
    return content


class Material(Struct, frozen=True):
    """The `verificationMaterial` of a bundle: the fields of `Envelope` that it has."""

    key_hint: str = ""
    chain: tuple[bytes, ...] = ()
    timestamps: tuple[object, ...] = ()

    def on(self, envelope: Envelope) -> Envelope:
        """The envelope with this material."""
        return replace(envelope, key_hint=self.key_hint, chain=self.chain, timestamps=self.timestamps)


def read_document(document: Mapping[str, object]) -> tuple[object, Material]:
    """The DSSE envelope of a parsed bundle, and what says who signed it.

    Raises:
        FormatViolation: it is no bundle of this version with a DSSE envelope.
    """
    refuse_two_spellings(document, "bundle")
    check_members(document, {"mediaType", "verificationMaterial", "dsseEnvelope"}, "bundle", {"messageSignature"})
    if document["mediaType"] not in READABLE_TYPES:
        raise FormatViolation(f"bundle of type {quote(document['mediaType'])}, {BUNDLE} is needed")
    if document.get("messageSignature") is not None:
        raise FormatViolation("the bundle has a DSSE envelope and a message signature, one of them is needed")
    return document["dsseEnvelope"], read_material(document["verificationMaterial"])


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


def read_material(material: object) -> Material:
    """The hint to a bare key, or the certificates in DER, signer first, of a bundle's `verificationMaterial`.

    Timestamps are not decoded.

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
    timestamps = tuple(item.get("signedTimestamp") if isinstance(item, dict) else None for item in listed)
    if kinds[0] == "publicKey":
        return Material(_key_hint(material["publicKey"]), timestamps=timestamps)
    return Material("", bundle_chain(material[kinds[0]]), timestamps)


def _key_hint(public_key: object) -> str:
    if not isinstance(public_key, dict):
        raise FormatViolation(f"publicKey is {quote(public_key)}, an object is needed")
    check_members(public_key, set(), "publicKey", {"hint"})
    hint = public_key.get("hint", "")
    if not isinstance(hint, str):
        raise FormatViolation(f"publicKey.hint is {quote(hint)}, a string is needed")
    return hint
