"""The outcomes of `verify` for CI systems: SARIF 2.1.0 and JUnit's XML.

Every text in a report may come from an artefact: none becomes markup, a link or a control character.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote as percent_encode

from imagesig.api.outcome import shown_name
from imagesig.api.verify.verifying import VerificationResult
from imagesig.cli.output.failure import worst
from imagesig.errors import AllowedUnverified, ImageNotFound, ImagesigError, NoSignatureAccepted, VerificationError
from imagesig.images.image import Image
from imagesig.text import printable
from imagesig.version import __version__

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


class Outcome(Protocol):
    """One image, and its result or its error."""

    @property
    def image(self) -> Image | str: ...
    @property
    def result(self) -> VerificationResult | None: ...
    @property
    def error(self) -> ImagesigError | None: ...


def _reasons(outcome: Outcome) -> list[str]:
    """Why an image is not verified, the sentence first; if it passes without proof, what is missing."""
    if outcome.error is None:
        assert outcome.result is not None
        missing = list(outcome.result.warnings) or ["the rule accepts anything"]
        return [f"{shown_name(outcome.image)}: rule {outcome.result.rule} allows it without proof", *missing]
    error = outcome.error
    reasons = [str(error)]
    if isinstance(error, NoSignatureAccepted):
        reasons += [str(rejection) for rejection in error.rejections]
        reasons += [f"needed: {finding}" for finding in error.findings]
    if isinstance(error, AllowedUnverified):
        reasons += error.reasons
    return reasons + ([f"hint: {error.hint}"] if error.hint else [])


def _text(untrusted: Sequence[str]) -> str:
    """A text with a line for each of these."""
    return "\n".join(map(printable, untrusted))


# --- SARIF --------------------------------------------------------------------------------------------------------

_OTHER = "VerificationFailed"
_KINDS: tuple[type[ImagesigError], ...] = (*VerificationError.__subclasses__(), ImageNotFound)
_RULES = {kind.__name__: kind.summary for kind in _KINDS if kind.summary != ImagesigError.summary}
_RULES[_OTHER] = ImagesigError.summary
"""One reporting rule for each way in which an image is not verified; the last is for every other failure."""


def _rule_for(kind: type[ImagesigError]) -> str:
    return next((item.__name__ for item in kind.__mro__ if item.__name__ in _RULES), _OTHER)


def sarif(outcomes: Sequence[Outcome]) -> str:
    """A SARIF log with a result for every image that is not verified. Spec: SARIF 2.1.0."""
    results = [_sarif_result(outcome) for outcome in outcomes if not _is_verified(outcome)]
    statuses = [outcome.error.exit_status for outcome in outcomes if outcome.error]
    names = list(_RULES)
    run = {
        "tool": {
            "driver": {
                "name": "imagesig",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [
                    {"id": name, "name": name, "shortDescription": {"text": text}, "fullDescription": {"text": text}}
                    for name, text in _RULES.items()
                ],
            }
        },
        "invocations": [
            {
                # A refused image is a success of the tool. It fails only if it cannot judge an image.
                "executionSuccessful": not any(status < 10 for status in statuses),
                "exitCode": worst(statuses),
            }
        ],
        "columnKind": "unicodeCodePoints",
        "results": [{**result, "ruleIndex": names.index(str(result["ruleId"]))} for result in results],
        "properties": {"verified": [printable(text) for text in _pinned(outcomes)]},
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=True)


def _sarif_result(outcome: Outcome) -> dict[str, object]:
    rule = _rule_for(type(outcome.error) if outcome.error else AllowedUnverified)
    name = printable(shown_name(outcome.image))
    return {
        "ruleId": rule,
        "level": "warning" if outcome.error is None else "error",
        "message": {"text": _sarif_text(_reasons(outcome))},
        "locations": [
            {
                "physicalLocation": {
                    # Always a relative reference: the colon after the host must not make it a URI scheme.
                    "artifactLocation": {"uri": percent_encode(name, safe="/@")},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": name, "kind": "image"}],
            }
        ],
        "partialFingerprints": {"imagesig/v1": hashlib.sha256(f"{rule}\n{name}".encode()).hexdigest()},
    }


def _sarif_text(untrusted: Sequence[str]) -> str:
    """Plain text in which nothing is a link (section 3.11.6) or a placeholder (3.11.5)."""
    text = _text(untrusted).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return text.replace("{", "{{").replace("}", "}}")


def _is_verified(outcome: Outcome) -> bool:
    return outcome.result is not None and outcome.result.verified


def _pinned(outcomes: Sequence[Outcome]) -> Iterator[str]:
    for outcome in outcomes:
        if outcome.result is not None and outcome.result.verified:
            yield outcome.result.pinned


# --- JUnit --------------------------------------------------------------------------------------------------------


def junit(outcomes: Sequence[Outcome]) -> str:
    """JUnit XML with a test case for every image. A refused image is a failure; one that cannot be judged, an error."""
    from xml.etree import ElementTree

    failures = sum(_is_refusal(outcome.error) for outcome in outcomes)
    errors = sum(outcome.error is not None for outcome in outcomes) - failures
    counts = {"tests": str(len(outcomes)), "failures": str(failures), "errors": str(errors)}
    root = ElementTree.Element("testsuites", {"name": "imagesig", **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": "imagesig verify", **counts, "skipped": "0"})
    for outcome in outcomes:
        case = {"classname": "imagesig.verify", "name": printable(shown_name(outcome.image)), "time": "0"}
        _junit_case(ElementTree.SubElement(suite, "testcase", case), outcome)
    ElementTree.indent(root)
    # Characters beyond ASCII are references: the document is valid in every encoding.
    text: bytes = ElementTree.tostring(root, encoding="us-ascii", xml_declaration=False)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + text.decode("ascii")


def _junit_case(case: Element, outcome: Outcome) -> None:
    from xml.etree.ElementTree import SubElement

    if outcome.error is not None:
        kind = "failure" if _is_refusal(outcome.error) else "error"
        attributes = {"type": type(outcome.error).__name__, "message": printable(str(outcome.error))}
        SubElement(case, kind, attributes).text = _text(_reasons(outcome))
        return
    assert outcome.result is not None
    lines = [outcome.result.pinned] if outcome.result.verified else _reasons(outcome)
    SubElement(case, "system-out").text = _text(lines)


def _is_refusal(error: ImagesigError | None) -> bool:
    """Whether the image was judged and is not verified. Every other error means that it could not be judged."""
    return isinstance(error, VerificationError)


REPORTS: Mapping[str, Callable[[Sequence[Outcome]], str]] = {"sarif": sarif, "junit": junit}
