"""What imagesig publishes, docker and notary accept; what they publish on top of it, imagesig verifies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagesig import TrustServers, init_trust, open_key, sign_trust
from imagesig.content_trust import InMemoryTrust, TrustKeys
from imagesig.content_trust.metadata import serialized
from imagesig.crypto.algorithms import KeyType
from imagesig.keys.file.provider import FileProvider
from imagesig.oci.digest import sha256
from imagesig.testing import InMemoryRegistry
from tests.commands import run_here
from tests.interop.homes import Homes, open_homes
from tests.interop.notary_client import NotaryClient, unused_repository
from tests.interop.test_docker_trust import Docker
from tests.peers.engine import DockerEngine
from tests.peers.kms import KmsServer
from tests.peers.servers import NotaryServer, SoftHsmToken, VaultServer

pytestmark = pytest.mark.interop

PASSPHRASE = "correct horse battery"


class Stage:
    """A repository of its own, docker and notary on one folder, and the command with the same settings."""

    def __init__(self, registry: InMemoryRegistry, server: NotaryServer, folder: Path) -> None:
        app = unused_repository()
        self.server, self.folder, self.gun = server, folder, f"{registry.host}/{app}"
        self.docker = Docker(server, folder / "docker")
        self.digests = {}
        for tag in ("1.0", "2.0", "3.0"):
            registry.add_image(f"{app}:{tag}", platforms=("linux/amd64",) * int(tag[0]))
            self.digests[tag] = sha256(registry.manifest(app, tag)[0])

    def key(self, name: str, kind: KeyType = KeyType.ECDSA_P256) -> Path:
        """The file of a new private key, with its public key beside it."""
        FileProvider(self.folder).generate(f"{name}.key", kind)
        return self.folder / f"{name}.key"

    def run(self, *arguments: object) -> str:
        done = run_here("trust", *arguments)
        assert done.exit_code == 0, (arguments, done.stderr, done.exception)
        return done.stdout

    def refused(self, *arguments: object) -> str:
        done = run_here("trust", *arguments)
        assert done.exit_code not in (0, None), done.stdout
        return done.stderr

    def signed(self) -> dict[str, tuple[str, list[str]]]:
        """The signed tags as docker sees them."""
        (shown,) = json.loads(self.docker.run("trust", "inspect", self.gun))
        assert json.loads(self.run("inspect", self.gun)) == [shown]
        return {
            item["SignedTag"]: (f"sha256:{item['Digest']}", sorted(item["Signers"])) for item in shown["SignedTags"]
        }

    def notary(self, folder: str = "other") -> NotaryClient:
        """A client that has never seen the repository."""
        return NotaryClient(self.server, self.folder / folder)


@pytest.fixture
def stage(notary: NotaryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with InMemoryRegistry() as registry:
        made = Stage(registry, notary, tmp_path)
        shutil.copytree(made.docker.folder / "tls", tmp_path / "ours" / "tls")
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "ours"))
        monkeypatch.setenv("DOCKER_CONTENT_TRUST_SERVER", notary.url)
        monkeypatch.setenv("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", PASSPHRASE)
        monkeypatch.setenv("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", PASSPHRASE)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        yield made


def test_a_repository_that_imagesig_makes_is_signed_revoked_and_rotated(stage: Stage) -> None:
    root, targets = stage.key("root"), stage.key("targets", KeyType.ECDSA_P384)
    given = ("--root-key", root, "--targets-key", targets)
    assert "new trust data" in stage.run("init", *given, stage.gun)
    out = stage.run("sign", "--targets-key", targets, f"{stage.gun}:1.0")
    assert stage.digests["1.0"] in out
    stage.run("sign", "--targets-key", targets, f"{stage.gun}:2.0@{stage.digests['2.0']}")
    assert stage.signed() == {tag: (stage.digests[tag], ["Repo Admin"]) for tag in ("1.0", "2.0")}
    assert stage.digests["1.0"][7:] in stage.notary().run("list", stage.gun)

    stage.run("revoke", "--targets-key", targets, f"{stage.gun}:1.0")
    assert set(stage.signed()) == {"2.0"}
    new_root, new_targets = stage.key("root2"), stage.key("targets2", KeyType.RSA_3072)
    stage.run("rotate", *given, "--new-key", new_root, stage.gun, "root")
    assert set(stage.signed()) == {"2.0"}, "docker follows from the old root"
    given = ("--root-key", new_root, "--targets-key", targets)
    stage.run("rotate", *given, "--new-key", new_targets, stage.gun, "targets")
    given = ("--root-key", new_root, "--targets-key", new_targets)
    for role in ("snapshot", "timestamp"):
        stage.run("rotate", *given, stage.gun, role)
        assert set(stage.signed()) == {"2.0"}
    assert "2.0" in stage.notary("new").run("list", stage.gun)
    stage.refused("sign", "--targets-key", targets, f"{stage.gun}:1.0")
    stage.run("sign", "--targets-key", new_targets, f"{stage.gun}:1.0")
    assert set(stage.signed()) == {"1.0", "2.0"}


def test_names_and_custom_data_of_notary_are_kept_with_its_bytes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    client = stage.notary("writer")
    client.init(stage.gun)
    for name in ("a&b<c>", "caf\u00e9", "line\u2028", 'quote"back\\slash'):
        client.add(stage.gun, name, stage.digests["1.0"], 5)
    custom, file = stage.folder / "custom.json", stage.folder / "file"
    custom.write_text('{"a":[1,true,null],"b":"x"}')
    file.write_text("content")
    client.run("add", stage.gun, "custom", str(file), "--custom", str(custom), "-p")
    before = client.run("list", stage.gun).splitlines()
    monkeypatch.setenv("IMAGESIG_PASSPHRASE", PASSPHRASE)
    (targets,) = (path for path in (client.folder / "private").glob("*.key") if "role: targets" in path.read_text())

    stage.run("sign", "--trust-on-first-use", "--targets-key", targets, f"{stage.gun}:1.0")

    after = stage.notary("reader").run("list", stage.gun).splitlines()
    assert len(after) == len(before) + 1
    assert set(before) <= set(after)
    client.run("verify", stage.gun, "custom", "-i", str(file))


def test_signers_of_imagesig_and_of_docker_work_on_one_repository(stage: Stage) -> None:
    root, targets, alice = stage.key("root"), stage.key("targets"), stage.key("alice")
    given = ("--root-key", root, "--targets-key", targets)
    (stage.folder / "alice.pub").write_text(FileProvider(stage.folder).public_keys("alice.key")[0].pem)
    stage.docker.run("trust", "key", "generate", "bob", "--dir", ".")
    stage.run("signer", "add", *given, "--key", stage.folder / "alice.pub", "alice", stage.gun)
    stage.run("signer", "add", *given, "--key", stage.docker.folder / "bob.pub", "bob", stage.gun)
    stage.run("sign", "--key", alice, f"{stage.gun}:1.0")
    assert stage.signed() == {"1.0": (stage.digests["1.0"], ["alice"])}

    stage.docker.run("trust", "sign", f"{stage.gun}:1.0")  # a released tag needs no engine
    assert stage.signed()["1.0"][1] == ["alice", "bob"]
    stage.docker.notary.add(stage.gun, "2.0", stage.digests["2.0"], 7, "targets/releases", "targets/bob")
    stage.run("sign", "--key", alice, f"{stage.gun}:3.0")
    assert {tag: signers for tag, (_, signers) in stage.signed().items()} == {
        "1.0": ["alice", "bob"],
        "2.0": ["bob"],
        "3.0": ["alice"],
    }
    removed = stage.run("signer", "remove", *given, "--key", alice, "bob", stage.gun)
    assert "targets/releases" in removed
    assert {tag: signers for tag, (_, signers) in stage.signed().items()} == {
        "1.0": ["alice"],
        "2.0": ["Repo Admin"],
        "3.0": ["alice"],
    }
    stage.run("revoke", "--key", alice, f"{stage.gun}:3.0")
    assert set(stage.signed()) == {"1.0", "2.0"}


def test_keys_in_an_hsm_in_vault_and_in_kms_sign(
    stage: Stage, softhsm: SoftHsmToken, vault: VaultServer, kms: KmsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = open_homes(stage.folder, softhsm, vault, kms)
    for name, value in homes.environ.items():
        monkeypatch.setenv(name, value)
    root, targets = homes.make("PKCS#11", KeyType.ECDSA_P256), homes.make("PKCS#11", KeyType.RSA_3072)
    given = ("--root-key", f"{root.peer_uri}", "--targets-key", f"{targets.peer_uri}")
    signers = {
        "vault": homes.make("Vault", KeyType.ECDSA_P384),
        "kms": homes.make("KMS", KeyType.ECDSA_P256),
        "edwards": homes.make("Vault", KeyType.ED25519),
    }
    for name, key in signers.items():
        stage.run("signer", "add", *given, "--key", key.pem, name, stage.gun)
    keys = [word for key in signers.values() for word in ("--key", key.peer_uri)]
    stage.run("sign", *keys, f"{stage.gun}:1.0")
    assert stage.signed() == {"1.0": (stage.digests["1.0"], ["edwards", "kms", "vault"])}
    new = homes.make("PKCS#11", KeyType.ECDSA_P384)
    stage.run("rotate", *given, "--new-key", new.peer_uri, stage.gun, "root")
    stage.run("sign", *keys, f"{stage.gun}:2.0")
    assert "2.0" in stage.notary().run("list", stage.gun)
    pinned = ("--notary-server", stage.server.url, "--pin", new.pem, "--signer", "kms", "--signer", "vault")
    done = run_here("verify", *pinned, f"{stage.gun}:2.0")
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize(("home", "scheme"), [("PKCS#11", "pkcs11"), ("Vault", "hashivault"), ("KMS", "awskms")])
def test_a_signer_whose_key_was_made_in_its_home_is_added_by_docker(
    stage: Stage, homes: Homes, monkeypatch: pytest.MonkeyPatch, home: str, scheme: str
) -> None:
    """The private key is in no file; docker takes the public one that imagesig wrote, when made and when exported."""
    for name, value in homes.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IMAGESIG_PKCS11_PIN", homes.environ["COSIGN_PKCS11_PIN"])
    uri, folder = homes.uri(home, f"trust-{scheme}"), ("--dir", stage.docker.folder)
    made = json.loads(stage.run("key", "generate", "alice", "--key", uri, *folder, "--output", "json"))
    exported = json.loads(stage.run("key", "export", uri, "--name", "al", *folder, "--output", "json"))
    assert uri.startswith(scheme)
    assert (made["key_id"], made["pem"]) == (exported["key_id"], exported["pem"])
    assert not (stage.folder / "ours" / "trust").exists()
    stage.refused("key", "export", uri, "--private-key", stage.folder / "private")

    stage.docker.run("trust", "signer", "add", "--key", "al.pub", "alice", stage.gun)
    stage.run("sign", "--trust-on-first-use", "--key", uri, f"{stage.gun}:1.0")
    assert stage.signed() == {"1.0": (stage.digests["1.0"], ["alice"])}


def test_docker_pulls_with_content_trust_what_imagesig_signed(stage: Stage, docker_classic: DockerEngine) -> None:
    targets = stage.key("targets")
    given = ("--root-key", stage.key("root"), "--targets-key", targets)
    stage.run("sign", *given, f"{stage.gun}:1.0")
    folder = docker_classic.config / "tls" / stage.server.url.removeprefix("https://")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.crt").write_bytes(stage.server.ca_file.read_bytes())
    trusting = replace(
        docker_classic,
        extra=docker_classic.extra | {"DOCKER_CONTENT_TRUST": "1", "DOCKER_CONTENT_TRUST_SERVER": stage.server.url},
    )

    pulled = trusting.run("pull", f"{stage.gun}:1.0").stdout
    assert f"{stage.gun}@{stage.digests['1.0']}" in pulled
    assert "trust data" in trusting.run("pull", f"{stage.gun}:2.0", check=False).stderr
    stage.run("revoke", "--targets-key", targets, f"{stage.gun}:1.0")
    assert "trust data" in trusting.run("pull", f"{stage.gun}:1.0", check=False).stderr


def test_four_writers_at_once_lose_no_tag(stage: Stage) -> None:
    targets = stage.key("targets")
    with open_key(stage.key("root")) as root, open_key(targets) as key:
        servers = [TrustServers(memory=InMemoryTrust(), ca_file=stage.server.ca_file) for _ in range(4)]
        init_trust(stage.gun, TrustKeys(root=root, targets=key), trust_servers=servers[0])
        digest = stage.digests["1.0"]

        def sign(number: int) -> object:
            keys = TrustKeys(root=root, targets=key)
            return sign_trust(f"{stage.gun}:w{number}@{digest}", keys, trust_servers=servers[number])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(sign, range(4)))
    assert set(stage.signed()) == {"w0", "w1", "w2", "w3"}


def test_a_repository_with_a_name_that_no_certificate_can_hold_is_accepted(stage: Stage) -> None:
    targets, name = stage.key("targets"), f"{stage.gun}/{'long/' * 12}name"
    stage.run("init", "--root-key", stage.key("root"), "--targets-key", targets, name)
    assert "No targets present" in stage.notary().run("list", name)
    assert json.loads(stage.docker.run("trust", "inspect", name))[0]["SignedTags"] == []


def test_a_byte_off_is_noticed_and_repaired_with_the_next_version(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real server stores the odd bytes, and breaks the repository for everybody until the repair."""
    targets = stage.key("targets")
    stage.run("init", "--root-key", stage.key("root"), "--targets-key", targets, stage.gun)
    sent: list[bytes] = []

    def odd(*arguments: Any) -> bytes:
        content = serialized(*arguments)
        sent.append(content.replace(b'{"signed":', b'{"signed": ') if not sent else content)
        return sent[-1]

    monkeypatch.setattr("imagesig.content_trust.publishing.serialized", odd)
    out = stage.run("sign", "--targets-key", targets, f"{stage.gun}:1.0")

    assert len(sent) == 2
    assert "targets version 3" in out
    assert set(stage.signed()) == {"1.0"}
    assert "1.0" in stage.notary().run("list", stage.gun)


