"""Text from outside on its way to people: escaped, cut, and free of what may be a key.

Everything that an artefact, a server or a file says is untrusted. `quote` puts one value into a sentence, `printable`
makes a whole sentence safe to print; every `ImagesigError` and every line of the command goes through `printable`.
Both cost a bounded amount of time and memory, whatever they are given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from datetime import date, timedelta
from enum import Enum
from itertools import islice

QUOTED_CHARACTERS = 80
"""Characters of one quoted value."""
PRINTED_CHARACTERS = 8192
"""Characters of one printed sentence."""
HIDDEN = "(not shown: it may hold a key)"

_ITEMS = 4
_LEVELS = 2
_NUMBER_BITS = 256
_LOOKED_AT = 64 * 1024
"""Characters of a text that are searched for a key; what lies behind them is never shown either."""
_KEY_BLOCK = "-----BEGIN"
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_PEM = re.compile(r"-----BEGIN [^-]{0,40}PRIVATE KEY-----.*?(?:-----END [^-]{0,40}-----|\Z)", re.DOTALL)


def quote(untrusted: object) -> str:
    """An untrusted value for one sentence: as Python writes it, escaped and cut.

    Long text shows its start and its length, a collection its first items. What may be a private key is not shown.
    """
    return _rendered(untrusted, _LEVELS)


def printable(text: str) -> str:
    """The text on one line, fit for a terminal and a log: controls and lone surrogates escaped, cut if too long."""
    if len(text) > PRINTED_CHARACTERS:
        text = f"{text[:PRINTED_CHARACTERS]}... ({len(text)} characters)"
    if _KEY_BLOCK in text:
        text = _PEM.sub(HIDDEN, text)
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def may_hold_key(text: str) -> bool:
    """Whether the text may be a private key that was given where a name is expected.

    It may where it has a PEM block or a line break, or is long base64 that is no hexadecimal number.
    """
    start = text[:_LOOKED_AT]
    return "\n" in start or "\r" in start or _may_be_key(start)


def _may_be_key(text: str) -> bool:
    if _KEY_BLOCK in text:
        return True
    if len(text) < 40 or not _BASE64.fullmatch(text):
        return False
    # A digest is one case and a name is words: a key in base64 mixes all three kinds within any 40 characters.
    return any("a" <= c <= "z" for c in text) and any("A" <= c <= "Z" for c in text) and any(c.isdigit() for c in text)


def _escaped(character: str) -> str:
    number = ord(character)
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(
        character, f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 65536 else f"\\U{number:08x}"
    )


def _rendered(value: object, levels: int) -> str:
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, str | bytes | bytearray | memoryview):
        return _of_text(value)
    if isinstance(value, bool | float | None):
        return repr(value)
    if isinstance(value, int):
        bits = value.bit_length()
        return repr(int(value)) if bits <= _NUMBER_BITS else f"(a number of {bits} bits)"
    if isinstance(value, date | timedelta):
        return str(value)
    if hasattr(value, "__fspath__"):
        return _of_text(str(value))
    if isinstance(value, Mapping | Set | list | tuple):
        return _of_items(value, levels)
    return f"({type(value).__name__[:QUOTED_CHARACTERS]})"


def _of_text(value: str | bytes | bytearray | memoryview) -> str:
    length = len(value)
    if isinstance(value, str):
        if _may_be_key(value[:_LOOKED_AT]):
            return HIDDEN
        shown = repr(str(value[:QUOTED_CHARACTERS]))
    else:
        shown = repr(bytes(value[:QUOTED_CHARACTERS]))
        if _KEY_BLOCK.encode() in bytes(value[:_LOOKED_AT]):
            return HIDDEN
    return shown if length <= QUOTED_CHARACTERS else f"{shown}... ({length} long)"


def _of_items(value: Mapping[object, object] | Set[object] | list[object] | tuple[object, ...], levels: int) -> str:
    opening, closing = "{}" if isinstance(value, Mapping | Set) else "[]" if isinstance(value, list) else "()"
    if not value:
        return opening + closing
    if not levels:
        return f"{opening}...{closing}"
    if isinstance(value, Mapping):
        parts: Iterable[str] = (
            f"{_rendered(name, 0)}: {_rendered(item, levels - 1)}" for name, item in islice(value.items(), _ITEMS)
        )
    else:
        parts = (_rendered(item, levels - 1) for item in islice(value, _ITEMS))
    shown = ", ".join(parts)
    more = len(value) - _ITEMS
    whole = f"{opening}{shown}{f', and {more} more' if more > 0 else ''}{closing}"
    return whole if len(whole) <= 2 * QUOTED_CHARACTERS else f"{whole[: 2 * QUOTED_CHARACTERS]}..."
