"""Types of predicates: short names, URIs, and shapes whose errors name the member."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagesig.errors import InvalidArgument
from imagesig.in_toto.predicates import PREDICATE_NAMES, check_predicate, predicate_type
from imagesig.in_toto.statement import SIGN_PREDICATE

GOOD: dict[str, dict[str, Any]] = {
    "custom": {"anything": [1]},
    "slsaprovenance": {"builder": {"id": "x"}, "buildType": "y", "unknown": 1},
    "slsaprovenance02": {"builder": {"id": "x"}, "buildType": "y"},
    "slsaprovenance1": {"buildDefinition": {"buildType": "y"}, "runDetails": {"builder": {"id": "x"}}},
    "link": {"name": "n", "materials": {}, "products": {}},
    "spdx": {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT"},
    "spdxjson": {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT"},
    "cyclonedx": {"bomFormat": "CycloneDX", "specVersion": "1.6"},
    "vuln": {"invocation": {}, "scanner": {}, "metadata": {}},
    "openvex": {"@context": "https://openvex.dev/ns/v0.2.0", "statements": []},
}


def text(value: object) -> bytes:
    return json.dumps(value).encode()


def test_every_name_has_a_good_example_here() -> None:
    assert set(GOOD) == set(PREDICATE_NAMES)


@pytest.mark.parametrize("name", PREDICATE_NAMES)
def test_a_predicate_of_the_right_shape_passes_and_each_missing_member_is_named(name: str) -> None:
    check_predicate(predicate_type(name), text(GOOD[name]))
    for member in GOOD[name].keys() - {"anything", "unknown"}:
        left = {key: value for key, value in GOOD[name].items() if key != member}
        with pytest.raises(InvalidArgument, match=f"no member '{member}'"):
            check_predicate(predicate_type(name), text(left))
        with pytest.raises(InvalidArgument, match=member):
            check_predicate(predicate_type(name), text(GOOD[name] | {member: 7}))


@pytest.mark.parametrize("context", ["https://spdx.org/rdf/3.0.1/spdx-context.jsonld", ["https://a.example"], {}])
def test_a_document_of_spdx_3_has_a_graph_in_place_of_a_version(context: object) -> None:
    uri = predicate_type("spdxjson")
    check_predicate(uri, text({"@context": context, "@graph": [{"type": "SpdxDocument"}]}))
    with pytest.raises(InvalidArgument, match=r"\.@graph is '7', list is needed"):
        check_predicate(uri, text({"@context": context, "@graph": 7}))
    with pytest.raises(InvalidArgument, match="no member 'spdxVersion'"):
        check_predicate(uri, text({"@context": context}))


def test_a_member_inside_is_named_with_its_path() -> None:
    with pytest.raises(InvalidArgument, match=r"\.builder has no member 'id'"):
        check_predicate(predicate_type("slsaprovenance"), text({"builder": {}, "buildType": "y"}))


@pytest.mark.parametrize("value", ["[]", '"text"', "17", "null", "", "{", '{"a":1}{}'])
def test_any_type_wants_a_json_object(value: str) -> None:
    with pytest.raises(InvalidArgument, match="JSON object is needed"):
        check_predicate("https://example.org/any", value.encode())


@pytest.mark.parametrize(
    ("value", "said", "hint"),
    [
        (b'{"a":"\\ud800"}', "half of a surrogate pair", ""),
        (b'\xef\xbb\xbf{"a":1}', "byte order mark", "UTF-8"),
        ('{"a":1}'.encode("utf-16"), "byte order mark", "UTF-8"),
        (b'{"a":', "not JSON", ""),
    ],
    ids=["surrogate", "mark", "UTF-16", "cut"],
)
def test_a_predicate_that_cannot_be_read_says_why(value: bytes, said: str, hint: str) -> None:
    with pytest.raises(InvalidArgument, match=said) as caught:
        check_predicate("https://example.org/any", value)
    assert hint in caught.value.hint


def test_spdx_in_tag_value_form_is_refused_with_a_hint() -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_predicate(predicate_type("spdx"), b"SPDXVersion: SPDX-2.3\n")
    assert "SPDX JSON" in (caught.value.hint or "")


def test_a_whole_statement_is_not_taken_for_its_predicate() -> None:
    whole = {"_type": "x", "predicateType": "y", "predicate": {}}
    with pytest.raises(InvalidArgument) as caught:
        check_predicate(predicate_type("slsaprovenance"), text(whole))
    assert "--statement" in (caught.value.hint or "")


@pytest.mark.parametrize("given", ["", "spdx2", "not a uri", "https://a b", "http:", "x:\udcff"])
def test_a_type_is_a_known_name_or_a_uri(given: str) -> None:
    with pytest.raises(InvalidArgument, match="predicate type"):
        predicate_type(given)
    assert predicate_type("https://example.org/x") == "https://example.org/x"
    assert predicate_type("urn:a:b") == "urn:a:b"
    assert predicate_type("urn:é") == "urn:é"


def test_the_type_of_image_signatures_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="signature of an image"):
        predicate_type(SIGN_PREDICATE)
