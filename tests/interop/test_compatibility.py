"""The page on compatibility is written from whole runs only, one part at a time."""

from __future__ import annotations

from pathlib import Path

from tests.interop.cells import Cell, all_cells
from tests.interop.compatibility import (
    ATTESTATIONS,
    KEY_TYPES,
    PAGE,
    SIGNATURES,
    Matrix,
    write,
)
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

    write(SIGNATURES, {(*row, "notation JWS"): {"referrers": "ok"} for row in notation}, page)
    assert not page.exists()

    write(SIGNATURES, {(*row, "cosign 3"): {"referrers": "ok"} for row in ROWS}, page)
    assert page.exists()


def whole(said: str = "ok", refused: str = "") -> Matrix:
    """A whole run; the cells of the kind `refused` say why."""
    matrix = Matrix()
    for cell in all_cells():
        matrix.note_cell(cell, said if refused in (cell.registry, cell.type) else "ok")
    return matrix


def test_a_whole_run_writes_its_part_and_leaves_the_other_one_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text())

    write(ATTESTATIONS, whole().cells, page)
    written = page.read_text()
    write(SIGNATURES, {(*row, "cosign 3"): {"referrers": "ok"} for row in ROWS}, page)

    assert _part(written, SIGNATURES.title) == _part(PAGE.read_text(), SIGNATURES.title)
    assert _part(page.read_text(), ATTESTATIONS.title) == _part(written, ATTESTATIONS.title)
    assert _part(page.read_text(), SIGNATURES.title) != _part(written, SIGNATURES.title)


def test_a_run_with_a_missing_cell_replaces_no_table_of_attestations(tmp_path: Path) -> None:
    page, matrix = tmp_path / "page.md", whole()
    first: Cell = all_cells()[0]
    del matrix.cells[first[0], first[1], first.key_type.value, first.column][first.kind]

    write(ATTESTATIONS, matrix.cells, page)

    assert not page.exists()


def test_a_cell_names_the_registry_or_the_type_that_was_refused(tmp_path: Path) -> None:
    for refused in ("tag", "spdx"):
        page = tmp_path / f"{refused}.md"
        write(ATTESTATIONS, whole("cosign 3: says no", refused).cells, page)
        text = page.read_text()
        assert f"| no [1] ({refused}) |" in text
        assert text.count("\n1. cosign 3: says no") == 1
        assert "\n2. " not in text


def _part(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0].rstrip()
