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

from imagesig import limits
from imagesig.crypto.algorithms import ToSign
from imagesig.crypto.dsse import pre_authentication_encoding
from imagesig.encoding.json import go_json, parse_object
from imagesig.encoding.shape import Shape, refuse_two_spellings
from imagesig.errors import FormatViolation, ImagesigError, LimitExceeded
from imagesig.format_names import BUNDLE, Storage
from imagesig.formats.cosign_family import (
    CANDIDATES,
    CosignFamily,
    bundle_chain,
    bundle_material,
    check_made_by,
    has_leaf,
)
from imagesig.formats.format import check_members, decode_base64, examine
from imagesig.oci.annotations import Annotations
from imagesig.oci.descriptor import parse_annotations
from imagesig.oci.digest import is_digest
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

READABLE_TYPES = (BUNDLE, "application/vnd.dev.sigstore.bundle+json;version=0.3")
_BUNDLE_FAMILY = "application/vnd.dev.sigstore.bundle"
IN_TOTO = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
_READABLE_STATEMENTS = (STATEMENT, "https://in-toto.io/Statement/v0.1")
SIGN_PREDICATE = "https://sigstore.dev/cosign/sign/v1"
_DOCUMENT = Shape.of(
    "mediaType messageSignature",
    verificationMaterial=Shape.of("publicKey certificate x509CertificateChain tlogEntries timestampVerificationData"),
    dsseEnvelope=Shape.of("payload payloadType", signatures=Shape.of("sig keyid")),
)
_SUBJECT = Shape.of("name uri digest content downloadLocation mediaType annotations download_location media_type")
_SUBJECT_TEXT = ("name", "uri", "content", "downloadLocation", "download_location", "mediaType", "media_type")
_STATEMENT = Shape.of("_type type predicateType predicate_type predicate", subject=_SUBJECT)
_LIST_ITEMS = 32
"""The most log entries and timestamps of one bundle: sigstore-go's limit (CVE-2024-45395)."""


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
        return media_type.startswith(_BUNDLE_FAMILY)

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
        hint = base64.b64encode(signer.public_key.spki_sha256).decode("ascii")
        material = bundle_material(chain) if chain else {"publicKey": {"hint": hint}}
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
        content = go_json(
            {
                "mediaType": BUNDLE,
                "verificationMaterial": body.material,
                "dsseEnvelope": {
                    "payload": base64.b64encode(body.payload).decode("ascii"),
                    "payloadType": IN_TOTO,
                    # No keyid: cosign skips a signature whose keyid is not the key's SSH fingerprint.
                    "signatures": [{"sig": base64.b64encode(signatures[0]).decode("ascii")}],
                },
            }
        )
        created = body.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return StoredSignature(
            origin="new bundle",
            parts=(Part(BUNDLE, content),),
            artifact_type=BUNDLE,
            annotations=Annotations(
                {
                    "dev.sigstore.bundle.content": "dsse-envelope",
                    "dev.sigstore.bundle.predicateType": SIGN_PREDICATE,
                    "org.opencontainers.image.created": created,
                }
            ),
        )

    def parse(self, stored: StoredSignature) -> Envelope:
        if len(stored.parts) != 1:
            raise FormatViolation(f"{len(stored.parts)} layers, exactly one bundle is needed")
        content = stored.parts[0].content
        if content[:2] == b"\x1f\x8b":
            raise FormatViolation("the bundle is compressed with gzip; it is read as plain JSON only")
        document = parse_object(content, "bundle", _DOCUMENT, nodes=limits.ENVELOPE_NODES)
        refuse_two_spellings(document, "bundle")
        check_members(document, {"mediaType", "verificationMaterial", "dsseEnvelope"}, "bundle", {"messageSignature"})
        if document["mediaType"] not in READABLE_TYPES:
            raise FormatViolation(f"bundle of type {quote(document['mediaType'])}, {BUNDLE} is needed")
        if document.get("messageSignature") is not None:
            raise FormatViolation("the bundle has a DSSE envelope and a message signature, one of them is needed")
        key_hint, chain = key_material(document["verificationMaterial"])
        return _split_envelope(stored, document["dsseEnvelope"], key_hint, chain)

    def claim(self, envelope: Envelope) -> Claim:
        return parse_statement(envelope.payload)

    def authenticate(self, envelope: Envelope, anchors: TrustAnchors, now: datetime) -> Examined:
        """See `Format.authenticate`. A bundle with a certificate is trusted by its authority, never by a bare key."""
        if not envelope.chain:
            return examine(self.name, envelope, anchors, now, CANDIDATES, parse_statement)
        if not anchors.authorities:
            raise FormatViolation("the bundle has a certificate; the policy trusts bare keys only")
        # speed: most signatures have no certificate (benchmarks/test_start.py)
        from imagesig.formats.certified import examine_certified

        return examine_certified(self.name, envelope, envelope.chain, anchors, now, CANDIDATES, parse_statement)


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
    document = parse_object(payload, "statement", _STATEMENT, nodes=limits.ENVELOPE_NODES)
    check_members(document, {"_type", "subject", "predicateType"}, "statement", {"predicate"})
    if document["_type"] not in _READABLE_STATEMENTS:
        raise FormatViolation(f"statement of type {quote(document['_type'])}, {STATEMENT} is needed")
    if document["predicateType"] != SIGN_PREDICATE:
        raise FormatViolation(
            f"predicate type {quote(document['predicateType'])} is not an image signature; {SIGN_PREDICATE} is needed"
        )
    if not isinstance(document.get("predicate"), dict | None):
        raise FormatViolation(f"statement predicate is {quote(document['predicate'])}, an object is needed")
    subjects = document["subject"]
    if not isinstance(subjects, list) or not subjects:
        raise FormatViolation(f"statement subject is {quote(subjects)}, a list with at least one entry is needed")
    if len(subjects) > limits.STATEMENT_SUBJECTS:
        raise LimitExceeded(f"statement: {len(subjects)} subjects, at most {limits.STATEMENT_SUBJECTS} are read")
    return Claim(tuple(_subject(subject, f"statement subject {number}") for number, subject in enumerate(subjects)))


