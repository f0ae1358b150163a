"""Sigstore's bundles of blobs: what is signed, and by whom. Logs and timestamps are not read."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from imagesig import Policy, verify_blob
from imagesig.errors import ImagesigError, NoSignatureAccepted
from imagesig.formats.blob_bundle import parse_message_bundle
from imagesig.formats.certified import read_chain
from tests.vectors import report, vectors
from tests.vectors.test_elsewhere import fulcio

ABOUT_THE_LOG = "the fault is in the log, in its time or in the identity, which blobs are not verified by"
NO_BLOB = "a DSSE envelope, or a form that is refused"
REFUSED_HERE = ("bundle-with-root-cert_fail", "message-digest-mismatch_fail", "wrong-material_fail")


@pytest.mark.parametrize("name", ["sigstore-conformance", "sigstore-bundles-extra"])
def test_bundles_of_blobs(name: str) -> None:
    folder = vectors(name)
    cases: list[dict[str, Any]] = json.loads((folder / "cases.json").read_text())["cases"]
    ran, no_blob, log = 0, 0, 0
    for case in cases:
        content = (folder / case["bundle"]).read_bytes()
        label = case.get("name") or case["id"]
        try:
            found = parse_message_bundle(content)
        except ImagesigError:
            no_blob += 1
            continue
        if not case["artifact"]:
            no_blob += 1
            continue
        blob = (folder / case["artifact"]).read_bytes()
        policy: Any = folder / case["key"] if case.get("key") else None
        at = None
        if policy is None and found.material.chain:
            policy = Policy.any_of(*fulcio(vectors("sigstore-conformance") / case["trusted_root"]))
            at = read_chain(found.material.chain)[0].not_before + timedelta(minutes=1)
        if policy is None:
            no_blob += 1
            continue
        try:
            proof = verify_blob(blob, policy, bundle=content, now=at)
        except NoSignatureAccepted:
            assert case["verify_ok"] is not True, label
            ran += 1
            continue
        assert proof.digest == f"sha256:{hashlib.sha256(blob).hexdigest()}"
        assert label not in REFUSED_HERE
        if case["verify_ok"]:
            ran += 1
        else:
            log += 1
        with pytest.raises(NoSignatureAccepted):
            verify_blob(blob + b"x", policy, bundle=content, now=at)
    assert ran
    report(f"{name} blobs", ran, {NO_BLOB: no_blob, ABOUT_THE_LOG: log})
