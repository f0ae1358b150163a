"""`inspect`: what is stored beside an image, named as what it is, and unverified."""

from __future__ import annotations

import pytest

from imagesig import effort, inspect, limits, sign
from imagesig.errors import ImagesigError
from imagesig.testing import Answer
from tests.attestations import FORMS, TYPE, attest, attested_image, put
from tests.commands import run_here
from tests.makers import signing_key


def test_an_attestation_larger_than_any_signature_is_an_attestation_and_no_problem() -> None:
    with attested_image() as stage:
        for form in FORMS:
            attest(stage.image, form, {"padding": "x" * limits.BUNDLE_BYTES})
        attest(stage.image, "bundle", {"small": True})
        sign(stage.image, signing_key(), formats=["bundle"])
        found = inspect(stage.image)
        assert [(item.format, item.problem) for item in found.signatures] == [("bundle", "")]
        shown = [(item.format, item.predicate_type, item.subjects, item.problem) for item in found.attestations]
        assert sorted(shown) == [(form, TYPE, (stage.digest,), "") for form in ("bundle", "bundle", "cosign")]
        text = run_here("inspect", str(stage.image)).stdout
        assert (text.count("attestation"), text.count("problem"), text.count(f"type        {TYPE}")) == (3, 0, 3)


def test_small_attestations_beyond_the_budget_of_signatures_are_attestations(monkeypatch: pytest.MonkeyPatch) -> None:

    with attested_image() as stage:
        for number in range(3):
            attest(stage.image, "bundle", {"padding": "x" * 1000, "n": number})
        monkeypatch.setitem(effort.ALLOWANCE, effort.Cost.BYTES, 3000)
        found = inspect(stage.image)
        assert (len(found.attestations), found.signatures) == (3, ())


def test_a_large_artefact_that_is_no_attestation_is_a_problem() -> None:
    with attested_image() as stage:
        put(stage.image, "bundle", b"{" + b" " * limits.BUNDLE_BYTES + b"}")
        found = inspect(stage.image)
        assert found.attestations == ()
        (signature,) = found.signatures
        assert "at most" in signature.problem


def test_an_attestation_that_the_registry_does_not_give_is_incomplete() -> None:
    with attested_image() as stage:
        attest(stage.image, "bundle", {"padding": "x" * limits.BUNDLE_BYTES})
        stage.server.faults.append(
            lambda request: Answer(403, b"{}") if "/blobs/" in request.path and request.method == "GET" else None
        )
        with pytest.raises(ImagesigError):
            inspect(stage.image)
        assert inspect(stage.image, allow_incomplete=True).failure is not None
