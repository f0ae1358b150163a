"""Docker Content Trust on the command line: `trust inspect`, and the options of `verify` that name a trust server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig import Transport, sign
from imagesig.keys.provider import SigningKey
from imagesig.oci.digest import sha256
from imagesig.testing import InMemoryRegistry
from tests.commands import run_here
from tests.content_trust.notary import Notary, notary
from tests.content_trust.repository import Delegation, TrustRepository, certified, p256, tag


class Stage:
    def __init__(self, registry: InMemoryRegistry, server: Notary, folder: Path) -> None:
        registry.add_image("app:1.0")
        content, _ = registry.manifest("app", "1.0")
        self.image, self.digest, self.folder = f"{registry.host}/app:1.0", sha256(content), folder
        self.root = certified(f"{registry.host}/app")
        self.repository = TrustRepository(
            f"{registry.host}/app",
            root=[self.root],
            tags={"1.0": tag(self.digest, len(content))},
            delegations={"targets/alice": Delegation([p256()], {"1.0": tag(self.digest, len(content))})},
        )
        server.repositories[self.repository.name] = self.repository
        self.server = server
        (folder / "root.pub").write_text(self.root.public.pem)
        (folder / "root.crt").write_bytes(self.root.certificates)

    @property
    def there(self) -> tuple[str, str]:
        return "--notary-server", self.server.url


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stage]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("DOCKER_CONTENT_TRUST_SERVER", raising=False)
    with InMemoryRegistry() as registry, notary() as server:
        yield Stage(registry, server, tmp_path)


def test_verify_takes_each_kind_of_pin(stage: Stage) -> None:
    pins = (stage.root.id, stage.root.canonical_id, stage.folder / "root.pub", stage.folder / "root.crt")
    for pin in pins:
        done = run_here("verify", *stage.there, "--pin", pin, stage.image)
        assert done.exit_code == 0, done.stderr
        assert f"@{stage.digest}" in done.stdout
        assert "content-trust" in done.stdout
    other = certified(stage.repository.name)
    for wrong in (other.id, other.canonical_id):
        assert run_here("verify", *stage.there, "--pin", wrong, stage.image).exit_code == 12
    assert run_here("verify", *stage.there, "--pin", stage.folder / "none", stage.image).exit_code == 2


def test_verify_writes_what_was_verified_as_json(stage: Stage) -> None:
    done = run_here("verify", *stage.there, "--pin", stage.root.id, "--output", "json", stage.image)
    (image,) = json.loads(done.stdout)["images"]

    assert image["signatures"][0]["format"] == "content-trust"
    assert image["signatures"][0]["identity"] == stage.image
    assert image["digest"] == stage.digest


def test_a_signer_is_needed_if_it_is_named(stage: Stage) -> None:
    pinned = ("verify", *stage.there, "--pin", stage.root.id, "--signer")

    assert run_here(*pinned, "alice", stage.image).exit_code == 0
    assert run_here(*pinned, "bob", stage.image).exit_code == 12
    assert run_here(*pinned, "alice", "--signer", "bob", stage.image).exit_code == 12
    assert run_here(*pinned, "Alice!", stage.image).exit_code == 2


def test_keys_and_a_trust_server_are_authorities_of_one_rule(stage: Stage, key: SigningKey, key_folder: Path) -> None:
    both = ("--key", key_folder / "k.pub", "--pin", stage.root.id, *stage.there, "--threshold")

    assert run_here("verify", *both, 1, stage.image).exit_code == 0
    assert run_here("verify", *both, 2, stage.image).exit_code == 12
    sign(stage.image, key, transport=Transport(timeout=20))
    assert run_here("verify", *both, 2, stage.image).exit_code == 0


def test_first_use_is_an_option_and_is_said(stage: Stage) -> None:
    without = run_here("verify", *stage.there, stage.image)
    assert without.exit_code == 2
    assert "need --pin" in without.stderr
    for _ in range(2):
        done = run_here("verify", *stage.there, "--trust-on-first-use", stage.image)
        assert done.exit_code == 0, done.stderr
        assert f"its root key {stage.root.id} was trusted at first contact" in done.stderr
    stage.repository.root = [certified(stage.repository.name)]
    assert run_here("verify", *stage.there, "--trust-on-first-use", stage.image).exit_code == 12
    both = run_here("verify", *stage.there, "--trust-on-first-use", "--pin", stage.root.id, stage.image)
    assert both.exit_code == 2


def test_offline_asks_no_trust_server(stage: Stage) -> None:
    pinned = ("verify", *stage.there, "--pin", stage.root.id, stage.image)
    assert run_here(*pinned, "--offline").exit_code == 1
    assert run_here(*pinned).exit_code == 0
    stage.server.asked.clear()

    assert run_here(*pinned, "--offline").exit_code == 0
    assert not stage.server.asked


@pytest.mark.parametrize(
    "options", [("--pin", "0" * 64), ("--pin", "0" * 64, "--signer", "alice"), ("--trust-on-first-use",)]
)
def test_a_policy_or_a_trust_policy_replaces_the_options(stage: Stage, options: tuple[str, ...]) -> None:
    (stage.folder / "policy.toml").write_text("version = 1\ndefault = 'reject'\n")

    for other in (("--policy", stage.folder / "policy.toml"), ("--trust-policy", stage.folder / "policy.toml")):
        done = run_here("verify", *options, *other, stage.image)
        assert done.exit_code == 2
        assert "combined" in done.output + str(done.exception)


def test_the_option_takes_the_place_of_the_servers_of_a_policy(stage: Stage) -> None:
    (stage.folder / "policy.toml").write_text(
        f"""version = 1
        [authorities.dct.content_trust]
        server = "https://notary.invalid"
        pins = [{{ key_id = "{stage.root.id}" }}]
        [default]
        require = [{{ any = ["dct"] }}]
        """
    )

    done = run_here("verify", "--policy", stage.folder / "policy.toml", *stage.there, stage.image)

    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[1].endswith("  dct")


def test_inspect_shows_and_says_that_nothing_was_verified(stage: Stage) -> None:
    shown = run_here("trust", "inspect", *stage.there, stage.image, stage.repository.name)
    first, second = json.loads(shown.stdout)

    assert (first["Name"], second["Name"]) == (stage.image, stage.repository.name)
    assert first["SignedTags"] == [{"SignedTag": "1.0", "Digest": stage.digest[7:], "Signers": ["alice"]}]
    assert shown.stderr.count("nothing was verified") == 2
    assert not (stage.folder / "state").exists()


def test_inspect_with_a_pin_verifies(stage: Stage) -> None:
    shown = run_here("trust", "inspect", *stage.there, "--pin", stage.root.id, "--pretty", stage.image)
    assert shown.exit_code == 0, shown.stderr
    assert "nothing was verified" not in shown.stderr
    assert (stage.folder / "state").exists()

    assert run_here("trust", "inspect", *stage.there, "--pin", "0" * 64, stage.image).exit_code != 0


def test_odd_texts_in_tables_are_escaped(stage: Stage) -> None:
    stage.repository.tags["2.0"] = {"hashes": {"sha256": "x\u202e"}, "length": 1}

    shown = run_here("trust", "inspect", *stage.there, "--pretty", stage.repository.name)

    assert "\u202e" not in shown.output
    assert "tag 2.0" in shown.stderr
