"""docs/policy.schema.json and the parser agree on what a policy document is."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesig.errors import InvalidArgument
from imagesig.format_names import NAMES, READERS
from imagesig.in_toto.predicates import PREDICATE_NAMES
from imagesig.policy.predicate import TESTS
from tests.policy.files.documents import Json, documents, pem, policy_of

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "policy.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

_BEYOND = (
    "no authority has the name",
    "no timestamp authority has the name",
    "already has a rule",
    "scope '",
    "lists only",
    "distinct",
    "PEM",
    "certificate",
    "public key",
    "before not_before",
    "a valid time is needed",
    "image reference",
    "identity '",
    "identity prefix",
    "a distinguished name",
    "the same key is listed twice",
    "of the given keys differ",
    "files cannot be read",
    "this is a key, not the name of one",
    "trust server",
    "condition: ",  # a time that no calendar has
)
"""What a schema cannot say: where the parser refuses for one of these, the schema may accept."""


def parser_refusal(document: Json) -> str:
    try:
        policy_of(document)
    except InvalidArgument as error:
        return str(error)
    return ""


def agree(document: Json) -> None:
    refusal = parser_refusal(document)
    problems = [error.message for error in VALIDATOR.iter_errors(document)]
    if problems:
        assert refusal, f"the schema refuses what the parser accepts: {problems}"
    elif refusal:
        assert any(text in refusal for text in _BEYOND), f"the parser refuses what the schema accepts: {refusal}"


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@given(documents)
@settings(max_examples=150, deadline=None)
def test_schema_and_parser_accept_valid_documents(document: Json) -> None:
    assert parser_refusal(document) == ""
    VALIDATOR.validate(document)


_junk = st.sampled_from(
    [
        *(None, True, False, 0, -1, 2, 1.5, "", "x", "strict", "reject", "skip", "registry.example", "2027-01-01"),
        *([], {}, [""], ["x"], ["qa", "qa"], {"x": 1}, {"any": ["qa"]}, {"type": "matchExact", "name": "x"}),
        "-----BEGIN x",
    ]
)


@given(documents, st.data())
@settings(max_examples=400, deadline=None)
def test_schema_and_parser_agree_on_documents_with_a_random_change(document: Json, data: st.DataObject) -> None:
    changed = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 2))):
        _change(changed, data)
    agree(changed)


def _change(document: Json, data: st.DataObject) -> None:
    """Takes a member away, adds one, renames one, or gives one another value, anywhere in the document."""
    table = data.draw(st.sampled_from(_tables(document)))
    names = sorted(table)
    kind = data.draw(st.sampled_from(["take", "add", "rename", "replace", "replace", "replace"]))
    if kind == "add" or not names:
        every = [
            "any",
            "all",
            "predicate_type",
            "every",
            "cel",
            "conditions",
            "threshold",
            "of",
            "warn",
            "require",
            "scope",
            "key_uri",
            "role",
            "fingerprint",
            "oops",
        ]
        table[data.draw(st.sampled_from(every))] = copy.deepcopy(data.draw(_junk))
        return
    name = data.draw(st.sampled_from(names))
    if kind == "take":
        del table[name]
    elif kind == "rename":
        table[name + "s"] = table.pop(name)
    else:
        table[name] = copy.deepcopy(data.draw(_junk))


def _tables(value: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if isinstance(value, dict):
        found.append(value)
        for item in value.values():
            found += _tables(item)
    elif isinstance(value, list):
        for item in value:
            found += _tables(item)
    return found


def _document(**members: Any) -> Json:
    base = {"version": 1, "authorities": {"qa": {"key_pem": pem()}}}
    return base | members


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"version": 2},
        {"version": True},
        {"version": "1"},
        _document(rules=[]),
        _document(unknown=1),
        _document(default="accept"),
        _document(default={"require": []}),
        _document(default={"require": [{}]}),
        _document(default={"require": [{"any": []}]}),
        _document(default={"require": [{"any": ["qa"], "all": ["qa"]}]}),
        _document(default={"require": [{"any": ["qa", "qa"]}]}),
        _document(default={"require": [{"threshold": 1}]}),
        _document(default={"require": [{"any": ["qa"], "of": ["qa"]}]}),
        _document(default={"require": [{"threshold": 0, "of": ["qa"]}]}),
        _document(default={"require": "reject", "warn": True}),
        _document(default={"require": [{"any": ["qa"], "annotations": {}}]}),
        _document(default={"require": [{"any": ["qa"], "annotations": {"a": 1}}]}),
        _document(default={"require": [{"any": ["qa"], "identity": "exactName"}]}),
        _document(default={"require": [{"any": ["qa"], "identity": {"type": "any", "name": "x"}}]}),
        _document(default={"require": [{"any": ["qa"], "formats": ["notation-v9"]}]}),
        _document(default={"require": [{"any": ["qa"], "enforcement": {"authenticity": "skip"}}]}),
        *(
            _document(default={"require": [{"any": ["qa"], **members}]})
            for members in (
                {"predicate_type": ""},
                {"predicate_type": "provenance"},
                {"predicate_type": 1},
                {"predicate_type": "vuln", "annotations": {"a": "b"}},
                {"predicate_type": "vuln", "identity": "exactName"},
                {"predicate_type": "vuln", "formats": ["notation"]},
                {"predicate_type": "vuln", "every": 1},
                {"predicate_type": "vuln", "cel": ""},
                {"predicate_type": "vuln", "cel": []},
                {"predicate_type": "vuln", "cel": ["x", "x"]},
                {"predicate_type": "vuln", "conditions": []},
                {"predicate_type": "vuln", "conditions": [{}]},
                {"predicate_type": "vuln", "conditions": [{"pointer": "/a"}]},
                {"predicate_type": "vuln", "conditions": [{"equals": 1}]},
                {"predicate_type": "vuln", "conditions": [{"pointer": "a", "equals": 1}]},
                {"predicate_type": "vuln", "conditions": [{"pointer": "/a", "equals": None}]},
                {"predicate_type": "vuln", "conditions": [{"pointer": "/a", "equals": 1, "present": True}]},
                {"predicate_type": "vuln", "conditions": [{"pointer": "/a", "matches": "x"}]},
                {"predicate_type": "vuln", "conditions": [{"pointer": "/a", "younger_than": "30"}]},
                {"predicate_type": "vuln", "conditions": [{"pointer": "/a", "at_least": "2026-01-01"}]},
                {"conditions": [{"pointer": "/a", "equals": 1}]},
                {"cel": "true"},
                {"every": True},
            )
        ),
        _document(authorities={"a b": {"key_file": "x"}}),
        _document(authorities={"a": {}}),
        _document(authorities={"a": {"key_file": "x", "key_uri": "env://X"}}),
        _document(authorities={"a": {"key_file": "x", "role": "ca"}}),
        _document(authorities={"a": {"ca_pem": "-----BEGIN CERTIFICATE-----", "not_after": "2027-01-01T00:00:00Z"}}),
        _document(authorities={"a": {"key_file": "x", "fingerprint": "sha256:00"}}),
        _document(authorities={"a": {"key_file": "x", "not_after": "2027-01-01"}}),
        _document(authorities={"a": {"key_uri": "x"}}),
    ],
)
def test_schema_and_parser_refuse_invalid_documents(document: Json) -> None:
    assert parser_refusal(document)
    assert not VALIDATOR.is_valid(document)


def test_the_schema_has_every_format_that_a_policy_file_can_name() -> None:
    # `cosign-x509` and the like differ from `cosign` in what they write alone.
    assert set(READERS) == {item.name for item in NAMES if not item.name.endswith("-x509")}
    assert SCHEMA["$defs"]["requirement"]["properties"]["formats"]["items"]["enum"] == list(READERS)


def test_the_schema_has_every_short_name_of_a_predicate_type_and_every_test() -> None:
    names = SCHEMA["$defs"]["requirement"]["properties"]["predicate_type"]["anyOf"][0]["enum"]
    assert set(names) == set(PREDICATE_NAMES)
    assert set(SCHEMA["$defs"]["condition"]["properties"]) == {"pointer", *TESTS}
