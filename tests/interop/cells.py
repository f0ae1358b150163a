"""The cells of the matrix of attestations and blobs: all of them, or a choice in which each pair of values occurs."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from imagesig.crypto.algorithms import KeyType
from tests.interop.homes import HOMES

DIRECTIONS = ("ours", "theirs")
"""Who signs: imagesig or cosign."""
CARRIERS = ("bundle", "classic", "blob attestation", "blob bundle", "blob signature")
"""Two forms of an attestation of an image; of a blob, an attestation and two forms of a signature."""
COSIGNS = ("cosign3", "cosign2")
REGISTRIES = ("referrers", "tag", "ggcr")
TYPES = (
    *("custom", "slsaprovenance", "slsaprovenance1", "link", "spdx", "spdxjson", "cyclonedx", "vuln", "openvex"),
    "https://example.org/type",
)
NONE = "-"
"""The registry of a blob, and the type of a signature."""


class Cell(NamedTuple):
    """One attestation or signature, and the tool on the other side."""

    direction: str
    home: str
    key_type: KeyType
    carrier: str
    type: str
    registry: str
    cosign: str

    @property
    def column(self) -> str:
        return f"cosign {self.cosign[-1]} {self.carrier}"

    @property
    def kind(self) -> str:
        """Registry and type."""
        return f"{self.registry} {self.type}"

    def __str__(self) -> str:
        return "-".join((self.direction, self.home, self.key_type.value, *self[3:])).replace(" ", "_")


VALUES: tuple[tuple[object, ...], ...] = (
    *(DIRECTIONS, HOMES, tuple(KeyType), CARRIERS, (*TYPES, NONE), (*REGISTRIES, NONE), COSIGNS),
)


def all_cells() -> list[Cell]:
    """Every combination that there is."""
    return [cell for cell in itertools.starmap(Cell, itertools.product(*VALUES)) if _exists(cell)]  # type: ignore[arg-type]


def _exists(cell: Cell) -> bool:
    of_blob = cell.carrier.startswith("blob")
    is_signature = cell.carrier in ("blob bundle", "blob signature")
    # Debian builds cosign 2 without these clients.
    cannot = cell.direction == "theirs" and cell.cosign == "cosign2" and cell.home in ("PKCS#11", "Vault")
    return (cell.registry == NONE) is of_blob and (cell.type == NONE) is is_signature and not cannot


def goals(cell: Cell) -> Iterator[tuple[object, ...]]:
    """What a cell proves: each pair of its values, in its direction. A key's type with a predicate's: in either."""
    places = range(1, len(cell))
    for one, two in itertools.combinations(places, 2):
        direction = "" if (one, two) == (2, 4) else cell.direction
        yield direction, one, cell[one], two, cell[two]


def paired_cells(cells: Sequence[Cell]) -> list[Cell]:
    """A choice of cells that has every goal of all of them. The same one in each run."""
    shuffled = list(cells)
    Random(1).shuffle(shuffled)
    proves = [(cell, set(goals(cell))) for cell in shuffled]
    missing = set().union(*(found for _, found in proves))
    chosen = []
    for least in (15, 13, 11, 9, 7, 5, 4, 3, 2, 1):
        for cell, found in proves:
            if len(found & missing) >= least:
                chosen.append(cell)
                missing -= found
    return sorted(chosen, key=str)


def cells(direction: str) -> list[Cell]:
    """The cells of one direction that this run tries: all for `make matrix`."""
    every = all_cells()
    return [cell for cell in (every if is_whole_run() else paired_cells(every)) if cell.direction == direction]


def is_whole_run() -> bool:
    return "IMAGESIG_MATRIX" in os.environ
