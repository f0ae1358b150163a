"""The matrix of attestations and blobs: key stores, key types, forms, predicate types, registries, cosign 3 and 2.

`make test` tries each pair of values; `make matrix` every cell, and writes them into docs/compatibility.md. Each cell
is a run of the real tool. What cosign refuses is listed in `REFUSALS` with the reason; any other refusal fails, and so
does a listed one that is accepted after all.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.errors import ImagesigError, NoSignatureAccepted, NoSignatures
from imagesig.in_toto.predicates import predicate_type
from tests.interop.attesting import (
    NOT_KEPT,
    PREDICATES,
    Subject,
    cosign_signs,
    cosign_verifies,
    subject,
    we_sign,
    we_verify,
)
from tests.interop.cells import NONE, VALUES, Cell, all_cells, cells, goals, paired_cells
from tests.interop.compatibility import ATTESTATIONS, Matrix, written
from tests.interop.homes import Homes
from tests.interop.tools import Run, Tools
from tests.makers import private_key

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def matrix() -> Iterator[Matrix]:
    with written(ATTESTATIONS) as found:
        yield found


@pytest.fixture
def made(request: pytest.FixtureRequest, cell: Cell, homes: Homes, tmp_path: Path) -> Subject:
    host = "" if cell.registry == NONE else request.getfixturevalue(f"registry_{cell.registry}").host
    return subject(cell, homes.shared(cell.home, cell.key_type), host, tmp_path)


@pytest.mark.parametrize("cell", cells("ours"), ids=str)
def test_cosign_verifies_what_we_sign(cell: Cell, made: Subject, tools: Tools, matrix: Matrix) -> None:
    we_sign(made)
    run = cosign_verifies(made, tools)
    matrix.note_cell(cell, "ok" if run.ok else f"{cell.cosign[:-1]} {cell.cosign[-1]}: {run.reason}")
    expect(cell, "" if run.ok else run.reason)
    if run.ok and cell.type != NONE and made.image:
        _check_printed(run, made)


def _check_printed(run: Run, made: Subject) -> None:
    payload = base64.b64decode(json.loads(run.stdout.splitlines()[-1])["payload"])
    assert made.predicate in payload
    assert json.loads(payload)["predicateType"] == predicate_type(made.cell.type)


@pytest.mark.parametrize("cell", cells("theirs"), ids=str)
def test_we_verify_what_cosign_signs(cell: Cell, made: Subject, tools: Tools, matrix: Matrix) -> None:
    run = cosign_signs(made, tools)
    said = "" if run.ok else f"{cell.cosign[:-1]} {cell.cosign[-1]} cannot sign: {run.reason}"
    if run.ok:
        said = _our_answer(made)
    matrix.note_cell(cell, said or "ok")
    expect(cell, said)
    if not said:
        _check_wrong_keys_and_types(made)


def _our_answer(made: Subject) -> str:
    """Why we refuse; empty if we accept, and see the predicate that cosign was given."""
    try:
        statements = we_verify(made, made.key.pem)
    except ImagesigError as error:
        (reason,) = getattr(error, "rejections", ()) or (error,)
        return f"imagesig: {str(getattr(reason, 'error', reason)).partition(' (')[0]}"
    if made.cell.type != NONE:
        (statement,) = statements
        assert statement.predicate_type == predicate_type(made.cell.type)
        assert statement.signature.format == ("bundle" if made.is_bundle else "cosign")
        if made.cell.type not in NOT_KEPT:
            assert isinstance(statement.parsed, dict)
            assert PREDICATES[made.cell.type].keys() <= statement.parsed.keys()
    return ""


STRANGER: PublicKey = private_key(number=7).public_key


def _check_wrong_keys_and_types(made: Subject) -> None:
    with pytest.raises(NoSignatureAccepted):
        we_verify(made, STRANGER)
    if made.cell.type != NONE:
        with pytest.raises((NoSignatures, NoSignatureAccepted)):
            we_verify(made, made.key.pem, kind="https://example.org/other")


def expect(cell: Cell, said: str) -> None:
    known = _known(cell)
    if known is None:
        assert not said, f"refused, and not for a known reason: {said}"
    else:
        assert said, f"listed as refused but accepted: {known!r}; update REFUSALS"
        assert known in said


def _known(cell: Cell) -> str | None:
    found = REFUSALS.get((cell.direction, cell.home, cell.key_type), {})
    return next((said for columns, said in found.items() if cell.column.startswith(columns)), None)


_NOT_MADE = "imagesig: none of the trusted keys made this signature"
REFUSALS: dict[tuple[str, str, KeyType], dict[str, str]] = {
    # KMS signs P-384 with SHA-384 and P-521 with SHA-512 and nothing else; for a PEM key cosign expects SHA-256.
    ("ours", "KMS", KeyType.ECDSA_P384): {"": "signature"},
    ("ours", "KMS", KeyType.ECDSA_P521): {"": "signature"},
    # cosign signs SHA-256 with these keys and names SHA-384 or SHA-512 in the bundle; a hash that it does not name is
    # not tried. cosign verifies with SHA-256 and does not look at the name.
    ("theirs", "PKCS#11", KeyType.ECDSA_P384): {"cosign 3 blob bundle": _NOT_MADE},
    ("theirs", "PKCS#11", KeyType.ECDSA_P521): {"cosign 3 blob bundle": _NOT_MADE},
    ("theirs", "PKCS#11", KeyType.ED25519): {"": "unsupported key type"},
    # cosign opens Vault keys for SHA-256 and then hands over a digest of the curve's own size.
    ("theirs", "Vault", KeyType.ECDSA_P384): {"": "unexpected length of digest"},
    ("theirs", "Vault", KeyType.ECDSA_P521): {"": "unexpected length of digest"},
    # Of a blob it has Vault sign the digest in place of the blob: it refuses that itself.
    ("theirs", "Vault", KeyType.ED25519): {
        "cosign 3 blob bundle": _NOT_MADE,
        "cosign 3 blob signature": _NOT_MADE,
        "": "unexpected length of digest",
    },
    # KMS signs SHA-384 and SHA-512 with these, and cosign names SHA-256: it refuses that itself.
    ("theirs", "KMS", KeyType.ECDSA_P384): {"cosign 2 blob bundle": _NOT_MADE},
    ("theirs", "KMS", KeyType.ECDSA_P521): {"cosign 2 blob bundle": _NOT_MADE},
    # cosign sends a digest, and KMS signs Ed25519 from the message only.
    ("theirs", "KMS", KeyType.ED25519): {
        "cosign 2": "unknown hash value 0",
        "cosign 3 blob attestation": "operation error KMS: Sign",
        "cosign 3 blob": "unknown hash value 0",
        "": "operation error KMS: Sign",
    },
}
"""(direction, home, key type) -> how the columns begin -> what is said, the first entry that fits."""


def test_each_pair_of_values_is_in_some_cell_of_each_direction() -> None:
    every = all_cells()
    chosen = paired_cells(every)
    assert len(chosen) <= 130
    assert set().union(*map(goals, every)) == set().union(*map(goals, chosen))
    for place, values in enumerate(VALUES):
        assert {cell[place] for cell in chosen} == set(values)
    names = set(itertools.chain.from_iterable(cell for cell in chosen))
    assert names >= set(PREDICATES)
