"""Signatures as files, as containers/image stores them in `dir:` and on lookaside servers. Pure.

Spec: containers/image, `internal/signature`: a named format after a zero byte, or a bare OpenPGP message.
"""

from __future__ import annotations

import base64
import binascii

from imagesig import limits
from imagesig.encoding.json import go_json, parse_object
from imagesig.encoding.shape import Shape
from imagesig.errors import FormatViolation, LimitExceeded
from imagesig.oci.annotations import Annotations
from imagesig.oci.descriptor import parse_annotations, parse_media_type
from imagesig.signature import Part
from imagesig.text import quote

OPENPGP = "application/vnd.imagesig.signature-file.openpgp"
"""The media type for a simple-signing file with an OpenPGP message. The content is the file."""
UNKNOWN = "application/vnd.imagesig.signature-file.unknown"
"""The media type for a file of an unknown form."""
_SIGSTORE = b"sigstore-json"
_SIMPLE_SIGNING = b"simple-signing"
_HEADER_BYTES = 64
_FILE = Shape.of("mimeType payload annotations")
# Compressed data, one-pass signature and signature packets, in both packet formats. containers/image accepts 3D
# instead of 93.
_OPENPGP_STARTS = frozenset(b"\xa0\xa1\xa2\xa3\xc8\x90\x91\x92\xc4\x3d\x88\x89\x8a\x8b\xc2")


def is_file_only(media_type: str) -> bool:
    """Whether a signature of this type can only be stored as a file."""
    return media_type in (OPENPGP, UNKNOWN)


def parse_signature_file(content: bytes, what: str) -> Part:
    """The signature in a file: a classic one as in a registry, or the whole file with one of the types above.

    Raises:
        FormatViolation, MalformedError: it claims to be a classic signature, but is not.
    """
    if content[:1] != b"\0":
        return Part(OPENPGP if content[:1] and content[0] in _OPENPGP_STARTS else UNKNOWN, content)
    name, newline, _ = content[1:_HEADER_BYTES].partition(b"\n")
    if not newline or name != _SIGSTORE:
        return Part(OPENPGP if newline and name == _SIMPLE_SIGNING else UNKNOWN, content)
    document = parse_object(content[1 + len(name) + 1 :], what, _FILE)
    payload = document.get("payload")
    if not isinstance(payload, str):
        raise FormatViolation(f"{what}: payload is {quote(payload)}, base64 text is needed")
    try:
        decoded = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        raise FormatViolation(f"{what}: payload is not standard base64") from None
    if len(decoded) > limits.PAYLOAD_BYTES:
        raise LimitExceeded(f"{what}: a payload of {len(decoded)} bytes, at most {limits.PAYLOAD_BYTES} are read")
    annotations = parse_annotations(document.get("annotations"), what)
    return Part(parse_media_type(document.get("mimeType"), what), decoded, annotations)


def signature_file(part: Part) -> bytes:
    """The file for a signature, the inverse of `parse_signature_file`."""
    if part.media_type in (OPENPGP, UNKNOWN):
        return part.content
    document = {
        "mimeType": part.media_type,
        "payload": base64.b64encode(part.content).decode("ascii"),
        "annotations": dict(Annotations(part.annotations)),
    }
    return b"\0" + _SIGSTORE + b"\n" + go_json(document)
