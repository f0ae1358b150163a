"""JSON: strict where we read what others wrote, Go-compatible where others compare what we write.

Strict means: UTF-8, one value and nothing after it, no member twice, no NaN or Infinity, no lone surrogate, bounded
depth and number of values. The size is bounded by who read the bytes, and the time is linear in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NoReturn

from imagesig import limits
from imagesig.effort import Cost, spend
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.text import quote


class _NotStrict(Exception):
    """What JSON in general allows and we do not."""


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise _NotStrict(f"member {quote(twice)} is there twice in one object")
    return found


def _constant(name: str) -> NoReturn:
    raise _NotStrict(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant)
"""Made once: making it costs as much as reading a manifest with it."""


def parse(data: bytes, what: str, *, nodes: int = limits.JSON_NODES) -> object:
    """The one JSON value in `data`. `what` names the document in errors.

    Raises:
        MalformedError: not strict JSON.
        LimitExceeded: nested deeper than `limits.JSON_DEPTH`, or more than `nodes` values or than one image may have.
    """
    _check_cost(data, what, nodes)
    try:
        text = data.decode("utf-8")
        value: object = _DECODER.decode(text)
    except _NotStrict as error:
        raise MalformedError(f"{what}: {error}") from None
    except UnicodeDecodeError as error:
        raise MalformedError(f"{what}: not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise MalformedError(f"{what}: not JSON ({error.msg}, character {error.pos})") from None
    except ValueError:  # an integer of thousands of digits
        raise MalformedError(f"{what}: a number longer than any we read") from None
    if _SURROGATE.search(data):
        _refuse_lone_surrogates(value, what)
    return value


def parse_object(data: bytes, what: str, *, nodes: int = limits.JSON_NODES) -> dict[str, object]:
    """The one JSON object in `data`. Raises as `parse` does, and where the value is not an object."""
    value = parse(data, what, nodes=nodes)
    if not isinstance(value, dict):
        raise MalformedError(f"{what}: {type(value).__name__}, a JSON object is needed")
    return value


_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)
"""One string, or the rest of the bytes where it does not end: nothing is looked at twice."""
_BRACKET = re.compile(rb"[\[\]{}]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def _check_cost(data: bytes, what: str, nodes: int) -> None:
    """Bounds depth and values before the parser builds them: it recurses, and a value takes 60 bytes or more."""
    brackets = data.count(b"[") + data.count(b"{")
    values = 1 + brackets + data.count(b",") + data.count(b":")
    if brackets > limits.JSON_DEPTH or values > nodes:
        bare = _STRING.sub(b"", data)  # commas and brackets in strings are none
        values = 1 + sum(bare.count(character) for character in (b"[", b"{", b",", b":"))
        if values > nodes:
            raise LimitExceeded(f"{what}: about {values} values, at most {nodes} are read")
        depth = 0
        for match in _BRACKET.finditer(bare):
            depth += 1 if match[0] in b"[{" else -1
            if depth > limits.JSON_DEPTH:
                raise LimitExceeded(f"{what}: nested deeper than {limits.JSON_DEPTH} levels")
    spend(Cost.NODES, values, what)


def _refuse_lone_surrogates(value: object, what: str) -> None:
    """Half a character: Go reads U+FFFD instead, so two names that differ here may be one there."""
    unseen = [value]
    while unseen:
        item = unseen.pop()
        if isinstance(item, dict):
            unseen += item.keys()
            unseen += item.values()
        elif isinstance(item, list):
            unseen += item
        elif isinstance(item, str) and any("\ud800" <= character <= "\udfff" for character in item):
            raise MalformedError(f"{what}: {quote(item)} holds half of a surrogate pair, which is no text")


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
