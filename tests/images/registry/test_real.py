"""Several signers at once, on every kind of real registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagesig import inspect, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import NoSignatures
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.keys.file.provider import FileProvider
from tests.peers.servers import RegistryServer
from tests.signers import sign_in_processes, sign_in_threads

pytestmark = pytest.mark.interop


@pytest.fixture(params=["referrers", "tag", "ggcr"])
def reference(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    server: RegistryServer = request.getfixturevalue(f"registry_{request.param}")
    name = f"{server.host}/writers/{tmp_path.name.lower().strip('_')}:1.0"
    build_image(registry(name).home, {"a": b"b"}, PLATFORMS[0], "1.0")
    return name


def test_an_unsigned_image_has_no_signatures_and_nothing_else_is_said(reference: str, tmp_path: Path) -> None:
    key = FileProvider(tmp_path).generate("a.key", KeyType.ECDSA_P256)
    with pytest.raises(NoSignatures):
        verify(reference, key.info.public_key)
    assert inspect(reference).signatures == ()


def test_eight_threads_lose_nothing(reference: str, tmp_path: Path) -> None:
    sign_in_threads(reference, tmp_path, 8)
    assert len(inspect(reference).signatures) == 16


def test_four_processes_lose_nothing(reference: str, tmp_path: Path) -> None:
    sign_in_processes(reference, tmp_path, 4)
    assert len(inspect(reference).signatures) == 8
