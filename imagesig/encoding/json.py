"""JSON: strict where we read what others wrote, Go-compatible where others compare what we write.

Strict means: UTF-8, one value and nothing after it, no member twice, no NaN or Infinity, bounded depth. Size is
bounded by whoever read the bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn

from imagesig import limits
from imagesig.errors import LimitExceeded, MalformedError, quote


class _NotStrict(Exception):
    """What JSON in general allows and we do not."""


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _NotStrict(f"member {quote(twice)} stands twice in one object")
    return found


def _constant(name: str) -> NoReturn:
    raise _NotStrict(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant)
"""Made once: making it costs as much as reading a manifest with it."""


def parse(data: bytes, what: str) -> object:
    """The one JSON value in `data`. `what` names the document in errors.

    Raises:
        MalformedError: not strict JSON.
        LimitExceeded: nested deeper than `limits.JSON_DEPTH`.
    """
    _check_depth(data, what)
    try:
        return _DECODER.decode(data.decode("utf-8"))
    except _NotStrict as error:
        raise MalformedError(f"{what}: {error}") from None
    except UnicodeDecodeError as error:
        raise MalformedError(f"{what}: not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise MalformedError(f"{what}: not JSON ({error.msg}, character {error.pos})") from None
    except ValueError:  # an integer of thousands of digits
        raise MalformedError(f"{what}: a number longer than any we read") from None


def parse_object(data: bytes, what: str) -> dict[str, object]:
    """The one JSON object in `data`. Raises as `parse` does, and where the value is not an object."""
    value = parse(data, what)
    if not isinstance(value, dict):
        raise MalformedError(f"{what}: {type(value).__name__}, a JSON object is needed")
    return value


def _check_depth(data: bytes, what: str) -> None:
    # Before the parser sees it: the parser recurses, and a recursion error is no answer to hostile input. Brackets
    # inside strings are skipped; the scan allows more than JSON does, never less.
    if data.count(b"[") + data.count(b"{") <= limits.JSON_DEPTH:
        return
    depth, in_string, escaped = 0, False, False
    for byte in data:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            if depth > limits.JSON_DEPTH:
                raise LimitExceeded(f"{what}: nested deeper than {limits.JSON_DEPTH} levels")
        elif byte in b"]}":
            depth -= 1


_GO_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"},
)


def go_json(value: Mapping[str, object]) -> bytes:
    """Compact JSON in the member order given, escaped as Go's `encoding/json` does.

    Lone surrogates, which are not text, become U+FFFD as in Go.
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).translate(_GO_ESCAPES)
    # Python writes these two control characters with a letter, Go (since 1.22) does too; DEL is raw in both.
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode("utf-8")
