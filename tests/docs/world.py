"""The world of one page: a folder, two registries with an image, and the real tools, under the names of the text."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from imagesig import Policy, registry
from imagesig.images.build import build_index
from tests.docs.blocks import ROOT, SHELL, Block
from tests.peers import binary
from tests.peers.servers import RegistryServer, registry_server, softhsm_module
from tests.plugins.programs import program

PASSPHRASE = "correct horse"
NAMES = ("acme/app", "team/app", "prod/app")
"""Repositories that hold the image with the tag 1.0 in both registries, but in `inside.example`."""

_PROGRAMS = {"imagesig": "imagesig", "vault": "tests.docs.vault_command"}
_TOOLS = {"cosign": "cosign3", "cosign2": "cosign2", "skopeo": "skopeo", "notation": "notation", "notary": "notary"}


class BlockFailed(Exception):
    """A block of a page does not do what the page says; the text names its page and line."""


class CommandFailed(Exception):
    """Commands ended with another status than 0; the text has what they printed."""


@dataclass
class World:
    """Runs blocks one after the other: they share the folder, the environment and the names of Python."""

    folder: Path
    names: dict[str, str]
    environ: dict[str, str]
    namespace: dict[str, Any] = field(default_factory=dict)

    def run(self, block: Block) -> None:
        """Raises `BlockFailed` for a block that does not do what the page says."""
        text = self.translate(block.source)
        try:
            if block.file.startswith("test_"):
                (self.folder / block.file).write_text(text)
                self._shell(f'"{sys.executable}" -m pytest -q {block.file}')
            elif block.language == "python":
                self._python(block, text)
            elif block.language in SHELL:
                self._shell(_commands(text) if block.language == "console" else text)
            else:
                self._data(block, text)
        except Exception as error:
            raise BlockFailed(f"{block}: {type(error).__name__}: {error}\n{text}") from error

    def prepare(self, script: str) -> None:
        """Makes what has to be there before the page begins."""
        self._shell(self.translate(script))

    def translate(self, text: str) -> str:
        """`text` with the addresses and paths of this world in place of the page's."""
        for name, here in self.names.items():
            after = "" if name.endswith("/") else r"(?![\w-])"
            text = re.sub(rf"(?<![\w.*-]){re.escape(name)}{after}", lambda _, here=here: here, text)
        return text

    def _shell(self, script: str) -> None:
        """Runs `script` in bash. What it exports, later blocks see."""
        kept = self.folder / ".environment"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{script}\nenv -0 > '{kept}'"],
            env=self.environ,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(f"status {done.returncode}\n{done.stdout}{done.stderr}")
        variables = kept.read_text().rstrip("\0").split("\0")
        self.environ = dict(variable.split("=", 1) for variable in variables)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """This process in the page's folder, with its environment."""
        with mock.patch.dict(os.environ, self.environ, clear=True), contextlib.chdir(self.folder):
            yield

    def _python(self, block: Block, text: str) -> None:
        # Lines of a traceback are those of the page.
        padded = "\n" * (block.line - 1) + text
        code = compile(padded, str(block.page), "exec", dont_inherit=True)
        with self.entered():
            exec(code, self.namespace)

    def _data(self, block: Block, text: str) -> None:
        """Writes the file that the block shows, and reads it as the program does that it is for."""
        path = self.folder / (block.file or f"{'policy' if block.language == 'toml' else 'block'}.{block.language}")
        path.parent.mkdir(parents=True, exist_ok=True)
        continued = block.language == "toml" and "version" not in tomllib.loads(text)
        path.write_text(path.read_text() + text if continued else text)
        with self.entered():
            if block.language == "toml":
                Policy.load(path)
            elif path.name == "policy.json":
                Policy.from_containers_policy(path)
            elif block.language == "json":
                json.loads(text)
            elif block.language == "yaml":
                yaml.safe_load(text)


def _commands(text: str) -> str:
    """What is typed in a block of `console`: lines behind `$`, and those that go on after a backslash."""
    lines, goes_on = [], False
    for line in text.splitlines():
        if not goes_on and not line.startswith("$ "):
            raise CommandFailed(f"{line}: a line of a console block begins with '$ '")
        lines.append(line if goes_on else line[2:])
        goes_on = line.endswith("\\")
    return "\n".join(lines)


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    with registry_server("referrers", folder / "a") as outside, registry_server("referrers", folder / "b") as inside:
        here = folder / "page"
        digest = ""
        for name in NAMES:
            digest = build_index(registry(f"{outside.host}/{name}:1.0").home, {"bin/app": b"app"}, "1.0").digest
        names = {
            **dict.fromkeys(("localhost:5000", "registry.example", "ghcr.io"), _local(outside)),
            "inside.example": _local(inside),
            "sha256:…": digest,
            "2027-01-31": str(date.today() + timedelta(days=30)),
            "/usr/lib/softhsm/libsofthsm2.so": str(softhsm_module()),
            "/etc/": f"{here}/etc/",
            "/run/secrets/": f"{here}/run/secrets/",
        }
        here.mkdir()
        yield World(here, names, _environ(here, folder / "bin"))


def _local(server: RegistryServer) -> str:
    """By the name to which every tool speaks plain HTTP."""
    return server.host.replace("127.0.0.1", "localhost")


def _environ(folder: Path, programs: Path) -> dict[str, str]:
    programs.mkdir()
    for name, module in _PROGRAMS.items():
        _script(programs / name, f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -m {module} "$@"')
    for name in ("notation-imagesig", "sigstore-kms-imagesig"):
        program(programs, name)
    for name, peer in _TOOLS.items():
        _script(programs / name, f'exec "{binary(peer)}" "$@"')
    for name in ("pip", "kubectl", "podman", "docker", "apt-get"):
        _script(programs / name, f"echo '{name}: mark the block as not run' >&2; exit 1")
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "ROOT": str(ROOT),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "COSIGN_PASSWORD": PASSPHRASE,
        "SOFTHSM2_CONF": str(config),
    }


def _script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
