"""`inspect`: the stored signatures of an image, unverified."""

from __future__ import annotations

from contextlib import nullcontext

from msgspec import Struct, field
from msgspec.structs import replace

from imagesig import limits
from imagesig.api.stored_signatures import ImageLike, Stored, pinned_name, stored_signatures
from imagesig.arguments import checks_arguments
from imagesig.crypto.certificate import Certificate
from imagesig.deadlines import at_most_attempts, deadline, remaining
from imagesig.effort import one_image
from imagesig.errors import ImagesigError, LimitExceeded, TransportError, Unauthorized
from imagesig.format_names import ATTESTATION_READERS, NAMES, Purpose
from imagesig.formats import ALL_FORMATS, Format, reader_of, select_formats
from imagesig.formats.certified import read_chain
from imagesig.formats.format import Describes
from imagesig.images.image import Image
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.images.target import Target, targets_of
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.signature import Claim, StatementClaim, StoredSignature, certificate_document, claim_document

_SIGNATURE_TYPES = frozenset(media_type for item in NAMES for media_type in item.media_types)
_SHARED = tuple(item for item in ATTESTATION_READERS if _SIGNATURE_TYPES.intersection(item.media_types))
"""The formats of attestations that share a media type with signatures, so that the first search finds them."""
_APART = tuple(item for item in ATTESTATION_READERS if item not in _SHARED)


class InspectedSignature(Struct, frozen=True):
    """What a stored signature claims. Nothing is verified; do not trust it.

    `key_hint` is the claimed key, empty if the format has no such claim. `chain` are the certificates stored with it,
    and `attributes` further claims. `problem` says why it cannot be read.
    """

    format: str
    origin: str
    digest: str
    platform: str
    claim: Claim | None = None
    key_hint: str = ""
    annotations: Annotations = NO_ANNOTATIONS
    problem: str = ""
    chain: tuple[Certificate, ...] = ()
    attributes: Annotations = NO_ANNOTATIONS

    def document(self) -> dict[str, object]:
        """What `--output json` prints for it."""
        return {
            "format": self.format,
            "origin": self.origin,
            "for": self.digest,
            "platform": self.platform,
            "key_hint": self.key_hint,
            **(claim_document(self.claim, self.annotations) if self.claim else {}),
            "certificates": [certificate_document(certificate) for certificate in self.chain],
            "attributes": dict(self.attributes),
            "problem": self.problem,
        }


class InspectedAttestation(Struct, frozen=True):
    """What a stored attestation claims. Nothing is verified; do not trust it. `problem` says why it cannot be read."""

    format: str
    origin: str
    digest: str
    platform: str
    predicate_type: str = ""
    subjects: tuple[str, ...] = ()
    key_hint: str = ""
    problem: str = ""

    def document(self) -> dict[str, object]:
        """What `--output json` prints for it."""
        return {
            "format": self.format,
            "origin": self.origin,
            "for": self.digest,
            "platform": self.platform,
            "predicate_type": self.predicate_type,
            "subjects": list(self.subjects),
            "key_hint": self.key_hint,
            "problem": self.problem,
        }


