"""The recipes of docs/howto/attestations.rst accept what they say, and refuse everything beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from imagesig import ImagesigError, KeyType, Policy, attest, verify_attestation
from imagesig.keys import FileProvider
from imagesig.testing import InMemoryRegistry
from tests.docs.blocks import ROOT, blocks

BLOCKS = blocks(ROOT / "docs" / "howto" / "attestations.rst")
SOURCE = "git+https://git.example/acme/app@refs/tags/v1.0"
APPROVAL = "https://acme.example/approval/v1"


class Bench:
    """An image named as on the page, and the page's keys in the working folder."""

    def __init__(self, server: InMemoryRegistry) -> None:
        server.add_image("acme/app:1.0")
        self.image, self._host = f"{server.host}/acme/app:1.0", server.host
        self.keys = {
            name: FileProvider(Path()).generate(f"{name}.key", KeyType.ECDSA_P256)
            for name in ("release", "ci", "alice", "bob")
        }
        for name, key in self.keys.items():
            Path(f"{name}.pub").write_text(key.info.public_key.pem)

    def attest(self, by: str, predicate_type: str, predicate: dict[str, Any]) -> None:
        attest(self.image, self.keys[by], predicate_type=predicate_type, predicate=predicate)

    def judge(self, file: str) -> None:
        """Raises unless the page's policy accepts the image."""
        (block,) = (item for item in BLOCKS if item.file == file)
        Path(file).write_text(block.source.replace("registry.example", self._host))
        verify_attestation(self.image, Policy.load(file))

    def run(self, *containing: str) -> None:
        """Runs the page's programs with these words, in order."""
        names: dict[str, Any] = {"image": self.image, "verify_attestation": verify_attestation}
        for word in containing:
            (block,) = (item for item in BLOCKS if item.language == "python" and word in item.source)
            exec(block.source.replace("registry.example/acme/app:1.0", self.image), names)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.chdir(tmp_path)
    with InMemoryRegistry() as server:
        yield Bench(server)


def provenance(builder: str = "https://builder.example/v1", source: str = SOURCE) -> dict[str, Any]:
    return {
        "buildDefinition": {"buildType": "https://builder.example/make", "externalParameters": {"source": source}},
        "runDetails": {"builder": {"id": builder}},
    }


def sbom(days: float = 1, *packages: str, **changes: Any) -> dict[str, Any]:
    created = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    document = {
        "spdxVersion": "SPDX-2.3",
        "SPDXID": "SPDXRef-DOCUMENT",
        "creationInfo": {"created": created},
        "packages": [{"name": name} for name in ("musl", *packages)],
    }
    return {name: value for name, value in (document | changes).items() if value is not None}


JUDGED = {
    "this builder and repository": ("provenance.toml", "ci", "slsaprovenance1", provenance(), True),
    "another builder": ("provenance.toml", "ci", "slsaprovenance1", provenance("https://builder.example/v2"), False),
    "another repository": (
        "provenance.toml",
        "ci",
        "slsaprovenance1",
        provenance(source="git+https://git.example/acme/app2@refs/tags/v1.0"),
        False,
    ),
    "a branch": ("provenance.toml", "ci", "slsaprovenance1", provenance(source=SOURCE.replace("tags", "heads")), False),
    "another signer of provenance": ("provenance.toml", "bob", "slsaprovenance1", provenance(), False),
    "another type": ("provenance.toml", "ci", "custom", provenance(), False),
    "a fresh SBOM": ("sbom.toml", "release", "spdxjson", sbom(), True),
    "an SBOM of 31 days": ("sbom.toml", "release", "spdxjson", sbom(31), False),
    "an SBOM of tomorrow": ("sbom.toml", "release", "spdxjson", sbom(-1), False),
    "a package of the list": ("sbom.toml", "release", "spdxjson", sbom(1, "log4j-core"), False),
    "a package with a longer name": ("sbom.toml", "release", "spdxjson", sbom(1, "log4j-core-x"), True),
    "no list of packages": ("sbom.toml", "release", "spdxjson", sbom(packages=None), False),
    "another signer of the SBOM": ("sbom.toml", "ci", "spdxjson", sbom(), False),
}


@pytest.mark.parametrize(("file", "by", "kind", "predicate", "fits"), JUDGED.values(), ids=JUDGED)
def test_the_policies(bench: Bench, file: str, by: str, kind: str, predicate: dict[str, Any], fits: bool) -> None:
    bench.attest(by, kind, predicate)
    if fits:
        bench.judge(file)
    else:
        with pytest.raises(ImagesigError):
            bench.judge(file)


def scan(*critical: str) -> dict[str, Any]:
    findings = [{"id": item, "severity": "CRITICAL"} for item in critical] + [{"id": "CVE-9", "severity": "LOW"}]
    return {"invocation": {}, "metadata": {}, "scanner": {"uri": "s", "result": {"findings": findings}}}


def vex(*excused: str, status: str = "not_affected") -> dict[str, Any]:
    statements = [{"vulnerability": {"name": item}, "status": status} for item in excused]
    return {"@context": "https://openvex.dev/ns/v0.2.0", "statements": statements}


SCANS = {
    "nothing critical": (scan(), vex("CVE-1"), "release", True),
    "excused": (scan("CVE-1"), vex("CVE-1", "CVE-2"), "release", True),
    "one of two excused": (scan("CVE-1", "CVE-2"), vex("CVE-1"), "release", False),
    "affected": (scan("CVE-1"), vex("CVE-1", status="affected"), "release", False),
    "excused by nobody trusted": (scan("CVE-1"), vex("CVE-1"), "ci", False),
}


@pytest.mark.parametrize(("found", "said", "by", "fits"), SCANS.values(), ids=SCANS)
def test_a_scan_that_vex_excuses(
    bench: Bench, found: dict[str, Any], said: dict[str, Any], by: str, fits: bool
) -> None:
    bench.attest("ci", "vuln", found)
    bench.attest(by, "openvex", said)
    if fits:
        bench.run("excused = ")
    else:
        with pytest.raises((ImagesigError, AssertionError)):
            bench.run("excused = ")


APPROVALS = {
    "two": ([("alice", "production"), ("bob", "production")], True),
    "one": ([("alice", "production")], False),
    "one twice": ([("alice", "production"), ("alice", "staging")], False),
    "one for something else": ([("alice", "production"), ("bob", "staging")], False),
    "one of a stranger": ([("alice", "production"), ("ci", "production")], False),
}


@pytest.mark.parametrize(("given", "fits"), APPROVALS.values(), ids=APPROVALS)
def test_two_approvals_by_distinct_keys(bench: Bench, given: list[tuple[str, str]], fits: bool) -> None:
    for by, environment in given:
        bench.attest(by, APPROVAL, {"environment": environment})
    if fits:
        bench.run("approvers = ")
    else:
        with pytest.raises((ImagesigError, AssertionError)):
            bench.run("approvers = ")
