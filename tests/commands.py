"""Runs of the command, in this process and in one of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import click.testing

from imagesig.cli.main import cli
from imagesig.errors import ImagesigError

_ROOT = str(Path(__file__).parents[1])
_RUN = "import sys; sys.argv[0] = 'imagesig'; from imagesig.cli.main import main; main()"


def run(*arguments: str | bytes, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """One run of the command in a process of its own; what it writes is compared as bytes."""
    return subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": _ROOT, **environ},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=180,
        check=False,
    )


def shown_at(terminal: int) -> str:
    """All that was written to a pseudo-terminal, read at its other end until nobody can write any more."""
    shown = b""
    with os.fdopen(terminal, "rb", buffering=0) as reading, contextlib.suppress(OSError):  # Linux's end of file here
        while piece := reading.read(4096):
            shown += piece
    return shown.decode()


def run_here(*arguments: object, answers: str = "") -> click.testing.Result:
    """The command in this process; an error of imagesig becomes its exit status, as in `main`. `answers` is stdin."""
    result = click.testing.CliRunner().invoke(cli, [str(item) for item in arguments], input=answers)
    if isinstance(result.exception, ImagesigError):
        result.exit_code = result.exception.exit_status
        result.stderr_bytes = (result.stderr_bytes or b"") + str(result.exception).encode()
    return result
