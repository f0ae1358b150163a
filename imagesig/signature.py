"""The types that keys, formats, stores and policy share: a signature at each step of its verification.

::

    StoredSignature   bytes as a store found them; all untrusted
    Envelope          the same, split into payload, signature and certificates; the payload is still bytes
    Examined          a key verified exactly those bytes; only then the claim is read
    VerifiedSignature the policy accepted it for this image; only `imagesig.policy.judge` makes one
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NewType

from msgspec import Struct
from msgspec.structs import force_setattr

from imagesig.crypto.algorithms import Algorithm, Hash, Scheme, ToSign, signing_algorithms
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import SignatureInvalid, SignatureRejected
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.oci.descriptor import Descriptor
from imagesig.redacted import RedactedStruct

if TYPE_CHECKING:
    from imagesig.crypto.certificate import Certificate
else:
    Certificate = NewType("Certificate", object)  # speed: for inspect.signature (benchmarks/test_cli.py)


class SignerInfo(Struct, frozen=True):
    """The public side of one signing key.

    `key_id` names the key and its version in its store; it is stable and contains no secret, for example
    `hashivault://app?version=3` or the ARN of a KMS key. `chain` has its certificates, leaf first.
    """

    public_key: PublicKey
    key_id: str
    algorithms: tuple[Algorithm, ...] = ()
    chain: tuple[Certificate, ...] = ()

    def __post_init__(self) -> None:
        if not self.algorithms:
            force_setattr(self, "algorithms", signing_algorithms(self.public_key.key_type))


class Part(RedactedStruct, frozen=True):
    """One blob of a stored signature, with the annotations of its descriptor, and its digest if a store found it."""

    hidden = ("content",)

    media_type: str
    content: bytes
    annotations: Annotations = NO_ANNOTATIONS
    digest: str = ""


class StoredSignature(Struct, frozen=True):
    """One signature as it is or will be stored. Everything in it is untrusted.

    `origin` says where it was found, for people: `sha256-4f2c….sig layer 0`. The other fields are for formats that have
    one manifest per signature: `config_type` is the media type of its config, which replaces a missing artifact type;
    `manifest` is the descriptor under which it was found.
    """

    origin: str
    parts: tuple[Part, ...]
    artifact_type: str = ""
    annotations: Annotations = NO_ANNOTATIONS
    config_type: str = ""
    manifest: Descriptor | None = None


class Subject(Struct, frozen=True):
    """What a signature is about: `digest` is `sha256:` and 64 hex digits, `size` is in bytes, -1 if not stated.

    `annotations` are part of what was signed.
    """

    digest: str
    media_type: str = ""
    size: int = -1
    annotations: Annotations = NO_ANNOTATIONS


class Claim(RedactedStruct, frozen=True):
    """What a signature says. In `Format.draft` it is what is to be signed, with exactly one subject.

    `reference` is the image's name in the signature (`host/repo` or `host/repo:tag`); None if the format has no name.
    """

    subjects: tuple[Subject, ...]
    reference: str | None = None


class StatementClaim(Claim, frozen=True):
    """What an attestation says about its subjects. Never a signature of them: see `is_attestation`.

    `predicate` is JSON text, exactly as signed; `statement_type` is the version of the in-toto statement. In
    `Format.draft`, `reference` is the subject's name, and `whole` a statement to sign as it is.
    """

    hidden = ("predicate", "whole")

    predicate_type: str = ""
    predicate: bytes = b""
    statement_type: str = ""
    whole: bytes = b""


def is_attestation(claim: Claim) -> bool:
    """Whether the claim is an attestation's, by its exact type; otherwise it is a signature of an image."""
    return type(claim) is StatementClaim


class Envelope(RedactedStruct, frozen=True):
    """A stored signature, split. `message` is exactly the bytes that were signed; `payload` is not parsed yet.

    An attestation's payload is the end of its message: `payload` is empty. `digests` are those of a blob that may be
    too long to be in memory; `message` is then empty. `key_hint` and `chain` (DER, leaf first, not parsed) come from
    the artefact. They may select a trusted key and lead to a trusted authority, but never add one. `timestamps` are
    those of a bundle, in base64, not decoded.
    """

    hidden = ("message", "signature", "payload")

    stored: StoredSignature
    message: bytes
    signature: bytes
    payload: bytes
    key_hint: str = ""
    chain: tuple[bytes, ...] = ()
    digests: Mapping[Hash, bytes] = {}
    in_memory: bool = True
    timestamps: tuple[object, ...] = ()

    def verify(self, public_key: PublicKey, algorithm: Algorithm) -> None:
        """Returns if the key made the signature over exactly this message. Raises as `PublicKey.verify` does."""
        hashed = None if algorithm.scheme is Scheme.ED25519PH else algorithm.hash
        if hashed is not None and hashed in self.digests:
            public_key.verify_digest(self.signature, self.digests[hashed], algorithm)
        elif not self.in_memory:
            raise SignatureInvalid(f"signature: {algorithm} needs the message in memory, which is too long for that")
        else:
            public_key.verify(self.signature, self.message, algorithm)