def test_doctor_names_what_is_wrong_with_a_trust_server(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    root = stage.key("root")
    stage.run("init", "--root-key", root, "--targets-key", stage.key("targets"), stage.gun)

    def steps(*options: object) -> dict[str, tuple[str, str]]:
        done = run_here("doctor", "--notary-server", stage.server.url, "--output", "json", *options, f"{stage.gun}:1.0")
        return {item["area"]: (item["state"], item["detail"]) for item in json.loads(done.stdout)["findings"]}

    found = steps()
    assert found["trust TLS"][0] == "ok", found["trust TLS"]
    assert found["trust data"][0] == "note"
    assert steps("--pin", found["root pin"][1].rpartition(" ")[2])["trust data"][0] == "ok"
    monkeypatch.setenv("DOCKER_CONFIG", str(stage.folder / "nowhere"))
    assert steps()["trust TLS"][0] == "failed"
    assert steps("--notary-ca", stage.server.ca_file)["trust TLS"][0] == "ok"


def test_the_keys_in_dockers_folder_are_used_and_made(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """imagesig signs what docker made with docker's own keys, and docker what imagesig made with those of imagesig."""
    monkeypatch.setenv("DOCKER_CONFIG", str(stage.docker.folder))
    stage.docker.run("trust", "key", "generate", "bob", "--dir", ".")
    stage.docker.run("trust", "signer", "add", "--key", "bob.pub", "bob", stage.gun)
    stage.run("sign", f"{stage.gun}:1.0")
    assert stage.signed() == {"1.0": (stage.digests["1.0"], ["bob"])}
    for role in ("targets", "root", "snapshot"):
        stage.run("rotate", stage.gun, role)
    stage.docker.run("trust", "sign", f"{stage.gun}:1.0")
    stage.docker.run("trust", "revoke", "--yes", f"{stage.gun}:1.0")
    assert stage.signed() == {}
    stage.run("sign", f"{stage.gun}:2.0")
    assert set(stage.signed()) == {"2.0"}

    other = f"{stage.gun}-other"
    stage.docker.run("trust", "key", "generate", "carol", "--dir", ".")
    stage.run("signer", "add", "--key", stage.docker.folder / "carol.pub", "carol", other)
    stage.docker.run("trust", "signer", "add", "--key", "bob.pub", "bob", other)
    stage.docker.notary.add(other, "1.0", stage.digests["1.0"], 7, "targets/releases", "targets/carol")
    stage.docker.run("trust", "signer", "remove", "--force", "bob", other)
    (shown,) = json.loads(stage.run("inspect", other))
    assert [item["Signers"] for item in shown["SignedTags"]] == [["carol"]]
