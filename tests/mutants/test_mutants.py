"""The list of survivors, and the mutants themselves."""

from __future__ import annotations

import ast
import tomllib
from typing import Any

import pytest

from tests.mutants.__main__ import DECIDING, MODULES, SURVIVORS, _excused, _key, _ranked, _source
from tests.mutants.lines import ROOT
from tests.mutants.operators import mutants_of, mutated

LISTED = tomllib.loads(SURVIVORS.read_text("utf-8")).get("survivor", [])


@pytest.mark.parametrize("name", [*DECIDING, *MODULES])
def test_what_is_changed_exists(name: str) -> None:
    assert (ROOT / "imagesig" / name).exists()


@pytest.mark.parametrize("item", LISTED, ids=lambda item: f"{item['module']}: {item['before'][:30]}")
def test_a_listed_survivor_is_a_mutant_and_has_a_reason(item: dict[str, Any]) -> None:
    source = (ROOT / "imagesig" / item["module"]).read_text("utf-8")
    text = (item["operator"], item["before"], item["after"])
    same = [
        mutant.occurrence
        for mutant in mutants_of(item["module"], source)
        if (mutant.operator, mutant.before, mutant.after) == text
    ]
    assert set(item.get("occurrences", [1])) <= set(same)
    assert len(same) == 1 or "occurrences" in item, f"which of {len(same)} mutants of the same text?"
    assert len(item["reason"]) > 10


def test_a_survivor_excuses_no_other_mutant_of_the_same_text() -> None:
    first, second = (mutant for mutant in mutants_of("m.py", "a = 1\nb = 1\n") if mutant.operator == "one more")
    assert (first.before, first.after) == (second.before, second.after)
    assert _key(first) != _key(second)

    excused = _excused()
    listed = [item for item in LISTED if item["module"] == "text.py" and item["before"] == "2"]
    others = [mutant for mutant in mutants_of("text.py", _source("text.py")) if mutant.before == "2"]
    assert sum(_key(mutant) in excused for mutant in others) == len(listed[0]["occurrences"])


def test_a_mutant_differs_from_its_source_in_one_place() -> None:
    source = "def f(a, b):\n    if a and not b:\n        raise ValueError(a)\n    return a < 3\n"
    changed = {str(mutant): ast.unparse(mutated(source, mutant)) for mutant in mutants_of("m.py", source)}
    assert len(set(changed.values())) == len(changed) == 10
    assert ast.unparse(ast.parse(source)) not in changed.values()


def test_an_edit_leaves_the_other_mutants_of_a_sample_as_they_are() -> None:
    line = "def {name}(a, b):\n    return a < 3 and not b\n"
    before = list(mutants_of("m.py", line.format(name="g")))
    after = list(mutants_of("m.py", "C = 1\n\n" + line.format(name="g")))
    ranks = {rank for rank, _ in _ranked(before, 1)}
    assert len(ranks) == len(before)
    assert ranks < {rank for rank, _ in _ranked(after, 1)}
    assert ranks.isdisjoint(rank for rank, _ in _ranked(before, 2))


def test_what_is_in_a_type_is_not_changed() -> None:
    assert not list(mutants_of("m.py", "Opener = Callable[[str], tuple[int, ...]]\nReader = dict[str, int]\n"))
