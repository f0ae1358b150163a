"""The commands that change trust data, and the steps of `imagesig doctor` for a trust server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from imagesig.crypto.algorithms import KeyType
from imagesig.keys.file.provider import FileProvider
from imagesig.oci.digest import sha256
from imagesig.testing import InMemoryRegistry
from tests.cli.test_commands import imagesig
from tests.commands import run_here
from tests.content_trust.repository import certified
from tests.content_trust.writable_notary import WritableNotary, writable_notary
from tests.schemas import schemas

pytestmark = pytest.mark.usefixtures("quick_retries", "no_proxies")


class Stage:
    def __init__(self, registry: InMemoryRegistry, server: WritableNotary, folder: Path) -> None:
        self.server, self.folder, self.gun = server, folder, f"{registry.host}/app"
        registry.add_image("app:1.0")
        self.digest = sha256(registry.manifest("app", "1.0")[0])
        self.image = f"{self.gun}:1.0"
        self.ids = {name: self.key(name) for name in ("root", "targets", "alice")}
        self.own = ("--root-key", folder / "root.key", "--targets-key", folder / "targets.key")

    def key(self, name: str) -> str:
        public_key = FileProvider(self.folder).generate(f"{name}.key", KeyType.ECDSA_P256).info.public_key
        (self.folder / f"{name}.pub").write_text(public_key.pem)
        return name

    def run(self, *arguments: object) -> str:
        done = run_here(*arguments)
        assert done.exit_code == 0, (done.stderr, done.exception)
        return done.stdout

    def doctor(self, *arguments: object) -> dict[str, list[tuple[str, str]]]:
        """State and detail of each step, by its name."""
        found: dict[str, list[tuple[str, str]]] = {}
        done = run_here("doctor", "--notary-server", self.server.url, "--output", "json", *arguments, self.image)
        for item in json.loads(done.stdout)["findings"]:
            found.setdefault(item["area"], []).append((item["state"], item["detail"]))
        return found


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with InMemoryRegistry() as registry, writable_notary() as server:
        monkeypatch.setenv("DOCKER_CONTENT_TRUST_SERVER", server.url)
        yield Stage(registry, server, tmp_path)


def test_a_repository_is_made_signed_and_revoked(stage: Stage) -> None:
    made = stage.run("trust", "init", *stage.own, stage.gun)
    root = made.split("root key ")[1].splitlines()[0]
    stage.run("trust", "signer", "add", *stage.own, "--key", stage.folder / "alice.pub", "alice", stage.gun)
    signed = stage.run("trust", "sign", "--key", stage.folder / "alice.key", stage.image)

    assert f"{stage.image}: {stage.digest}" in signed
    assert "targets/alice version 1, targets/releases version 1" in signed
    assert stage.digest in stage.run("verify", "--pin", root, "--signer", "alice", stage.image)
    digest = run_here("trust", "revoke", *stage.own, f"{stage.gun}@{stage.digest}")
    assert (digest.exit_code, digest.stderr) == (2, "trust revoke: a tag is revoked, not a digest"), "nothing is asked"
    every = ("trust", "revoke", *stage.own, "--key", stage.folder / "alice.key", stage.gun)
    # In a process of its own: the runner of click 8.1 takes the end of its input for an empty line.
    unanswered = imagesig(*map(str, every), DOCKER_CONTENT_TRUST_SERVER=stage.server.url, HOME=str(stage.folder))
    assert (unanswered.returncode, "nobody answered" in unanswered.stderr) == (2, True), unanswered.stderr
    denied = run_here(*every, answers="n\n")
    assert (denied.exit_code, "the answer was not yes" in denied.stderr) == (1, True), denied.stderr
    assert "interrupted" not in unanswered.stderr + denied.stderr
    stage.run("verify", "--pin", root, stage.image)
    stage.run("trust", "revoke", "--yes", "--key", stage.folder / "alice.key", stage.gun)
    assert run_here("verify", "--pin", root, stage.image).exit_code == 10
    assert "targets version 3" in stage.run("trust", "signer", "remove", "--force", *stage.own, "alice", stage.gun)


def test_a_key_is_rotated(stage: Stage) -> None:
    stage.run("trust", "sign", *stage.own, stage.image)
    stage.key("new")
    done = stage.run("trust", "rotate", *stage.own, "--new-key", stage.folder / "new.key", stage.gun, "root")
    assert "root version 2" in done
    assert stage.digest in stage.run("verify", "--pin", stage.folder / "new.pub", stage.image)
    assert run_here("trust", "rotate", *stage.own, stage.gun, "releases").exit_code == 2
    assert run_here("trust", "rotate", *stage.own, "--new-key", "x", stage.gun, "timestamp").exit_code != 0


def test_each_change_has_a_document_with_a_schema(stage: Stage) -> None:
    def run(*arguments: object) -> dict[str, Any]:
        done = run_here("trust", *arguments, "--output", "json")
        document: dict[str, Any] = json.loads(done.stdout)
        jsonschema.validate(document, schemas()[document["command"]])
        return document

    (made,) = run("init", *stage.own, stage.gun)["images"]
    assert (made["image"], made["created"], made["digest"], made["size"]) == (stage.gun, True, "", 0)
    assert made["versions"] == [{"role": "root", "version": 1}, {"role": "targets", "version": 1}]
    run("signer", "add", *stage.own, "--key", stage.folder / "alice.pub", "alice", stage.gun)
    (signed,) = run("sign", "--key", stage.folder / "alice.key", stage.image)["images"]
    assert (signed["image"], signed["tag"], signed["digest"]) == (stage.image, "1.0", stage.digest)
    assert signed["root"] == made["root"]
    run("revoke", "--key", stage.folder / "alice.key", stage.image)
    stage.key("new")
    assert run("rotate", *stage.own, "--new-key", stage.folder / "new.key", stage.gun, "root")["images"][0]["root"]
    own = ("--root-key", stage.folder / "new.key", *stage.own[2:])
    (removed,) = run("signer", "remove", "--force", *own, "alice", stage.gun)["images"]
    assert any("no longer signed" in text for text in removed["warnings"])


def test_a_change_that_fails_ends_no_other_one(stage: Stage) -> None:
    arguments = ("trust", "sign", *stage.own, f"{stage.gun}:none", stage.image, "oci:folder:1.0")
    done = run_here(*arguments, "--output", "json")
    missing, signed, refused = json.loads(done.stdout)["images"]

    assert (missing["image"], missing["error"]) == (f"{stage.gun}:none", "ImageNotFound")
    assert (signed["image"], signed["digest"]) == (stage.image, stage.digest)
    assert refused["error"] == "InvalidArgument"
    shown = run_here(*arguments)
    assert done.exit_code == shown.exit_code != 0
    assert "hint: give REPO:TAG" in shown.stderr
    assert f"{stage.image}: {stage.digest}" in shown.stdout


def test_nothing_is_published_on_top_of_an_unknown_root(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.run("trust", "init", *stage.own, stage.gun)
    monkeypatch.setenv("XDG_STATE_HOME", str(stage.folder / "elsewhere"))
    signing = ("trust", "sign", "--targets-key", stage.folder / "targets.key")
    refused = run_here(*signing, stage.image)
    assert refused.exit_code == 2
    assert "no root is pinned or remembered" in refused.stderr
    assert run_here(*signing, "--pin", stage.folder / "alice.pub", stage.image).exit_code == 1
    assert run_here(*signing, "--pin", stage.folder / "root.pub", "--trust-on-first-use", stage.image).exit_code == 2
    assert len(stage.server.updates) == 1
    stage.run(*signing, "--trust-on-first-use", stage.image)
    stage.run(*signing, stage.image)


def test_each_request_has_the_scope_that_notary_wants(stage: Stage) -> None:
    stage.server.scopes = []
    stage.run("trust", "sign", *stage.own, stage.image)
    stage.run("trust", "rotate", *stage.own, stage.gun, "timestamp")

    asked = {scope.removeprefix(f"repository:{stage.gun}:") for scope in stage.server.scopes}
    assert {frozenset(scope.split(",")) for scope in asked} == {
        frozenset(("pull",)),
        frozenset(("pull", "push")),
        frozenset("*"),
    }


def test_doctor_shows_the_trust_server_its_data_and_who_can_sign(stage: Stage) -> None:
    (state, detail), *_ = stage.doctor()["trust data"]
    assert state == "note"
    assert "has none" in detail
    stage.run("trust", "sign", *stage.own, stage.image)
    found = stage.doctor()
    assert found["trust server"] == [("ok", stage.server.url)]
    assert found["trust TLS"] == [("ok", "not used")]
    assert "no root is pinned" in found["trust data"][0][1]
    root = found["root pin"][0][1].rpartition(" ")[2]
    pinned = stage.doctor("--pin", root)
    assert pinned["trust data"] == [("ok", "4 files, 1 signed tags, verified")]
    assert len(pinned["trust expiry"]) == 4
    assert "no key that is here signs root, targets" in pinned["trust keys"][0][1]
    wrong = stage.doctor("--pin", "0" * 64)
    assert wrong["trust data"][0][0] == "failed"
    stage.server.stop()
    assert stage.doctor("--pin", root)["trust data"][0][0] == "failed"


def test_a_signer_is_added_by_certificate_as_docker_takes_it_too(stage: Stage) -> None:
    made = certified("alice")
    (stage.folder / "alice.crt").write_bytes(made.certificates)
    stage.run("trust", "signer", "add", *stage.own, "--key", stage.folder / "alice.crt", "alice", stage.gun)
    assert made.canonical_id in stage.run("trust", "inspect", stage.gun)
    (stage.folder / "odd.crt").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    for odd in (stage.folder / "odd.crt", stage.folder / "none", stage.folder):
        assert run_here("trust", "signer", "add", *stage.own, "--key", odd, "bob", stage.gun).exit_code in (1, 2)
