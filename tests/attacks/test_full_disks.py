"""A disk that is full, in the middle of a write: one clear error, and what was there before is still there."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagesig import copy, sign
from imagesig.errors import TransportError
from imagesig.testing import MemoryProvider
from tests.attacks.subject_homes import LOCAL, LocalHome

SIZES = (0, 1, 100, 512, 600, 1024, 2000)
"""The largest size of a file, in bytes: within a header, a small blob, and its padding."""


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Writing beyond this size fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("size", [0, 100])
@pytest.mark.parametrize("kind", LOCAL)
def test_a_copy_says_that_it_cannot_write(tmp_path: Path, kind: str, size: int) -> None:
    home = LocalHome("oci", tmp_path)

    with no_file_larger_than(size), pytest.raises(TransportError) as seen:
        copy(home.destination, f"{kind}:{tmp_path / 'copy'}" + ("" if kind == "dir" else ":1.0"))

    assert "File too large" in str(seen.value)


@pytest.mark.parametrize("size", SIZES)
def test_a_signature_that_does_not_fit_leaves_the_archive_as_it_was(tmp_path: Path, size: int) -> None:
    home = LocalHome("oci-archive", tmp_path)
    before = _files(tmp_path)

    with no_file_larger_than(size), pytest.raises(TransportError, match="cannot be written"):
        sign(home.destination, MemoryProvider().open(), identity="registry.example/app:1")

    assert _files(tmp_path) == before
