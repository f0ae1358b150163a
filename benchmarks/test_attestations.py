"""A large SBOM as an attestation, beside the least work that could do the same."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.conftest import Record
from imagesig import attest, layout, verify_attestation
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout
from imagesig.in_toto.statement import parse_predicate
from imagesig.policy import Condition
from tests.makers import private_key, signing_key

MIB = 20
ROUNDS = 20
TYPE = "https://spdx.dev/Document"


@cache
def sbom() -> bytes:
    """An SBOM of that many MiB."""
    packages = [
        {"name": f"package-{number:07d}", "versionInfo": "1.2.3", "SPDXID": f"SPDXRef-{number:07d}"}
        for number in range(MIB * 1024 * 1024 // 82)
    ]
    return json.dumps({"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "packages": packages}).encode()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder: Path = tmp_path_factory.mktemp("attested") / "image"
    build_image(Layout.create(folder), {"a": b"b"}, PLATFORMS[0], "1.0")
    attest(f"oci:{folder}:1.0", signing_key(), predicate_type=TYPE, predicate=sbom(), formats=["bundle"])
    return layout(folder, "1.0")


GROUP = "verify a 20 MiB SBOM without conditions, library, warm"


@pytest.mark.benchmark(group=GROUP)
def test_large_ours(benchmark: Any, side: Record, image: Image) -> None:
    side("ours", target=2.0, reason="the peer checks nothing and reads no file")
    key = private_key().public_key
    benchmark.pedantic(lambda: verify_attestation(image, key, predicate_type=TYPE), rounds=ROUNDS, warmup_rounds=2)


@pytest.mark.benchmark(group=GROUP)
def test_large_bare(benchmark: Any, side: Record) -> None:
    side("peer", peer="SHA-256, base64 and one scan")
    text = base64.b64encode(sbom())

    def bare() -> None:
        payload = base64.b64decode(text)
        hashlib.sha256(payload).digest()
        msgspec.json.decode(payload, type=msgspec.Raw)

    benchmark.pedantic(bare, rounds=ROUNDS, warmup_rounds=2)


JUDGED = "verify a 20 MiB SBOM with a condition, library, warm"


@pytest.mark.benchmark(group=JUDGED)
def test_judged_ours(benchmark: Any, side: Record, image: Image) -> None:
    side("ours", target=1.5, reason="the peer is our own strict parse of the predicate")
    key, condition = private_key().public_key, Condition("/spdxVersion", "equals", "SPDX-2.3")
    benchmark.pedantic(
        lambda: verify_attestation(image, key, predicate_type=TYPE, conditions=[condition]), rounds=3, warmup_rounds=1
    )


@pytest.mark.benchmark(group=JUDGED)
def test_judged_bare(benchmark: Any, side: Record) -> None:
    side("peer", peer="our strict parse")
    benchmark.pedantic(lambda: parse_predicate(sbom()), rounds=3, warmup_rounds=1)
