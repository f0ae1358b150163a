"""The page on compatibility is written from a whole run only."""

from __future__ import annotations

from pathlib import Path

from tests.interop.compatibility import KEY_TYPES, write
from tests.interop.homes import HOMES

ROWS = [
    (direction, home, f"type {number}")
    for direction in ("ours", "theirs")
    for home in HOMES
    for number in range(KEY_TYPES)
]


def test_a_part_of_the_matrix_does_not_replace_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    notation = [row for row in ROWS if row[2] != "type 0"]  # the Notary Project has no Ed25519

    write({(*row, "notation JWS"): {"referrers": "ok"} for row in notation}, page)
    assert not page.exists()

    write({(*row, "cosign 3"): {"referrers": "ok"} for row in ROWS}, page)
    assert page.exists()