AUTHENTICITY = "authenticity"
AUTHENTIC_TIMESTAMP = "authenticTimestamp"
EXPIRY = "expiry"
REVOCATION = "revocation"
"""The checks that a rule may log or skip instead of enforcing. Spec: Notary Project, "Signature Verification"."""
TIMESTAMP_REVOCATION = "timestamp revocation"
"""Part of `authenticTimestamp`: the action for revoked signers does not apply to revoked timestamp services."""


class Check(Struct, frozen=True):
    """One check and its outcome, for people and for JSON.

    `failure` is a reason to refuse the signature. The rule decides whether it is enforced.
    """

    name: str
    passed: bool
    detail: str
    failure: SignatureRejected | None = None

    def document(self) -> dict[str, object]:
        """What `--output json` prints for it."""
        return {"name": self.name, "passed": self.passed, "detail": self.detail}

    @classmethod
    def failed(cls, name: str, failure: SignatureRejected) -> Check:
        return cls(name, False, str(failure), failure)


class Examined(Struct, frozen=True):
    """A signature that is cryptographically intact. The claim is what was signed; it may not fit the image.

    `authority` is the policy's name of the trusted key that made it, or of the authority that certified its signer. It
    is empty only if a check named `authenticity` failed. `chain` has the signer's certificates, leaf first, and
    `timestamp_chain` those of the service whose timestamp proves `authentic_time`.

    `by_others` is the same signature by the same key for further authorities of the policy that certified its signer,
    each with its own checks. It is still one signature, and credited to one of them.
    """

    format: str
    origin: str
    authority: str
    public_key: PublicKey
    algorithm: Algorithm
    claim: Claim
    checks: tuple[Check, ...]
    authentic_time: datetime | None = None
    chain: tuple[Certificate, ...] = ()
    timestamp_chain: tuple[Certificate, ...] = ()
    by_others: tuple[Examined, ...] = ()

    @property
    def by_all(self) -> tuple[Examined, ...]:
        """The signature for each of its authorities, in the policy's order."""
        return (self, *self.by_others)


class VerifiedSignature(Struct, frozen=True):
    """A signature that the policy accepted for the image. Only `imagesig.policy.judge` makes one.

    `authority` is the one that it is credited to; empty if the rule only logs that none certified it.
    `annotations` are those signed for this image. If the digest `index` is given, that index was signed, and `claim` is
    a statement of BuildKit in it, found at `origin`.
    """

    format: str
    origin: str
    authority: str
    public_key: PublicKey
    algorithm: Algorithm
    claim: Claim
    checks: tuple[Check, ...]
    chain: tuple[Certificate, ...] = ()
    annotations: Annotations = NO_ANNOTATIONS
    index: str = ""

    @property
    def fingerprint(self) -> str:
        """`sha256:` and hex: the digest of the signer's public key."""
        return self.public_key.fingerprint

    @property
    def key_id(self) -> str:
        """The signer's name in the policy: a file, a key URI, or the name that a policy file gives; see `authority`."""
        return self.authority

    def document(self) -> dict[str, object]:
        """What `--output json` prints for it."""
        return {
            "format": self.format,
            "origin": self.origin,
            "key": self.authority,
            "public_key": self.fingerprint,
            "algorithm": str(self.algorithm),
            "certificates": [certificate_document(certificate) for certificate in self.chain],
            **claim_document(self.claim, self.annotations),
            "checks": [check.document() for check in self.checks],
        }


def claim_document(claim: Claim, annotations: Annotations) -> dict[str, object]:
    """What the signer claimed, with the annotations of one image."""
    return {
        "identity": claim.reference,
        "annotations": dict(annotations),
        "subjects": [subject.digest for subject in claim.subjects],
    }


def certificate_document(certificate: Certificate) -> dict[str, object]:
    """One certificate. Its names are its own claims."""
    return {
        "fingerprint": certificate.fingerprint,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
    }


class TimestampRequest(Struct, frozen=True):
    """A timestamp to fetch for the first signature of a draft (RFC 3161).

    `hash` is that of the message imprint; the service's chain must end in one of `authorities`. The timestamp is over
    `stored_form(signature)`: keys return ECDSA in DER, and an envelope may store r||s.
    """

    url: str
    hash: Hash
    authorities: tuple[Certificate, ...]
    stored_form: Callable[[bytes], bytes] = bytes


class Draft(RedactedStruct, frozen=True):
    """What a format needs signed for one subject, and timestamped. `body` is private to the format, for `seal`."""

    hidden = ("body",)

    format: str
    requests: tuple[ToSign, ...]
    body: object
    timestamp: TimestampRequest | None = None


class AlreadySigned(Struct, frozen=True):
    """A stored signature by the same key that already says the same."""

    format: str
    origin: str
