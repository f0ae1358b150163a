"""containers/image's own tables: payloads, policies, scopes, identities, and signatures in `dir:` images."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imagesig.errors import IdentityMismatch, ImagesigError, InvalidArgument
from imagesig.formats.cosign import Cosign, parse_payload
from imagesig.keys import open_public_keys
from imagesig.oci.annotations import Annotations
from imagesig.oci.location import Location
from imagesig.oci.reference import Reference, parse_reference
from imagesig.policy import AcceptAnything, Identity, Policy, Rule, Signed, Unsupported
from imagesig.policy.files.containers import parse_containers_policy
from imagesig.policy.files.containers_requirement import parse_identity
from imagesig.policy.files.document import read_json
from imagesig.policy.identity import RemapIdentity
from imagesig.policy.judge import judge
from imagesig.policy.scope import scopes_of
from imagesig.policy.signed_name import starts_with
from imagesig.signature import Part, StoredSignature, Subject
from tests.makers import DIGEST, NOW
from tests.vectors import report, vectors

_HEADER = b"\0sigstore-json\n"


def table(name: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = document(name)["cases"]
    return cases


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((vectors("containers-image") / name).read_text())
    return found


def imported(policy: str, folder: Path | str = "") -> Policy:
    document = read_json(policy.encode(), "policy.json")
    return Policy.of(parse_containers_policy(document, formats=("cosign",), folder=str(folder)))


def test_payloads() -> None:
    every = table("cases-payload-parse.json")
    cases = [case for case in every if case["type"].startswith("cosign")]
    for case in cases:
        try:
            parse_payload(case["payload"].encode())
        except ImagesigError:
            assert not case["valid"], case
        else:
            assert case["valid"], case
    report("containers-image payloads", len(cases), {"OpenPGP simple signing": len(every) - len(cases)})


def test_policies() -> None:
    cases = table("cases-policy-parse.json")
    for case in cases:
        refusal = _refusal(case["policy"])
        assert (refusal == "") == case["valid"], (case, refusal)
        assert not refusal or refusal.startswith("policy.json:"), refusal
    report("containers-image policies", len(cases))


def _refusal(policy: str) -> str:
    try:
        imported(policy)
    except InvalidArgument as error:
        return str(error)
    return ""


def test_scopes() -> None:
    namespaces = document("cases-scope-lookup.json")["namespaces"]
    ran = 0
    for name, expected in namespaces["expected"].items():
        for suffix in namespaces["suffixes"]:
            reference = parse_reference(name + suffix)
            found = [scope.name for scope in scopes_of(Location(reference=reference))]
            assert found == [str(reference), *expected, ""], name
            ran += 1
    policy = imported('{"default": [{"type": "insecureAcceptAnything"}]}')
    for name in namespaces["errors"]:
        reference = parse_reference(name)
        if not reference.tag:
            continue
        try:
            policy.select(Location(reference=reference))
        except InvalidArgument:
            ran += 1
        else:
            raise AssertionError(name)
    report("containers-image scopes", ran, {"a name alone: imagesig adds the tag latest before it asks": 1})


def test_identities() -> None:
    cases = table("cases-reference-match.json")
    for case in cases:
        image = parse_reference(case["image"]) if case["image"] else None
        try:
            _identity(case["signedIdentity"]).match(case["signed"], image, DIGEST)
        except (InvalidArgument, IdentityMismatch):
            assert not case["match"], case
        else:
            assert case["match"], case
    report("containers-image identities", len(cases))


def _identity(value: Mapping[str, str]) -> Identity:
    if value.get("prefix") == "UPPERCASE":
        # Made there in Go and not from a file, which would be refused.
        return RemapIdentity(value["prefix"], value["signedPrefix"])
    return parse_identity(read_json(json.dumps(value).encode(), "identity"))


def test_prefixes_of_remapped_identities() -> None:
    cases = document("cases-remap-identity.json")["refMatchesPrefix"]
    for case in cases:
        assert starts_with(parse_reference(case["ref"]), case["prefix"]) == case["expected"], case
    report("containers-image remapIdentity", len(cases))


def test_requirements_on_dir_images() -> None:
    root = vectors("containers-image")
    left_out: Counter[str] = Counter()
    ran = 0
    for case in table("cases-eval.json"):
        policy = imported(json.dumps({"default": case["requirements"]}), root)
        unsupported = [item.reason for item in policy.default.requirements if isinstance(item, Unsupported)]
        allowed = _allowed(root, case, policy)
        if unsupported and case["allowed"]:
            assert not allowed, case
            left_out["refused here: OpenPGP, Fulcio or Rekor, which imagesig cannot judge"] += 1
            continue
        assert allowed == case["allowed"], case
        ran += 1
    report("containers-image dir: images", ran, left_out)


def _allowed(root: Path, case: dict[str, Any], policy: Policy) -> bool:
    folder = root / case["image"]
    image = parse_reference(case["reference"])
    subject = Subject("sha256:" + hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest())
    try:
        rule = policy.select(Location(reference=image)).opened(open_public_keys)
    except ImagesigError:
        return False
    stored = [_stored(path, case.get("edit")) for path in sorted(folder.glob("signature-*"))]
    return _holds(rule, subject, image, stored)


def _holds(rule: Rule, subject: Subject, image: Reference, stored: list[StoredSignature]) -> bool:
    for requirement in rule.requirements:
        if isinstance(requirement, AcceptAnything):
            continue
        if not isinstance(requirement, Signed):
            return False
        examined, form = [], Cosign()
        for item in stored:
            try:
                examined.append(form.authenticate(form.parse(item), requirement.anchors, NOW))
            except ImagesigError:
                continue
        if judge(subject, image, requirement, examined).failure:
            return False
    return True


def _stored(path: Path, edit: dict[str, Any] | None) -> StoredSignature:
    content = path.read_bytes()
    if not content.startswith(_HEADER):
        return StoredSignature(path.name, (Part("application/pgp-signature", content),))
    found = json.loads(content[len(_HEADER) :])
    annotations = dict(found.get("annotations") or {}) | (edit or {}).get("set_annotation", {})
    annotations.pop((edit or {}).get("remove_annotation"), None)
    payload = base64.b64decode(found["payload"])
    return StoredSignature(path.name, (Part(found["mimeType"], payload, Annotations(annotations)),))
