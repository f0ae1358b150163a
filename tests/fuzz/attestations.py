"""The targets of attestations and blobs: what untrusted statements, predicates, envelopes and bundles reach."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from cel_expr_python import cel  # noqa: F401 - loaded before memory is measured

from imagesig.api.verify.verified_statement import VerifiedStatement  # noqa: F401 - the same
from imagesig.crypto.algorithms import Hash
from imagesig.errors import ImagesigError
from imagesig.format_names import BUNDLE, DSSE
from imagesig.formats import select_formats
from imagesig.formats.blob_bundle import authenticate, hashes_for, parse_message_bundle
from imagesig.formats.select import Purpose
from imagesig.in_toto.predicates import PREDICATES, check_predicate, predicate_type, short_name
from imagesig.in_toto.statement import IN_TOTO, STATEMENT_V01, parse_predicate, parse_statement
from imagesig.oci.annotations import Annotations
from imagesig.policy.cel import failure
from imagesig.policy.predicate import Condition, condition_in
from imagesig.signature import Part, StatementClaim, StoredSignature
from tests.fuzz.judging import NOW, anchors

BLOB = b"the blob"
CONDITIONS = (
    Condition("/builder/id", "equals", "https://b"),
    Condition("/a/0", "one_of", (1, True, "x")),
    Condition("", "present", True),
    Condition("/name", "like", "*a*b*a*"),
    Condition("/n", "at_least", 3),
    Condition("/at", "at_most", "2026-11-01T00:00:00Z"),
    Condition("/at", "younger_than", "30d"),
)
EXPRESSIONS = (
    'predicate.builder.id == "https://b" && subject.digest != ""',
    '!predicate.packages.exists(item, item.name in ["a", "b"])',
    "predicate.all(key, predicate.all(other, key != other || predicate[key] == predicate[other]))",
    'predicate.name.matches("^([a-z]+)+$") || predicate.name.contains("x")',
    'timestamp(predicate.at) > timestamp("2026-01-01T00:00:00Z") && int(predicate.n) + 1 > 3',
    "size(predicate.a) + size(predicate) < 100 && double(predicate.n) < 1.0e9",
    "predicate",
)
"""Without `map` and `filter`, which cost more than a second for 10,000 elements (see `policy.cel`)."""


def _statement(data: bytes) -> None:
    _said(parse_statement(data).claim)


def _said(claim: StatementClaim) -> None:
    """What is done with a claim after its signature was verified."""
    short_name(claim.predicate_type)
    with contextlib.suppress(ImagesigError):
        parse_predicate(claim.predicate)


def _predicate(data: bytes) -> None:
    for item in PREDICATES:
        with contextlib.suppress(ImagesigError):
            check_predicate(item.uri, data)
    with contextlib.suppress(ImagesigError):
        predicate_type(data[:2000].decode("utf-8", "replace"))
    parse_predicate(data)


def _condition(data: bytes) -> None:
    """A condition as the command takes it, a zero byte, and a predicate."""
    text, _, predicate = data.rpartition(b"\0")
    given = [condition_in(text.decode("utf-8", "replace"))] if text else []
    parsed = parse_predicate(predicate)
    for condition in (*CONDITIONS, *given):
        condition.failure(parsed, NOW)


def _cel(data: bytes) -> None:
    parsed = parse_predicate(data)
    subject = {"digest": "sha256:" + "0" * 64}
    for text in EXPRESSIONS:
        reason = failure(text, {"predicate": parsed, "subject": subject, "signer": {"name": "ci"}})
        assert reason.isprintable(), reason


def _attestation(name: str, media_type: str, artifact_type: str) -> Callable[[bytes], None]:
    def judged(data: bytes) -> None:
        (chosen,) = select_formats([name], Purpose.ATTESTATION)
        part = Part(media_type, data, Annotations({"predicateType": "x"}))
        envelope = chosen.parse(StoredSignature("here", (part,), artifact_type))
        claim = chosen.claim(envelope)
        assert isinstance(claim, StatementClaim)
        _said(claim)
        with contextlib.suppress(ImagesigError):
            chosen.authenticate(envelope, anchors(), NOW)

    return judged


def _blob_bundle(data: bytes) -> None:
    found = parse_message_bundle(data)
    hashes = {Hash.SHA256, *hashes_for(found, [])}
    digests = {item: hashlib.new(item.value, BLOB).digest() for item in hashes}
    with contextlib.suppress(ImagesigError):
        authenticate(found, digests, BLOB, anchors(), NOW)


ATTESTATIONS: dict[str, Callable[[bytes], Any]] = {
    "attested-statement": _statement,
    "predicate": _predicate,
    "condition": _condition,
    "cel": _cel,
    "classic-attestation": _attestation("cosign", DSSE, ""),
    "attestation-bundle": _attestation("bundle", BUNDLE, BUNDLE),
    "blob-bundle": _blob_bundle,
}


def seeds_of_attestations() -> Iterator[tuple[str, int, bytes]]:
    """Target, number, content. They have no valid signature: what is behind it is reached without one."""
    predicate = {
        "builder": {"id": "https://b"},
        "name": "aba",
        "n": 7,
        "at": "2026-11-20T00:00:00Z",
        "a": [1, None, 1.5],
        "packages": [{"name": "c"}],
        "text": "\u00e9\ud83d\ude00",
    }
    subject = [{"name": "app", "digest": {"sha256": "ab" * 32, "sha512": "cd" * 64}, "annotations": {"a": 1}}]
    statement = {
        "_type": STATEMENT_V01,
        "subject": subject,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": predicate,
    }
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    dsse = {"payload": payload, "payloadType": IN_TOTO, "signatures": [{"sig": "MEUCIQ=="}]}
    key = {"publicKey": {"hint": "AAAA"}}
    bundle = {"mediaType": BUNDLE, "verificationMaterial": key, "dsseEnvelope": dsse}
    digest = base64.b64encode(hashlib.sha256(BLOB).digest()).decode()
    message = {"messageDigest": {"algorithm": "SHA2_256", "digest": digest}, "signature": "MEUCIQ=="}
    blob = {"mediaType": BUNDLE, "verificationMaterial": key, "messageSignature": message}
    shapes: dict[str, list[object]] = {
        "attested-statement": [statement, {**statement, "predicate": None}],
        "predicate": [predicate, {"spdxVersion": "SPDX-2.3", "SPDXID": "x"}],
        "cel": [predicate, {"name": "a" * 200, "n": 1e300}],
        "classic-attestation": [dsse],
        "attestation-bundle": [bundle],
        "blob-bundle": [blob, {**blob, "messageSignature": {**message, "messageDigest": {}}}],
    }
    for target, documents in shapes.items():
        for number, document in enumerate(documents, 1):
            yield target, number, json.dumps(document).encode()
    for number, text in enumerate((b"/a/0 equals 1", b"/name like a*", b"/at younger_than 9d"), 1):
        yield "condition", number, text + b"\0" + json.dumps(predicate).encode()
