"""Makes untrusted text safe to show: escaped, cut, and without keys.

All text from artefacts, servers and files is untrusted. `quote` is for one value in a sentence, `printable` for a whole
line, and `sentence` for a line from which keys are removed. Every `ImagesigError`, log record and line of the command
goes through one of them. Their time and memory are bounded for any input.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Set
from datetime import date, timedelta
from enum import Enum
from itertools import islice, pairwise

from imagesig.patterns import regex

QUOTED_CHARACTERS = 80
"""Characters of one quoted value."""
PRINTED_CHARACTERS = 8192
"""Characters of one printed sentence."""
HIDDEN = "(not shown: it may hold a key)"

_ITEMS = 4
_LEVELS = 2
_NUMBER_BITS = 256
_SEARCHED = 64 * 1024
"""Characters of a text that are searched for a key. Later ones are never shown."""
_SECRET_CHARACTERS = 8
_WORD_CHARACTERS = 12
_SECRETS = 64
"""The number of remembered secrets; the oldest are dropped first."""
_REDACTED_CHARACTERS = 8 * 1024
_secrets: dict[str, None] = {}
_KEY_BLOCK = "-----BEGIN"
_OPENSSH_KEY = "b3BlbnNzaC1rZXktdjE"
"""`openssh-key-v1` in base64, how a key of OpenSSH begins. The rest of an Ed25519 key may not look random."""
_BASE64 = regex(r"[A-Za-z0-9+/_-]{40,}")
_CHANGES = 0.4
"""Minimum share of neighbours of different kinds: base64 of random bytes has 0.6, paths and names have 0.1."""
_RUN = 512
"""Characters of one base64 text that are checked."""
_PERCENT = regex(r"%([0-9A-Fa-f]{2})")
_BREAK = regex(r"\\[rn]|[\r\n]")
"""A line break, also as shells and JSON write it."""
_LONG = regex(r"(?:[A-Za-z0-9+/_=%-]|\\[rn]|[\r\n]){60,}")
"""A possible key in a sentence: longer than a fingerprint in base64, which has 44 characters."""
_DER_KEY = regex(rb"0(?:[\x10-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01]", re.DOTALL)
"""The beginning of PKCS #8, PKCS #1 and SEC 1 keys: a sequence with 0 or 1 as its first item."""
_BASE64_SEQUENCE = regex(r"(?=(M[A-P][A-Za-z0-9+/]{10}))")
"""Nine bytes in base64 of which the first is that of a sequence."""
_JOINT = r"[ ,:\t]{0,2}(?:\\x|0x)?"
_HEX_KEY = regex(
    rf"(?i)(?<![0-9A-Za-z])(?![0-9a-f]{{64}}(?![0-9a-f]))(?:\\x|0x)?30{_JOINT}"
    rf"(?:[1-7][0-9a-f]|81{_JOINT}[0-9a-f]{{2}}|82{_JOINT}[0-9a-f]{{2}}{_JOINT}[0-9a-f]{{2}})"
    rf"{_JOINT}02{_JOINT}01{_JOINT}0[01](?:{_JOINT}[0-9a-f]{{2}})*+"
)
"""The same in hex, with or without separators between bytes. 64 digits are a digest."""
_BASE32 = regex(r"[A-Za-z2-7]{40,}")
_BETWEEN_PIECES = regex(r"(?<=[A-Za-z0-9+/_=-]{16})[ ,]{1,2}(?=[A-Za-z0-9+/_-])")
_PIECES = regex(r"(?:[A-Za-z0-9+/_=-]{16,}+[ ,]{1,2})++[A-Za-z0-9+/_=-]*+")
"""Base64 in pieces, as a shell or a person splits it."""
_INVISIBLE = regex("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Invisible characters that Python regards as printable. Spec: Unicode, Default_Ignorable_Code_Point."""
_PEM = regex(r"-----BEGIN [^-]{0,40}PRIVATE KEY.*?(?:-----END [^-]{0,40}-----|\Z)", re.DOTALL)


def quote(untrusted: object) -> str:
    """An untrusted value for one sentence: its Python literal, escaped and cut.

    Long text shows its beginning and length, a collection its first items. Possible private keys are not shown.
    """
    try:
        return printable(_rendered(untrusted, _LEVELS))
    except Exception:  # noqa: BLE001 - a value with failing methods must not replace the error that is reported
        return printable(f"({type(untrusted).__name__[:QUOTED_CHARACTERS]})")


def quote_long(untrusted: str, characters: int) -> str:
    """`quote` for the output of a program: without secrets, and then cut at so many characters."""
    return printable(repr(_without_secrets(untrusted[:_REDACTED_CHARACTERS])[:characters]))


def printable(text: str) -> str:
    """The text on one line for terminals and logs: controls and lone surrogates escaped, cut if too long."""
    text = _cut(text)
    if _KEY_BLOCK in text:
        text = _PEM.sub(HIDDEN, text)
    return visible(text)


def visible(text: str) -> str:
    """The text with line breaks, controls, lone surrogates and invisible characters escaped; as long as it is."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else _escaped(character) for character in text)
    return text if text.isascii() else _INVISIBLE.sub(lambda found: _escaped(found[0]), text)


def sentence(text: str) -> str:
    """`printable` for errors, hints, warnings and logs: without secrets and possible private keys."""
    text = _without_secrets(_cut(text))
    if _KEY_BLOCK in text:
        text = _PEM.sub(HIDDEN, text)
    if "30" in text:  # the first byte of a key
        text = _HEX_KEY.sub(HIDDEN, text)
    for pattern in (_PIECES, _LONG):
        text = pattern.sub(lambda found: HIDDEN if holds_key(found[0]) else found[0], text)
    return printable(text)


def redact_keys(secret: str) -> None:
    """Hides this secret in all later errors, hints, warnings and logs of this process.

    Call it for secrets that are sent to a server, which may send them back. Use it only for the user's own secrets: a
    server could choose a token that removes words from our messages. Short lower-case words such as `password` are not
    hidden, because our messages contain them too.
    """
    if len(secret) < _SECRET_CHARACTERS or (len(secret) <= _WORD_CHARACTERS and secret.isalpha() and secret.islower()):
        return
    _secrets.pop(secret, None)
    _secrets[secret] = None
    while len(_secrets) > _SECRETS:
        _secrets.pop(next(iter(_secrets)), None)


def _without_secrets(text: str) -> str:
    for secret in tuple(_secrets):
        text = text.replace(secret, "(secret)")
    return text


def may_hold_key(text: str) -> bool:
    """Whether the text may be a private key in place of a name: it has a PEM block, a line break or long base64.

    Digests and paths are not.
    """
    start = text[:_SEARCHED]
    return "\n" in start or "\r" in start or holds_key(start)


def holds_key(text: str) -> bool:
    """Whether the text may contain a private key. Unlike in `may_hold_key`, line breaks alone do not matter."""
    text = text[:_SEARCHED]
    if "%" in text:
        text = _PERCENT.sub(lambda found: chr(int(found[1], 16)), text)
    text = _BREAK.sub("", text)
    if _KEY_BLOCK in text or _HEX_KEY.search(text):
        return True
    whole = _BETWEEN_PIECES.sub("", text)
    if _OPENSSH_KEY in whole:
        return True
    runs = [found[0][:_RUN] for found in _BASE64.finditer(whole)]
    return any(_is_random(run) or _is_key_in_base64(run) for run in runs) or any(
        _is_key_in_base32(found[0][:_RUN]) for found in _BASE32.finditer(whole)
    )


def _is_key_in_base64(text: str) -> bool:
    """Whether a key starts at one of the characters. The first line of a key in PEM may not look random."""
    text = text.replace("-", "+").replace("_", "/")
    return any(_DER_KEY.match(base64.b64decode(found[1])) for found in _BASE64_SEQUENCE.finditer(text))


def _is_key_in_base32(text: str) -> bool:
    try:
        return _DER_KEY.match(base64.b32decode(text[: len(text) // 8 * 8], casefold=True)) is not None
    except binascii.Error:
        return False


def _is_random(text: str) -> bool:
    """Whether base64 characters look random: a mix of three kinds of characters. Digests have only two kinds."""
    if text.lower() == text or text.upper() == text:
        return False
    kinds = [
        0 if "a" <= character <= "z" else 1 if "A" <= character <= "Z" else 2
        for character in text
        if character.isalnum()
    ]
    changes = sum(one != other for one, other in pairwise(kinds))
    return len(set(kinds)) == 3 and changes >= _CHANGES * len(kinds)


def _cut(text: str) -> str:
    over = len(text) - PRINTED_CHARACTERS
    return text if over <= 0 else f"{text[:PRINTED_CHARACTERS]}... ({over} characters more)"


def _escaped(character: str) -> str:
    number = ord(character)
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(
        character, f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"
    )


def _rendered(value: object, levels: int) -> str:
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"[: 2 * QUOTED_CHARACTERS]
    if isinstance(value, str | bytes | bytearray | memoryview):
        return _of_text(value)
    if isinstance(value, bool | float | None):
        return repr(value)
    if isinstance(value, int):
        bits = value.bit_length()
        return repr(int(value)) if bits <= _NUMBER_BITS else f"(a number of {bits} bits)"
    if isinstance(value, date | timedelta):
        return str(value)[:QUOTED_CHARACTERS]
    if hasattr(value, "__fspath__"):
        return _of_text(str(value))
    if isinstance(value, Mapping | Set | list | tuple):
        return _of_items(value, levels)
    return f"({type(value).__name__[:QUOTED_CHARACTERS]})"


def _of_text(value: str | bytes | bytearray | memoryview) -> str:
    length = len(value)
    if isinstance(value, str):
        if holds_key(value):
            return HIDDEN
        shown = repr(_without_secrets(str(value[:_REDACTED_CHARACTERS]))[:QUOTED_CHARACTERS])
    else:
        start = bytes(value[:_SEARCHED])
        if _DER_KEY.match(start) or holds_key(start.decode("latin-1")):
            return HIDDEN
        shown = repr(start[:QUOTED_CHARACTERS])
    return shown if length <= QUOTED_CHARACTERS else f"{shown}... ({length} long)"


def _of_items(value: Mapping[object, object] | Set[object] | list[object] | tuple[object, ...], levels: int) -> str:
    opening, closing = "{}" if isinstance(value, Mapping | Set) else "[]" if isinstance(value, list) else "()"
    if not value:
        return opening + closing
    if not levels:
        return f"{opening}...{closing}"
    if isinstance(value, Mapping):
        parts = [f"{_rendered(name, 0)}: {_rendered(item, levels - 1)}" for name, item in islice(value.items(), _ITEMS)]
    else:
        parts = [_rendered(item, levels - 1) for item in islice(value, _ITEMS)]
        if HIDDEN in parts:  # other items may be more lines of the same key
            return HIDDEN
    shown = ", ".join(parts)
    more = len(value) - _ITEMS
    whole = f"{opening}{shown}{f', and {more} more' if more > 0 else ''}{closing}"
    return whole if len(whole) <= 2 * QUOTED_CHARACTERS else f"{whole[: 2 * QUOTED_CHARACTERS]}..."
