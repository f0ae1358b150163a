"""What has to be there before a page begins: the servers that it names, and what its script in `prepare/` makes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT
from tests.docs.world import World
from tests.peers import binary
from tests.peers.engine import DockerEngine
from tests.peers.servers import notary_server, vault_server

PREPARE = Path(__file__).parent / "prepare"


@contextlib.contextmanager
def prepared(page: Path, here: World, request: pytest.FixtureRequest) -> Iterator[None]:
    text = page.read_text(encoding="utf-8")
    script = PREPARE / f"{page.stem}.sh"
    with contextlib.ExitStack() as stack:
        if "hashivault://" in text:
            vault = stack.enter_context(vault_server(here.folder.parent))
            here.names["https://vault.example:8200"] = vault.address
            here.environ |= {"VAULT_ADDR": vault.address, "VAULT_TOKEN": vault.root_token}
        if "notary.example" in text:
            notary = stack.enter_context(notary_server(here.folder.parent))
            here.names |= {"https://notary.example": notary.url, "notary-ca.crt": str(notary.ca_file)}
        if "awskms://" in text:
            kms = request.getfixturevalue("kms").endpoint
            here.environ |= {
                "AWS_ENDPOINT_URL": kms,
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
            }
            here.environ |= {"AWS_REGION": "us-east-1"}
        if "from_env" in text or "buildx build --provenance" in text:
            _docker(here, request.getfixturevalue("docker_containerd"))
        if script.exists():
            here.prepare((PREPARE / "common.sh").read_text() + script.read_text())
        yield
        # A block that verifies many images raises nothing for one of them.
        assert all(outcome.ok for outcome in here.namespace.get("outcomes", ()))


def _docker(here: World, engine: DockerEngine) -> None:
    """docker's command for the engine, with a configuration of the page's own."""
    plugins = here.folder / ".docker" / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-buildx").symlink_to(binary("docker-buildx"))
    path = f"{binary('docker').parent}{os.pathsep}"
    programs, _, rest = here.environ["PATH"].partition(os.pathsep)
    (Path(programs) / "docker").unlink()
    here.environ |= {
        "PATH": f"{programs}{os.pathsep}{path}{rest}",
        "PYTHONPATH": str(ROOT),  # for the plugin, which docker starts
        "DOCKER_HOST": engine.address,
        "DOCKER_CONFIG": str(plugins.parent),
    }
