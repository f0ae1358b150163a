"""Servers, keys and images for the benchmarks: the same real peers as the tests use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.secrets import fixed
from tests.interop.tools import PASSPHRASE, Tools
from tests.peers.servers import RegistryServer, VaultServer, registry_server, vault_server

Record = Callable[..., None]

AS_INSTALLED = "import sys; sys.modules['typing_extensions'] = None; "
"""msgspec loads this package if it can. No package that imagesig needs installs it, but the tools for tests do."""
COMMAND = (sys.executable, "-P", "-c", f"{AS_INSTALLED}from imagesig.__main__ import main; main()")
"""What the console script does."""


@pytest.fixture(scope="session")
def registry_referrers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with registry_server("referrers", tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="session")
def registry_tag(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with registry_server("tag", tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="session")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultServer]:
    with vault_server(tmp_path_factory.mktemp("vault")) as server:
        yield server


def environment(home: Path) -> dict[str, str]:
    """What a measured process sees of the developer's environment: where programs and this very source tree are."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    return {**kept, "HOME": str(home), "COSIGN_PASSWORD": PASSPHRASE}


@dataclass(frozen=True, slots=True)
class Bench:
    """A folder with a P-256 key in three forms, and the tools."""

    folder: Path
    tools: Tools
    encrypted_key: Path
    plain_key: Path
    public_key: Path

    def push(self, host: str, name: str) -> str:
        """A small image; its reference by digest."""
        image = registry(f"{host}/bench/{name}:1.0")
        descriptor = build_image(image.home, {"bin/app": name.encode()}, PLATFORMS[0], "1.0")
        return f"{host}/bench/{name}@{descriptor.digest}"

    def imagesig(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, *arguments],
            env=environment(self.folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("bench")
    FileProvider(folder, secrets=fixed(PASSPHRASE)).generate("encrypted.key", KeyType.ECDSA_P256)
    FileProvider(folder).generate("plain.key", KeyType.ECDSA_P256)
    tools = Tools(tmp_path_factory.mktemp("tools"), {})
    return Bench(folder, tools, folder / "encrypted.key", folder / "plain.key", folder / "encrypted.pub")


@pytest.fixture
def side(benchmark: Any) -> Record:
    """Says which side of its group a benchmark is, and for `ours` what the target is.

    `reason` is why a target is not nearer to the peer; the page shows it.
    """

    def record(
        name: str,
        *,
        target: float = 0,
        at_least: bool = False,
        kind: str = "time",
        peer: str = "peer",
        reason: str = "",
    ) -> None:
        benchmark.extra_info.update(side=name, target=target, at_least=at_least, kind=kind, peer=peer, reason=reason)

    return record
