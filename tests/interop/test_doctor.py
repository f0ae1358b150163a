"""`imagesig doctor` on real tokens, servers and registries."""

from __future__ import annotations

import pytest
from click.testing import CliRunner, Result

from imagesig.cli.main import cli
from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from tests.interop.homes import HOMES, Homes
from tests.interop.tools import PASSPHRASE
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop

FACTS = {
    "file": "signed and verified a test message",
    "PKCS#11": "PKCS#11 token",
    "Vault": "unsealed",
    "KMS": "region us-east-1",
}


def doctor(homes: Homes, *names: str) -> Result:
    secrets = {"IMAGESIG_PASSPHRASE": PASSPHRASE, "IMAGESIG_PKCS11_PIN": "1234"}
    return CliRunner().invoke(cli, ["doctor", *names], env={**homes.environ, **secrets})


@pytest.mark.parametrize("home", HOMES)
def test_a_key_in_every_home_is_healthy_and_its_home_is_told(homes: Homes, home: str) -> None:
    shared = homes.make(home, KeyType.ECDSA_P256)

    result = doctor(homes, shared.peer_uri)

    assert result.exit_code == 0, result.output
    assert FACTS[home] in result.output
    assert "failed" not in result.output


@pytest.mark.parametrize("kind", ["referrers", "tag", "ggcr"])
def test_every_kind_of_registry_is_told_apart(homes: Homes, request: pytest.FixtureRequest, kind: str) -> None:
    server: RegistryServer = request.getfixturevalue(f"registry_{kind}")
    name = f"{server.host}/doctor/app:1.0"
    build_image(registry(name).home, {"a": b"b"}, PLATFORMS[0], "1.0")

    result = doctor(homes, name)

    assert result.exit_code == 0, result.output
    says = "no API: listed in a fallback tag" if kind == "tag" else "the registry has the API"
    assert says in result.output
    assert "push             allowed" in result.output
