"""DSSE envelopes over in-toto statements, for bundles and classic attestations; large payloads are decoded in place.

Spec: secure-systems-lab/dsse, envelope.md. Exactly one signature, as in sigstore. A keyid is neither needed nor
trusted: the key is found by trying the trusted ones.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from io import BytesIO

import msgspec

from imagesig import limits
from imagesig.crypto.dsse import encoding_head, pre_authentication_encoding
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import Shape
from imagesig.errors import FormatViolation, LimitExceeded
from imagesig.formats.format import check_members, decode_base64
from imagesig.in_toto.statement import IN_TOTO
from imagesig.redacted import RedactedStruct
from imagesig.text import quote

ENVELOPE = Shape.of("payload payloadType", signatures=Shape.of("sig keyid"))
_CHUNK = 256 * 1024
"""Characters of base64 that are decoded at once; a multiple of 4."""
_ESCAPE = len(r"\u000a")
"""The most characters of an escape in JSON."""


class Signed(RedactedStruct, frozen=True):
    """The signed content of an envelope: `message` is the bytes that were signed (PAE), which end with the payload."""

    hidden = ("message", "signature")

    message: bytes
    signature: bytes


def envelope_members(payload: bytes, signature: bytes) -> dict[str, object]:
    """The envelope as cosign writes it, for `go_json`."""
    return {
        "payloadType": IN_TOTO,
        "payload": base64.b64encode(payload).decode("ascii"),
        # No keyid: cosign skips a signature whose keyid is not the key's SSH fingerprint.
        "signatures": [{"sig": base64.b64encode(signature).decode("ascii")}],
    }


def read_envelope(value: object, what: str, limit: int) -> tuple[bytes, Signed]:
    """The payload and what was signed, from an envelope that is parsed.

    Raises:
        FormatViolation: it is not an envelope over an in-toto statement with one signature.
    """
    members = _members(value, what)
    payload = decode_base64(members["payload"], f"{what}.payload", limit)
    return payload, Signed(pre_authentication_encoding(IN_TOTO, payload), _signature(members, what))


def parse_large(content: bytes, what: str, shape: Shape, depth: int) -> tuple[dict[str, object], tuple[int, int]]:
    """A document without the payload that is at this depth, and the bounds of the payload's base64.

    In the document the payload is empty. The document is read as strictly as any other.

    Raises:
        FormatViolation: it has no payload, or one that is not text.
        LimitExceeded: it is too large.
    """
    # speed: signatures are small (tests/test_start.py)
    from imagesig.encoding.json_cut import find_member, without

    if len(content) > limits.ATTESTATION_ENVELOPE_BYTES:
        raise LimitExceeded(f"{what}: {len(content)} bytes, at most {limits.ATTESTATION_ENVELOPE_BYTES} are read")
    start = find_member(content, "payload", what, depth)
    # A quotation mark ends base64, also one with a backslash before it: the text then ends within an escape.
    end = content.find(b'"', start + 1) if start is not None and content[start : start + 1] == b'"' else -1
    if start is None or end < 0:
        raise FormatViolation(f"{what} has no payload in base64")
    rest = without(content, start, end + 1, b'""')
    if len(rest) > limits.BUNDLE_BYTES:
        raise LimitExceeded(f"{what}: {len(rest)} bytes without the payload, at most {limits.BUNDLE_BYTES} are read")
    return parse_object(rest, what, shape, nodes=limits.ENVELOPE_NODES), (start + 1, end)


def read_large_envelope(value: object, content: bytes, payload: tuple[int, int], what: str) -> Signed:
    """What was signed, from an envelope in a document of `parse_large`. Raises as `read_envelope`."""
    members = _members(value, what)
    if members["payload"] != "":
        raise FormatViolation(f"{what}: the payload is not where it is needed")
    signature = _signature(members, what)
    text, escaped = memoryview(content)[payload[0] : payload[1]], content.find(b"\\", *payload) >= 0
    return Signed(_message(text, f"{what}.payload", escaped=escaped), signature)


def payload_of(message: bytes) -> memoryview:
    """The payload at the end of a signed message, without a copy of it."""
    head = message.index(b" ", message.index(b"+json ") + len(b"+json "))
    return memoryview(message)[head + 1 :]


def _message(text: memoryview, what: str, *, escaped: bool) -> bytes:
    """The encoding to verify. Decoded piece by piece, so that only the result is in memory beside the text."""
    size, tail = len(text), bytes(text[-2:])
    if escaped:
        size, tail = 0, b""
        for part in _unescaped(text, what):
            size, tail = size + len(part), part[-2:]
    length = size // 4 * 3 - tail.count(b"=")
    if length > limits.ATTESTATION_BYTES:
        raise LimitExceeded(f"{what}: {length} bytes, at most {limits.ATTESTATION_BYTES} are read")
    head = encoding_head(IN_TOTO, length)
    # speed: memory of the right size is reused, a growing buffer is not (benchmarks/test_attestations.py)
    message = BytesIO(bytes(len(head) + length))
    message.write(head)
    done = 0
    for piece in _unescaped(text, what) if escaped else _pieces(text):
        try:
            decoded = binascii.a2b_base64(piece)
        except binascii.Error:
            decoded = b""
        # The decoder passes over other characters, and then gives fewer bytes (speed: its strict mode is slower).
        # It also accepts bits in the padding, at the end: then a second text gives the same bytes.
        done += len(piece)
        if len(decoded) * 4 != len(piece) * 3 and not (
            done == size and binascii.b2a_base64(decoded, newline=False) == piece
        ):
            raise FormatViolation(f"{what}: {quote(bytes(piece).decode('latin-1'))} is not standard base64")
        message.write(decoded)
    if message.tell() != len(head) + length:
        raise FormatViolation(f"{what}: padding inside of base64")
    return message.getvalue()


def _pieces(text: memoryview) -> Iterator[memoryview]:
    return (text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK))


def _unescaped(text: memoryview, what: str) -> Iterator[bytes]:
    """The characters of a JSON text with escapes, in pieces of whole groups of 4, without line breaks.

    A line break is an escape in JSON, and some writers escape `/` and `=`.
    """
    start, rest = 0, b""
    while start < len(text):
        piece = bytes(text[start : start + _CHUNK])
        if start + len(piece) < len(text) and (cut := piece.rfind(b"\\", -_ESCAPE)) > 0:
            piece = piece[:cut]  # an escape is not cut
        start += len(piece)
        try:
            characters = msgspec.json.decode(b'"%b"' % piece, type=str).encode("ascii")
        except (msgspec.MsgspecError, UnicodeError):
            raise FormatViolation(f"{what}: {quote(piece.decode('latin-1'))} is not base64 in JSON") from None
        rest += characters.translate(None, b"\r\n")
        whole = len(rest) // 4 * 4
        yield rest[:whole]
        rest = rest[whole:]
    if rest:
        yield rest


def _members(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise FormatViolation(f"{what} is {quote(value)}, an object is needed")
    check_members(value, {"payload", "payloadType", "signatures"}, what)
    if value["payloadType"] != IN_TOTO:
        raise FormatViolation(f"payloadType is {quote(value['payloadType'])}, {IN_TOTO} is needed")
    return value


def _signature(members: Mapping[str, object], what: str) -> bytes:
    signatures = members["signatures"]
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise FormatViolation(f"{what}.signatures: exactly one signature is needed")
    check_members(signatures[0], {"sig"}, f"{what}.signatures[0]", {"keyid"})
    return decode_base64(signatures[0]["sig"], f"{what}.signatures[0].sig")
