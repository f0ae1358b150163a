"""A fleet on three kinds of real registry, with a few forged, unsigned and unreachable images among hundreds."""

from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagesig import Outcome, Transport, VerificationResult, sign, sign_many, verify_many
from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.open import ImageOpener
from imagesig.images.registry.credential import anonymous
from imagesig.keys.file.provider import FileProvider
from imagesig.oci.descriptor import parse_descriptor
from imagesig.oci.digest import tag_of
from imagesig.testing import Answer, InMemoryRegistry, Request
from tests.cli.test_commands import imagesig
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop

NOBODY = Transport(credentials=anonymous)
IMAGES = 100
"""On each registry; of each hundred one is forged, one unsigned, and one more lies where nobody answers."""
FORGED, UNSIGNED, UNREACHABLE = "NoSignatureAccepted", "NoSignatures", "Unreachable"


@dataclass(frozen=True, slots=True)
class Fleet:
    """Every image with the verdict that is right for it: the name of an error, or nothing."""

    expected: dict[str, str]
    folder: Path

    @property
    def images(self) -> list[str]:
        return list(self.expected)

    @property
    def public_key(self) -> str:
        return str(self.folder / "k.pub")


def nobody_answers(request: Request) -> Answer | None:
    """Three ways to be out of reach, by repository."""
    if "/gone/0/" in request.path:
        return Answer(503)
    if "/gone/1/" in request.path:
        return Answer(0, close=True)
    return Answer(429, headers={"retry-after": "0"})


@pytest.fixture(scope="module")
def fleet(
    registry_referrers: RegistryServer,
    registry_tag: RegistryServer,
    registry_ggcr: RegistryServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    provider = FileProvider(folder)
    key, other = provider.generate("k.key", KeyType.ECDSA_P256), provider.generate("x.key", KeyType.ECDSA_P256)
    opener = ImageOpener(NOBODY)
    expected: dict[str, str] = {}
    for kind, server in enumerate((registry_referrers, registry_tag, registry_ggcr)):
        names = [f"{server.host}/fleet/app{number}:1.0" for number in range(IMAGES)]
        for number, name in enumerate(names):
            build_image(opener.open(name).home, {"bin/app": f"{kind} {number}".encode()}, PLATFORMS[0], "1.0")
        expected |= dict.fromkeys(names, "") | {names[17]: FORGED, names[55]: UNSIGNED}
        good = [name for name in names if not expected[name]]
        assert all(outcome.ok for outcome in sign_many(good, key, transport=NOBODY))
        if kind == 0:
            sign(opener.open(names[17]), other)
        else:
            move_signature(opener, names[3], names[17])
    with InMemoryRegistry() as fault:
        fault.faults.append(nobody_answers)
        expected |= {f"{fault.host}/gone/{number}/app:1.0": UNREACHABLE for number in range(3)}
        yield Fleet(expected, folder)
    opener.close()


def move_signature(opener: ImageOpener, signed: str, forged: str) -> None:
    """What a forger can do without a key: give one image the signatures of another."""
    source, target = opener.open(signed), opener.open(forged)
    signatures = source.home.resolve(tag_of(source.home.resolve("1.0").digest, ".sig"))
    content = source.home.read(signatures, limit=signatures.size)
    document = json.loads(content)
    for blob in (document["config"], *document["layers"]):
        descriptor = parse_descriptor(blob, "blob")
        target.home.put_blob(source.home.read(descriptor, limit=descriptor.size), descriptor.media_type)
    subject = target.home.resolve("1.0")
    target.home.put_manifest(content, signatures.media_type, tag_of(subject.digest, ".sig"))


def verdicts(outcomes: Iterable[Outcome[VerificationResult]]) -> dict[str, str]:
    return {str(item.image): type(item.error).__name__ if item.error else "" for item in outcomes}


def test_every_image_of_the_fleet_has_its_verdict(fleet: Fleet) -> None:
    counts = Counter(fleet.expected.values())
    assert counts == {"": 3 * (IMAGES - 2), FORGED: 3, UNSIGNED: 3, UNREACHABLE: 3}
    assert verdicts(verify_many(fleet.images, fleet.public_key, transport=NOBODY)) == fleet.expected


def test_processes_agree(fleet: Fleet) -> None:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        found = verdicts(verify_many(fleet.images, fleet.public_key, transport=NOBODY, executor=pool))
    assert found == fleet.expected


def test_the_command_agrees_and_counts(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "images.txt").write_text("\n".join(fleet.images))
    done = imagesig(
        *("verify", "--key", fleet.public_key, "--images-from", str(tmp_path / "images.txt"), "--output", "jsonl"),
        HOME=str(tmp_path),
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["image"]: line.get("error", "") for line in lines} == fleet.expected
    assert done.stderr.splitlines()[-1] == "303 images: 294 verified, 3 refused, 3 unsigned, 3 unreachable"
    assert done.returncode == 1
