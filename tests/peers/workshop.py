"""Tools for recipes: a log for each, commands that raise on failure, folders that appear complete or not at all."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

COMMAND_SECONDS = 1800
"""The longest command, a cold build of cosign or Vault, takes 5 minutes on two cores."""


class InstallFailed(Exception):
    """A peer cannot be installed; the text says what failed, what was seen and what is needed."""


class Workshop:
    """The cache folder as one recipe sees it."""

    def __init__(self, cache: Path, name: str) -> None:
        self.cache = cache
        self.log = cache / "logs" / f"{name}.log"
        self._name = name
        for folder in ("bin", "logs", "roots", "stamps"):
            (cache / folder).mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")

    def run(self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """Standard output of the command; both its streams go to the log.

        Raises: InstallFailed: it is missing, took too long or did not exit with 0.
        """
        words = [str(word) for word in command]
        self.note(f"$ {shlex.join(words)}")
        environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", **(env or {})}
        try:
            with self.log.open("ab") as errors:
                done = subprocess.run(
                    words,
                    cwd=cwd,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    timeout=COMMAND_SECONDS,
                )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InstallFailed(f"{words[0]} could not be run: {error}") from error
        text = done.stdout.decode(errors="replace")
        self.note(text)
        if done.returncode:
            raise InstallFailed(f"{shlex.join(words[:3])} … failed: exit status {done.returncode}, needed 0")
        return text

    def note(self, text: str) -> None:
        """Adds a line to the log."""
        with self.log.open("a") as log:
            log.write(text.rstrip("\n") + "\n")

    @property
    def root(self) -> Path:
        """The folder that `whole_root` fills."""
        return self.cache / "roots" / self._name

    @contextlib.contextmanager
    def whole_root(self) -> Iterator[Path]:
        """An empty folder that becomes `root` if the block succeeds: an interrupted run leaves no partial folder."""
        building = self.root.with_name(f"{self._name}.building")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        yield building
        shutil.rmtree(self.root, ignore_errors=True)
        building.rename(self.root)

    def publish(self, program: Path) -> None:
        """Makes `bin/NAME` a link to `program`, in one step."""
        if not os.access(program, os.X_OK):
            raise InstallFailed(f"{self._name} was built without its program: {program} is not executable")
        link = self.cache / "bin" / self._name
        fresh = link.with_name(f".{self._name}.fresh")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.path.relpath(program, link.parent))
        fresh.replace(link)
