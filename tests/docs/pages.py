"""What has to be there before a page begins: keys, images, policies, servers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.docs.world import World
from tests.peers.servers import vault_server

_KEY = "imagesig key generate release.key"
_IMAGE = "localhost:5000/acme/app:1.0"
_VAULT = "vault secrets enable transit; imagesig key generate hashivault://release"


SCRIPTS = {
    "README": _VAULT,
    "howto/other-tools": f"{_KEY}; mkdir -p etc/pki; cp release.pub etc/pki/",
    "howto/layouts": f"{_KEY}; imagesig copy --all-platforms {_IMAGE} oci:image:1.0",
    "howto/files": f'{_KEY}; mkdir -p run/secrets; cp release.key run/secrets/; printf %s "$COSIGN_PASSWORD" > run/secrets/passphrase',
    "howto/vault": "mkdir -p run/secrets; echo secret > run/secrets/secret-id",
}
"""By page, commands that run first."""


@contextlib.contextmanager
def prepared(page: str, here: World, request: pytest.FixtureRequest) -> Iterator[None]:
    """Starts the servers that the page names, and runs its preparation."""
    text = request.node.callspec.params["page"].read_text(encoding="utf-8")
    with contextlib.ExitStack() as stack:
        if "hashivault://" in text:
            server = stack.enter_context(vault_server(here.folder.parent))
            here.names["https://vault.example:8200"] = server.address
            here.environ |= {"VAULT_ADDR": server.address, "VAULT_TOKEN": server.root_token}
        if "awskms://" in text:
            here.environ |= {
                "AWS_ENDPOINT_URL": request.getfixturevalue("kms").endpoint,
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
            }
        here.prepare(SCRIPTS.get(page, ":"))
        yield
