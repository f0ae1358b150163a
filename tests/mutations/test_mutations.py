"""Valid signed images with one thing changed: imagesig and the real tools agree, or `known.toml` says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutations.campaign import bench, run
from tests.mutations.changes import Mutation
from tests.mutations.material import ATTESTATIONS, FORMS
from tests.mutations.stores import Fix

pytestmark = pytest.mark.interop

COUNT = 200
ATTESTED = 150
SEED = 1


def test_every_judge_accepts_every_image_that_nobody_changed(tmp_path: Path) -> None:
    with bench(tmp_path, FORMS | ATTESTATIONS) as (made, judges):
        for number, base in enumerate(made.bases):
            for judged in judges.judge(Mutation(0, number, base, base.store, "none", "", Fix.NOTHING)):
                assert judged.ours.accepted, (base.name, judged)
                assert judged.theirs.accepted, (base.name, judged)
                assert judged.outcome == "agree", (base.name, judged)


def test_imagesig_agrees_with_the_tools_or_the_reason_is_known(tmp_path: Path) -> None:
    report = run(tmp_path, SEED, range(COUNT))
    assert not report.unexplained, "\n".join(report.faults())
    for judge in report.judges:
        assert report.accepted[judge] >= 3, f"{judge}: too few images that both accept: {list(report.lines())}"


def test_imagesig_agrees_with_cosign_about_attestations_or_the_reason_is_known(tmp_path: Path) -> None:
    """Also about what is attested: the predicates of both are compared."""
    report = run(tmp_path, SEED, range(ATTESTED), forms=ATTESTATIONS)
    assert not report.unexplained, "\n".join(report.faults())
    assert report.accepted["cosign"] >= 10, list(report.lines())
