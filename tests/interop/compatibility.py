"""docs/compatibility.md from what the matrix saw."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.interop.homes import HOMES

Cells = Mapping[tuple[str, str, str, str], Mapping[str, str]]
"""(direction, home, key type, column) -> registry kind -> `ok` or who refused and why."""

KEY_TYPES = 7
_TITLES = {
    "ours": "imagesig signs, the tool verifies",
    "theirs": "the tool signs, imagesig verifies",
}


def write(cells: Cells, path: Path) -> None:
    """Writes the table, unless only part of the matrix was run."""
    if len({key[:3] for key in cells}) < 2 * len(HOMES) * KEY_TYPES:  # notation has one key type fewer
        return
    lines = [
        "# Compatibility, as the last full test run saw it",
        "",
        "This file is written by `make test` (tests/interop/test_matrix.py). Each cell was run on three kinds of",
        "registry: with the referrers API, without it, and go-containerregistry's. `ok` means on all of them. A number",
        "points to the reason below the tables. cosign signs with the very same key: the encrypted file, the token,",
        "Vault, KMS; every tool verifies with the public key in PEM. cosign 2 and skopeo know key files only.",
        "notation signs with the same keys through `notation-imagesig`, and trusts the authority that certified them;",
        "the Notary Project has no Ed25519.",
        "",
    ]
    notes: list[str] = []
    for direction, title in _TITLES.items():
        lines += [f"## {title[0].upper()}{title[1:]}", ""]
        lines += _table({key[1:]: value for key, value in cells.items() if key[0] == direction}, notes)
        lines.append("")
    lines += ["## Reasons", ""] + [f"{number}. {note}" for number, note in enumerate(notes, 1)] + [""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _table(cells: Mapping[tuple[str, str, str], Mapping[str, str]], notes: list[str]) -> list[str]:
    columns = list(dict.fromkeys(column for _, _, column in cells))
    rows = sorted({(home, key_type) for home, key_type, _ in cells}, key=lambda row: (HOMES.index(row[0]), row[1]))
    lines = ["| key | home | " + " | ".join(columns) + " |", "|" + "---|" * (len(columns) + 2)]
    for home, key_type in rows:
        said = [_cell(cells.get((home, key_type, column)), notes) for column in columns]
        lines.append(f"| {key_type} | {home} | " + " | ".join(said) + " |")
    return lines


def _cell(said: Mapping[str, str] | None, notes: list[str]) -> str:
    if not said:
        return "-"
    if set(said.values()) == {"ok"}:
        return "ok"
    reasons = []
    for kind, text in said.items():
        if text != "ok":
            note = " ".join(text.split())
            if note not in notes:
                notes.append(note)
            reasons.append((notes.index(note) + 1, kind))
    numbers = sorted({number for number, _ in reasons})
    where = "" if len(reasons) == len(said) else f" ({', '.join(kind for _, kind in reasons)})"
    return f"no [{', '.join(map(str, numbers))}]{where}"
