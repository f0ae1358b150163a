"""The profiles of registries: every step with every format, and the page that says what was seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagesig.testing import PROFILES
from tests.testing.registries import FORMATS, PAGE, STEPS, Cells, made_key, page, tried

NAMES = (
    "acr artifactory docker-hub docker-types-only ecr ghcr gitlab harbor immutable-tags nexus quay rewriting-gateway"
)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    return tried(made_key(tmp_path_factory.mktemp("key")))


def test_the_page_says_what_the_run_saw(cells: Cells) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(cells), "run: make registries"


@pytest.mark.parametrize("name", PROFILES)
def test_what_is_signed_is_verified_by_everyone_whom_a_registry_lets_sign(name: str, cells: Cells) -> None:
    for form in FORMATS:
        said = cells[name, form]
        if not said["sign"]:
            assert not [said[step] for step in ("verify", "inspect", "copy") if said[step]]
            assert set(said) == set(STEPS)


@pytest.mark.parametrize("name", PROFILES)
def test_what_does_not_work_has_a_hint(name: str, cells: Cells) -> None:
    for form in FORMATS:
        assert all(reason.endswith(")") for reason in cells[name, form].values() if reason)


def test_every_profile_has_a_public_source_and_a_difference() -> None:
    assert list(PROFILES) == NAMES.split()
    for profile in PROFILES.values():
        assert profile.sources
        settings = (profile.referrers_api, profile.oci_subject, profile.deletes, profile.lists_types)
        assert profile.differences or profile.tag_is_digest or not all(settings)


def test_a_profile_is_a_registry_of_a_test(tmp_path: Path) -> None:
    with PROFILES["harbor"].registry() as server:
        assert server.add_image().startswith(server.host)
