"""`cosign verify --local-image` on layouts that we signed, and layouts of `cosign save` for us."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagesig import sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout.layout import Layout, layout
from imagesig.images.registry.connect import registry
from tests.interop.homes import Homes
from tests.interop.tools import Tools
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("shape", ["image", "index"])
@pytest.mark.parametrize("formats", [["cosign"], ["cosign", "bundle"]], ids=["classic", "both"])
def test_cosign_accepts_a_layout_that_we_signed_and_refuses_another_key(
    shape: str, formats: list[str], homes: Homes, tools: Tools, tmp_path: Path
) -> None:
    home = Layout.create(tmp_path / "layout")
    if shape == "index":
        build_index(home, {"a": b"b"}, "1.0")
    else:
        build_image(home, {"a": b"b"}, PLATFORMS[0], "1.0")
    key, other = homes.make("file", KeyType.ECDSA_P256), homes.make("file", KeyType.ECDSA_P256)
    sign(layout(tmp_path / "layout", "1.0"), key.key, formats=formats, identity="registry.example/a/b:1.0")
    where = str(tmp_path / "layout")
    tools.cosign_verify("cosign3", str(key.pem), where, "--local-image").must_succeed()
    assert not tools.cosign_verify("cosign3", str(other.pem), where, "--local-image").ok


def test_cosign_accepts_a_bundle_alone_in_a_layout_of_one_image(homes: Homes, tools: Tools, tmp_path: Path) -> None:
    """Of an index it does not find them (sigstore/cosign#4937)."""
    home = Layout.create(tmp_path / "layout")
    build_image(home, {"a": b"b"}, PLATFORMS[0], "1.0")
    key, other = homes.make("file", KeyType.ECDSA_P256), homes.make("file", KeyType.ECDSA_P256)
    sign(layout(tmp_path / "layout", "1.0"), key.key, formats=["bundle"])
    where = str(tmp_path / "layout")
    tools.cosign_verify("cosign3", str(key.pem), where, "--local-image").must_succeed()
    assert not tools.cosign_verify("cosign3", str(other.pem), where, "--local-image").ok


@pytest.mark.parametrize("bundle", [False, True], ids=["classic", "bundle"])
def test_we_verify_what_cosign_saved(
    bundle: bool, homes: Homes, tools: Tools, registry_tag: RegistryServer, tmp_path: Path
) -> None:
    key = homes.make("file", KeyType.ECDSA_P256)
    reference = f"{registry_tag.host}/saved/{'bundle' if bundle else 'classic'}:1.0"
    build_image(registry(reference).home, {"a": b"b"}, PLATFORMS[0], "1.0")
    tools.cosign3_sign(key.peer_uri, reference, bundle=bundle).must_succeed()
    tools.run("cosign3", "save", "--dir", str(tmp_path / "saved"), "--allow-http-registry", reference).must_succeed()
    assert verify(layout(tmp_path / "saved"), key.key).signatures
