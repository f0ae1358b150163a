"""Regular expressions that are compiled on first use."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest

import imagesig
from imagesig.patterns import regex


def test_a_pattern_does_the_same_as_a_compiled_one() -> None:
    assert regex("b+").sub("-", "abba") == "a-a"
    assert regex(rb"(?P<name>b)").groupindex == {"name": 1}
    twice = regex("A", re.IGNORECASE)
    assert twice.fullmatch("a") is not None
    assert twice.fullmatch("b") is None
    assert (twice.pattern, twice.flags) == ("A", re.compile("A", re.IGNORECASE).flags)


def test_a_mistake_is_reported_on_first_use() -> None:
    wrong = regex("(")
    with pytest.raises(re.error, match="missing"):
        wrong.search("")


def test_every_pattern_of_the_package_compiles() -> None:
    kind = type(regex(""))
    found = [
        value
        for module in pkgutil.walk_packages(imagesig.__path__, "imagesig.")
        if not module.name.endswith("__main__")
        for value in vars(importlib.import_module(module.name)).values()
        if isinstance(value, kind)
    ]
    assert len(found) > 100
    for each in found:
        assert isinstance(each.pattern, str | bytes)
