"""cosign signs and verifies through `sigstore-kms-imagesig` with keys in every home; imagesig verifies it too."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from urllib.parse import quote

import pytest

from imagesig import sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.crypto.public_key import PublicKey
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.keys import open_public_keys
from imagesig.keys.secrets import fixed
from imagesig.keys.uri import KeySettings
from tests.interop.homes import HOMES, Homes
from tests.interop.tools import PASSPHRASE, Run, Tools
from tests.peers.servers import RegistryServer
from tests.plugins.programs import program

pytestmark = pytest.mark.interop

COSIGNS = ("cosign3", "cosign311")
HTTP = ("--allow-http-registry", "--allow-insecure-registry")


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory, homes: Homes) -> Tools:
    """cosign with our plugin on PATH."""
    folder = tmp_path_factory.mktemp("cosign")
    made = program(folder / "bin", "sigstore-kms-imagesig")
    return Tools(
        folder,
        homes.environ | {"IMAGESIG_PASSPHRASE": PASSPHRASE, "PATH": f"{made.parent}{os.pathsep}{os.environ['PATH']}"},
    )


@pytest.fixture
def image(registry_referrers: RegistryServer) -> str:
    opened = registry(f"{registry_referrers.host}/plugins/{uuid.uuid4().hex[:12]}:1.0")
    build_image(opened.home, {"bin/app": uuid.uuid4().bytes}, PLATFORMS[0], "1.0")
    return str(opened)


def cosign_sign(tools: Tools, version: str, key: str, image: str, *, bundle: bool) -> Run:
    form = [] if bundle else ["--new-bundle-format=false"]
    offline = ["--use-signing-config=false", "--tlog-upload=false", "--yes"]
    return tools.run(version, "sign", "--key", key, *offline, *form, *HTTP, image)


KEYS = (
    ("cosign3", KeyType.ECDSA_P256, False),
    ("cosign3", KeyType.ECDSA_P256, True),
    ("cosign3", KeyType.RSA_2048, True),
    ("cosign3", KeyType.ECDSA_P384, True),
    ("cosign3", KeyType.ED25519, False),
    ("cosign311", KeyType.ECDSA_P256, False),
    ("cosign311", KeyType.ECDSA_P256, True),
)


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize(("version", "key_type", "bundle"), KEYS)
def test_what_cosign_signs_with_our_key_cosign_and_imagesig_verify(
    version: str, home: str, key_type: KeyType, bundle: bool, homes: Homes, tools: Tools, image: str
) -> None:
    shared = homes.make(home, key_type)
    key = f"imagesig://{shared.peer_uri}"
    cosign_sign(tools, version, key, image, bundle=bundle).must_succeed()
    verify(image, shared.key)
    tools.cosign_verify(version, key, image).must_succeed()


@pytest.mark.parametrize("version", COSIGNS)
def test_what_imagesig_signs_cosign_verifies_with_our_key(version: str, homes: Homes, tools: Tools, image: str) -> None:
    for home in HOMES:
        shared = homes.make(home, KeyType.ECDSA_P256)
        sign(image, shared.key)
        tools.cosign_verify(version, f"imagesig://{shared.peer_uri}", image).must_succeed()


def test_another_key_does_not_verify_it(homes: Homes, tools: Tools, image: str) -> None:
    mine, other = homes.make("Vault", KeyType.ECDSA_P256), homes.make("Vault", KeyType.ECDSA_P256)
    cosign_sign(tools, "cosign3", f"imagesig://{mine.peer_uri}", image, bundle=False).must_succeed()
    assert not tools.cosign_verify("cosign3", f"imagesig://{other.peer_uri}", image).ok


def test_the_key_may_be_percent_encoded(homes: Homes, tools: Tools) -> None:
    shared = homes.make("PKCS#11", KeyType.ECDSA_P256)
    encoded = quote(shared.peer_uri, safe="")
    shown = tools.run("cosign3", "public-key", "--key", f"imagesig://{encoded}").must_succeed().stdout
    assert PublicKey.from_pem(shown) == shared.key.info.public_key


@pytest.mark.parametrize("version", COSIGNS)
@pytest.mark.parametrize("home", HOMES)
def test_cosign_makes_a_key_in_our_home(version: str, home: str, homes: Homes, tools: Tools, tmp_path: Path) -> None:
    name = f"made-{uuid.uuid4().hex[:8]}"
    uri = {
        "file": str(homes.folder / f"{name}.key"),
        "PKCS#11": f"pkcs11:token={homes.environ['TOKEN_LABEL']};object={name}",
        "Vault": f"hashivault://{name}",
        "KMS": f"awskms:///alias/{name}",
    }[home]
    made = tools.run(version, "generate-key-pair", "--kms", f"imagesig://{uri}")
    made.must_succeed()
    written = PublicKey.from_pem((tools.home / "cosign.pub").read_text())
    settings = KeySettings(
        homes.environ, fixed(homes.environ["COSIGN_PKCS11_PIN"] if home == "PKCS#11" else PASSPHRASE)
    )
    assert open_public_keys(uri, settings=settings)[0] == written
    assert written.key_type is KeyType.ECDSA_P256


def test_cosign_shows_the_user_what_was_wrong(tools: Tools, image: str) -> None:
    run = cosign_sign(tools, "cosign3", "imagesig:///nonexistent/release.key", image, bundle=False)
    assert not run.ok
    assert "/nonexistent/release.key: no such file" in run.stderr
