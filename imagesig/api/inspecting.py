"""`inspect`: the stored signatures of an image, unverified."""

from __future__ import annotations

from contextlib import nullcontext

from msgspec import Struct
from msgspec.structs import replace

from imagesig import limits
from imagesig.api.stored_signatures import ImageLike, pinned_name, stored_signatures
from imagesig.arguments import checks_arguments
from imagesig.crypto.certificate import Certificate
from imagesig.deadlines import at_most_attempts, deadline
from imagesig.effort import one_image
from imagesig.errors import ImagesigError, TransportError, Unauthorized
from imagesig.formats import ALL_FORMATS, Format, select_formats
from imagesig.formats.certified import read_chain
from imagesig.formats.format import Describes
from imagesig.images.open import ImageOpener, TransportLike
from imagesig.images.target import Target, targets_of
from imagesig.oci.annotations import NO_ANNOTATIONS, Annotations
from imagesig.signature import Claim, StoredSignature, certificate_document, claim_document


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


class InspectedImage(Struct, frozen=True):
    """Every stored signature of an image and, if it is an index, of the images it lists.

    With a `failure` the list is incomplete: what could not be read is missing, or listed with its `problem`.
    """

    image: str
    digest: str
    pinned: str
    signatures: tuple[InspectedSignature, ...]
    failure: TransportError | None = None

    def document(self) -> dict[str, object]:
        """What `--output json` prints for the image. It has JSON types only."""
        return {
            "image": self.image,
            "digest": self.digest,
            "pinned": self.pinned,
            "trusted": False,
            "signatures": [item.document() for item in self.signatures],
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
    """Lists an image's signatures without verifying any of them.

    With `allow_incomplete`, if some signatures cannot be read, the result has the others and the first `failure`.
    `transport` and `timeout` are as of `verify`.

    Raises:
        ImageNotFound, TransportError, DeadlineExceeded: the image or its signatures could not be read.
    """
    opened = ImageOpener(transport, timeout).open(image)
    formats = select_formats(ALL_FORMATS)
    found: list[InspectedSignature] = []
    failures: list[TransportError] = []
    with deadline(opened.timeout):
        targets = targets_of(opened, recursive=recursive).found
        for target in targets:
            with at_most_attempts(1) if failures else nullcontext(), one_image():
                stored = stored_signatures(opened, target.descriptor.digest, formats)
            if stored.failed:
                if not allow_incomplete:
                    raise stored.failed
                failures.append(stored.failed)
            found += [_inspected(item, item_format, target) for item, item_format in stored.found]
            found += [
                InspectedSignature("", item.origin, target.descriptor.digest, target.platform, problem=str(item.error))
                for item in stored.rejections
            ]
            if isinstance(stored.failed, Unauthorized) or len(failures) >= limits.UNREAD_BLOBS:
                break
    digest = targets[0].descriptor.digest
    failure = failures[0] if failures else None
    return InspectedImage(str(opened), digest, pinned_name(opened, digest), tuple(found), failure)


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
