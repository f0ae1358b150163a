"""Several signers at once, on every kind of real registry."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest

from imagesig import inspect, sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import NoSignatures
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from imagesig.keys.file.provider import FileProvider
from tests.peers.servers import RegistryServer

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


def _sign_with_a_new_key(reference: str, folder: Path, number: int) -> None:
    sign(reference, FileProvider(folder).generate(f"{number}.key", KeyType.ECDSA_P256))


def test_eight_threads_lose_nothing(reference: str, tmp_path: Path) -> None:
    threads = [threading.Thread(target=_sign_with_a_new_key, args=(reference, tmp_path, n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(inspect(reference).signatures) == 16


def test_four_processes_lose_nothing(reference: str, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    work = [context.Process(target=_sign_with_a_new_key, args=(reference, tmp_path, n)) for n in range(4)]
    for process in work:
        process.start()
    for process in work:
        process.join()
    assert [process.exitcode for process in work] == [0, 0, 0, 0]
    assert len(inspect(reference).signatures) == 8
