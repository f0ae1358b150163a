"""JSON: strict where we read what others wrote, Go-compatible where others compare what we write.

Strict means: UTF-8, one value and nothing after it, no member twice, no NaN or Infinity, no lone surrogate, bounded
depth and number of values. The size is bounded by who read the bytes, and the time is linear in it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import NoReturn

from imagesig import limits
from imagesig.effort import Cost, spend
from imagesig.encoding.shape import Shape, check_shape
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.external import explained
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


def _real(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _NotStrict(f"{quote(digits)} is larger than any number of its kind")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant, parse_float=_real)
# speed: made once, making it costs as much as reading a manifest with it (benchmarks/test_library.py)


def parse(data: bytes, what: str, shape: Shape, *, nodes: int = limits.JSON_NODES, cost: Cost = Cost.NODES) -> object:
    """The one JSON value in `data`, an object of this shape or a list of them. `what` names the document in errors.

    Raises:
        MalformedError: not strict JSON, or a member that other readers take for another one.
        LimitExceeded: nested deeper than `limits.JSON_DEPTH`, more than `nodes` values, or more text than fits into
            `limits.JSON_TEXT_BYTES`.
        BudgetExceeded: more values than one image may have; they are counted as `cost`.
    """
    _check_cost(data, what, nodes, cost)
    _check_width(data, what)
    try:
        value: object = _DECODER.decode(data.decode("utf-8"))
    except _NotStrict as error:
        raise MalformedError(f"{what}: {error}") from None
    except UnicodeDecodeError as error:
        raise MalformedError(f"{what}: not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise MalformedError(f"{what}: not JSON ({error.msg}, character {error.pos})") from None
    except ValueError:  # an integer of thousands of digits
        raise MalformedError(f"{what}: a number longer than any we read") from None
    except Exception as error:
        raise explained(error, what) from error
    if _SURROGATE.search(data):
        _refuse_lone_surrogates(value, what)
    check_shape(value, shape, what)
    return value


def parse_object(
    data: bytes, what: str, shape: Shape, *, nodes: int = limits.JSON_NODES, cost: Cost = Cost.NODES
) -> dict[str, object]:
    """The one JSON object in `data`. Raises as `parse` does, and where the value is not an object."""
    value = parse(data, what, shape, nodes=nodes, cost=cost)
    if not isinstance(value, dict):
        raise MalformedError(f"{what}: {type(value).__name__}, a JSON object is needed")
    return value


_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},:]', re.DOTALL)
"""A string, or the rest of the bytes where it does not end, or what counts values: nothing is looked at twice."""
_QUOTE = ord('"')
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LONE = re.compile(r"[\ud800-\udfff]")
_FOUR_BYTES = re.compile(rb"[\xf0-\xff]")
_TWO_BYTES = re.compile(rb"[\xc4-\xef]")


def _check_width(data: bytes, what: str) -> None:
    """Refuses text that Python holds in several times its bytes: one wide character makes all the others so wide."""
    if data.isascii():
        return
    width = 4 if _FOUR_BYTES.search(data) else 2 if _TWO_BYTES.search(data) else 1
    if width * len(data) > limits.JSON_TEXT_BYTES:
        most = limits.JSON_TEXT_BYTES // width
        raise LimitExceeded(f"{what}: {len(data)} bytes with characters of {width} bytes, at most {most} are read")


def values_in(data: bytes) -> int:
    """How many values a document has at most, members' names included. Costs a look at each byte, whatever it is."""
    return 1 + sum(data.count(character) for character in (b"[", b"{", b",", b":"))


def _check_cost(data: bytes, what: str, nodes: int, cost: Cost) -> None:
    """Bounds depth and values before the parser builds them: it recurses, and a value takes 60 bytes or more."""
    brackets = data.count(b"[") + data.count(b"{")
    values = values_in(data)
    if brackets > limits.JSON_DEPTH or values > nodes:
        values = _counted(data, what, nodes)
    spend(cost, values, what)


def _counted(data: bytes, what: str, nodes: int) -> int:
    """The same with strings left out: commas and brackets in them are none. Ends where there are too many."""
    depth, values = 0, 1
    for match in _TOKEN.finditer(data):
        token = data[match.start()]
        if token in b"[{":
            depth += 1
            if depth > limits.JSON_DEPTH:
                raise LimitExceeded(f"{what}: nested deeper than {limits.JSON_DEPTH} levels")
        elif token in b"]}":
            depth -= 1
            continue
        elif token == _QUOTE:
            continue
        values += 1
        if values > nodes:
            raise LimitExceeded(f"{what}: more than {nodes} values, which are the most that are read")
    return values


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
        elif isinstance(item, str) and _LONE.search(item):
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
