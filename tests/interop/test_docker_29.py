"""Docker 29's command has no `trust`: the plugins of imagesig give it, and sign the images of the containerd store."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import imagesig
from imagesig import ContentTrust, NoSignatures, TrustServers
from imagesig.content_trust import NoTrustMemory
from imagesig.content_trust.key import canonical_id
from imagesig.crypto.public_key import PublicKey
from imagesig.docker import ImageVerdict, from_env, pull_verified
from tests.commands import run_here
from tests.docker.test_engines import context
from tests.interop.notary_client import PASSPHRASE
from tests.peers import binary
from tests.peers.engine import DockerEngine
from tests.peers.servers import NotaryServer, RegistryServer

pytestmark = pytest.mark.interop


@pytest.fixture
def engine(
    docker_containerd: DockerEngine, notary: NotaryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> DockerEngine:
    """An engine with the containerd store, and docker's configuration with the plugins and the trust server's TLS."""
    config = tmp_path / "config"
    (config / "cli-plugins").mkdir(parents=True)
    (config / "cli-plugins" / "docker-buildx").symlink_to(binary("docker-buildx"))
    tls = config / "tls" / notary.url.removeprefix("https://")
    tls.mkdir(parents=True)
    (tls / "ca.crt").write_bytes(notary.ca_file.read_bytes())
    secrets = {f"DOCKER_CONTENT_TRUST_{role}_PASSPHRASE": PASSPHRASE for role in ("ROOT", "REPOSITORY")}
    extra = {"DOCKER_CONTENT_TRUST_SERVER": notary.url, **secrets}
    made = replace(docker_containerd, config=config, extra=extra)
    for name in ("PYTHONPATH", "DOCKER_CONFIG"):
        monkeypatch.setenv(name, made.environ[name])
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name, value in extra.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", str(binary("docker29")))
    assert run_here("docker", "install", "--builder", "--trust").exit_code == 0
    return made


@pytest.fixture
def name(registry_referrers: RegistryServer) -> str:
    return f"{registry_referrers.host}/docker29/{uuid.uuid4().hex}"


def test_the_lines_that_the_project_was_asked_for(
    engine: DockerEngine, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key is made, its public half exported; a build is signed with it, then its tag; Python verifies the image."""

    def docker(*arguments: object) -> str:
        return engine.run(*arguments, cwd=tmp_path, docker="docker29").stdout

    made = docker("trust", "key", "generate", "my-key")
    assert made.endswith(f"Corresponding public key available: {tmp_path}/my-key.pub\n")
    generated = PublicKey.from_pem((tmp_path / "my-key.pub").read_text())
    (private,) = (engine.config / "trust" / "private").iterdir()
    assert private.stem == canonical_id(generated)

    (tmp_path / "my-key.pub").unlink()
    docker("trust", "key", "export", "my-key")
    assert PublicKey.from_pem((tmp_path / "my-key.pub").read_text()) == generated

    (tmp_path / "app").mkdir()
    context(tmp_path / "app")
    docker("build", "--tag", f"{name}:1", "--sign-key", "my-key", "--push", "app")
    assert imagesig.verify(f"{name}:1", tmp_path / "my-key.pub").verified

    docker("trust", "signer", "add", "--key", "my-key.pub", "my-key", name)
    docker("trust", "sign", f"{name}:1")
    (shown,) = json.loads(docker("trust", "inspect", f"{name}:1"))
    digest = imagesig.inspect(f"{name}:1", recursive=False).digest
    signed = {"SignedTag": "1", "Digest": digest.removeprefix("sha256:"), "Signers": ["my-key"]}
    assert shown["SignedTags"] == [signed]
    assert [shown] == json.loads(engine.run("trust", "inspect", f"{name}:1").stdout), "as docker 28.5 shows it"
    assert "my-key" in docker("trust", "inspect", "--pretty", name)

    docker("pull", "-q", f"{name}:1")
    docker("tag", f"{name}:1", "my-image")
    monkeypatch.setenv("DOCKER_HOST", engine.address)
    monkeypatch.setenv("IMAGESIG_POLICY", str(tmp_path / "policy.toml"))
    assert run_here("policy", "init", "--key", tmp_path / "my-key.pub", "--write").exit_code == 0
    client = from_env()
    assert client.images.get("my-image").verify_signature()
    assert run_here("remove", "--all", f"{name}:1").exit_code == 0
    assert not client.images.get(f"{name}:1").verify_signature()
    client.close()

    docker("trust", "revoke", f"{name}:1")
    assert json.loads(docker("trust", "inspect", name))[0]["SignedTags"] == []


