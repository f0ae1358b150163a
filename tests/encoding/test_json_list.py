"""A list read item by item is what the whole document says: nothing is lost, added or let through."""

from __future__ import annotations

from random import Random

import pytest

from imagesig.encoding import json_list
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import OURS
from imagesig.errors import ImagesigError

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