def _subject(value: object, what: str) -> Subject:
    if not isinstance(value, dict):
        raise FormatViolation(f"{what} is {quote(value)}, an object is needed")
    refuse_two_spellings(dict.fromkeys(value), what)
    for name in _SUBJECT_TEXT:
        if not isinstance(value.get(name), str | None):
            raise FormatViolation(f"{what} has the {name} {quote(value[name])}, text is needed")
    digests = value.get("digest")
    if not isinstance(digests, dict) or not digests:
        raise FormatViolation(f"{what} has the digest {quote(digests)}, an object with sha256 is needed")
    if len(digests) > limits.STATEMENT_DIGESTS:
        raise LimitExceeded(f"{what}: {len(digests)} digests, at most {limits.STATEMENT_DIGESTS} are read")
    if not all(isinstance(item, str) for item in digests.values()):
        raise FormatViolation(f"{what} has the digest {quote(digests)}, every one must be text")
    hexadecimal = digests.get("sha256")
    if not is_digest(f"sha256:{hexadecimal}"):
        raise FormatViolation(f"{what} has the sha256 {quote(hexadecimal)}, 64 lower-case hex digits are needed")
    return Subject(f"sha256:{hexadecimal}", annotations=parse_annotations(value.get("annotations"), what))


_KEY_MATERIAL = ("publicKey", "certificate", "x509CertificateChain")


def key_material(material: object) -> tuple[str, tuple[bytes, ...]]:
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


def _split_envelope(stored: StoredSignature, value: object, key_hint: str, chain: tuple[bytes, ...]) -> Envelope:
    if not isinstance(value, dict):
        raise FormatViolation(f"dsseEnvelope is {quote(value)}, an object is needed")
    check_members(value, {"payload", "payloadType", "signatures"}, "dsseEnvelope")
    if value["payloadType"] != IN_TOTO:
        raise FormatViolation(f"payloadType is {quote(value['payloadType'])}, {IN_TOTO} is needed")
    signatures = value["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise FormatViolation("dsseEnvelope.signatures: exactly one signature is needed")
    # A keyid is neither needed nor trusted: the key is found by trying the trusted ones.
    check_members(signatures[0], {"sig"}, "dsseEnvelope.signatures[0]", {"keyid"})
    payload = decode_base64(value["payload"], "dsseEnvelope.payload", limits.BUNDLE_BYTES)
    return Envelope(
        stored,
        message=pre_authentication_encoding(IN_TOTO, payload),
        signature=decode_base64(signatures[0]["sig"], "dsseEnvelope.signatures[0].sig"),
        payload=payload,
        key_hint=key_hint,
        chain=chain,
    )
