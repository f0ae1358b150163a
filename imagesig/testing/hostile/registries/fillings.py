"""What fills a document up, and texts that are not valid documents."""

from __future__ import annotations


def filled(start: bytes, unit: bytes, end: bytes, size: int) -> bytes:
    return start + unit * ((size - len(start) - len(end)) // len(unit)) + end


FILLINGS: dict[str, tuple[bytes, bytes, bytes]] = {
    "arrays": (b'"x":[', b"[],", b"[]]"),
    "objects": (b'"x":[', b'{"a":1},', b"0]"),
    "numbers": (b'"x":[', b"1.5,", b"0]"),
    "strings": (b'"x":[', b'"ab",', b'""]'),
    "depth": (b'"x":', b"[", b""),
    "nested-objects": (b'"x":', b'{"a":', b""),
    "long-string": (b'"x":"', b"a", b'"'),
    "long-name": (b'"', b"a", b'":0'),
    "long-number": (b'"x":', b"9", b""),
    "long-fraction": (b'"x":0.', b"9", b""),
    "long-exponent": (b'"x":1e', b"9", b""),
    "astral-character": ('"x":"\U0001f600'.encode(), b"a", b'"'),
    "astral-characters": (b'"x":"', "\U0001f600".encode(), b'"'),
    "astral-escapes": (b'"x":"', b"\\ud83d\\ude00", b'"'),
    "wide-characters": (b'"x":"', "\u0416".encode(), b'"'),
    "escapes": (b'"x":"', b"\\u0000", b'"'),
    "backslashes": (b'"x":"', b"\\\\", b'"'),
    "duplicates": (b'"x":0,', b'"a":1,', b'"a":1'),
    "blanks": (b"", b" ", b'"x":0'),
    "open-string": (b'"x":"', b"a", b""),
}
"""How a document is filled up, by name: the bytes before, the bytes that repeat, and the bytes after."""
ODDITIES: dict[str, bytes] = {
    "nothing": b"",
    "half": b'{"schemaVersion":2,',
    "twice": b"{}{}",
    "list": b"[]",
    "null": b"null",
    "text": b'"x"',
    "byte-order-mark": b"\xef\xbb\xbf{}",
    "utf-16": "{}".encode("utf-16"),
    "utf-32": "{}".encode("utf-32"),
    "not-utf-8": b'{"a":"\xff"}',
    "surrogate-bytes": b'{"a":"\xed\xa0\x80"}',
    "lone-surrogate": b'{"a":"\\ud800"}',
    "nul": b"\0" * 100,
    "nan": b'{"a":NaN}',
    "single-quotes": b"{'a':1}",
    "comment": b"{}//",
}
"""Texts that are not valid documents."""
