"""Referrers: which are fetched, and in which order."""

from __future__ import annotations

import pytest

from imagesig import limits
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST
from imagesig.stores.referrers import _to_fetch

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SBOM = "application/spdx+json"


def entry(number: int, kind: str, size: int = 10, media_type: str = OCI_MANIFEST) -> Descriptor:
    return Descriptor(media_type, f"sha256:{number:064x}", size, artifact_type=kind)


def fetched(*entries: Descriptor) -> list[int]:
    found, _ = _to_fetch(entries, lambda kind: kind == BUNDLE)
    return [place for place, _ in found]


def test_entries_of_a_wanted_type_come_first_and_those_of_another_type_last() -> None:
    assert fetched(entry(0, SBOM), entry(1, ""), entry(2, BUNDLE)) == [2, 1, 0]


@pytest.mark.parametrize("kind", ["", OCI_EMPTY, OCI_CONFIG])
def test_a_type_that_older_clients_list_for_anything_comes_before_another_type(kind: str) -> None:
    assert fetched(entry(0, SBOM), entry(1, kind)) == [1, 0]


def test_smaller_entries_come_first_and_equal_ones_in_the_order_of_the_list() -> None:
    assert fetched(entry(0, BUNDLE, 9), entry(1, BUNDLE, 8), entry(2, BUNDLE, 9)) == [1, 0, 2]


def test_an_entry_that_is_listed_twice_or_is_an_index_is_not_fetched_for_it() -> None:
    assert fetched(entry(0, BUNDLE), entry(0, BUNDLE), entry(1, BUNDLE, media_type=OCI_INDEX)) == [0]


def test_entries_beyond_the_limit_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REFERRERS", 2)
    found, left_out = _to_fetch([entry(number, BUNDLE) for number in range(5)], lambda _: True)
    assert ([place for place, _ in found], left_out) == ([0, 1], 3)
