"""in-toto statements: the predicate's bytes are kept, everything around them is read strictly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from imagesig import limits
from imagesig.errors import FormatViolation, LimitExceeded, MalformedError
from imagesig.in_toto.statement import STATEMENT_V1, STATEMENTS, parse_predicate, parse_statement, statement_bytes
from imagesig.signature import StatementClaim, Subject
from tests.makers import DIGEST, OTHER_DIGEST

KEPT = b'{"n":12345678901234567890,  "x":1.50,"empty":"", "no":false,"\xc3\xa9":[]}'
TYPE = "https://example.org/type"


def document(**changes: Any) -> dict[str, Any]:
    subjects = [{"name": "a", "digest": {"sha256": DIGEST.removeprefix("sha256:")}}]
    return {"_type": STATEMENT_V1, "subject": subjects, "predicateType": TYPE, "predicate": {"a": 1}} | changes


@pytest.mark.parametrize("kind", STATEMENTS)
def test_the_predicate_is_kept_byte_for_byte(kind: str) -> None:
    written = statement_bytes((Subject(DIGEST),), TYPE, KEPT, statement_type=kind, name="host/app")
    assert KEPT in written
    read = parse_statement(written)
    assert (read.type, read.predicate_type, read.predicate) == (kind, TYPE, KEPT)
    assert read.subjects == (Subject(DIGEST),)
    assert read.claim == StatementClaim((Subject(DIGEST),), predicate_type=TYPE, predicate=KEPT, statement_type=kind)
    assert json.loads(written)["subject"][0]["name"] == "host/app"


def test_the_predicate_may_come_first_and_have_blanks_around_it() -> None:
    head = json.dumps({name: value for name, value in document().items() if name != "predicate"})
    read = parse_statement(b'{"predicate" : ' + KEPT + b" ," + head[1:].encode())
    assert read.predicate == KEPT


def test_a_predicate_named_elsewhere_is_not_the_predicate() -> None:
    text = json.dumps(document(subject=[document()["subject"][0] | {"annotations": {"predicate": {"b": 2}}}]))
    assert parse_statement(text.encode()).predicate == b'{"a": 1}'


@pytest.mark.parametrize("value", [b'"tag-value text"', b"17", b"[1]"])
def test_what_cosign_wrote_as_another_value_is_read(value: bytes) -> None:
    assert parse_statement(statement_bytes((Subject(DIGEST),), TYPE, value)).predicate == value


@pytest.mark.parametrize(
    "text",
    [
        b'{"predicate":{},"predicate":{}}',
        b'{"predicate":{"a":1},"predicate":{}}',
        b'{"predicate":{},"Predicate":{}}',
        b'{"predicate":{},"predicateType":"a","predicateType":"b"}',
        b'{"predicate":{"a":tru}}',
        b'{"predicate":{"a":"\xff"}}',
        b'{"predicate":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"predicate":{}',
        b'{"predicate":{}} {}',
        b"[]",
    ],
    ids=[
        "same twice",
        "another twice",
        "by case",
        "type twice",
        "no JSON",
        "no UTF-8",
        "deep",
        "open",
        "two values",
        "list",
    ],
)
def test_a_statement_that_readers_may_read_differently_is_refused(text: bytes) -> None:
    complete = json.dumps(document())[1:].encode()
    for payload in (text, text.rstrip(b"}") + b"," + complete):
        with pytest.raises((MalformedError, FormatViolation)):
            parse_statement(payload)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"_type": "https://in-toto.io/Statement/v2"}, "statement of type"),
        ({"predicateType": ""}, "predicateType"),
        ({"predicateType": None}, "predicateType"),
        ({"subject": []}, "at least one entry"),
        ({"subject": {}}, "at least one entry"),
        ({"subject": [{"name": "a"}]}, "digest"),
        ({"subject": [{"digest": {"sha256": "AB" * 32}}]}, "64 lower-case hex digits"),
        ({"more": 1}, "unknown member"),
    ],
)
def test_a_statement_of_another_shape_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(FormatViolation, match=said):
        parse_statement(json.dumps(document(**changes)).encode())


def test_a_predicate_whose_name_has_an_escape_is_not_read_as_none() -> None:
    escaped = json.dumps(document(predicate={"a": 1})).replace('"predicate"', r'"predicat\u0065"').encode()
    assert json.loads(escaped)["predicate"] == {"a": 1}
    with pytest.raises(MalformedError, match="escapes"):
        parse_statement(escaped)


def test_subjects_without_a_sha256_digest_are_passed_over() -> None:
    other = {"digest": {"gitCommit": "ab"}}
    named = {"digest": {"sha256": OTHER_DIGEST.removeprefix("sha256:"), "sha512": "x"}, "annotations": {"size": 1}}
    read = parse_statement(json.dumps(document(subject=[other, named])).encode())
    assert read.subjects == (Subject(OTHER_DIGEST),)


def test_sizes_are_limited() -> None:
    subjects = document()["subject"] * (limits.STATEMENT_SUBJECTS + 1)
    with pytest.raises(LimitExceeded, match="subjects"):
        parse_statement(json.dumps(document(subject=subjects)).encode())
    with pytest.raises(LimitExceeded, match="without the predicate"):
        parse_statement(json.dumps(document(predicateType="x" * limits.STATEMENT_REST_BYTES)).encode())
    with pytest.raises(LimitExceeded, match="at most"):
        parse_statement(b" " * (limits.ATTESTATION_BYTES + 1))


def test_the_content_of_a_predicate_is_read_strictly_on_request() -> None:
    assert parse_predicate(b'{"a":[1,2.5]}') == {"a": [1, 2.5]}
    with pytest.raises(MalformedError, match="occurs twice"):
        parse_predicate(b'{"a":1,"a":2}')
