"""Peers that are one C file: shared libraries that a test loads."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass

from tests.peers import debian
from tests.peers.golang import COMPILER, SERVERS
from tests.peers.workshop import Workshop


@dataclass(frozen=True, slots=True)
class SharedLibrary:
    """A recipe: a shared library whose only source is in a folder of `servers_src/`."""

    folder: str
    source: str
    digest: str

    @classmethod
    def of(cls, folder: str, source: str) -> SharedLibrary:
        """The library of this source; changing the source changes the recipe."""
        return cls(folder, source, hashlib.sha256((SERVERS / folder / source).read_bytes()).hexdigest())

    def install(self, workshop: Workshop) -> str:
        """The start of the source's digest."""
        debian.ensure(workshop, () if shutil.which("gcc") else COMPILER)
        with workshop.whole_root() as root:
            source = SERVERS / self.folder / self.source
            workshop.run("gcc", "-shared", "-fPIC", "-O1", "-o", root / f"{self.folder}.so", source, "-ldl")
        workshop.publish(workshop.root / f"{self.folder}.so")
        return self.digest[:12]
