"""A list read item by item is what the whole document says: nothing is lost, added or let through."""

from __future__ import annotations

from random import Random

import pytest

from imagesig import limits
from imagesig.encoding import json_list
from imagesig.encoding.json import parse_object
from imagesig.encoding.json_list import parse_list
from imagesig.encoding.shape import OURS
from imagesig.errors import ImagesigError, LimitExceeded

_TOKENS = ["{", "}", "[", "]", ",", ":", '"a"', '"l"', '"\\u006c"', "1", "null", " ", '"x]"', '"']


def _document(random: Random) -> bytes:
    some = "".join(random.choice(_TOKENS) for _ in range(random.randrange(9)))
    if random.random() < 0.5:
        return some.encode()
    items = "".join(random.choice(_TOKENS) for _ in range(random.randrange(8)))
    end = random.choice(["}", ',"a":1}', "}}", "", "]"])
    return f'{{{some}"l":[{items}]{end}'.encode()


def test_items_and_members_are_those_of_the_whole_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_list, "_SMALL_BYTES", -1)
    random, accepted = Random(2026), 0
    for _ in range(60_000):
        document = _document(random)
        try:
            whole: dict[str, object] | None = parse_object(document, "x", OURS)
            accepted += 1
        except ImagesigError:
            whole = None
        try:
            found = json_list.parse_list(document, "l", "x", OURS, most=99)
            read: dict[str, object] | None = dict(found.members)
            if found.spans:
                read["l"] = [found.item(number, "x") for number in range(found.readable)]
        except ImagesigError:
            read = None
        assert read == whole, document
    assert accepted > 100


def _with_beside(beside: int, inside: int) -> bytes:
    return b'{"x":"' + b"a" * beside + b'","manifests":["' + b"b" * inside + b'"]}'


def test_more_than_the_limit_beside_a_list_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="outside its manifests"):
        parse_list(_with_beside(limits.LIST_REST_BYTES, 1), "manifests", "list", OURS, most=9)


def test_just_the_limit_beside_a_list_is_read() -> None:
    beside = limits.LIST_REST_BYTES - len(_with_beside(0, 0)) + len('""')
    assert parse_list(_with_beside(beside, 1), "manifests", "list", OURS, most=9).count == 1
    with pytest.raises(LimitExceeded, match=f"{limits.LIST_REST_BYTES + 1} bytes outside"):
        parse_list(_with_beside(beside + 1, 1), "manifests", "list", OURS, most=9)


def test_a_document_without_its_list_is_all_beside_it() -> None:
    with pytest.raises(LimitExceeded, match="outside its layers"):
        parse_list(_with_beside(1, limits.LIST_REST_BYTES), "layers", "list", OURS, most=9)


def test_items_of_the_list_are_not_added_to_the_rest() -> None:
    assert parse_list(_with_beside(1, 3 * limits.LIST_REST_BYTES), "manifests", "list", OURS, most=9).count == 1


@pytest.mark.parametrize("place", ["before", "in an item", "in an item that is not read"])
def test_nothing_is_nested_deeper_than_the_limit(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_list, "_SMALL_BYTES", -1)

    def document(depth: int) -> bytes:
        deep = "[" * depth + "]" * depth
        if place == "before":
            return f'{{"x":{deep},"l":[1]}}'.encode()
        return f'{{"l":[{"1," if "not" in place else ""}{deep}]}}'.encode()

    inside = 1 if place == "before" else 2
    assert parse_list(document(limits.JSON_DEPTH - inside), "l", "x", OURS, most=1).count >= 1
    with pytest.raises(LimitExceeded, match="nested deeper"):
        parse_list(document(limits.JSON_DEPTH - inside + 1), "l", "x", OURS, most=1)


def test_a_list_under_a_longer_name_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_list, "_SMALL_BYTES", -1)
    for other in ("ll", "L", "l" * 100, "x" * 1000):
        found = parse_list(f'{{"{other}":[1,2,3],"l":[4]}}'.encode(), "l", "x", OURS, most=9)
        assert (found.count, found.item(0, "x")) == (1, 4)


@pytest.mark.parametrize(("content", "count"), [("", 0), (" \n\t ", 0), ("1", 1), (" 1 ", 1), ("1,2", 2), ("[],{}", 2)])
def test_blanks_are_no_item(content: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_list, "_SMALL_BYTES", -1)
    assert parse_list(f'{{"l":[{content}]}}'.encode(), "l", "x", OURS, most=9).count == count
