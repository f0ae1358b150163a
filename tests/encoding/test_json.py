"""JSON: what is strict, and the bounds that hold before the parser builds anything."""

from __future__ import annotations

import json

import pytest

from imagesig import limits
from imagesig.encoding.json import go_json, parse, parse_object
from imagesig.encoding.shape import OURS
from imagesig.errors import LimitExceeded, MalformedError

DEPTH = limits.JSON_DEPTH
IN_TEXT = ['"[[[["', r'"\"[[[["', r'"\\"', r'"\\\"[[[["', r'"\u005b[["']
"""Strings whose brackets, or what looks like their end, mean nothing."""


def nested(depth: int, before: str = "") -> bytes:
    return (f"[{before}" * depth + "1" + "]" * depth).encode()


def read(data: bytes, **limit: int) -> object:
    return parse(data, "x", OURS, **limit)


@pytest.mark.parametrize("before", ["", "1,", '"a",', *(f"{text}," for text in IN_TEXT)])
def test_as_deep_as_the_limit_is_read_and_no_deeper(before: str) -> None:
    assert read(nested(DEPTH, before))
    for depth in (DEPTH + 1, 5_000, 20_000):
        with pytest.raises(LimitExceeded, match="nested deeper"):
            read(nested(depth, before))


def test_objects_count_as_lists_do() -> None:
    assert read(b'{"a":' * DEPTH + b"1" + b"}" * DEPTH)
    with pytest.raises(LimitExceeded, match="nested deeper"):
        read(b'{"a":' * (DEPTH + 1) + b"1" + b"}" * (DEPTH + 1))


def test_what_does_not_end_is_as_deep_as_it_gets() -> None:
    for data in (b"[" * 100_000, b'["a",' * 100_000, b'[1,"' + b"[" * 100_000):
        with pytest.raises((LimitExceeded, MalformedError)):
            read(data)


@pytest.mark.parametrize("text", IN_TEXT)
def test_brackets_in_text_are_not_deep(text: str) -> None:
    data = ("[" + ",".join([text] * (2 * DEPTH)) + "]").encode()
    assert read(data) == json.loads(data)


def test_many_flat_objects_are_not_deep() -> None:
    data = b"[" + b",".join([b'{"a":[]}'] * (2 * DEPTH)) + b"]"
    assert read(data) == json.loads(data)


def test_as_many_values_as_are_read_and_no_more() -> None:
    data = b"[" + b",".join([b"[]"] * 100) + b"]"
    assert read(data, nodes=201)  # the list, and for each one a comma or the first, and its own bracket
    with pytest.raises(LimitExceeded, match="more than 199 values"):
        read(data, nodes=199)


def test_plain_text_may_be_longer_than_text_with_wide_characters() -> None:
    longer = limits.JSON_TEXT_BYTES + 1
    assert read(b'"' + b"a" * longer + b'"')
    for letter, width in (("\u0101", 2), ("\U0001f600", 4)):
        most = limits.JSON_TEXT_BYTES // width
        wide = f'"{letter}"'.encode()
        assert read(wide + b" " * (most - len(wide)))
        with pytest.raises(LimitExceeded, match=f"characters of {width} bytes"):
            read(wide + b" " * (most - len(wide) + 1))


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("around", ["{}", "[{}]", '{{"a": {}}}', '{{"a": [1, {}]}}'])
def test_numbers_that_json_does_not_have_are_refused(name: str, around: str) -> None:
    with pytest.raises(MalformedError, match="is not JSON"):
        read(around.format(name).encode())


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'{"a":1,"b":2,"a":3}', "duplicate member 'a'|member 'a'"),
        (b"\xff", "not UTF-8"),
        (b"[1", "not JSON"),
        (b"[] []", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON|not UTF-8"),
        (b"[" + b"1" * 5000 + b"]", "too many digits"),
        (rb'["\ud800"]', "half of a surrogate pair"),
        (rb'{"\udc00": 1}', "half of a surrogate pair"),
        (rb'[{"a": ["\uDBFF"]}]', "half of a surrogate pair"),
    ],
)
def test_what_is_not_strict_is_refused_by_name(data: bytes, problem: str) -> None:
    with pytest.raises(MalformedError, match=problem):
        read(data)


def test_a_whole_surrogate_pair_is_text() -> None:
    assert read(rb'["\ud83d\ude00"]') == ["\U0001f600"]


@pytest.mark.parametrize("data", [b"[]", b"1", b"null", b'"{}"'])
def test_an_object_is_needed_where_one_is_needed(data: bytes) -> None:
    with pytest.raises(MalformedError, match="a JSON object is needed"):
        parse_object(data, "x", OURS)


def test_text_is_written_as_go_writes_it() -> None:
    assert go_json({"b": "<&>\u2028\u2029", "a": "é\ud800"}) == (
        '{"b":"\\u003c\\u0026\\u003e\\u2028\\u2029","a":"é\ufffd\ufffd\ufffd"}'.encode()
    )
