"""docs/compatibility.md from what the matrices saw: one part of the page for signatures, one for attestations."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from imagesig.crypto.algorithms import KeyType
from tests.interop.cells import REGISTRIES, TYPES, Cell, all_cells
from tests.interop.homes import HOMES

Cells = Mapping[tuple[str, str, str, str], Mapping[str, str]]
"""(direction, home, key type, column) -> kind (registry, or registry and type) -> `ok` or who refused and why."""

KEY_TYPES = 7
PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
_TITLE = "# Compatibility, as the last full runs saw it\n\n"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page: its title, introduction, and what a whole run of its matrix has at least."""

    title: str
    introduction: str
    directions: Mapping[str, str]
    rows: int = 2 * len(HOMES) * KEY_TYPES
    runs: int = 0


SIGNATURES = Part(
    "Signatures of images",
    """\
`make test` writes this part (tests/interop/test_matrix.py). Each cell was run on three kinds of
registry: with the referrers API, without it, and go-containerregistry's. `ok` means on all of them. A number
points to the reason below the tables. cosign signs with the very same key: the encrypted file, the token,
Vault, KMS; every tool verifies with the public key in PEM. cosign 2 and skopeo know key files only.
notation signs with the same keys through `notation-imagesig`, and trusts the authority that certified them;
the Notary Project has no Ed25519.
""",
    {"ours": "imagesig signs, the tool verifies", "theirs": "the tool signs, imagesig verifies"},
)
ATTESTATIONS = Part(
    "Attestations and blobs",
    f"""\
`make matrix` writes this part (tests/interop/test_attestation_matrix.py); `make test` tries each pair of values.
Each cell of an attestation was run for all predicate types, and of an image also on the three kinds of registry.
`ok` means in every run. cosign 3 is 3.1.3, cosign 2 is 2.5.0, which Debian builds without clients for tokens and
Vault. `bundle` and `classic` are the two forms of an attestation of an image. The others are of a file: an
attestation, and a signature in a bundle or as base64 alone. The predicate types:
{", ".join(TYPES)}.
""",
    {"ours": "imagesig attests and signs, cosign verifies", "theirs": "cosign attests and signs, imagesig verifies"},
    runs=len(all_cells()),
)


@dataclass(frozen=True, slots=True)
class Matrix:
    """What each cell said: `ok`, or which side refused and why."""

    cells: dict[tuple[str, str, str, str], dict[str, str]] = field(default_factory=dict)

    def note(self, direction: str, home: str, key_type: KeyType, column: str, kind: str, said: str) -> None:
        self.cells.setdefault((direction, home, key_type.value, column), {})[kind] = said

    def note_cell(self, cell: Cell, said: str) -> None:
        self.note(cell.direction, cell.home, cell.key_type, cell.column, cell.kind, said)


@contextmanager
def written(part: Part, path: Path = PAGE) -> Iterator[Matrix]:
    """A matrix to note cells in; at the end the part of the page is written from it."""
    found = Matrix()
    yield found
    write(part, found.cells, path)


def write(part: Part, cells: Cells, path: Path) -> None:
    """Writes the part, and leaves the others as they are, unless only some of the matrix was run."""
    if len({key[:3] for key in cells}) < part.rows or sum(map(len, cells.values())) < part.runs:
        return  # notation has one key type fewer
    with Path(__file__).open("rb") as lock:  # the parts are written by different processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        parts = _parts(path) | {part.title: _text(part, cells)}
        order = [SIGNATURES.title, ATTESTATIONS.title]
        texts = [f"## {title}\n{parts[title]}" for title in sorted(parts, key=order.index)]
        path.write_text(_TITLE + "\n".join(texts), encoding="utf-8")


def _parts(path: Path) -> dict[str, str]:
    """What is on the page, by title."""
    if not path.exists():
        return {}
    _, *rest = re.split(r"^## (.+)\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {title: f"{text.rstrip()}\n" for title, text in zip(rest[::2], rest[1::2], strict=True)}


def _text(part: Part, cells: Cells) -> str:
    lines = ["", *part.introduction.splitlines(), ""]
    notes: list[str] = []
    for direction, title in part.directions.items():
        lines += [f"### {title[0].upper()}{title[1:]}", ""]
        lines += _table({key[1:]: value for key, value in cells.items() if key[0] == direction}, notes)
        lines.append("")
    lines += ["### Reasons", ""] + [f"{number}. {note}" for number, note in enumerate(notes, 1)]
    return "\n".join(lines) + "\n"


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
    refused = {kind: " ".join(text.split()) for kind, text in said.items() if text != "ok"}
    for note in refused.values():
        if note not in notes:
            notes.append(note)
    numbers = sorted({notes.index(note) + 1 for note in refused.values()})
    where = "" if len(refused) == len(said) else f" ({', '.join(_places(refused, said))})"
    return f"no [{', '.join(map(str, numbers))}]{where}"


def _places(refused: Mapping[str, str], said: Mapping[str, str]) -> list[str]:
    """Where it was refused, as short as can be: registries or predicate types where all of their runs were refused."""
    words = (*REGISTRIES, *TYPES)
    whole = [
        word
        for word in words
        if (runs := [kind for kind in said if word in kind.split()]) and refused.keys() >= {*runs}
    ]
    return [*whole, *(kind for kind in refused if not set(kind.split()) & {*whole})]
