"""The command beside cosign 3.1.3: whole processes, from start to exit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.conftest import Bench, Record
from tests.peers.servers import RegistryServer

ROUNDS = 15
IMAGES = 100
_SETTLING = "a list of signatures that is a tag is read again after a pause, so that no writer loses a signature"
_START = "half of our time is the start of Python, which a program of Go does not have"
_SCRYPT = f"scrypt takes both about as long; {_START}"
_numbers = itertools.count()


@pytest.fixture(params=["referrers", "tag"])
def host(request: pytest.FixtureRequest) -> str:
    server: RegistryServer = request.getfixturevalue(f"registry_{request.param}")
    return server.host


@pytest.fixture
def signed(bench: Bench, host: str) -> str:
    reference = bench.push(host, f"signed-{next(_numbers)}")
    bench.imagesig(
        "sign", "--key", str(bench.encrypted_key), "--identity", reference.partition("@")[0] + ":1.0", reference
    )
    return reference


def group(benchmark: Any, text: str, request: pytest.FixtureRequest) -> None:
    benchmark.group = f"{text}, registry {request.node.callspec.params['host']}"


def test_verify_ours(benchmark: Any, side: Record, bench: Bench, signed: str, request: pytest.FixtureRequest) -> None:
    group(benchmark, "command: verify one image", request)
    side("ours", target=2.5)
    benchmark.pedantic(lambda: bench.imagesig("verify", "--key", str(bench.public_key), signed), rounds=ROUNDS)


def test_verify_cosign(benchmark: Any, side: Record, bench: Bench, signed: str, request: pytest.FixtureRequest) -> None:
    group(benchmark, "command: verify one image", request)
    side("peer", peer="cosign 3.1.3")
    run = lambda: bench.tools.cosign_verify("cosign3", str(bench.public_key), signed).must_succeed()  # noqa: E731
    benchmark.pedantic(run, rounds=ROUNDS)


def fresh(bench: Bench, host: str) -> Callable[[], tuple[tuple[str], dict[str, str]]]:
    return lambda: ((bench.push(host, f"fresh-{next(_numbers)}"),), {})


def test_sign_ours(benchmark: Any, side: Record, bench: Bench, host: str, request: pytest.FixtureRequest) -> None:
    group(benchmark, "command: sign one image, same encrypted key", request)
    side("ours", target=1.5, reason=_SCRYPT)
    sign = lambda image: bench.imagesig("sign", "--key", str(bench.encrypted_key), image)  # noqa: E731
    benchmark.pedantic(sign, setup=fresh(bench, host), rounds=ROUNDS)


def test_sign_cosign(benchmark: Any, side: Record, bench: Bench, host: str, request: pytest.FixtureRequest) -> None:
    group(benchmark, "command: sign one image, same encrypted key", request)
    side("peer", peer="cosign 3.1.3")
    sign = lambda image: bench.tools.cosign3_sign(str(bench.encrypted_key), image, bundle=True).must_succeed()  # noqa: E731
    benchmark.pedantic(sign, setup=fresh(bench, host), rounds=ROUNDS)


def test_sign_plain_ours(benchmark: Any, side: Record, bench: Bench, host: str, request: pytest.FixtureRequest) -> None:
    group(benchmark, "command: sign one image, PEM key (cosign: encrypted)", request)
    if request.node.callspec.params["host"] == "tag":
        side("ours", target=0.85, reason=f"{_START}; {_SETTLING}")
    else:
        side("ours", target=0.75, reason=_START)
    sign = lambda image: bench.imagesig("sign", "--key", str(bench.plain_key), image)  # noqa: E731
    benchmark.pedantic(sign, setup=fresh(bench, host), rounds=ROUNDS)


def test_sign_plain_cosign(
    benchmark: Any, side: Record, bench: Bench, host: str, request: pytest.FixtureRequest
) -> None:
    group(benchmark, "command: sign one image, PEM key (cosign: encrypted)", request)
    side("peer", peer="cosign 3.1.3, which has no PEM keys")
    sign = lambda image: bench.tools.cosign3_sign(str(bench.encrypted_key), image, bundle=True).must_succeed()  # noqa: E731
    benchmark.pedantic(sign, setup=fresh(bench, host), rounds=ROUNDS)


def batch(bench: Bench, host: str) -> Callable[[], tuple[tuple[list[str]], dict[str, str]]]:
    return lambda: (([bench.push(host, f"batch-{next(_numbers)}") for _ in range(IMAGES)],), {})


def test_hundred_ours(benchmark: Any, side: Record, bench: Bench, host: str, request: pytest.FixtureRequest) -> None:
    group(benchmark, f"command: sign {IMAGES} images in one command", request)
    if benchmark.group.endswith("registry tag"):
        side("ours", target=5, at_least=True, kind="rate", reason=_SETTLING)
    else:
        side("ours", target=20, at_least=True, kind="rate")
    sign = lambda images: bench.imagesig("sign", "--key", str(bench.encrypted_key), *images)  # noqa: E731
    benchmark.pedantic(sign, setup=batch(bench, host), rounds=2)


def test_hundred_cosign(benchmark: Any, side: Record, bench: Bench, host: str, request: pytest.FixtureRequest) -> None:
    group(benchmark, f"command: sign {IMAGES} images in one command", request)
    side("peer", peer="cosign 3.1.3")

    def sign(images: list[str]) -> None:
        bench.tools.cosign3_sign(str(bench.encrypted_key), images[0], bundle=True, more=images[1:]).must_succeed()

    benchmark.pedantic(sign, setup=batch(bench, host), rounds=1)