@pytest.mark.parametrize("words", ["help trust", "trust --help", "help imagesig trust", "help trust key generate"])
def test_docker_help_shows_the_help_of_the_command(engine: DockerEngine, words: str) -> None:
    done = engine.run(*words.split(), docker="docker29")
    assert done.stdout.startswith("Usage: imagesig trust")


def test_an_image_of_the_containerd_store_is_signed_where_docker_fails(
    engine: DockerEngine, docker: DockerEngine, name: str, tmp_path: Path
) -> None:
    """Docker 28.5 pulls what imagesig signed into both stores, by the digest in the trust data."""
    engine.run("build", "-q", "-t", f"{name}:1", context(tmp_path))
    engine.run("trust", "key", "generate", "alice", cwd=tmp_path)
    engine.run("trust", "signer", "add", "--key", "alice.pub", "alice", name, cwd=tmp_path)
    theirs = engine.run("trust", "sign", f"{name}:1", check=False)
    assert "no hashes specified" in theirs.stderr, "docker's own signing is broken with this store"

    ours = run_here("trust", "sign", f"{name}:1")

    assert ours.exit_code == 0, ours.stderr
    puller = replace(docker, config=engine.config, extra=engine.extra | {"DOCKER_CONTENT_TRUST": "1"})
    digest = imagesig.inspect(f"{name}:1", recursive=False).digest
    puller.run("rmi", "-f", f"{name}:1", check=False)
    assert f"@{digest}" in puller.run("pull", f"{name}:1").stdout
    assert _signers(puller.run("trust", "inspect", f"{name}:1").stdout) == [["alice"]]


def test_trust_data_verify_images_of_the_engine(
    engine: DockerEngine, docker: DockerEngine, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy trusts the server's releases: `REPO@DIGEST` counts if a released tag names it."""
    docker.run("build", "-q", "-t", f"{name}:1", context(tmp_path))
    docker.run("push", "-q", f"{name}:1")
    signed = json.loads(run_here("trust", "sign", f"{name}:1", "--output", "json").stdout)["images"][0]
    monkeypatch.setenv("DOCKER_HOST", docker.address)
    trust = ContentTrust(engine.extra["DOCKER_CONTENT_TRUST_SERVER"], signed["root"][0])
    client = from_env()

    def verdict() -> ImageVerdict:
        found: ImageVerdict = client.images.get(f"{name}:1").verify_signature(trust, trust_servers=memoryless())
        return found

    assert verdict().result.digest == signed["digest"]  # type: ignore[union-attr]
    docker.run("rmi", "-f", f"{name}:1")
    assert f"{name}:1" in pull_verified(client, f"{name}:1", trust, trust_servers=memoryless()).attrs["RepoTags"]
    assert run_here("trust", "revoke", f"{name}:1").exit_code == 0
    assert isinstance(verdict().error, NoSignatures)
    with pytest.raises(NoSignatures):
        pull_verified(client, f"{name}:1", trust, trust_servers=memoryless())
    client.close()


def memoryless() -> TrustServers:
    return TrustServers(memory=NoTrustMemory())


def _signers(shown: str) -> list[Any]:
    return [item["Signers"] for item in json.loads(shown)[0]["SignedTags"]]
