"""Reads JSON strictly, and writes it as Go does.

Strict means: UTF-8, one value and nothing after it, no duplicate members, no NaN or Infinity, no lone surrogates,
bounded depth and number of values. The caller limits the size; the time is linear in it.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import NoReturn

from imagesig import limits
from imagesig.effort import Cost, spend
from imagesig.encoding.shape import Shape, check_shape
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.external import explained
from imagesig.patterns import regex
from imagesig.text import quote

BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""How files begin that PowerShell writes. No reader here takes them: errors name them."""


class _NotStrict(Exception):
    """Valid JSON that imagesig does not accept."""


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise _NotStrict(f"member {quote(twice)} occurs twice in one object")
    return found


def _constant(name: str) -> NoReturn:
    raise _NotStrict(f"{name} is not JSON")


def _real(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _NotStrict(f"{quote(digits)} is too large for a floating-point number")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant, parse_float=_real)
# speed: made once, making it costs as much as reading a manifest with it (benchmarks/test_library.py)


def parse(
    data: bytes,
    what: str,
    shape: Shape,
    *,
    nodes: int = limits.JSON_NODES,
    cost: Cost = Cost.NODES,
    text: int = limits.JSON_TEXT_BYTES,
) -> object:
    """The only JSON value in `data`, an object of this shape or a list of them. `what` names the document in errors.

    Raises:
        MalformedError: not strict JSON, or a member that other readers confuse with another one.
        LimitExceeded: nested deeper than `limits.JSON_DEPTH`, more than `nodes` values, or wide characters that need
            more than `text` bytes of memory.
        BudgetExceeded: the image has too many values; they are counted as `cost`.
    """
    _check_cost(data, what, nodes, cost)
    _check_width(data, what, text)
    try:
        value: object = _DECODER.decode(data.decode("utf-8"))
    except _NotStrict as error:
        raise MalformedError(f"{what}: {error}") from None
    except UnicodeDecodeError as error:
        raise MalformedError(f"{what}: not UTF-8 (byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise MalformedError(f"{what}: not JSON ({error.msg}, character {error.pos})") from None
    except ValueError:  # an integer of thousands of digits
        raise MalformedError(f"{what}: a number with too many digits") from None
    except Exception as error:
        raise explained(error, what) from error
    if _SURROGATE.search(data):
        _refuse_lone_surrogates(value, what)
    check_shape(value, shape, what)
    return value


def parse_object(
    data: bytes, what: str, shape: Shape, *, nodes: int = limits.JSON_NODES, cost: Cost = Cost.NODES
) -> dict[str, object]:
    """The only JSON object in `data`. Raises as `parse` does, and `MalformedError` for another value."""
    value = parse(data, what, shape, nodes=nodes, cost=cost)
    if not isinstance(value, dict):
        raise MalformedError(f"{what}: {type(value).__name__}, a JSON object is needed")
    return value


_TOKEN = regex(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},:]', re.DOTALL)
"""A string (up to the end of the bytes if it is not closed), or a character that separates values. Never backtracks."""
_QUOTE = ord('"')
_SURROGATE = regex(rb"\\u[dD][89a-fA-F]")
_LONE = regex(r"[\ud800-\udfff]")
_FOUR_BYTES = regex(rb"[\xf0-\xff]")
_TWO_BYTES = regex(rb"[\xc4-\xef]")


def _check_width(data: bytes, what: str, limit: int) -> None:
    """Refuses text that needs too much memory: in a Python str one wide character makes all characters wide."""
    if data.isascii():
        return
    width = 4 if _FOUR_BYTES.search(data) else 2 if _TWO_BYTES.search(data) else 1
    if width * len(data) > limit:
        most = limit // width
        raise LimitExceeded(f"{what}: {len(data)} bytes with characters of {width} bytes, at most {most} are read")


def values_in(data: bytes) -> int:
    """An upper bound for the number of values in a document, including members' names. Linear in its size."""
    return _brackets_in(data) + 1 + data.count(b",") + data.count(b":")


def _brackets_in(data: bytes) -> int:
    return data.count(b"[") + data.count(b"{")


def _check_cost(data: bytes, what: str, nodes: int, cost: Cost) -> None:
    """Limits depth and number of values before parsing: the parser recurses, and a value needs 60 bytes or more."""
    values = values_in(data)
    # A document of fewer values is not deeper either: each level is a value.
    if values > nodes or (values > limits.JSON_DEPTH and _brackets_in(data) > limits.JSON_DEPTH):
        values = _counted(data, what, nodes)
    spend(cost, values, what)


def _counted(data: bytes, what: str, nodes: int) -> int:
    """The number of values, ignoring commas and brackets in strings. Stops at the limit."""
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
            raise LimitExceeded(f"{what}: more than {nodes} values, at most {nodes} are read")
    return values


def _refuse_lone_surrogates(value: object, what: str) -> None:
    """Refuses half of a surrogate pair: Go reads U+FFFD instead, so two different names here may be equal there."""
    for item in texts_in(value):
        if _LONE.search(item):
            raise MalformedError(f"{what}: {quote(item)} has half of a surrogate pair, which is not text")


def texts_in(value: object) -> Iterator[str]:
    """Every text in a value of `parse`: names of members too, in no particular order."""
    unseen = [value]
    while unseen:
        item = unseen.pop()
        if isinstance(item, dict):
            unseen += item.keys()
            unseen += item.values()
        elif isinstance(item, list):
            unseen += item
        elif isinstance(item, str):
            yield item


_GO_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"},
)


def may_have_object(data: bytes, name: str) -> bool:
    """Whether some reader may find an object under this name, in any case, in the outermost one. For refusals only.

    Go's reader takes names in any case, replaces bytes that are no UTF-8, reads deeper documents than Python's, and
    leaves an object as it is if the member occurs again as null.
    """
    try:
        found = json.loads(data.decode("utf-8", "replace"), parse_int=str, parse_float=str)
    except RecursionError:
        return True
    except ValueError:
        return False
    return isinstance(found, dict) and any(
        member.lower() == name and isinstance(value, dict | None) for member, value in found.items()
    )


def go_json(value: Mapping[str, object]) -> bytes:
    """Compact JSON in the member order given, escaped as Go's `encoding/json` does.

    Lone surrogates become U+FFFD, as in Go.
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).translate(_GO_ESCAPES)
    # Python and Go (since 1.22) write \b and \f with a letter, and DEL unescaped.
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode("utf-8")
