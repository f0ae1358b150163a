"""Attestations beside cosign 3.1.3: the same registries, key and predicates."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.conftest import Bench, Record
from imagesig import attest, registry, verify_attestation
from imagesig.crypto.public_key import PublicKey
from imagesig.keys.file.provider import FileProvider
from tests.peers.servers import RegistryServer

ROUNDS = 10
MANY = 100
PEER = "cosign 3.1.3"
TYPE = "https://example.org/scan/v1"
_HTTP = ("--allow-http-registry", "--allow-insecure-registry")
_SETTLING = "a list of attestations that is a tag is read again after a pause, so that no writer loses one"
_BUNDLES = (
    "each bundle takes two requests, one after the other; cosign reads with all cores, and was expected to be slower"
)
_LAYERS = "each takes a request, a strict parse and an ECDSA verification; cosign was expected to be slower"
_numbers = itertools.count()


@pytest.fixture
def host(registry_referrers: RegistryServer) -> str:
    return registry_referrers.host


def _attested(bench: Bench, host: str, times: int = 1, form: str = "bundle") -> str:
    image = bench.push(host, f"attested-{next(_numbers)}")
    with FileProvider().open(str(bench.plain_key)) as key:
        for number in range(times):
            attest(image, key, predicate_type=TYPE, predicate={"number": number}, formats=[form])
    return image


def _key(bench: Bench) -> Path:
    return bench.plain_key.with_suffix(".pub")


def _cosign_verifies(bench: Bench, image: str) -> None:
    options = ("--key", str(_key(bench)), "--type", TYPE, "--insecure-ignore-tlog=true", *_HTTP)
    bench.tools.run("cosign3", "verify-attestation", *options, image).must_succeed()


def _verify(bench: Bench, image: str) -> Callable[[], object]:
    opened, key = registry(image), PublicKey.from_pem(_key(bench).read_bytes())
    return lambda: verify_attestation(opened, key, predicate_type=TYPE)


ONE = "verify one attestation, library warm (cosign: a process)"


@pytest.mark.benchmark(group=ONE)
def test_one_ours(benchmark: Any, side: Record, bench: Bench, host: str) -> None:
    side("ours", target=15, at_least=True, kind="rate")
    benchmark.pedantic(_verify(bench, _attested(bench, host)), rounds=100, warmup_rounds=10)


@pytest.mark.benchmark(group=ONE)
def test_one_cosign(benchmark: Any, side: Record, bench: Bench, host: str) -> None:
    side("peer", peer=PEER)
    image = _attested(bench, host)
    benchmark.pedantic(lambda: _cosign_verifies(bench, image), rounds=ROUNDS)


@pytest.fixture(params=["bundle", "cosign"])
def form(benchmark: Any, request: pytest.FixtureRequest) -> str:
    benchmark.group = f"verify one image with {MANY} attestations, {request.param} (cosign: a process)"
    return str(request.param)


def test_many_on_one_ours(benchmark: Any, side: Record, bench: Bench, host: str, form: str) -> None:
    if form == "bundle":
        side("ours", target=0.6, reason=_BUNDLES)
    else:
        side("ours", target=0.45, reason=_LAYERS)
    benchmark.pedantic(_verify(bench, _attested(bench, host, MANY, form)), rounds=ROUNDS, warmup_rounds=2)


def test_many_on_one_cosign(benchmark: Any, side: Record, bench: Bench, host: str, form: str) -> None:
    side("peer", peer=PEER)
    image = _attested(bench, host, MANY, form)
    benchmark.pedantic(lambda: _cosign_verifies(bench, image), rounds=3)


@pytest.fixture(params=["referrers", "tag"])
def either(request: pytest.FixtureRequest) -> str:
    server: RegistryServer = request.getfixturevalue(f"registry_{request.param}")
    return server.host


@pytest.fixture
def predicate(tmp_path: Path) -> Path:
    file = tmp_path / "scan.json"
    file.write_text('{"findings":[]}')
    return file


def _batch(bench: Bench, host: str) -> Callable[[], tuple[tuple[list[str]], dict[str, str]]]:
    return lambda: (([bench.push(host, f"fresh-{next(_numbers)}") for _ in range(MANY)],), {})


def _group(benchmark: Any, request: pytest.FixtureRequest) -> None:
    kind = request.node.callspec.params["either"]
    benchmark.group = f"command: attest {MANY} images in one command, registry {kind}"


def test_attest_ours(
    benchmark: Any, side: Record, bench: Bench, either: str, predicate: Path, request: pytest.FixtureRequest
) -> None:
    _group(benchmark, request)
    if request.node.callspec.params["either"] == "tag":
        side("ours", target=5, at_least=True, kind="rate", reason=_SETTLING)
    else:
        side("ours", target=20, at_least=True, kind="rate")
    options = ("--key", str(bench.encrypted_key), "--type", TYPE, "--predicate", str(predicate), "--format", "bundle")
    benchmark.pedantic(
        lambda images: bench.imagesig("attest", *options, *images), setup=_batch(bench, either), rounds=2
    )


def test_attest_cosign(
    benchmark: Any, side: Record, bench: Bench, either: str, predicate: Path, request: pytest.FixtureRequest
) -> None:
    _group(benchmark, request)
    side("peer", peer=PEER)
    about = ("--key", str(bench.encrypted_key), "--type", TYPE, "--predicate", str(predicate))
    offline = ("--use-signing-config=false", "--tlog-upload=false", "--yes")

    def run(images: list[str]) -> None:
        bench.tools.run("cosign3", "attest", *about, *offline, *_HTTP, *images).must_succeed()

    benchmark.pedantic(run, setup=_batch(bench, either), rounds=1)
