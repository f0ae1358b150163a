"""`PolicyFile`: what is in the file now, and nothing older."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagesig import InvalidArgument, PolicyFile

REJECT = 'version = 1\ndefault = "reject"\n'
ACCEPT = 'version = 1\ndefault = "insecureAcceptAnything"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(ACCEPT)
    return path


def test_a_file_that_does_not_change_is_read_once(path: Path) -> None:
    policies = PolicyFile(path)
    assert policies.current() is policies.current()


@pytest.mark.parametrize("replaced", [False, True], ids=["written", "replaced"])
def test_a_changed_file_is_read_again(path: Path, replaced: bool) -> None:
    policies = PolicyFile(str(path))
    before = policies.current()
    target = path.with_name("new") if replaced else path
    target.write_text(REJECT)
    if replaced:
        os.replace(target, path)

    assert policies.current() != before


@pytest.mark.parametrize("content", ["version = ", None], ids=["invalid", "missing"])
def test_an_older_policy_does_not_take_the_place_of_one_that_cannot_be_read(path: Path, content: str | None) -> None:
    policies = PolicyFile(path)
    policies.current()
    path.write_text(content) if content else path.unlink()

    for _ in range(2):
        with pytest.raises(InvalidArgument):
            policies.current()
    path.write_text(REJECT)
    assert policies.current().default.requirements


def test_an_unchanged_file_is_read_again_after_its_age(path: Path) -> None:
    policies = PolicyFile(path, max_age=1e-9)
    assert policies.current() is not policies.current()
