"""The bytes that a DSSE signature signs. Spec: secure-systems-lab/dsse, protocol, "PAE"."""

from __future__ import annotations


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """`DSSEv1 LEN(type) type LEN(payload) payload`; lengths are decimal and count bytes, not characters."""
    encoded_type = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(encoded_type), encoded_type, len(payload), payload)
