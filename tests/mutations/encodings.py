"""Changes below JSON: base64, PEM, DER signatures and certificates, bytes. Each gives the new value and its kind."""

from __future__ import annotations

import base64
import binascii
import string
from random import Random
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

T = TypeVar("T", str, bytes)
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256."""


def change_base64(random: Random, text: str) -> tuple[str, str]:
    """The same bytes, or nearly, in base64 as RFC 4648 does not have it, or in its other alphabet."""
    half = len(text) // 2
    ways: dict[str, str] = {
        "line-break": text[:half] + "\n" + text[half:],
        "line-break-at-end": text + "\n",
        "carriage-return": text[:half] + "\r\n" + text[half:],
        "space": text[:half] + " " + text[half:],
        "space-first": " " + text,
        "tab-at-end": text + "\t",
        "url-alphabet": text.replace("+", "-").replace("/", "_"),
        "standard-alphabet": text.replace("-", "+").replace("_", "/"),
        "no-padding": text.rstrip("="),
        "padding": text + "=" * (-len(text) % 4),
        "more-padding": text + "=",
        "more-padding-4": text + "====",
        "twice": base64.b64encode(text.encode()).decode(),
        "padding-inside": text[: half // 4 * 4] + "=" + text[half // 4 * 4 :],
        "loose-bits": _loose_bits(text),
        "hex": _decoded(text).hex(),
        "comma": text[:half] + "," + text[half:],
        "nul": text + "\0",
        "cut": text[:-4],
        "empty": "",
        "more": text + "AAAA",
    }
    return _choose(random, ways, text, "base64")


def change_signature(random: Random, der: bytes) -> tuple[bytes, str]:
    """An ECDSA signature by P-256 in DER, in other encodings, and other signatures."""
    try:
        r, s = decode_dss_signature(der)
    except ValueError:
        return change_bytes(random, der)
    ways: dict[str, bytes] = {
        "other-s": _der(r, _ORDER - s),
        "raw": r.to_bytes(32, "big") + s.to_bytes(32, "big"),
        "swapped": _der(s, r),
        "zero-r": _der(0, s),
        "zero-s": _der(r, 0),
        "plus-order": _der(r + _ORDER, s),
        "s-plus-order": _der(r, s + _ORDER),
        "negative": _der(-r, s),
        "long-length": b"\x30\x81" + der[1:],
        "indefinite": b"\x30\x80" + der[2:] + b"\0\0",
        "padded-integer": _sequence(_integer(r, b"\0") + _integer(s)),
        "padded-s": _sequence(_integer(r) + _integer(s, b"\0")),
        "trailing": der + b"\0",
        "trailing-inside": _sequence(der[2:] + b"\x05\0"),
        "set": b"\x31" + der[1:],
        "three": _sequence(der[2:] + _integer(1)),
        "cut": der[:-1],
        "empty": b"",
        "twice": der + der,
    }
    return _choose(random, ways, der, "signature") if random.random() < 0.9 else change_bytes(random, der)


def change_raw_signature(random: Random, raw: bytes) -> tuple[bytes, str]:
    """The same for r and s as they stand in JWS and COSE."""
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    ways: dict[str, bytes] = {
        "other-s": raw[:32] + (_ORDER - s).to_bytes(32, "big"),
        "der": _der(r, s),
        "swapped": raw[32:] + raw[:32],
        "zero-r": bytes(32) + raw[32:],
        "zeros": bytes(64),
        "leading-zero": b"\0" + raw,
        "wide": b"\0" + raw[:32] + b"\0" + raw[32:],
        "trailing": raw + b"\0",
        "cut": raw[:-1],
        "empty": b"",
        "half": raw[:32],
    }
    return _choose(random, ways, raw, "signature")


def change_bytes(random: Random, data: bytes) -> tuple[bytes, str]:
    """A byte or a length of anything."""
    at = min(int(random.random() * len(data)), max(0, len(data) - 1))
    ways: dict[str, bytes] = {
        "flipped": data[:at] + bytes([data[at] ^ (1 << random.randrange(8))]) + data[at + 1 :] if data else b"\0",
        "flipped-again": data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :] if data else b"\0",
        "cut": data[:at],
        "inserted": data[:at] + b"\0" + data[at:],
        "removed": data[:at] + data[at + 1 :],
        "trailing": data + b"\0",
        "trailing-line": data + b"\n",
        "first": b"\0" + data,
        "byte-order-mark": b"\xef\xbb\xbf" + data,
        "space-first": b" " + data,
        "empty": b"",
        "twice": data + data,
    }
    return _choose(random, ways, data, "bytes")


def change_certificate(random: Random, der: bytes, others: dict[str, bytes]) -> tuple[bytes, str]:
    """Another certificate of the same key (`others`, by what is odd about it), or broken DER."""
    if others and random.random() < 0.7:
        name = random.choice(sorted(others))
        return others[name], f"certificate:{name}"
    ways: dict[str, bytes] = {
        "trailing": der + b"\0",
        "not-shortest-length": der[:1] + b"\x83\0" + der[2:] if der[1] == 0x82 else der + b"\1",
        "indefinite": b"\x30\x80" + der[4:] + b"\0\0",
        "other-signature": der[:-1] + bytes([der[-1] ^ 1]),
        "version": der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01", 1),
    }
    if random.random() < 0.5:
        made, kind = change_bytes(random, der)
        return made, f"certificate-{kind}"
    return _choose(random, ways, der, "certificate-der")


def change_pem(random: Random, text: str, others: str) -> tuple[str, str]:
    """PEM of one or more certificates in another form or order; `others` is PEM of another authority."""
    blocks = [part + "-----END CERTIFICATE-----\n" for part in text.split("-----END CERTIFICATE-----\n") if part]
    ways: dict[str, str] = {
        "reversed": "".join(reversed(blocks)),
        "first-removed": "".join(blocks[1:]),
        "last-removed": "".join(blocks[:-1]),
        "twice": text + text,
        "other-added": text + others,
        "other-first": others + text,
        "other": others,
        "no-line-break-at-end": text.rstrip("\n"),
        "text-first": "a certificate\n" + text,
        "text-after": text + "a certificate\n",
        "text-after-pem-like": text + "-----BEGIN\n",
        "carriage-returns": text.replace("\n", "\r\n"),
        "space-at-line-ends": text.replace("\n", " \n"),
        "one-line": text.replace("\n", ""),
        "other-label": text.replace("CERTIFICATE", "X509 CERTIFICATE"),
        "trusted-label": text.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
        "headers": text.replace("-----\nMII", "-----\nA: b\n\nMII", 1),
        "empty-lines": text.replace("\n", "\n\n"),
        "lower-case": text.replace("CERTIFICATE", "certificate"),
        "empty": "",
    }
    return _choose(random, ways, text, "pem")


def is_base64(text: object) -> bool:
    return isinstance(text, str) and len(text) >= 40 and " " not in text and ":" not in text and bool(_decoded(text))


def _choose(random: Random, ways: dict[str, T], before: T, kind: str) -> tuple[T, str]:
    """Ways that change nothing are no mutations.

    The choice depends on the bytes as little as it can: signatures and certificates are new in each run, and the same
    seed and number shall give the same mutation.
    """
    name = next(name for name in random.sample(list(ways), len(ways)) if ways[name] != before)
    return ways[name], f"{kind}:{name}"


def _decoded(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.replace("+", "-").replace("/", "_") + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _loose_bits(text: str) -> str:
    """Bits that no byte has, where padding leaves such."""
    bare = text.rstrip("=")
    if len(bare) % 4 == 0:
        return text
    alphabet = string.ascii_uppercase + string.ascii_lowercase + string.digits
    alphabet += "-_" if set(text) & {*"-_"} else "+/"
    at = alphabet.find(bare[-1])
    return text if at < 0 else bare[:-1] + alphabet[at | 1] + text[len(bare) :]


def _der(r: int, s: int) -> bytes:
    return _sequence(_integer(r) + _integer(s))


def _sequence(content: bytes) -> bytes:
    return b"\x30" + (bytes([len(content)]) if len(content) < 128 else b"\x81" + bytes([len(content)])) + content


def _integer(value: int, before: bytes = b"") -> bytes:
    content = before + value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)
    return b"\x02" + bytes([len(content)]) + content
