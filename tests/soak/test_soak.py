"""A few seconds of the soak: one outage of each server. `make soak` is the long one, and judges memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagesig.errors import AccessDenied
from tests.soak.campaign import Report, run
from tests.soak.service import Record


@pytest.mark.interop
def test_a_service_survives_outages_and_loses_no_signature(tmp_path: Path) -> None:
    report = run(tmp_path, seconds=6, hold=0.1, images=1)

    assert not report.record.faults, "\n".join(report.record.faults)
    assert report.record.done["verify"] > 0


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (AccessDenied("no", hint="log in"), ""),
        (AccessDenied("no"), "sign: no hint: AccessDenied"),
        (OSError("no"), "sign: OSError is not one of ours"),
    ],
    ids=["with a hint", "without a hint", "of another package"],
)
def test_an_error_is_ours_and_says_what_to_do(error: Exception, fault: str) -> None:
    record = Record()
    record.failed("sign", error)
    assert record.errors.total() == 1
    assert "".join(record.faults).startswith(fault)
    assert bool(record.faults) == bool(fault)


@pytest.mark.parametrize(("measure", "each"), [(0, 1000), (1, 1), (2, 1), (3, 1)])
def test_growth_is_seen(measure: int, each: int) -> None:
    flat, growing = [1000, 10, 10, 2], [0, 0, 0, 0]
    growing[measure] = each
    samples = [tuple(was + number * more for was, more in zip(flat, growing, strict=True)) for number in range(30)]
    assert len(list(Report(samples=samples).growth())) == 1
    assert not list(Report(samples=[tuple(flat)] * 30).growth())
