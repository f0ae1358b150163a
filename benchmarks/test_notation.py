"""Notary Project signatures beside notation 1.3.2, which is a process for each image; the same registry and key."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.conftest import Bench, Record
from imagesig import sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.images.registry.connect import registry
from imagesig.keys.file.private_key import PrivateKey
from imagesig.keys.file.provider import FileKey, FileProvider
from imagesig.witnesses import offline
from tests.chains import pem
from tests.interop.notation import NotationHome
from tests.peers.servers import RegistryServer

ROUNDS = 10
MANY = 100
PEER = "notation 1.3.2"
_STRICT = "three signatures are checked, and the chain is read strictly, in Python; notation's whole process is short"
_PYTHON = "notation's whole process is shorter than the start of Python with `import cryptography.x509`"
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Certified:
    """One P-256 key with a certificate, as both sides have it."""

    home: NotationHome
    key_file: Path
    roots: Path


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    home = NotationHome.create(tmp_path_factory.mktemp("notation") / "home")
    folder = tmp_path_factory.mktemp("keys")
    key = PrivateKey.generate(KeyType.ECDSA_P256)
    chain = home.certify(key)
    home.add_key("bench", key, chain)
    key_file = folder / "bench.key"
    key_file.write_bytes(key.to_pem(None))
    key_file.chmod(0o600)
    (folder / "bench.crt").write_text(pem(chain))
    (folder / "roots.pem").write_text(pem(chain[-1:]))
    return Certified(home, key_file, folder / "roots.pem")


@pytest.fixture
def image(bench: Bench, registry_referrers: RegistryServer) -> str:
    return bench.push(registry_referrers.host, f"notation-{next(_numbers)}")


def _signed(certified: Certified, image: str, times: int = 1) -> str:
    with FileProvider().open(str(certified.key_file)) as key:
        assert isinstance(key, FileKey)
        for number in range(times):
            sign(image, key, formats=["notation"], annotations={"number": str(number)})
    return image


@pytest.mark.benchmark(group="notation: verify one signature, library warm (notation: a process)")
def test_verify_ours(benchmark: Any, side: Record, certified: Certified, image: str) -> None:
    side("ours", target=5, at_least=True, kind="rate", reason=_STRICT)
    opened, policy, witnesses = registry(_signed(certified, image)), certified.home.policy, offline()
    benchmark.pedantic(lambda: verify(opened, policy, witnesses=witnesses), rounds=100, warmup_rounds=10)


@pytest.mark.benchmark(group="notation: verify one signature, library warm (notation: a process)")
def test_verify_notation(benchmark: Any, side: Record, certified: Certified, image: str) -> None:
    side("peer", peer=PEER)
    reference = _signed(certified, image)
    benchmark.pedantic(lambda: certified.home.verify(reference).must_succeed(), rounds=ROUNDS)


@pytest.mark.benchmark(group="notation: verify all of an image's 100 signatures")
def test_many_ours(benchmark: Any, side: Record, certified: Certified, image: str) -> None:
    side("ours", target=1)
    opened, policy, witnesses = registry(_signed(certified, image, MANY)), certified.home.policy, offline()
    benchmark.pedantic(lambda: verify(opened, policy, witnesses=witnesses), rounds=ROUNDS)


@pytest.mark.benchmark(group="notation: verify all of an image's 100 signatures")
def test_many_notation(benchmark: Any, side: Record, certified: Certified, image: str) -> None:
    side("peer", peer=PEER)
    reference = _signed(certified, image, MANY)

    def search() -> None:
        # notation ends at the first signature that it accepts, and the registry chooses the order: it accepts none
        done = certified.home.verify(reference, "-m", "number=none")
        assert not done.ok
        assert "number" in done.stdout + done.stderr, done.stderr

    benchmark.pedantic(search, rounds=ROUNDS)


@pytest.mark.benchmark(group="notation: the command verifies one image")
def test_command_ours(benchmark: Any, side: Record, bench: Bench, certified: Certified, image: str) -> None:
    side("ours", target=15, reason=_PYTHON)
    reference = _signed(certified, image)
    verified = ("verify", "--ca", str(certified.roots), "--format", "notation", reference)
    benchmark.pedantic(lambda: bench.imagesig(*verified), rounds=ROUNDS)


@pytest.mark.benchmark(group="notation: the command verifies one image")
def test_command_notation(benchmark: Any, side: Record, certified: Certified, image: str) -> None:
    side("peer", peer=PEER)
    reference = _signed(certified, image)
    benchmark.pedantic(lambda: certified.home.verify(reference).must_succeed(), rounds=ROUNDS)


@pytest.mark.benchmark(group="notation: sign 100 images (notation: 100 processes)")
def test_sign_many_ours(
    benchmark: Any, side: Record, bench: Bench, certified: Certified, registry_referrers: RegistryServer
) -> None:
    side("ours", target=1)
    command = ("sign", "--key", str(certified.key_file), "--format", "notation")
    benchmark.pedantic(
        lambda *images: bench.imagesig(*command, *images),
        setup=lambda: (tuple(bench.push(registry_referrers.host, f"many-{next(_numbers)}") for _ in range(MANY)), {}),
        rounds=3,
    )


@pytest.mark.benchmark(group="notation: sign 100 images (notation: 100 processes)")
def test_sign_many_notation(
    benchmark: Any, side: Record, bench: Bench, certified: Certified, registry_referrers: RegistryServer
) -> None:
    side("peer", peer=PEER)

    def one_by_one(*images: str) -> None:
        for reference in images:
            certified.home.sign("bench", "jws", reference).must_succeed()

    benchmark.pedantic(
        one_by_one,
        setup=lambda: (tuple(bench.push(registry_referrers.host, f"many-{next(_numbers)}") for _ in range(MANY)), {}),
        rounds=3,
    )
