"""The line of every part of a document, and what is no document at all."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesig import limits
from imagesig.encoding import json_located, toml_located
from imagesig.encoding.located import Path
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.policy.files.toml import toml_text

TOML = '''\
version = 1           # a comment with [brackets] and "quotes"

[a."b.c"]
text = "x # no comment"
long = """
two \\" "" lines"""""
'quoted key' = 'x'

[[rules]]
scope = "one"
require = [
  { any = ["x",

    "y"] },
  { all = ["z"], at = 1979-05-27 07:32:00Z },
]

[[rules]]
  [[rules.require]]
  any = []
  [[rules.require]]
  deep.er = {}
'''


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    """Every part of a value but the whole."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield (*path, name)
        yield from paths(item, (*path, name))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("version",), 1),
        (("a", "b.c"), 3),
        (("a", "b.c", "long"), 5),
        (("a", "b.c", "quoted key"), 7),
        (("rules", 0, "scope"), 10),
        (("rules", 0, "require", 0), 12),
        (("rules", 0, "require", 0, "any", 1), 14),
        (("rules", 0, "require", 1, "at"), 15),
        (("rules", 1), 18),
        (("rules", 1, "require", 1), 21),
        (("rules", 1, "require", 1, "deep", "er"), 22),
        (("rules", 1, "no such", "part"), 18),
    ],
)
def test_a_part_of_toml_has_the_line_in_which_it_starts(path: Path, line: int) -> None:
    assert toml_located.parse(TOML.encode(), "x").line(path) == line


def test_lines_that_end_as_on_windows_are_counted_once() -> None:
    assert toml_located.parse(b"a = 1\r\nb = 2\r\n", "x").line(("b",)) == 2


_names = st.text(st.characters(codec="utf-8"), max_size=8)
_scalars = st.one_of(st.booleans(), st.integers(-(2**62), 2**62), _names)
_values = st.recursive(
    _scalars, lambda inner: st.one_of(st.lists(inner), st.dictionaries(_names, inner)), max_leaves=12
)
documents = st.dictionaries(_names, _values, max_size=5)


@given(documents)
def test_every_part_of_any_toml_is_found(document: dict[str, object]) -> None:
    text = toml_text(document)
    located = toml_located.parse(text.encode(), "x")
    assert located.value == document == tomllib.loads(text)
    assert set(located.lines) >= set(paths(document))


@given(documents, st.sampled_from([None, 0, 3]))
def test_json_is_read_as_the_standard_library_reads_it_and_every_part_is_found(
    document: dict[str, object], indent: int | None
) -> None:
    text = json.dumps(document, indent=indent)
    located = json_located.parse(text.encode(), "x")
    assert located.value == document
    assert set(located.lines) >= set(paths(document))


def test_a_member_inside_another_has_a_line_of_its_own() -> None:
    located = json_located.parse(b'{"a":\n {"b": 1,\n  "c": [{\n   "b": 2}]}}', "x")
    found = [("a",), ("a", "b"), ("a", "c"), ("a", "c", 0), ("a", "c", 0, "b")]
    assert [located.line(path) for path in found] == [1, 2, 3, 3, 4]


@given(st.lists(st.integers(), min_size=1))
def test_the_line_of_a_json_member_is_that_of_its_name(numbers: list[int]) -> None:
    text = json.dumps({f"n{number}": number for number in numbers}, indent=1)
    located = json_located.parse(text.encode(), "x")
    for line, written in enumerate(text.split("\n"), 1):
        if written.startswith(' "'):
            assert located.line((json.loads("{" + written.rstrip(",") + "}").popitem()[0],)) == line


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a": 1,\n "a": 2}', "x:2: not strict JSON: member 'a' occurs twice"),
        (b'{"a": {"b": 1, "b": 1}}', "member 'b' occurs twice"),
        (b"[1,]", "a value is needed"),
        (b"", "it ends, a value is needed"),
        (b"{} {}", "there is text after"),
        (b'["a\nb"]', "not a JSON string"),
        (b"[01]", "a comma or ] is needed"),
        (b"[1 2]", "a comma or ] is needed"),
        (b'{"a" 1}', "a colon is needed"),
        (b"{a: 1}", "a member's name"),
        (b"\n\n\xff", "x:3: not UTF-8"),
        (b"[NaN]", "a value is needed"),
        (b"[" + b"9" * 5000 + b"]", "a number with too many digits"),
    ],
)
def test_json_that_is_not_strict_is_refused_with_its_line(data: bytes, expected: str) -> None:
    with pytest.raises(MalformedError) as caught:
        json_located.parse(data, "x")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a = 1\na = 2\n", "x:2: not TOML: a key or table occurs twice"),
        (b"[a]\n[b]\n[a]\n", "x:3: not TOML: a key or table occurs twice"),
        (b"a = {b = 1, b = 2}", "x:1: not TOML: a key or table occurs twice"),
        (b"a = 1\n[[a]]\n", "x:2: not TOML: a key or table occurs twice"),
        (b"a = 1\nb =\n", "x:2: not TOML: Invalid value"),
        (b"a = 1\nb =\nc = 1\n", "x:2: not TOML: Invalid value"),
        (b"a = 1\nb = 'x", "x:2: not TOML"),
        (b"\xff", "x:1: not UTF-8"),
        (b"a = " + b"9" * 5000, "a number with too many digits"),
    ],
)
def test_invalid_toml_is_refused_with_its_line(data: bytes, expected: str) -> None:
    with pytest.raises(MalformedError) as caught:
        toml_located.parse(data, "x")
    assert expected in str(caught.value)


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        json_located.parse(b"[" * 40 + b"]" * 40, "x")
    with pytest.raises(LimitExceeded):
        toml_located.parse(b"a = " + b"[" * 100_000 + b"]" * 100_000, "x")


@pytest.mark.parametrize("part", ["a", '"a"', "'a'"])
def test_a_key_of_more_names_than_the_limit_is_refused_with_its_line(part: str) -> None:
    most = limits.TOML_KEY_PARTS
    assert toml_located.parse(f"b = 1\n{' . '.join([part] * most)} = 1".encode(), "x").value
    with pytest.raises(LimitExceeded, match=f"x:2: more than {most} names joined by dots"):
        toml_located.parse(f"b = 1\n{' . '.join([part] * (most + 1))} = 1".encode(), "x")
