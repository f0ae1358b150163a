"""The vocabulary that keys, formats, stores and policy share: what a signature is at each step of being trusted.

::

    StoredSignature   bytes as a store found them; nothing in it is to be believed
    Envelope          the same, split into what was signed and by what; the payload is still bytes
    Examined          a trusted key made it over exactly those bytes; only now were the claims read
    VerifiedSignature the policy accepted it for this image; only `imagesig.policy.judge` makes one
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import force_setattr

from imagesig.crypto.algorithms import Algorithm, Hash, ToSign, signing_algorithms
from imagesig.crypto.certificate import Certificate
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import SignatureRejected
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.oci.descriptor import Descriptor
from imagesig.redacted import RedactedStruct


class SignerInfo(Struct, frozen=True):
    """The public side of one signing key.

    `key_id` names the key and its version where it lives, stable over time and free of secrets, for example
    `hashivault://app?version=3` or the ARN of a KMS key. `chain` holds its certificates, leaf first, if there are any.
    """

    public_key: PublicKey
    key_id: str
    algorithms: tuple[Algorithm, ...] = ()
    chain: tuple[Certificate, ...] = ()

    def __post_init__(self) -> None:
        if not self.algorithms:
            force_setattr(self, "algorithms", signing_algorithms(self.public_key.key_type))


class Part(RedactedStruct, frozen=True):
    """One blob of a stored signature, with the annotations of its descriptor."""

    hidden = ("content",)

    media_type: str
    content: bytes
    annotations: Annotations = NO_ANNOTATIONS


class StoredSignature(Struct, frozen=True):
    """One signature as it is or will be stored. Everything in it is untrusted.

    `origin` says where it was found, for people: `sha256-4f2c….sig layer 0`. The others are of its own manifest, for
    formats that have one manifest per signature: `config_type` is the media type of its config, which stands for the
    artifact type where that is missing; `manifest` is where it was found.
    """

    origin: str
    parts: tuple[Part, ...]
    artifact_type: str = ""
    annotations: Annotations = NO_ANNOTATIONS
    config_type: str = ""
    manifest: Descriptor | None = None


class Subject(Struct, frozen=True):
    """What a signature is about: `digest` is `sha256:` and 64 hex digits, `size` is in bytes, -1 if it is not said.

    `annotations` are what the signer said of it.
    """

    digest: str
    media_type: str = ""
    size: int = -1
    annotations: Annotations = NO_ANNOTATIONS


class Claim(Struct, frozen=True):
    """What a signature says. In `Format.draft` it is what we are about to say, of exactly one subject.

    `reference` is the name the signer gave the image (`host/repo` or `host/repo:tag`), None where the format has no
    name.
    """

    subjects: tuple[Subject, ...]
    reference: str | None = None


class Envelope(RedactedStruct, frozen=True):
    """A stored signature, split. `message` is exactly the bytes that were signed; `payload` is not parsed yet.

    `key_hint` and `chain` (DER, leaf first, not parsed) come from the artefact: they may select among trusted keys and
    show the way to a trusted authority, never add one.
    """

    hidden = ("message", "signature", "payload")

    stored: StoredSignature
    message: bytes
    signature: bytes
    payload: bytes
    key_hint: str = ""
    chain: tuple[bytes, ...] = ()


AUTHENTICITY = "authenticity"
AUTHENTIC_TIMESTAMP = "authenticTimestamp"
EXPIRY = "expiry"
REVOCATION = "revocation"
"""The checks that a rule may log or skip instead of enforcing them. Spec: Notary Project, "Signature Verification"."""
TIMESTAMP_REVOCATION = "timestamp revocation"
"""Part of `authenticTimestamp`: what a rule does about revoked signers says nothing of revoked timestamp services."""


class Check(Struct, frozen=True):
    """One thing that was checked and what came out, for people and for JSON.

    `failure` is the reason to refuse the signature, where there is one: whether it does is for the rule to say.
    """

    name: str
    passed: bool
    detail: str
    failure: SignatureRejected | None = None

    @classmethod
    def failed(cls, name: str, failure: SignatureRejected) -> Check:
        return cls(name, False, str(failure), failure)


class Examined(Struct, frozen=True):
    """A signature whose bytes are whole. The claim is what was signed; it is not yet known to fit the image.

    `authority` is the name, in the policy, of the trusted key that made it or of the authority that vouches for its
    certificate; it is empty only where a check named `authenticity` failed. `chain` holds the signer's certificates,
    leaf first, and `timestamp_chain` those of the service whose timestamp proves `authentic_time`.

    `by_others` is the same signature, by the same key, as further authorities of the policy vouch for it, each with its
    own checks. It is one signature all the same: it counts for one of them.
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
        """The signature as each of its authorities vouches for it, in the policy's order."""
        return (self, *self.by_others)


class VerifiedSignature(Struct, frozen=True):
    """A signature that the policy accepted for the image. Made by `imagesig.policy.judge` and nowhere else.

    `authority` is the one that it is credited to, where several vouch for its signer. It is empty where the rule only
    logs that nobody trusted vouches for the signer.
    """

    format: str
    origin: str
    authority: str
    public_key: PublicKey
    algorithm: Algorithm
    claim: Claim
    checks: tuple[Check, ...]
    chain: tuple[Certificate, ...] = ()


def _as_made(signature: bytes) -> bytes:
    return signature


class TimestampRequest(Struct, frozen=True):
    """A timestamp that is to be fetched over the first signature of a draft (RFC 3161).

    `hash` is that of the message imprint; the service's chain must end in one of `authorities`. What is stamped is
    `stored_form(signature)`: an envelope that holds ECDSA as r||s has that stamped, and keys give DER.
    """

    url: str
    hash: Hash
    authorities: tuple[Certificate, ...]
    stored_form: Callable[[bytes], bytes] = _as_made


class Draft(RedactedStruct, frozen=True):
    """What a format wants signed for one subject, and timestamped. `body` is the format's own, for its `seal`."""

    hidden = ("body",)

    format: str
    requests: tuple[ToSign, ...]
    body: object
    timestamp: TimestampRequest | None = None


class AlreadySigned(Struct, frozen=True):
    """The format found, among the stored signatures, one by this very key that says the same."""

    format: str
    origin: str
