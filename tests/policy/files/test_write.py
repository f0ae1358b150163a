"""A policy, written and read again, is the same policy."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from imagesig.errors import InvalidArgument
from imagesig.policy import AcceptAnything, KeyReference, Policy, Reject, Rule, Scope, Signed, Unsupported
from imagesig.policy.files.toml import toml_text
from imagesig.policy.files.write import document_of
from tests.makers import private_key
from tests.policy.files.documents import Json, documents, policy_of, policy_of_toml


def without_lines(policy: Policy) -> Policy:
    """The same without what says where it was written."""

    def rule(given: Rule) -> Rule:
        requirements = tuple(Reject() if isinstance(item, Reject) else item for item in given.requirements)
        return replace(given, name="", requirements=requirements)

    return replace(
        policy, default=rule(policy.default), rules={scope: rule(item) for scope, item in policy.rules.items()}
    )


@given(documents)
@settings(max_examples=150, deadline=None)
def test_a_written_policy_reads_as_the_same_policy(document: Json) -> None:
    policy = policy_of(document)
    written = document_of(policy)
    assert without_lines(policy_of_toml(toml_text(written))) == without_lines(policy)
    assert without_lines(policy_of(json.loads(json.dumps(written)))) == without_lines(policy)


@given(documents)
@settings(max_examples=100, deadline=None)
def test_toml_and_json_of_one_document_are_the_same_policy(document: Json) -> None:
    assert without_lines(policy_of_toml(toml_text(document))) == without_lines(policy_of(document))


@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_any_text_survives_toml(text: str) -> None:
    document = {"version": 1, "description": text or "x", "authorities": {}}
    assert policy_of_toml(toml_text(document)) == policy_of(document)


def test_a_policy_made_in_a_program_can_be_written() -> None:
    policy = Policy.at_least(2, "/keys/a.pub", "hashivault://b", private_key().public_key, annotations={"a": "b"})
    read = policy_of_toml(toml_text(document_of(policy)))
    (requirement,) = read.default.signed
    assert [item.text for item in requirement.authorities if isinstance(item, KeyReference)] == [
        "/keys/a.pub",
        "hashivault://b",
    ]
    assert requirement.threshold == 2


def test_a_policy_that_cannot_be_expressed_is_refused_with_every_place() -> None:
    rules = tuple(Rule((Unsupported(f"it asks for {what}"),), what) for what in ("fulcio", "signedBy"))
    policy = Policy(rules[0], {**Policy().rules, **policy_of({"version": 1}).rules})
    with pytest.raises(InvalidArgument, match="fulcio: it asks for fulcio"):
        document_of(policy)


def test_a_rule_for_just_one_repository_is_not_written_as_one_for_all_below_it() -> None:
    exact = Scope("docker", "registry.example/app", exact=True)
    with pytest.raises(InvalidArgument, match="just one repository"):
        document_of(Policy(rules={exact: Rule((AcceptAnything(),))}))


def test_a_format_is_written_by_the_name_that_reads_it() -> None:
    policy = Policy.any_of("/a.pub", formats=["cosign-x509", "cosign", "notation-jws"])
    document = document_of(policy)
    assert document["default"]["require"][0]["formats"] == ["cosign", "notation-jws"]  # type: ignore[index]
    assert policy_of(document).default.signed[0].formats == policy.default.signed[0].formats


@pytest.mark.parametrize(
    ("text", "name"),
    [("team.pub", "team.pub"), ("/keys/team.pub", "team"), ("/keys/our team.pem", "our-team"), ("/keys/.pub", "key")],
)
def test_an_authority_is_named_after_its_key(text: str, name: str) -> None:
    document = document_of(Policy(Rule((Signed((KeyReference(text, text),)),))))
    assert document["authorities"] == {name: {"key_file": text}}


def test_authorities_with_the_same_name_get_distinct_names() -> None:
    policy = Policy(Rule((Signed((KeyReference("/a/key.pub"), KeyReference("/b/key.pub"))),)))
    document = document_of(policy)
    assert document["authorities"] == {"key": {"key_file": "/a/key.pub"}, "key-2": {"key_file": "/b/key.pub"}}


def test_several_tables_in_a_table_are_written_in_lines_of_their_own() -> None:
    document = {"default": {"require": [{"any": ["a"]}, {"reject": True}], "empty": [], "names": ["a", "b"]}}
    assert toml_text(document) == (
        '\n[default]\nrequire = [\n  { any = ["a"] },\n  { reject = true },\n]\nempty = []\nnames = ["a", "b"]\n'
    )


def test_tables_inside_an_item_stay_in_its_line() -> None:
    assert toml_text({"a": {"b": [{"c": [{"d": 1}]}]}}) == "\n[a]\nb = [\n  { c = [{ d = 1 }] },\n]\n"
