"""notation's own cases: envelopes, layouts, distinguished names, trust policies and trust stores."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from imagesig import verify
from imagesig.errors import ImagesigError, InvalidArgument, NoSignatureAccepted, NoSignatures
from imagesig.format_names import NOTATION
from imagesig.formats.notation import Notation
from imagesig.images.layout.layout import layout
from imagesig.oci.reference import parse_reference
from imagesig.policy import Action, Enforcement, Policy
from imagesig.policy.files.load_notation import load_trust_store
from imagesig.policy.files.notation import Store, parse_level, parse_trust_policy, rules_of
from imagesig.signature import AUTHENTIC_TIMESTAMP, AUTHENTICITY, EXPIRY, REVOCATION, Examined, Part, StoredSignature
from imagesig.trust import Strangers
from imagesig.trust.distinguished_name import NEEDED, parse_distinguished_name
from tests.vectors import report, vectors

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
"""Within the validity of the certificates, but for those whose end is the point."""


def table(name: str) -> Any:
    return json.loads((vectors("notation") / f"{name}.json").read_text())


def test_distinguished_names() -> None:
    cases = table("cases-dn")["parse"]
    for case in cases:
        if case["wantErr"]:
            with pytest.raises(InvalidArgument):
                parse_distinguished_name(case["input"], "identity", NEEDED)
        else:
            assert parse_distinguished_name(case["input"], "identity", NEEDED)["ST"] == "California"
    report("notation distinguished names", len(cases))


def test_trust_policies() -> None:
    found = table("cases-trustpolicy-parse")
    oci = [case for case in found["cases"] if case["kind"] == "oci"]
    for case in oci:
        data = json.dumps(case["document"]).encode()
        if case["valid"]:
            assert parse_trust_policy(data, case["id"])
        else:
            with pytest.raises(InvalidArgument):
                parse_trust_policy(data, case["id"])
    for case in found["levels"]:
        if case["valid"]:
            level = parse_level(case["level"], case["override"], "level")
            assert level is not None
            assert actions(level) == {name: said for name, said in case["actions"].items() if name != "integrity"}
        else:
            with pytest.raises(InvalidArgument):
                parse_level(case["level"], case["override"], "level")
    left = {"policies for blobs, which are no images": len(found["cases"]) - len(oci)}
    report("notation trust policies", len(oci) + len(found["levels"]), left)


def actions(level: Enforcement) -> dict[str, str]:
    names = (AUTHENTICITY, AUTHENTIC_TIMESTAMP, EXPIRY, REVOCATION)
    return {name: level.action(name).value for name in names}


def test_trust_stores() -> None:
    found = table("cases-truststore")
    root = vectors("notation") / found["root"]
    for case in found["cases"]:
        store = Store(case["type"], case["name"])
        if case["loads"]:
            certificates = load_trust_store(root, store)
            assert case["count"] in (None, len(certificates))
        else:
            with pytest.raises(InvalidArgument):
                load_trust_store(root, store)
    report("notation trust stores", len(found["cases"]))


def test_envelopes() -> None:
    cases = table("cases-verify-envelope")["cases"]
    for case in cases:
        stores = vectors("notation") / case["trust_store_root"]
        statements = parse_trust_policy(json.dumps(case["trust_policy"]).encode(), case["id"])
        rules = rules_of(statements, lambda store, stores=stores: load_trust_store(stores, store))  # type: ignore[misc]
        (rule,) = rules.rules.values()
        (signed,) = rule.signed
        content = (vectors("notation") / case["envelope"]).read_bytes()
        stored = StoredSignature(case["id"], (Part(case["media_type"], content),), NOTATION)
        action = Action.ENFORCE if case["check"] == "integrity" else signed.enforcement.action(case["check"])
        assert action.value == case["action"], case
        # One check is asked about at a time, so what nobody vouches for is judged too.
        anchors = replace(signed.anchors, strangers=Strangers.JUDGED)
        try:
            examined = Notation().authenticate(Notation().parse(stored), anchors, AT)
        except ImagesigError:
            assert case["check"] == "integrity", case
            assert not case["passes"], case
            continue
        assert passed(examined, case["check"]) is case["passes"], case
    report("notation envelopes", len(cases))


def passed(examined: Examined, name: str) -> bool:
    return all(check.passed for check in examined.checks if check.name == name)


def test_images_in_layouts(tmp_path: Path) -> None:
    cases = table("cases-verify-oci")["cases"]
    timestamped = [case for case in cases if any("tsa" in store for store in case["trust_store"])]
    for case in cases:
        if case not in timestamped:
            _judge(case, tmp_path / case["id"])
    report("notation layouts", len(cases) - len(timestamped), {"timestamps: run with those": len(timestamped)})


def _judge(case: Mapping[str, Any], folder: Path) -> None:
    root = vectors("notation")
    reference = parse_reference(f"{case['reference_repo']}:{case['tag']}")
    document = (root / case["trust_policy"]).read_text()
    for store, certificates in case["trust_store"].items():
        (folder / "truststore" / store).mkdir(parents=True)
        for certificate in certificates:
            shutil.copy(root / certificate, folder / "truststore" / store)
    if '"skip"' in document:
        # The specification forbids skip for every registry, and notation takes it: we take it for a repository.
        with pytest.raises(InvalidArgument):
            parse_trust_policy(document.encode(), case["id"])
        document = document.replace('"*"', json.dumps(case["reference_repo"]))
    (folder / "trustpolicy.json").write_text(document)
    image = replace(layout(root / case["oci_layout"], case["tag"]), name=reference)
    if not case["verified"]:
        kind = InvalidArgument if "overridden" in (case["error_contains"] or "") else NoSignatureAccepted
        with pytest.raises(NoSignatures if case["error_contains"] == "no signature" else kind) as refused:
            verify(image, Policy.from_notation(folder), allow_unverified=True, now=AT)
        if isinstance(refused.value, NoSignatureAccepted):
            assert refused.value.rejections, case
        return
    result = verify(image, Policy.from_notation(folder), allow_unverified=True, now=AT)
    assert result.verified is (case["logged"] not in ("skipped", AUTHENTICITY)), case
    failed = {check.name for signature in result.signatures for check in signature.checks if not check.passed}
    assert (case["logged"] in failed) is (case["logged"] not in ("skipped", None)), case
