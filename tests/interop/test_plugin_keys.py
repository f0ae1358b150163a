"""Images signed with keys that imagesig reaches through a plugin, in every home; the real cosign verifies."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from imagesig import sign
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import KeyProviderError
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.keys import KeySettings, open_key
from imagesig.keys.certify import self_signed_certificate
from tests.interop.homes import HOMES, Homes, SharedKey
from tests.interop.tools import PASSPHRASE, Tools
from tests.peers.servers import RegistryServer
from tests.plugins.programs import program

pytestmark = pytest.mark.interop

CREDENTIALS = "VAULT_*,AWS_*,COSIGN_PKCS11_*,SOFTHSM2_CONF,IMAGESIG_PASSPHRASE"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, homes: Homes) -> KeySettings:
    """Both programs installed, and the credentials in an environment that does not yet let plugins see them."""
    folder = tmp_path_factory.mktemp("plugins")
    program(folder / "plugins" / "imagesig", "notation-imagesig")
    made = program(folder / "bin", "sigstore-kms-imagesig")
    paths = {"NOTATION_LIBEXEC": str(folder), "PATH": f"{made.parent}{os.pathsep}{os.environ['PATH']}"}
    return KeySettings(homes.environ | paths | {"IMAGESIG_PASSPHRASE": PASSPHRASE})


def uri_of(plugin: str, shared: SharedKey, folder: Path) -> str:
    if plugin == "sigstore":
        return f"sigstore-kms://imagesig/{shared.peer_uri}"
    chain = folder / "chain.pem"
    chain.write_text(self_signed_certificate(shared.key, "CN=release"))
    return f"notation-plugin://imagesig/{shared.peer_uri}?cert_chain={chain}"


@pytest.mark.parametrize("plugin", ["notation", "sigstore"])
@pytest.mark.parametrize("home", HOMES)
def test_a_key_behind_a_plugin_signs_images(
    home: str,
    plugin: str,
    homes: Homes,
    settings: KeySettings,
    tools: Tools,
    registry_referrers: RegistryServer,
    tmp_path: Path,
) -> None:
    shared = homes.make(home, KeyType.ECDSA_P256)
    allowed = KeySettings({**settings.environ, "IMAGESIG_PLUGIN_ENV": CREDENTIALS})
    image = f"{registry_referrers.host}/plugins/{uuid.uuid4().hex[:12]}:1.0"
    build_image(registry(image).home, {"bin/app": uuid.uuid4().bytes}, PLATFORMS[0], "1.0")
    with open_key(uri_of(plugin, shared, tmp_path), settings=allowed, expect=shared.key.info.public_key) as key:
        sign(image, key)
    tools.cosign_verify("cosign3", str(shared.pem), image).must_succeed()


@pytest.mark.parametrize("plugin", ["notation", "sigstore"])
@pytest.mark.parametrize("home", HOMES)
def test_a_plugin_without_credentials_reaches_no_key(
    home: str, plugin: str, homes: Homes, settings: KeySettings, tmp_path: Path
) -> None:
    uri = uri_of(plugin, homes.make(home, KeyType.ECDSA_P256), tmp_path)
    with pytest.raises(KeyProviderError):
        open_key(uri, settings=settings)
