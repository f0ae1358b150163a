"""Many images: the command beside one `cosign verify` with as many arguments; time, CPU and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.conftest import COMMAND, Bench, Record, environment
from imagesig import sign_many
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.open import ImageOpener, Transport
from imagesig.keys import open_key
from tests.peers import binary
from tests.peers.servers import RegistryServer

IMAGES = 500
FEW, MANY = 50, 5000
ROUNDS = 5
_SHARED = "on two cores the registry takes much of the time of both; cosign looks for one form only"
FORMS = {"classic": ["cosign"], "bundle": ["bundle"], "both": ["cosign", "bundle"]}


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process took: seconds, CPU seconds, bytes at its largest."""

    wall: float
    cpu: float
    memory: int


_MEASURE = """
import json, os, subprocess, sys, time
with open(sys.argv[1], "wb") as output:
    started = time.perf_counter()
    process = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = status
print(json.dumps([wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, status]))
"""


def measured(command: list[str], home: Path) -> Usage:
    """Runs a command that must succeed, from a small process: a child's largest size counts that of its parent."""
    environ = environment(home) | {"SIGSTORE_REKOR_PUBLIC_KEY": "/nonexistent"}
    output = home / "output"
    done = subprocess.run(
        [sys.executable, "-S", "-c", _MEASURE, str(output), *command], env=environ, capture_output=True, check=True
    )
    wall, cpu, memory, status = json.loads(done.stdout)
    assert status == 0, output.read_text()[-2000:]
    return Usage(wall, cpu, memory)


def ours(bench: Bench, *arguments: str) -> Usage:
    return measured([*COMMAND, "verify", "--key", str(bench.plain_key.with_suffix(".pub")), *arguments], bench.folder)


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


@dataclass(frozen=True, slots=True)
class Race:
    """What both sides took, turn by turn, so that a busy moment of the machine meets both."""

    form: str
    ours: list[Usage]
    peer: list[Usage]


@pytest.fixture(scope="module", params=FORMS)
def race(
    request: pytest.FixtureRequest,
    bench: Bench,
    registry_referrers: RegistryServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Race:
    """Images signed in one form, which both sides look for; or in both forms, which we then look for."""
    form = request.param
    images = push(registry_referrers.host, f"fleet-{form}", IMAGES)
    with open_key(str(bench.plain_key)) as key:
        assert all(outcome.ok for outcome in sign_many(images, key, formats=FORMS[form]))
    listed = tmp_path_factory.mktemp("fleet") / "images.txt"
    listed.write_text("\n".join(images))
    selected = [word for name in FORMS[form] for word in ("--format", name)] if form != "both" else []
    result = Race(form, [], [])
    for _ in range(ROUNDS):
        result.ours.append(ours(bench, *selected, "--images-from", str(listed)))
        result.peer.append(cosign(bench, *images))
    return result


@pytest.mark.parametrize("name", ["ours", "peer"])
@pytest.mark.parametrize("kind", ["rate", "cpu"])
def test_verify(benchmark: Any, side: Record, race: Race, kind: str, name: str) -> None:
    what = "time" if kind == "rate" else "CPU time"
    benchmark.group = f"command: verify {IMAGES} images, {race.form}: {what}"
    target = 1.25 if kind == "rate" else 1.1
    side(name, target=target, at_least=kind == "rate", kind=kind, peer="cosign 3.1.3", reason=_SHARED)
    usages = race.ours if name == "ours" else race.peer
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info["measured"] = [usage.wall if kind == "rate" else usage.cpu for usage in usages]


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
