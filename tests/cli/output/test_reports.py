"""SARIF and JUnit reports: what CI systems read, and nothing that an artefact could smuggle in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesig.api.verify.verifying import VerificationResult
from imagesig.cli.output.reports import junit, sarif
from imagesig.errors import (
    AllowedUnverified,
    Finding,
    ImagesigError,
    NoSignatureAccepted,
    NoSignatures,
    RefusedByPolicy,
    Rejection,
    SignatureInvalid,
    Unreachable,
)
from imagesig.images.image import Image
from imagesig.images.registry.connect import registry

DIGEST = "sha256:" + "ab" * 32


@dataclass(frozen=True, slots=True)
class Outcome:
    image: Image
    result: VerificationResult | None = None
    error: ImagesigError | None = None


IMAGE = registry("localhost:5000/team/app:1.0")


def passed(*, verified: bool = True) -> Outcome:
    name = str(IMAGE)
    return Outcome(
        IMAGE, VerificationResult(name, DIGEST, f"{name}@{DIGEST}", (), verified=verified, warnings=("why",))
    )


def failed(error: ImagesigError) -> Outcome:
    return Outcome(IMAGE, error=error)


def not_accepted(text: str) -> NoSignatureAccepted:
    rejections = [Rejection(f"layer {text}", SignatureInvalid(text), "release")]
    return NoSignatureAccepted(text, rejections=rejections, findings=[Finding("release", (), (text,))], hint="look")


EVERY = [
    passed(),
    passed(verified=False),
    failed(NoSignatures("none")),
    failed(not_accepted("bad")),
    failed(RefusedByPolicy("no")),
    failed(AllowedUnverified("passes", reasons=("nobody signed",))),
    failed(Unreachable("no answer")),
]

_TEXT: dict[str, Any] = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
_RULE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id"],
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "shortDescription": _TEXT,
        "fullDescription": _TEXT,
    },
}
_LOCATION = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "physicalLocation": {
            "type": "object",
            "additionalProperties": False,
            "required": ["artifactLocation"],
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "additionalProperties": False,
                    # RFC 3986: a relative reference whose first segment has no colon.
                    "properties": {
                        "uri": {"type": "string", "pattern": r"^([A-Za-z0-9._~!$&'()*+,;=@/-]|%[0-9A-F]{2})+$"}
                    },
                },
                "region": {"type": "object", "properties": {"startLine": {"type": "integer", "minimum": 1}}},
            },
        },
        "logicalLocations": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"fullyQualifiedName": {"type": "string"}, "kind": {"type": "string"}},
            },
        },
    },
}
_RESULT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["message"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": _TEXT,
        "locations": {"type": "array", "items": _LOCATION},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
_INVOCATION = {
    "type": "object",
    "additionalProperties": False,
    "required": ["executionSuccessful"],
    "properties": {"executionSuccessful": {"type": "boolean"}, "exitCode": {"type": "integer"}},
}
SARIF = {
    "type": "object",
    "additionalProperties": False,
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["tool"],
                "properties": {
                    "tool": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "additionalProperties": False,
                                "required": ["name"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "semanticVersion": {"type": "string"},
                                    "rules": {"type": "array", "uniqueItems": True, "items": _RULE},
                                },
                            }
                        },
                    },
                    "invocations": {"type": "array", "items": _INVOCATION},
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": _RESULT},
                    "properties": {"type": "object"},
                },
            },
        },
    },
}
"""The part of the SARIF 2.1.0 schema (section 3 of the standard) that our reports use."""


def run_of(outcomes: list[Outcome]) -> dict[str, Any]:
    log = json.loads(sarif(outcomes))
    jsonschema.Draft202012Validator(SARIF).validate(log)
    (run,) = log["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    return dict(run)


def test_sarif_has_a_result_for_every_image_that_is_not_verified() -> None:
    run = run_of(EVERY)
    assert [(result["ruleId"], result["level"]) for result in run["results"]] == [
        ("AllowedUnverified", "warning"),
        ("NoSignatures", "error"),
        ("NoSignatureAccepted", "error"),
        ("RefusedByPolicy", "error"),
        ("AllowedUnverified", "error"),
        ("VerificationFailed", "error"),
    ]
    assert run["properties"]["verified"] == [f"{IMAGE}@{DIGEST}"]


def test_sarif_tells_refused_images_from_a_tool_that_failed() -> None:
    (refused,) = run_of([passed(), failed(NoSignatures("none"))])["invocations"]
    (broken,) = run_of([failed(Unreachable("no answer"))])["invocations"]
    assert refused == {"executionSuccessful": True, "exitCode": 10}
    assert broken == {"executionSuccessful": False, "exitCode": 1}


def test_sarif_of_the_same_image_and_reason_has_the_same_fingerprint() -> None:
    one, other = (run_of([failed(NoSignatures(text))])["results"][0] for text in ("a", "b"))
    assert one["partialFingerprints"] == other["partialFingerprints"]


def test_sarif_names_the_image_by_a_uri_without_a_scheme() -> None:
    (result,) = run_of([failed(NoSignatures("none"))])["results"]
    (location,) = result["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "localhost%3A5000/team/app%3A1.0"


def test_sarif_lists_every_reason_and_finding() -> None:
    (result,) = run_of([failed(not_accepted("bad"))])["results"]
    assert result["message"]["text"].split("\n") == ["bad", "layer bad: bad", "needed: release: bad", "hint: look"]


def test_junit_has_a_case_for_every_image_and_counts_them() -> None:
    root = ElementTree.fromstring(junit(EVERY))
    (suite,) = root
    kinds = [[child.tag for child in case] for case in suite]
    assert kinds == [["system-out"]] * 2 + [["failure"]] * 4 + [["error"]]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("7", "4", "1")
    assert {case.get("name") for case in suite} == {str(IMAGE)}


HOSTILE = '</failure><x a="&amp;">]]>[click](http://evil.example) {0} \x1b[2J\x00\ud800\uffff\\'


def test_hostile_text_becomes_no_markup_no_link_and_no_control_character() -> None:
    outcomes = [failed(not_accepted(HOSTILE))]
    written = junit(outcomes)
    (case,) = ElementTree.fromstring(written)[0]
    assert [child.tag for child in case] == ["failure"]
    (failure,) = case
    assert '</failure><x a="&amp;">]]>' in (failure.text or "")
    text = run_of(outcomes)["results"][0]["message"]["text"]
    assert not re.search(r"(?<!\\)\[", text)
    assert "{0}" not in text.replace("{{", "").replace("}}", "")
    for report in (written, text):
        assert all(character.isprintable() or character == "\n" for character in report)


@pytest.mark.parametrize("report", [sarif, junit])
@given(text=st.text())
def test_any_text_is_reported(report: Any, text: str) -> None:
    written = report([failed(not_accepted(text)), failed(AllowedUnverified(text, reasons=(text,)))])
    written.encode("utf-8")
    if report is junit:
        ElementTree.fromstring(written)
    else:
        json.loads(written)
