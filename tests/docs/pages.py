"""What has to be there before a page begins: the servers that it names, and what its script in `prepare/` makes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.world import World
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
        if script.exists():
            here.prepare((PREPARE / "common.sh").read_text() + script.read_text())
        yield
        # A block that verifies many images raises nothing for one of them.
        assert all(outcome.ok for outcome in here.namespace.get("outcomes", ()))
