"""The corpora without the fuzzer: seeds, and every input that once broke a promise."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.fuzz.harness import CPU_SECONDS, Broken, run
from tests.fuzz.judging import CORPUS
from tests.fuzz.targets import TARGETS

INPUTS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_input_of_the_corpus_keeps_the_promises(path: Path) -> None:
    run(TARGETS[path.parent.name], path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_has_a_seed_that_it_takes(name: str) -> None:
    """A fuzzer that never gets past the first check finds nothing."""
    taken = [path for path in INPUTS if path.parent.name == name and run(TARGETS[name], path.read_bytes())]

    assert taken, f"no seed in corpus/{name} is taken"


def test_the_harness_sees_a_foreign_exception_and_a_cost() -> None:
    def raises(_data: bytes) -> None:
        raise KeyError("foreign")

    def burns(_data: bytes) -> None:
        until = time.process_time() + 1.2 * CPU_SECONDS
        while time.process_time() < until:
            pass

    with pytest.raises(KeyError):
        run(raises, b"")
    with pytest.raises(Broken, match="CPU"):
        run(burns, b"")
