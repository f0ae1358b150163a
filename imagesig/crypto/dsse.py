"""The bytes that a DSSE signature signs. Spec: secure-systems-lab/dsse, protocol, "PAE"."""

from __future__ import annotations


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """`DSSEv1 LEN(type) type LEN(payload) payload`; lengths are decimal and count bytes, not characters."""
    return encoding_head(payload_type, len(payload)) + payload


def encoding_head(payload_type: str, length: int) -> bytes:
    """The encoding of a payload of `length` bytes, up to the payload."""
    encoded_type = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d " % (len(encoded_type), encoded_type, length)
