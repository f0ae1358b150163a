"""The payload: the descriptor of the signed image, with the user's metadata as its annotations.

Spec: Notary Project signature-specification, "Payload".
"""

from __future__ import annotations

from imagesig import limits
from imagesig.encoding.json import go_json, parse_object
from imagesig.encoding.shape import Shape
from imagesig.errors import FormatViolation, InvalidArgument, MalformedError
from imagesig.oci.descriptor import parse_descriptor
from imagesig.oci.shapes import DESCRIPTOR
from imagesig.signature import Claim, Subject
from imagesig.text import quote

PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
RESERVED = "io.cncf.notary"
"""The prefix of names that the Notary Project reserves."""


_PAYLOAD = Shape.of("", targetArtifact=DESCRIPTOR)


def payload_bytes(claim: Claim) -> bytes:
    """The payload as notation writes it, except for the order of members.

    Raises:
        InvalidArgument: an annotation has a reserved name.
    """
    (subject,) = claim.subjects
    for name in subject.annotations:
        if name.startswith(RESERVED):
            raise InvalidArgument(
                f"annotation {quote(name)}: names that begin with {RESERVED} are reserved",
                hint="give the annotation another name",
            )
    artifact: dict[str, object] = {
        "mediaType": subject.media_type,
        "digest": subject.digest,
        "size": subject.size,
    }
    if subject.annotations:
        artifact["annotations"] = dict(subject.annotations)
    return go_json({"targetArtifact": artifact})


def parse_payload(payload: bytes) -> Claim:
    """The claim in a payload whose signature is verified. Unknown members of the descriptor are ignored.

    Raises:
        MalformedError: it is not strict JSON.
        FormatViolation: `targetArtifact` is missing, is not the only member, or is not a descriptor.
    """
    document = parse_object(payload, "payload", _PAYLOAD, nodes=limits.ENVELOPE_NODES)
    if document.keys() != {"targetArtifact"}:
        raise FormatViolation(f"payload has the members {quote(sorted(document))}, targetArtifact alone is needed")
    try:
        artifact = parse_descriptor(document["targetArtifact"], "targetArtifact")
    except MalformedError as error:
        raise FormatViolation(str(error)) from None
    return Claim((Subject(artifact.digest, artifact.media_type, artifact.size, artifact.annotations),))
