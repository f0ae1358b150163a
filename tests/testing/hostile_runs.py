"""Runs work on hostile images in a child process, whose time and memory are measured there."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from imagesig.crypto.algorithms import KeyType
from imagesig.keys.file.private_key import PrivateKey
from imagesig.testing import InMemoryRegistry
from imagesig.testing.hostile import HOSTILE_HOMES, HOSTILITIES, hostile_home, hostile_registry
from imagesig.testing.hostile.registries.documents import DOCUMENTS
from imagesig.testing.hostile.registries.envelopes import ENVELOPES
from imagesig.testing.hostile.registries.listings import LISTINGS
from imagesig.testing.hostile.registries.stage import NAME, Stage, signer
from tests.testing.hostile_child import WARM, Ended, Task, Tasks

SECONDS = 3.0
"""The time limit of what waits for it."""
PATIENCE = 30.0
"""The time limit of others: on a busy machine they end by themselves, too."""
AT_ONCE = 48
"""What waits for a deadline does so together."""
IN_TURN = 16
"""Others run one after the other, so many in one process."""
LARGE = frozenset(item.name for item in (*DOCUMENTS, *ENVELOPES, *LISTINGS))
"""These have a process of their own: what is freed after one hides what the next takes."""


class Result(Ended, frozen=True):
    """How one hostility ended, and whether that is right."""

    is_right: bool


class Child:
    """A process that has done ordinary work of each kind before it is measured."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count, self._servers = folder, 0, ExitStack()
        environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "HOME": str(folder), "DOCKER_CONFIG": str(folder)}
        command = [sys.executable, "-c", "from tests.testing.hostile_child import main; main()"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        server = self._servers.enter_context(InMemoryRegistry())
        stage = Stage(server, self._servers)
        stage.signed("bundle", "cosign")
        image = f"{server.host}/{NAME}:1.0"
        self._send((PrivateKey.generate(KeyType.ECDSA_P256).to_pem(None), self.task("good", image)))
        stage.certified = True
        stage.signed("notation", tag="certified", content=b"certified")
        certified = f"{server.host}/{NAME}:certified"
        self._warm(self.task(WARM, image))
        self._warm(self.task(WARM, certified, certificate=signer().certificate))
        self._warm(self.task(WARM, image, "sign"))
        copied = self.task(WARM, image, "copy")
        self._warm(copied)
        self._warm(self.task(WARM, f"oci:{copied.folder}/copied:1.0", identity=f"{server.host}/{NAME}"))

    def run(self, tasks: list[Task], *, together: bool = False) -> list[Ended]:
        """How each ended: all at the same time, or one after the other."""
        self._send(Tasks(tasks, together))
        assert self._process.stdout is not None
        ended: list[Ended] = pickle.load(self._process.stdout)
        return ended

    def task(
        self,
        name: str,
        image: str,
        work: str = "verify",
        certificate: str = "",
        identity: str = "",
        *,
        waits: bool = False,
    ) -> Task:
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        timeout = SECONDS if waits else PATIENCE
        return Task(name, work, image, signer().public, certificate, str(folder), timeout, identity)

    def close(self) -> None:
        with self._process, self._servers:
            self._send(None)

    def _send(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(pickle.dumps(what))
        self._process.stdin.flush()

    def _warm(self, task: Task) -> None:
        (ended,) = self.run([task])
        assert isinstance(ended.outcome, str), ended.outcome


@contextmanager
def a_child(folder: Path) -> Iterator[Child]:
    child = Child(folder)
    try:
        yield child
    finally:
        child.close()


def registries(child: Child, names: Iterable[str] = HOSTILITIES) -> Iterator[Result]:
    """How work on each of these hostile registries ended."""
    chosen = [HOSTILITIES[name] for name in names]
    waiting = [item.name for item in chosen if item.waits]
    large = [item.name for item in chosen if not item.waits and item.name in LARGE]
    small = [item.name for item in chosen if not item.waits and item.name not in LARGE]
    for some_names, size in ((small, IN_TURN), (large, 1), (waiting, AT_ONCE)):
        waits = some_names is waiting
        for start in range(0, len(some_names), size):
            with ExitStack() as stack:
                some = some_names[start : start + size]
                served = {name: stack.enter_context(hostile_registry(name)) for name in some}
                tasks = [
                    child.task(name, item.image, item.hostility.work.value, item.certificate, waits=waits)
                    for name, item in served.items()
                ]
                for ended in child.run(tasks, together=waits):
                    yield _judged(ended, served[ended.name].is_right(ended.outcome))


def homes(child: Child, folder: Path, names: Iterable[str] = HOSTILE_HOMES) -> Iterator[Result]:
    """How a verification of each of these hostile homes ended."""
    waiting = [name for name in names if HOSTILE_HOMES[name].waits]
    for some in (*([name] for name in names if name not in waiting), waiting):
        with ExitStack() as stack:
            made = {name: stack.enter_context(hostile_home(name, folder / name)) for name in some}
            waits = some is waiting
            tasks = [child.task(name, home.image, identity=home.identity, waits=waits) for name, home in made.items()]
            for ended in child.run(tasks, together=waits) if tasks else ():
                yield _judged(ended, made[ended.name].is_right(ended.outcome))


def _judged(ended: Ended, is_right: bool) -> Result:
    return Result(ended.name, ended.outcome, ended.seconds, ended.kib, is_right)
