"""Many images: the command beside one `cosign verify` with as many arguments; time, CPU and memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.conftest import Bench, Record, environment
from imagesig import sign_many
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.open import ImageOpener, Transport
from imagesig.keys import open_key
from tests.peers import binary
from tests.peers.servers import RegistryServer

IMAGES = 500
FEW, MANY = 50, 5000
ROUNDS = 5
FORMS = {"classic": ["cosign"], "bundle": ["bundle"], "both": ["cosign", "bundle"]}


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process took: seconds, CPU seconds, bytes at its largest."""

    wall: float
    cpu: float
    memory: int


def measured(command: list[str], home: Path) -> Usage:
    """Runs a command that must succeed."""
    environ = environment(home) | {"SIGSTORE_REKOR_PUBLIC_KEY": "/nonexistent"}
    with (home / "output").open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    assert status == 0, (home / "output").read_text()[-2000:]
    return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def ours(bench: Bench, *arguments: str) -> Usage:
    program = str(Path(sys.executable).with_name("imagesig"))
    return measured([program, "verify", "--key", str(bench.plain_key.with_suffix(".pub")), *arguments], bench.folder)


def cosign(bench: Bench, *images: str) -> Usage:
    options = ["--insecure-ignore-tlog=true", "--allow-http-registry", "--allow-insecure-registry"]
    return measured(
        [str(binary("cosign3")), "verify", "--key", str(bench.plain_key.with_suffix(".pub")), *options, *images],
        bench.folder,
    )


def push(host: str, name: str, count: int) -> list[str]:
    """References by digest of so many small images, each in a repository of its own."""
    opener, references = ImageOpener(Transport()), []
    for number in range(count):
        image = opener.open(f"{host}/{name}/app{number}:1.0")
        descriptor = build_image(image.home, {"bin/app": f"{name} {number}".encode()}, PLATFORMS[0], "1.0")
        references.append(f"{host}/{name}/app{number}@{descriptor.digest}")
    opener.close()
    return references


@pytest.fixture(scope="module", params=FORMS)
def fleet(request: pytest.FixtureRequest, bench: Bench, registry_referrers: RegistryServer) -> tuple[str, list[str]]:
    """Signed in one form, or in both; and the images."""
    images = push(registry_referrers.host, f"fleet-{request.param}", IMAGES)
    with open_key(str(bench.plain_key)) as key:
        assert all(outcome.ok for outcome in sign_many(images, key, formats=FORMS[request.param]))
    return request.param, images


def compare(benchmark: Any, side: Record, name: str, target: float, run: Any, form: str, kind: str) -> None:
    what = "time" if kind == "rate" else "CPU time"
    benchmark.group = f"command: verify {IMAGES} images, {form}: {what}"
    side(name, target=target, at_least=kind == "rate", kind=kind, peer="cosign 3.1.3")
    usages: list[Usage] = []
    benchmark.pedantic(lambda: usages.append(run()), rounds=ROUNDS, warmup_rounds=0)
    benchmark.extra_info["measured"] = [usage.wall if kind == "rate" else usage.cpu for usage in usages]


@pytest.mark.parametrize("kind", ["rate", "cpu"])
def test_verify_ours(
    benchmark: Any, side: Record, bench: Bench, fleet: tuple[str, list[str]], tmp_path: Path, kind: str
) -> None:
    form, images = fleet
    (tmp_path / "images.txt").write_text("\n".join(images))
    selected = [word for name in FORMS[form] for word in ("--format", name)] if form != "both" else []
    run = lambda: ours(bench, *selected, "--images-from", str(tmp_path / "images.txt"))  # noqa: E731
    compare(benchmark, side, "ours", 2 if kind == "rate" else 1, run, form, kind)


@pytest.mark.parametrize("kind", ["rate", "cpu"])
def test_verify_cosign(benchmark: Any, side: Record, bench: Bench, fleet: tuple[str, list[str]], kind: str) -> None:
    form, images = fleet
    compare(benchmark, side, "peer", 0, lambda: cosign(bench, *images), form, kind)


@pytest.fixture(scope="module")
def tags(bench: Bench, registry_referrers: RegistryServer) -> list[str]:
    """Many references by tag, of a few signed images: each is resolved, found signed and judged by its own name."""
    opener, references = ImageOpener(Transport()), []
    images = push(registry_referrers.host, "memory", FEW)
    with open_key(str(bench.plain_key)) as key:
        names = [image.partition("@")[0] for image in images]
        for image, name in zip(images, names, strict=True):
            assert all(outcome.ok for outcome in sign_many([image], key, identity=name, formats=["cosign"]))
    for number in range(MANY):
        name = names[number % FEW]
        home = opener.open(f"{name}:1.0").home
        stored = home.resolve("1.0")
        home.put_manifest(home.read(stored, limit=stored.size), stored.media_type, f"t{number}")
        references.append(f"{name}:t{number}")
    opener.close()
    return references


@pytest.mark.parametrize(("name", "count"), [("ours", MANY), ("peer", FEW)])
def test_memory(
    benchmark: Any, side: Record, bench: Bench, tags: list[str], tmp_path: Path, name: str, count: int
) -> None:
    benchmark.group = f"command: memory for {MANY} images beside that for {FEW}"
    side(name, target=1.2, kind="memory", peer=f"the same for {FEW}")
    (tmp_path / "images.txt").write_text("\n".join(tags[:count]))
    usages: list[Usage] = []
    run = lambda: usages.append(ours(bench, "--images-from", str(tmp_path / "images.txt")))  # noqa: E731
    benchmark.pedantic(run, rounds=2, warmup_rounds=0)
    benchmark.extra_info["measured"] = [usage.memory for usage in usages]
