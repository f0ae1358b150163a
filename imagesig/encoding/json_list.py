"""A JSON object with one long list, read item by item, so that a bad or large item does not affect the others.

This module only finds the bounds of the items. Reading the rest of the document and each item as strict JSON then
equals reading the whole document as strict JSON.
"""

from __future__ import annotations

import re

from msgspec import Struct

from imagesig import limits
from imagesig.effort import Cost, spend
from imagesig.encoding import json
from imagesig.encoding.shape import OURS, Shape
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.patterns import regex
from imagesig.redacted import RedactedStruct

_TOKEN = regex(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},:]', re.DOTALL)
_BLANK = regex(rb"[ \t\n\r]*+")
_OPENING = {b"[": b"]", b"{": b"}"}
_SMALL_BYTES = limits.LIST_ITEM_BYTES
_SMALL_NODES = 2000
"""A document up to this size costs as much as a few items, so it is parsed as a whole."""
_TOKENS_BETWEEN_LOOKS = 100_000
_TOKENS = 1_000_000
"""Strings, brackets, commas and colons of one document; 4000 entries have about 200,000."""


class ListIn(RedactedStruct, frozen=True):
    """The members of the object, and the first items of its list, as bounds (`spans`) or values (`items`).

    `count` is the number of all items. `is_list` is True if the member exists and is a list.
    """

    hidden = ("data",)

    data: bytes
    members: dict[str, object]
    spans: tuple[tuple[int, int], ...]
    count: int
    is_list: bool
    items: tuple[object, ...] = ()

    @property
    def readable(self) -> int:
        """The number of items that can be read, from the first on."""
        return len(self.items) or len(self.spans)

    def item(self, number: int, what: str) -> object:
        """One item.

        Raises:
            LimitExceeded: the item is too large; others can still be read.
            MalformedError: not strict JSON, so the whole document is not strict JSON.
        """
        if self.items:
            return self.items[number]
        start, end = self.spans[number]
        if end - start > limits.LIST_ITEM_BYTES:
            raise LimitExceeded(f"{what}: {end - start} bytes, at most {limits.LIST_ITEM_BYTES} are read")
        return json.parse(self.data[start:end], what, OURS, nodes=limits.LIST_ITEM_NODES, cost=Cost.LISTED_NODES)


def parse_list(data: bytes, name: str, what: str, shape: Shape, *, most: int) -> ListIn:
    """The object in `data`, whose member `name` is a list; the first `most` items can be read.

    Raises:
        MalformedError: not strict JSON, not an object, or a member that other readers confuse with another one.
        LimitExceeded: nested too deeply, or too much text or too many values.
    """
    if len(data) <= _SMALL_BYTES and json.values_in(data) <= _SMALL_NODES:
        members = json.parse_object(data, what, shape, cost=Cost.LISTED_NODES)
        listed = members.get(name)
        if not isinstance(listed, list):
            return ListIn(data, members, (), 0, False)
        return ListIn(data, members, (), len(listed), True, tuple(listed[:most]))
    found = _find(data, name, what, most)
    length = len(data) if found is None else len(data) - (found.end - found.start)
    if length > limits.LIST_REST_BYTES:
        raise LimitExceeded(f"{what}: {length} bytes outside its {name}, at most {limits.LIST_REST_BYTES} are read")
    rest = data if found is None else data[: found.start] + data[found.end :]
    members = json.parse_object(rest, what, shape)
    if found is None:
        return ListIn(data, members, (), 0, isinstance(members.get(name), list))
    return ListIn(data, members, found.spans, found.count, True)


class _Bounds(Struct, frozen=True):
    """The bounds of the list, between its brackets."""

    start: int
    end: int
    spans: tuple[tuple[int, int], ...]
    count: int


def _find(data: bytes, name: str, what: str, most: int) -> _Bounds | None:
    closing: list[bytes] = []
    key = start = item = count = 0
    is_next = False
    spans: list[tuple[int, int]] = []
    for number, match in enumerate(_TOKEN.finditer(data)):
        if number % _TOKENS_BETWEEN_LOOKS == 0:
            _check_costs(number, what)
        token, depth = match[0][:1], len(closing)
        if token in _OPENING:
            if depth == limits.JSON_DEPTH:
                raise LimitExceeded(f"{what}: nested deeper than {limits.JSON_DEPTH} levels")
            closing.append(_OPENING[token])
            if depth == 1 and is_next and token == b"[":
                start = item = match.end()
        elif token in b"]}":
            if not closing or closing.pop() != token:
                raise MalformedError(
                    f"{what}: not JSON (a closing bracket without an opening one, byte {match.start()})"
                )
            if depth == 2 and start:
                end = match.start()
                if count or _blank(data, start) != end:  # the list is not empty
                    count += 1
                    spans += [(item, end)] * (len(spans) < most)
                return _Bounds(start, end, tuple(spans), count)
        elif token == b"," and depth == 2 and start:
            count += 1
            spans += [(item, match.start())] * (len(spans) < most)
            item = match.end()
        if depth == 1:
            if token == b'"':
                key = match.start() + 1  # 0: no key
            elif token == b":" and key:
                is_next, key = _is_name(data[key - 1 : match.start()], name), 0
                continue
            is_next = False
    return None


def _check_costs(tokens: int, what: str) -> None:
    spend(Cost.LISTED_NODES, 0, what)
    if tokens >= _TOKENS:
        raise LimitExceeded(f"{what}: more than {_TOKENS} strings, brackets, commas and colons")


def _blank(data: bytes, at: int) -> int:
    match = _BLANK.match(data, at)
    return match.end() if match else at


def _is_name(written: bytes, name: str) -> bool:
    """Whether this JSON string is the member's name, with any escapes. Reading the rest refuses other tokens."""
    if len(written) > 8 * len(name) + 64:
        return False
    try:
        return json.parse(written, "", OURS, cost=Cost.LISTED_NODES) == name
    except MalformedError:
        return False
