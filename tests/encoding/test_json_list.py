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


def test_a_document_without_its_list_is_all_beside_it() -> None:
    with pytest.raises(LimitExceeded, match="outside its layers"):
        parse_list(_with_beside(1, limits.LIST_REST_BYTES), "layers", "list", OURS, most=9)


def test_items_of_the_list_are_not_added_to_the_rest() -> None:
    assert parse_list(_with_beside(1, 3 * limits.LIST_REST_BYTES), "manifests", "list", OURS, most=9).count == 1
