"""The vocabulary that keys, formats, stores and policy share: what a signature is at each step of being trusted.

::

    StoredSignature   bytes as a store found them; nothing in it is to be believed
    Envelope          the same, split into what was signed and by what; the payload is still bytes
    Examined          a trusted key made it over exactly those bytes; only now were the claims read
    VerifiedSignature the policy accepted it for this image; only `imagesig.policy.judge` makes one
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from imagesig.crypto.algorithms import Algorithm, ToSign, signing_algorithms
from imagesig.crypto.public_key import PublicKey
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.oci.descriptor import Descriptor


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """The public side of one signing key.

    `key_id` names the key and its version where it lives, stable over time and free of secrets, for example
    `hashivault://app?version=3` or the ARN of a KMS key. `chain` holds DER certificates, leaf first, if there are any.
    """

    public_key: PublicKey
    key_id: str
    algorithms: tuple[Algorithm, ...] = ()
    chain: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not self.algorithms:
            object.__setattr__(self, "algorithms", signing_algorithms(self.public_key.key_type))


@dataclass(frozen=True, slots=True)
class Part:
    """One blob of a stored signature, with the annotations of its descriptor."""

    media_type: str
    content: bytes = field(repr=False)
    annotations: Annotations = field(default_factory=lambda: NO_ANNOTATIONS)


@dataclass(frozen=True, slots=True)
class StoredSignature:
    """One signature as it is or will be stored. Everything in it is untrusted.

    `origin` says where it was found, for people: `sha256-4f2c….sig layer 0`. `artifact_type` and `annotations` are
    those of its own manifest, for formats that have one manifest per signature; `manifest` is then where it was found.
    """

    origin: str
    parts: tuple[Part, ...]
    artifact_type: str = ""
    annotations: Annotations = field(default_factory=lambda: NO_ANNOTATIONS)
    manifest: Descriptor | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What a signature is about: `digest` is `sha256:` and 64 hex digits, `size` is in bytes, -1 if it is not said.

    `annotations` are what the signer said of it.
    """

    digest: str
    media_type: str = ""
    size: int = -1
    annotations: Annotations = field(default_factory=lambda: NO_ANNOTATIONS)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a signature says. In `Format.draft` it is what we are about to say, of exactly one subject.

    `reference` is the name the signer gave the image (`host/repo` or `host/repo:tag`), None where the format has no
    name.
    """

    subjects: tuple[Subject, ...]
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A stored signature, split. `message` is exactly the bytes that were signed; `payload` is not parsed yet.

    `key_hint` and `chain` (DER, leaf first) come from the artefact: they may select among trusted keys, never add one.
    """

    stored: StoredSignature
    message: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    payload: bytes = field(repr=False)
    key_hint: str = ""
    chain: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked and what came out, for people and for JSON."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Examined:
    """A signature whose bytes a trusted key made. The claim is what was signed; it is not yet known to fit the image.

    `authority` is the trusted key's name in the policy. `authentic_time` is a proven time of signing, if there is one.
    """

    format: str
    origin: str
    authority: str
    public_key: PublicKey
    algorithm: Algorithm
    claim: Claim
    checks: tuple[Check, ...]
    authentic_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A signature that the policy accepted for the image. Made by `imagesig.policy.judge` and nowhere else."""

    format: str
    origin: str
    authority: str
    public_key: PublicKey
    algorithm: Algorithm
    claim: Claim
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """What a format wants signed for one subject. `body` is the format's own and goes back to its `seal`."""

    format: str
    requests: tuple[ToSign, ...]
    body: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class AlreadySigned:
    """The format found, among the stored signatures, one by this very key that says the same."""

    format: str
    origin: str