class InspectedImage(Struct, frozen=True):
    """Every stored signature and attestation of an image and, if it is an index, of the images it lists.

    With a `failure` the list is incomplete: what could not be read is missing, or listed with its `problem`.
    """

    image: str
    digest: str
    pinned: str
    signatures: tuple[InspectedSignature, ...]
    failure: TransportError | None = None
    attestations: tuple[InspectedAttestation, ...] = ()

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the image. It has JSON types only."""
        return {
            "image": self.image,
            "digest": self.digest,
            "pinned": self.pinned,
            "trusted": False,
            "signatures": [item.document() for item in self.signatures],
            "attestations": [item.document() for item in self.attestations],
            "complete": self.failure is None,
            **(self.failure.document() if self.failure else {}),
        }


@checks_arguments
def inspect(
    image: ImageLike,
    *,
    recursive: bool = True,
    allow_incomplete: bool = False,
    transport: TransportLike | None = None,
    timeout: float | None = None,
) -> InspectedImage:
    """Lists an image's signatures and attestations without verifying any of them.

    With `allow_incomplete`, if some signatures cannot be read, the result has the others and the first `failure`.
    `transport` and `timeout` are as of `verify`.

    Raises:
        ImageNotFound, TransportError, DeadlineExceeded: the image or its signatures could not be read.
    """
    opened = ImageOpener(transport, timeout).open(image)
    found = _Inspection(opened)
    with deadline(opened.timeout):
        targets = targets_of(opened, recursive=recursive).found
        for target in targets:
            failed = found.add(target)
            if failed and not allow_incomplete:
                raise failed
            if isinstance(failed, Unauthorized) or len(found.failures) >= limits.UNREAD_BLOBS:
                break
        remaining(opened)  # what was late may have been taken for a broken signature
    digest = targets[0].descriptor.digest
    return InspectedImage(
        str(opened),
        digest,
        pinned_name(opened, digest),
        tuple(found.signatures),
        found.failures[0] if found.failures else None,
        tuple(found.attestations),
    )


class _Large(Struct):
    """The places of attestations that are too large to be signatures, and why some could not be read."""

    origins: set[str] = field(default_factory=set)
    failed: TransportError | None = None


class _Inspection:
    """What is found of one image so far."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._formats = select_formats(ALL_FORMATS)
        self._attested = select_formats([item.name for item in ATTESTATION_READERS], Purpose.ATTESTATION)
        self.signatures: list[InspectedSignature] = []
        self.attestations: list[InspectedAttestation] = []
        self.failures: list[TransportError] = []

    def add(self, target: Target) -> TransportError | None:
        """Adds what is stored for one manifest. Returns what kept it from being read."""
        digest = target.descriptor.digest
        with at_most_attempts(1) if self.failures else nullcontext(), one_image():
            stored = stored_signatures(self._image, digest, self._formats)
            for item, reader in stored.found:
                # A broken artefact with the media type of a signature is listed as a signature.
                if _recognizes(reader, item, otherwise=True):
                    self.signatures.append(_inspected(item, reader, target))
                else:
                    self._attest(item, reader_of(item, self._attested) or reader, target)
            large = self._large(target, stored)
            self.signatures += [
                InspectedSignature("", item.origin, digest, target.platform, problem=str(item.error))
                for item in stored.rejections
                if item.origin not in large.origins
            ]
            apart = stored_signatures(
                self._image, digest, _APART, lambda item, reader: self._attest(item, reader, target)
            )
        self.attestations += [
            InspectedAttestation("", item.origin, digest, target.platform, problem=str(item.error))
            for item in apart.rejections
        ]
        failed = stored.failed or large.failed or apart.failed
        if failed:
            self.failures.append(failed)
        return failed

    def _large(self, target: Target, stored: Stored) -> _Large:
        """Adds the attestations among the bundles that are too large to be signatures."""
        large = _Large()
        unread = {item.origin for item in stored.rejections if isinstance(item.error, LimitExceeded)}
        if not unread:
            return large

        def keep(item: StoredSignature, reader: Format) -> None:
            if item.origin in unread and _recognizes(reader, item, otherwise=False):
                large.origins.add(item.origin)
                self._attest(item, reader, target)

        found = stored_signatures(self._image, target.descriptor.digest, _SHARED, keep)
        large.failed = found.failed
        return large

    def _attest(self, item: StoredSignature, reader: Format, target: Target) -> None:
        """Adds an attestation as it is read; its content is not kept."""
        self.attestations.append(_attested(item, reader, target))


def _recognizes(reader: Format, stored: StoredSignature, otherwise: bool) -> bool:
    """Whether the artefact is what the format reads; `otherwise` if it cannot be split."""
    try:
        return reader.recognizes(reader.parse(stored))
    except ImagesigError:
        return otherwise


def _attested(stored: StoredSignature, reader: Format, target: Target) -> InspectedAttestation:
    seen = InspectedAttestation(reader.name, stored.origin, target.descriptor.digest, target.platform)
    try:
        envelope = reader.parse(stored)
        seen = replace(seen, key_hint=envelope.key_hint)
        claim = reader.claim(envelope)
    except ImagesigError as error:
        return replace(seen, problem=str(error))
    subjects = tuple(subject.digest for subject in claim.subjects)
    predicate_type = claim.predicate_type if isinstance(claim, StatementClaim) else ""
    return replace(seen, predicate_type=predicate_type, subjects=subjects)


def _inspected(stored: StoredSignature, item_format: Format, target: Target) -> InspectedSignature:
    seen = InspectedSignature(item_format.name, stored.origin, target.descriptor.digest, target.platform)
    try:
        envelope = item_format.parse(stored)
        seen = replace(seen, key_hint=envelope.key_hint)
        if isinstance(item_format, Describes):
            seen = replace(seen, attributes=Annotations(item_format.describe(envelope)))
        seen = replace(seen, chain=read_chain(envelope.chain))
        claim = item_format.claim(envelope)
    except ImagesigError as error:
        return replace(seen, problem=str(error))
    annotations = next((s.annotations for s in claim.subjects if s.digest == target.descriptor.digest), NO_ANNOTATIONS)
    return replace(seen, claim=claim, annotations=annotations)
