from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.keys.file.provider import FileProvider
from imagesig.oci.digest import sha256
from imagesig.testing import InMemoryRegistry
from tests.commands import run_here
from tests.content_trust.notary import Notary, notary
from tests.content_trust.repository import NOW, Delegation, TrustRepository, certified, p256, tag
from tests.schemas import schemas


class Stage:
    """Trust data of `app`: 1.0 as it is, 2.0 moved, gone; `nobody` is not in them. Those of `old` have expired."""

    def __init__(self, registry: InMemoryRegistry, server: Notary, folder: Path) -> None:
        self.folder, self.url = folder, server.url
        self.name, self.old = f"{registry.host}/app", f"{registry.host}/old"
        digests = {}
        for name in ("app:1.0", "app:2.0", "app:nobody", "old:1.0"):
            registry.add_image(name)
            content, _ = registry.manifest(*name.split(":"))
            digests[name] = tag(sha256(content), len(content))
        registry.add_image("app:2.0", platforms=("linux/amd64",))
        tags = {"1.0": digests["app:1.0"], "2.0": digests["app:2.0"], "gone": tag("sha256:" + "ef" * 32)}
        alice = {"targets/alice": Delegation([p256()], {"1.0": tags["1.0"]})}
        self.trusted = TrustRepository(self.name, root=[certified(self.name)], tags=tags, delegations=alice)
        self.expired = TrustRepository(self.old, root=[certified(self.old)], tags={"1.0": digests["old:1.0"]})
        self.expired.expires["timestamp"] = NOW - timedelta(days=3)
        server.repositories |= {self.name: self.trusted, self.old: self.expired}
        FileProvider(folder).generate("k.key", KeyType.ECDSA_P256)

    @property
    def pins(self) -> list[str]:
        return [f"--pin={item.root[0].id}" for item in (self.trusted, self.expired)]

    def run(self, *arguments: object) -> tuple[int, str, str]:
        key = ("--key", self.folder / "k.key")
        done = run_here("trust", "migrate", *key, "--notary-server", self.url, *self.pins, *arguments)
        return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with InMemoryRegistry() as registry, notary() as server:
        yield Stage(registry, server, tmp_path)


def test_the_report_says_what_became_of_each_tag(stage: Stage) -> None:
    status, shown, said = stage.run(stage.name, stage.old)

    assert status == 12, said
    lines = shown.splitlines()
    assert any(line.startswith(f"migrated       {stage.name}:1.0  sha256:") for line in lines)
    assert any(line.endswith("signed by alice") for line in lines)
    assert any(line.startswith("  moved        the registry's tag means sha256:") for line in lines)
    assert f"nobody signed  {stage.name}:nobody" in lines
    assert f"error: {stage.name}:gone: the registry no longer has sha256:efefef" in said
    assert f"error: {stage.old}:1.0: the trust data that name" in said
    assert "--accept-expired" in said
    assert "5 tags: 2 migrated, 1 nobody signed, 1 expired, 1 not found; 1 moved in the registry" in said


def test_a_second_run_says_already_signed(stage: Stage) -> None:
    assert stage.run("--dry-run", f"{stage.name}:1.0")[:2] == (0, stage.run("--dry-run", f"{stage.name}:1.0")[1])
    assert stage.run("--dry-run", f"{stage.name}:1.0")[1].startswith("planned ")
    assert stage.run(f"{stage.name}:1.0")[1].startswith("migrated ")
    assert stage.run(f"{stage.name}:1.0")[1].startswith("already signed ")
    verified = run_here(
        *("verify", "--key", stage.folder / "k.pub", "--annotation", "imagesig.content-trust.signers=alice"),
        f"{stage.name}:1.0",
    )
    assert verified.exit_code == 0, verified.stderr


@pytest.mark.parametrize("output", ["json", "jsonl"])
def test_the_json_has_a_schema(stage: Stage, output: str) -> None:
    listed = stage.folder / "list.txt"
    listed.write_text(f"{stage.name}\n{stage.old}:1.0  # expired\n")
    status, shown, _ = stage.run("--output", output, "--images-from", listed)

    assert status == 12
    if output == "jsonl":
        for line in shown.splitlines():
            jsonschema.validate(json.loads(line), schemas()["trust migrate line"])
        return
    document = json.loads(shown)
    jsonschema.validate(document, schemas()["trust migrate"])
    assert document["summary"] == {
        "total": 5,
        "migrated": 2,
        "nobody signed": 1,
        "not found": 1,
        "expired": 1,
        "moved": 1,
    }
    status, shown, _ = stage.run("--output", "json", "--format", "none-such", stage.name)
    assert status == 2


def test_expired_data_of_a_backup_are_accepted_on_request(stage: Stage) -> None:
    backup = stage.folder / "backup"
    backup.mkdir()
    for name, content in stage.expired.files().items():
        (backup / name).write_bytes(content)

    assert stage.run("--from", backup, stage.old)[0] == 12
    status, shown, said = stage.run("--from", backup, "--accept-expired", stage.old)
    assert status == 0, said
    assert f"until {NOW - timedelta(days=3):%Y-%m-%d}; accepted by --accept-expired" in shown
    status, _, said = stage.run("--from", backup, "--accept-expired", stage.old, stage.name)
    assert status == 2
    assert "the files of one repository" in said
    assert stage.run("--from", stage.folder / "none", stage.old)[0] == 2


@pytest.mark.parametrize(("asked", "status"), [("none", 10), ("app:nobody", 10), ("app:gone", 11), ("app:1.0", 0)])
def test_the_exit_status_is_that_of_the_worst_outcome(stage: Stage, asked: str, status: int) -> None:
    host = stage.name.partition("/")[0]
    assert stage.run(f"{host}/{asked}", f"{stage.name}:1.0")[0] == status


def test_a_pin_is_needed_or_trust_on_first_use_which_is_said(stage: Stage) -> None:
    command = ("trust", "migrate", "--key", stage.folder / "k.key", "--notary-server", stage.url)
    refused = run_here(*command, stage.name)
    assert refused.exit_code == 2
    assert "trust migrate: needs --pin" in refused.stderr
    done = run_here(*command, "--trust-on-first-use", f"{stage.name}:1.0")
    assert done.exit_code == 0, done.stderr
    assert "was trusted at first contact" in done.stderr
