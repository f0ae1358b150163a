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
"""How many bytes of a blob are looked at as a whole. Other tools read longer messages than imagesig."""
_BEGINNINGS = {
    b"DSSEv1 ": "the message of an attestation or a bundle (DSSE)",
    b"\x84\x6aSignature1": "the message of a Notary Project signature (COSE)",
}
_PAYLOAD, _JWS = "the payload of an image signature", "the message of a Notary Project signature (JWS)"
_TRUST_FILE = "a file of Docker Content Trust"
_TRUST_DATA = regex(rb'"_type":"(?:root|targets|snapshot|timestamp)"', re.IGNORECASE)
"""The first member of trust data as they are signed, in canonical JSON, after members that are unknown."""
_WITH_SIGNATURES = b'{"sign'
"""A whole file of trust data, whose outermost members are `signed` and `signatures`: nobody signs it as it is."""
_JWS_CHARACTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_\r\n"
"""Those of base64url, and line breaks, which Go's decoder skips."""
_NAME = regex(r'"((?:[^"\\]++|\\.)*+)"[ \t\r\n]*+:', re.DOTALL)
_ESCAPE = regex(r"\\u([0-9A-Fa-f]{4})")
_ALSO = {"k": "\u212a", "s": "\u017f"}
"""What Go's reader takes for these letters in a name."""


def _spelled(name: str) -> bytes:
    """A pattern for the name of a member as some reader takes it: in any case, with or without escapes."""

    def spelled(letter: str) -> str:
        forms = dict.fromkeys((letter, letter.upper(), _ALSO.get(letter, letter)))
        return "|".join(f"{re.escape(form)}|\\\\u(?i:{ord(form):04x})" for form in forms)

    return ('"' + "".join(f"(?:{spelled(letter)})" for letter in name) + '"').encode()


_DIGEST_NAME = regex(_spelled("docker-manifest-digest"))
"""Without this member, the payload of an image signature names no image."""
_OVERLAP = 6 * len("docker-manifest-digest") + 2


class MessageScan:
    """Says what else a blob is the message of. It is given the pieces of the blob in their order."""

    def __init__(self) -> None:
        self._head, self._tail = bytearray(), b""
        self._size = self._dots = 0
        self._first = b""
        """The first character that is no blank."""
        self._may_be_jws, self._has_type, self._has_digest = True, False, False

    def add(self, piece: bytes) -> None:
        self._size += len(piece)
        self._head += piece[: HEAD_BYTES - len(self._head)]
        self._first = self._first or piece.lstrip(b" \t\r\n")[:1]
        if self._may_be_jws:
            others = piece.translate(None, _JWS_CHARACTERS)
            self._dots += len(others)
            self._may_be_jws = self._dots <= 1 and others in (b"", b".")
        if self._first == b"{":
            text = self._tail + piece
            self._has_type = self._has_type or bool(_TRUST_DATA.search(text))
            self._has_digest = self._has_digest or bool(_DIGEST_NAME.search(text))
            self._tail = text[-_OVERLAP:]

    @property
    def kind(self) -> str:
        """The kind in words; empty if it is the message of nothing."""
        head = bytes(self._head)
        for beginning, kind in _BEGINNINGS.items():
            if head.startswith(beginning):
                return kind
        if head.startswith(b'{"') and not head.startswith(_WITH_SIGNATURES) and self._has_type:
            return _TRUST_FILE
        is_jws = self._may_be_jws and self._dots == 1
        if self._size > len(head):
            # A long blob is not parsed: its members are not counted, and any of them may be one of a long message.
            return _JWS if is_jws else _PAYLOAD if self._has_digest else ""
        if is_jws and "alg" in _names(_decoded(head.partition(b".")[0])):
            return _JWS
        return _PAYLOAD if may_have_object(head, "critical") else ""


def _names(document: bytes) -> set[str]:
    """What may be the name of a member, at any depth, as Go compares names."""
    names = _NAME.findall(document.decode("utf-8", "replace"))
    return {folded(_ESCAPE.sub(lambda found: chr(int(found[1], 16)), name)) for name in names}


def _decoded(part: bytes) -> bytes:
    """The bytes in base64url, without the last ones if the text is cut."""
    part = part.translate(None, b"\r\n")
    return base64.urlsafe_b64decode(part[: len(part) // 4 * 4])
