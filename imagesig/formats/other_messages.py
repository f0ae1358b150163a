"""What the signatures of images, attestations and trust data sign: a signature of a blob must never be one of them.

A file is somebody else's choice. If its bytes are such a message, the signature of the file is that of an image.
"""

from __future__ import annotations

import base64
import re

from imagesig import limits
from imagesig.encoding.json import may_have_member
from imagesig.patterns import regex

HEAD_BYTES = limits.BUNDLE_BYTES
"""How many bytes of a blob `kind_of_message` needs: no payload of an image signature is longer."""
_BEGINNINGS = {
    b"DSSEv1 ": "the message of an attestation or a bundle (DSSE)",
    b"\x84\x6aSignature1": "the message of a Notary Project signature (COSE)",
}
_JWS = regex(rb"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*")
_TRUST_DATA = regex(rb'"_type":"(?:root|targets|snapshot|timestamp)"', re.IGNORECASE)
"""The first member of trust data as they are signed, in canonical JSON, after members that are unknown."""


def kind_of_message(head: bytes, size: int) -> str:
    """What else a blob of `size` bytes is the message of, in words; empty if it is of nothing.

    `head` has its first `HEAD_BYTES` bytes.
    """
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            return kind
    if head.startswith(b'{"') and _TRUST_DATA.search(head):
        return "a file of Docker Content Trust"
    if size > len(head):
        return ""
    if (found := _JWS.fullmatch(head)) and _is_object(found[1]):
        return "the message of a Notary Project signature (JWS)"
    return "the payload of an image signature" if may_have_member(head, "critical") else ""


def _is_object(part: bytes) -> bool:
    """Whether the text in base64url begins as a JSON object does."""
    start = part[:64]
    try:
        return base64.urlsafe_b64decode(start + b"=" * (-len(start) % 4)).lstrip().startswith(b"{")
    except ValueError:
        return False
