"""An AWS KMS on loopback during a `with` block: moto, corrected (see `kms_app`)."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.peers.servers import serving


@dataclass(frozen=True, slots=True)
class KmsServer:
    """A server for the AWS JSON API over plain HTTP at `endpoint`; it accepts any credentials."""

    endpoint: str


@contextlib.contextmanager
def kms_server() -> Iterator[KmsServer]:
    """An empty KMS in a new process."""
    repository = Path(__file__).parents[2]
    environ = {"PYTHONPATH": str(repository), "PATH": os.environ["PATH"], "MOTO_ALLOW_NONEXISTENT_REGION": "true"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.peers.kms_app"]
        with serving("kms", command, Path(folder), rb"^listening on (127\.0\.0\.1:\d+)$", environ) as host:
            yield KmsServer(f"http://{host}")
