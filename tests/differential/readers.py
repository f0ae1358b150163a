"""Go's own readers, asked from Python: what each of them makes of a document (`tests/peers/servers_src/readers`)."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.peers import binary

DOCUMENTS = int(os.environ.get("IMAGESIG_DIFFERENTIAL") or 20_000)
"""Documents that a seeded generator makes for each reader; `make differential N=…` asks for more."""
EXAMPLES = 1000
"""Documents that hypothesis makes for each reader."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Go's reader found in one document, and why it refuses it or the rest of it."""

    value: Any = None
    error: str = ""

    @property
    def refused(self) -> bool:
        return bool(self.error)


def ask(reader: str, documents: Iterable[bytes]) -> Iterator[tuple[bytes, Answer]]:
    """Each document with the answer of the Go reader of this name; one process reads all of them."""
    asked = list(documents)
    with tempfile.TemporaryFile() as questions:
        for document in asked:
            questions.write(len(document).to_bytes(4, "big") + document)
        questions.seek(0)
        with subprocess.Popen([binary("readers"), reader], stdin=questions, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for document in asked:
                yield document, Answer(**json.loads(process.stdout.readline()))
            assert process.wait() == 0


class Conversation:
    """The same for documents that come one by one, as hypothesis makes them; a context manager."""

    def __init__(self, reader: str) -> None:
        self._process = subprocess.Popen([binary("readers"), reader], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(self, document: bytes) -> Answer:
        """What Go's reader makes of this document."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(len(document).to_bytes(4, "big") + document)
        self._process.stdin.flush()
        return Answer(**json.loads(self._process.stdout.readline()))
