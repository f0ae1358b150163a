"""A ClientHello to ask whether a server speaks TLS, without loading a TLS library. Pure.

A server of TLS answers it with a record: its own hello, or an alert. A server of HTTP reads it as a request line that
ends, because its random bytes are two line breaks, and refuses that. Spec: RFC 8446 section 4.1.2, RFC 5246.
"""

from __future__ import annotations

import ipaddress

_RANDOM = b"\r\n\r\n" + bytes(range(28))
_CIPHERS = bytes.fromhex("1301 1302 1303 c02b c02f c02c c030 cca9 cca8 009c 002f")
_GROUPS = bytes.fromhex("001d 0017 0018 0019")
_ALGORITHMS = bytes.fromhex("0403 0503 0603 0807 0804 0805 0806 0401 0501 0601")
_VERSIONS = bytes.fromhex("0304 0303")
_ALERT, _HANDSHAKE = 0x15, 0x16


def client_hello(host: str) -> bytes:
    """The first record of a TLS connection to this host, for TLS 1.2 and 1.3."""
    extensions = _extension(10, _sized(_GROUPS, 2)) + _extension(13, _sized(_ALGORITHMS, 2))
    extensions += _extension(43, _sized(_VERSIONS, 1)) + _extension(51, _sized(b"", 2)) + _server_name(host)
    body = b"\x03\x03" + _RANDOM + _sized(b"", 1) + _sized(_CIPHERS, 2) + _sized(b"\0", 1) + _sized(extensions, 2)
    return b"\x16\x03\x01" + _sized(b"\x01" + _sized(body, 3), 2)


def is_tls(answer: bytes) -> bool:
    """Whether bytes that a server sent begin a record of TLS."""
    return answer[:1] in (bytes([_ALERT]), bytes([_HANDSHAKE]))


def _server_name(host: str) -> bytes:
    """The name, by which servers choose a certificate; nothing for an address (RFC 6066 section 3)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _extension(0, _sized(b"\0" + _sized(host.rstrip(".").encode("ascii"), 2), 2))
    return b""


def _extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2, "big") + _sized(content, 2)


def _sized(content: bytes, length_bytes: int) -> bytes:
    return len(content).to_bytes(length_bytes, "big") + content
