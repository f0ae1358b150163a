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
from imagesig.keys.private_key import PrivateKey
from imagesig.testing import InMemoryRegistry
from imagesig.testing.hostile import HOSTILE_HOMES, HOSTILITIES, hostile_home, hostile_registry
from imagesig.testing.hostile.stage import NAME, Stage, signer
from tests.testing.hostile_child import WARM, Ended, Task

SECONDS = 3.0
AT_ONCE = 32


class Child:
    """A process that has done ordinary work of each kind before it is measured."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        environment = {**os.environ, "MALLOC_ARENA_MAX": "1", "HOME": str(folder), "DOCKER_CONFIG": str(folder)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.testing.hostile_child import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        self._servers = ExitStack()
        trusted = signer()
        server = self._servers.enter_context(InMemoryRegistry())
        stage = Stage(server, self._servers)
        stage.signed("bundle", "cosign")
        good = self.task("good", f"{server.host}/{NAME}:1.0", "verify", trusted.public, "")
        self._send((PrivateKey.generate(KeyType.ECDSA_P256).to_pem(None), good))
        self._warm()

    def run(self, tasks: list[Task]) -> list[Ended]:
        """All of them at the same time; how each ended."""
        self._send(tasks)
        assert self._process.stdout is not None
        ended: list[Ended] = pickle.load(self._process.stdout)
        return ended

    def task(self, name: str, image: str, work: str, key: str, certificate: str, identity: str = "") -> Task:
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        return Task(name, work, image, key, certificate, str(folder), SECONDS, identity)

    def close(self) -> None:
        assert self._process.stdin is not None
        with self._process, self._servers:
            self._send([])

    def _send(self, what: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(pickle.dumps(what))
        self._process.stdin.flush()

    def _warm(self) -> None:
        trusted = signer()
        with InMemoryRegistry() as server, ExitStack() as others:
            stage = Stage(server, others)
            stage.signed("bundle", "cosign")
            image = f"{server.host}/{NAME}:1.0"
            for certified in ("", trusted.certificate):
                if certified:
                    stage.certified = True
                    stage.signed("notation")
                task = self.task(WARM, image, "verify", trusted.public, certified)
                self._checked(task)
            self._checked(self.task(WARM, image, "sign", "", ""))
            self._checked(self.task(WARM, image, "copy", "", ""))
            copied = self.task(WARM, f"oci:{self._folder / str(self._count) / 'copied'}:1.0", "verify", trusted.public, "", image)
            self._checked(copied)

    def _checked(self, task: Task) -> None:
        (ended,) = self.run([task])
        assert isinstance(ended.outcome, str), ended.outcome


def registries(child: Child, names: Iterable[str]) -> Iterator[Ended]:
    """How work on each of these hostile registries ended: those that wait at the same time, the others in turn."""
    waiting = []
    for name in names:
        if HOSTILITIES[name].waits:
            waiting.append(name)
        else:
            yield from _together(child, [name])
    for start in range(0, len(waiting), AT_ONCE):
        yield from _together(child, waiting[start : start + AT_ONCE])


def _together(child: Child, names: list[str]) -> list[Ended]:
    with ExitStack() as stack:
        tasks = []
        for name in names:
            served = stack.enter_context(hostile_registry(name))
            tasks.append(child.task(name, served.image, HOSTILITIES[name].work.value, served.key, served.certificate))
            RIGHT[name] = served
        return child.run(tasks)


RIGHT: dict[str, object] = {}


@contextmanager
def a_child(folder: Path) -> Iterator[Child]:
    child = Child(folder)
    try:
        yield child
    finally:
        child.close()


def homes(child: Child, folder: Path, names: Iterable[str] = HOSTILE_HOMES) -> Iterator[Ended]:
    for name in names:
        with hostile_home(name, folder / name) as home:
            RIGHT[name] = home
            yield from child.run([child.task(name, home.image, "verify", home.key, "", "registry.example/app")])
