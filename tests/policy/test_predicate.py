"""Conditions on a predicate: total, typed, and without a value that two readers understand differently."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from imagesig.errors import InvalidArgument
from imagesig.policy.predicate import Condition

NOW = datetime(2026, 11, 28, tzinfo=UTC)
DOCUMENT = {
    "builder": {"id": "https://github.com/acme/builder@refs/tags/v1"},
    "a/b": {"m~n": 1},
    "": "empty name",
    "list": ["zero", {"one": 1}],
    "count": 3,
    "score": 7.5,
    "big": 2**53 + 1,
    "yes": True,
    "nothing": None,
    "made": "2026-11-20T12:00:00Z",
    "old": "2026-01-01T00:00:00+02:00",
    "future": "2026-12-24T00:00:00Z",
    "go": "2026-11-20T12:00:00.123456789Z",
    "no zone": "2026-11-20T12:00:00",
    "number text": "3",
}

HOLDS = [
    ("/builder/id", "equals", "https://github.com/acme/builder@refs/tags/v1"),
    ("/a~1b/m~0n", "equals", 1),
    ("/", "equals", "empty name"),
    ("/list/0", "equals", "zero"),
    ("/list/1/one", "equals", 1),
    ("/count", "equals", 3.0),
    ("/big", "equals", 2**53 + 1),
    ("/yes", "equals", True),
    ("/count", "one_of", (1, 2, 3)),
    ("/nothing", "present", True),
    ("", "present", True),
    ("/absent", "present", False),
    ("/builder/id", "like", "https://github.com/acme/*@refs/tags/*"),
    ("/builder/id", "like", "*"),
    ("/builder/id", "like", "*builder*v1"),
    ("/score", "at_least", 7.5),
    ("/count", "at_most", 3),
    ("/made", "at_least", "2026-11-20T13:00:00+01:00"),
    ("/made", "at_most", "2026-11-20T12:00:00.5Z"),
    ("/made", "younger_than", "30d"),
    ("/go", "younger_than", "2w"),
    ("/go", "younger_than", "999999w"),
]

FAILS = [
    ("/builder/id", "equals", "https://github.com/acme/builder@refs/tags/v2"),
    ("/builder", "equals", "x"),
    ("/list", "equals", "zero"),
    ("/list/00", "present", True),
    ("/list/-", "present", True),
    ("/list/2", "present", True),
    ("/list/-1", "present", True),
    ("/builder/id/0", "present", True),
    ("/nothing", "present", False),
    ("/Builder/id", "present", True),
    ("/yes", "equals", 1),
    ("/count", "equals", "3"),
    ("/number text", "equals", 3),
    ("/number text", "at_least", 1),
    ("/big", "equals", 2**53),
    ("/count", "one_of", (1, "3", True)),
    ("/yes", "at_least", 0),
    ("/builder/id", "like", "https://github.com/acme/"),
    ("/builder/id", "like", "github.com/*"),
    ("/builder/id", "like", "https://github.com/acme/builder@refs/tags/v1*v1"),
    ("/builder/id", "like", "https://github?com*"),
    ("/count", "like", "*"),
    ("/score", "at_least", 7.6),
    ("/count", "at_most", "2026-11-20T12:00:00Z"),
    ("/made", "at_least", 1),
    ("/no zone", "at_least", "2026-01-01T00:00:00Z"),
    ("/no zone", "younger_than", "30d"),
    ("/old", "younger_than", "30d"),
    ("/future", "younger_than", "30d"),
    ("/future", "younger_than", "999999d"),
    ("/absent", "younger_than", "30d"),
    ("/count", "younger_than", "30d"),
]


@pytest.mark.parametrize(("pointer", "test", "value"), HOLDS)
def test_a_condition_holds(pointer: str, test: str, value: object) -> None:
    assert Condition(pointer, test, value).failure(DOCUMENT, NOW) == ""  # type: ignore[arg-type]


@pytest.mark.parametrize(("pointer", "test", "value"), FAILS)
def test_a_condition_fails_with_a_reason(pointer: str, test: str, value: object) -> None:
    assert "predicate" in Condition(pointer, test, value).failure(DOCUMENT, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("document", [None, [], "text", 1, {}, [[]]], ids=str)
@pytest.mark.parametrize("test", ["equals", "like", "at_least", "younger_than"])
def test_a_condition_of_a_missing_value_fails(document: object, test: str) -> None:
    value = {"equals": 1, "like": "*", "at_least": 1, "younger_than": "1d"}[test]
    assert Condition("/x/0", test, value).failure(document, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pointer", "test", "value"),
    [
        ("builder", "equals", "x"),
        ("/a~2", "equals", "x"),
        ("/a~", "equals", "x"),
        (1, "equals", "x"),
        ("/a", "matches", "x"),
        ("/a", "equals", None),
        ("/a", "equals", {"x": 1}),
        ("/a", "equals", float("nan")),
        ("/a", "at_most", float("inf")),
        ("/a", "at_least", float("-inf")),
        ("/a", "one_of", (1, float("inf"))),
        ("/a\udcff", "present", False),
        ("/a", "equals", "\ud800"),
        ("/a", "like", "*\udcff"),
        ("/a", "one_of", ("x", "\udcff")),
        ("/a", "one_of", ()),
        ("/a", "one_of", "text"),
        ("/a", "one_of", (None,)),
        ("/a", "present", 1),
        ("/a", "like", ""),
        ("/a", "like", 1),
        ("/a", "at_least", "soon"),
        ("/a", "at_least", "2026-11-20T12:00:00"),
        ("/a", "at_least", True),
        ("/a", "younger_than", "0d"),
        ("/a", "younger_than", "30"),
        ("/a", "younger_than", "P30D"),
        ("/a", "younger_than", 30),
    ],
)
def test_a_condition_without_a_meaning_is_refused(pointer: object, test: str, value: object) -> None:
    with pytest.raises(InvalidArgument, match="condition"):
        Condition(pointer, test, value)  # type: ignore[arg-type]


def test_a_pattern_with_many_stars_takes_no_exponential_time() -> None:
    assert Condition("", "like", "*a" * 500 + "b").failure("a" * 200_000, NOW)


def test_the_reason_names_what_was_seen_and_what_is_needed() -> None:
    reason = Condition("/builder/id", "one_of", ("a", "b")).failure({"builder": {"id": "evil\n\x1b[0m"}}, NOW)
    assert reason.startswith("predicate '/builder/id' is ")
    assert reason.endswith("one_of 'a', 'b' is needed")
    assert reason.isprintable()
