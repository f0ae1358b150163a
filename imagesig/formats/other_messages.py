"""What the signatures of images, attestations and trust data sign: a signature of a blob must never be one of them.

A file is somebody else's choice. If its bytes are such a message, the signature of the file is that of an image.
"""

from __future__ import annotations

import base64
import re

from imagesig import limits
from imagesig.encoding.json import may_have_object
from imagesig.encoding.shape import folded
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
_WITH_SIGNATURES = b'{"sign'
"""A whole file of trust data, whose outermost members are `signed` and `signatures`: nobody signs it as it is."""
_NAME = regex(r'"((?:[^"\\]++|\\.)*+)"[ \t\r\n]*+:', re.DOTALL)
_ESCAPE = regex(r"\\u([0-9A-Fa-f]{4})")


def kind_of_message(head: bytes, size: int) -> str:
    """What else a blob of `size` bytes is the message of, in words; empty if it is of nothing.

    `head` has its first `HEAD_BYTES` bytes.
    """
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            return kind
    if head.startswith(b'{"') and not head.startswith(_WITH_SIGNATURES) and _TRUST_DATA.search(head):
        return "a file of Docker Content Trust"
    if size > len(head):
        return ""
    if (found := _JWS.fullmatch(head)) and "alg" in _names(_decoded(found[1])):
        return "the message of a Notary Project signature (JWS)"
    return "the payload of an image signature" if may_have_object(head, "critical") else ""


def _names(document: bytes) -> set[str]:
    """What may be the name of a member, at any depth, as Go compares names."""
    names = _NAME.findall(document.decode("utf-8", "replace"))
    return {folded(_ESCAPE.sub(lambda found: chr(int(found[1], 16)), name)) for name in names}


def _decoded(part: bytes) -> bytes:
    """The bytes in base64url, without the last ones if the text is cut."""
    return base64.urlsafe_b64decode(part[: len(part) // 4 * 4])
