"""What a requirement of a policy file asks of predicates: read from the fields of its table, and written as them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict

from imagesig.in_toto.predicates import predicate_type
from imagesig.policy.attested import Attested
from imagesig.policy.files.document import Node, one_of
from imagesig.policy.predicate import LIMITS, TESTS, Condition, Scalar

PREDICATE_FIELDS = ("conditions", "cel", "every")


class PredicateFields(TypedDict):
    """The arguments of `Attested` that these fields give."""

    predicate_type: str
    conditions: tuple[Condition, ...]
    cel: tuple[str, ...]
    every: bool


def parse_predicate_fields(fields: Mapping[str, Node]) -> PredicateFields:
    """What a table with a predicate type asks of predicates. Raises as `parse_policy` does."""
    named = fields["predicate_type"]
    text = named.text()
    return PredicateFields(
        predicate_type=named.made(lambda: predicate_type(text)),
        conditions=tuple(map(parse_condition, fields["conditions"].items())) if "conditions" in fields else (),
        cel=_expressions(fields["cel"]) if "cel" in fields else (),
        every=fields["every"].boolean() if "every" in fields else False,
    )


def parse_condition(node: Node) -> Condition:
    """The condition of a table: its pointer and one test. Raises as `parse_policy` does."""
    fields = node.table(("pointer", *TESTS), needed=("pointer",))
    pointer = fields["pointer"]
    test = one_of(node, fields, tuple(TESTS))
    text = pointer.value if pointer.value == "" else pointer.text()
    return node.made(lambda: Condition(str(text), test, _value(fields[test], test)))


def _value(node: Node, test: str) -> Scalar | tuple[Scalar, ...]:
    value = node.value
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, datetime) and test in LIMITS:
        return value.isoformat()  # TOML has times; other tests compare text, which may have another form
    return value  # type: ignore[return-value]  # `Condition` refuses every other type


def _expressions(node: Node) -> tuple[str, ...]:
    return (node.text(),) if isinstance(node.value, str) else node.distinct_texts()


def predicate_document(requirement: Attested) -> dict[str, object]:
    """The fields that `parse_predicate_fields` reads as the same."""
    document: dict[str, object] = {"predicate_type": requirement.predicate_type}
    if requirement.conditions:
        document["conditions"] = [
            {"pointer": item.pointer, item.test: list(item.value) if isinstance(item.value, tuple) else item.value}
            for item in requirement.conditions
        ]
    if requirement.cel:
        document["cel"] = list(requirement.cel)
    if requirement.every:
        document["every"] = True
    return document
