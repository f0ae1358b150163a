"""CEL: an expression is true or it is a reason, and it ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from imagesig.errors import InvalidArgument
from imagesig.policy import cel

VALUES = {
    "predicate": {
        "packages": [{"name": f"p{number}"} for number in range(100)],
        "big": 2**53 + 1,
        "text": "x" * 5000,
        "many": list(range(20_000)),
    },
    "subject": {"digest": "sha256:00"},
    "signer": {"name": "release"},
}


@pytest.mark.parametrize(
    "text",
    [
        "predicate.packages.all(p, !(p.name in ['log4j', 'xz']))",
        "predicate.big == 9007199254740993",
        "subject.digest.startsWith('sha256:') && signer.name == 'release'",
        "!has(predicate.absent)",
    ],
)
def test_an_expression_is_true(text: str) -> None:
    assert cel.failure(text, VALUES) == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("predicate.packages.exists(p, p.name == 'xz')", "is false"),
        ("predicate.absent == 1", "absent"),
        ("predicate.big", "type INT"),
        ("predicate.text > 1", "overload"),
        ("predicate.many.all(n, n >= 0)", "budget"),
        ("predicate.packages.all(a, predicate.packages.all(b, predicate.packages.all(c, c.name != a.name + b.name)))",
         "budget"),
        ("predicate.text.matches('(x+x+)+y')", "is false"),
    ],
)  # fmt: skip
def test_everything_else_is_a_reason(text: str, reason: str) -> None:
    assert reason in cel.failure(text, VALUES)


@pytest.mark.parametrize(
    "predicate",
    [{"a": "x\0y"}, {"a": ["x\0y"]}, {"a": {"x": "\0"}}, {"a": {"x\0": 1}}, {"a\0": "x"}, "x\0y", ["\0"]],
    ids=repr,
)
@pytest.mark.parametrize("text", ["predicate.a == 'x'", "'x' in predicate.a", "predicate == 'x'", "true"])
def test_text_that_the_package_would_cut_is_a_reason(text: str, predicate: object) -> None:
    assert "NUL" in cel.failure(text, {**VALUES, "predicate": predicate})


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1])
def test_a_number_that_cel_has_not_is_a_reason(number: int) -> None:
    assert "range" in cel.failure("predicate.n != 1", {**VALUES, "predicate": {"n": number}})


@pytest.mark.parametrize("text", ["predicate.a ==", "unknown == 1", "1 + 1", "'text'", "(" * 300 + "true" + ")" * 300])
def test_an_expression_without_a_meaning_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="cel"):
        cel.check_expression(text)


def test_an_expression_with_a_byte_that_is_no_text_is_refused_as_such() -> None:
    with pytest.raises(InvalidArgument, match="not UTF-8 text"):
        cel.check_expression("predicate.a == '\udcff'")


def test_without_the_extra_the_error_names_it() -> None:
    code = """
import sys
sys.modules["cel_expr_python"] = None
from imagesig.errors import MissingExtra
from imagesig.policy import cel
try:
    cel.check_expression("true")
except MissingExtra as error:
    print(error.hint)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "imagesig[cel]" in done.stdout
