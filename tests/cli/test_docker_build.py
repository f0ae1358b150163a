"""`docker build --sign-key`, through docker's command 28.5, buildx and real engines with both image stores."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

import imagesig
from imagesig.errors import ImageNotFound
from tests.commands import run_here
from tests.docker.test_engines import context
from tests.peers import binary
from tests.peers.engine import DockerEngine
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop


@pytest.fixture
def installed(docker: DockerEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerEngine]:
    """An engine whose docker has the plugin and the builder's alias."""
    monkeypatch.setenv("DOCKER_CONFIG", str(docker.config))
    assert run_here("docker", "install", "--builder").exit_code == 0
    yield docker
    assert run_here("docker", "uninstall").exit_code == 0


@pytest.fixture
def work(tmp_path: Path, key: object, key_folder: Path) -> Path:
    """A folder with `k.key`, `k.pub` and something to build in `app`."""
    for name in ("k.key", "k.pub"):
        shutil.copy(key_folder / name, tmp_path / name)
    (tmp_path / "app").mkdir()
    context(tmp_path / "app")
    return tmp_path


@pytest.fixture
def name(registry_referrers: RegistryServer) -> str:
    return f"{registry_referrers.host}/build/{uuid.uuid4().hex}"


def test_a_pushed_build_is_signed_by_its_digest_under_each_of_its_names(
    installed: DockerEngine, work: Path, name: str
) -> None:
    arguments = ["-t", f"{name}:1", "-t", f"{name}:2", "-t", f"{name}/more", "--push", "app"]

    done = installed.run("build", "--sign-key", "k.key", "--sign-annotation", "stage=test", *arguments, cwd=work)

    assert done.stderr.count("signed 127.0.0.1") == 3
    policy = imagesig.Policy.any_of(work / "k.pub", annotations={"stage": "test"})
    proofs = [imagesig.verify(f"{name}{tag}", policy) for tag in (":1", ":2", "/more")]
    assert len({proof.digest for proof in proofs}) == 1
    kept = imagesig.inspect(f"{name}:1", recursive=False).signatures
    assert sorted(item.format for item in kept) == ["bundle", "cosign", "cosign"]
    options = ["--insecure-ignore-tlog=true", "--allow-http-registry", "--allow-insecure-registry"]
    cosign = subprocess.run(
        [binary("cosign3"), "verify", "--key", "k.pub", *options, f"{name}:1"],
        cwd=work,
        env={"PATH": os.environ["PATH"], "HOME": str(work)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert cosign.returncode == 0, cosign.stderr


def test_the_children_of_an_index_are_signed_too(docker_containerd: DockerEngine, work: Path, name: str) -> None:
    """buildx makes an index: the image, and an attestation of its provenance."""
    done = docker_containerd.run(
        *("buildx", "build", "-t", f"{name}:1", "--metadata-file", "m.json", "--push", "app"), cwd=work
    )
    assert done.returncode == 0

    assert run_here("sign", "--key", work / "k.key", "--buildx-metadata", work / "m.json").exit_code == 0

    assert (
        imagesig.verify(f"{name}:1", work / "k.pub").digest
        == json.loads((work / "m.json").read_text())["containerimage.digest"]
    )
    child = imagesig.verify(f"{name}:1", work / "k.pub", platform="linux/amd64")
    assert not child.through_index


def test_a_tag_that_moves_after_the_build_is_not_signed(docker: DockerEngine, work: Path, name: str) -> None:
    """The pipeline signs what was built, by the digest in the metadata, with the tag as its name."""
    build = ["buildx", "build", "-t", f"{name}:1", "--push"]
    docker.run(*build, "--metadata-file", "m.json", "app", cwd=work)
    context(work / "app")
    docker.run(*build, "app", cwd=work)

    done = run_here("sign", "--key", work / "k.key", "--buildx-metadata", work / "m.json")

    assert done.exit_code == 0, done.stderr
    assert f"identity  {name}:1" in done.stdout
    built = json.loads((work / "m.json").read_text())["containerimage.digest"]
    assert imagesig.verify(f"{name}@{built}", work / "k.pub").digest == built
    with pytest.raises(imagesig.NoSignatures):
        imagesig.verify(f"{name}:1", work / "k.pub")


def test_a_bake_is_signed_target_by_target(installed: DockerEngine, work: Path, name: str) -> None:
    targets = {
        "a": {"context": "app", "tags": [f"{name}/a:1", f"{name}/a:2"]},
        "b": {"context": "app", "labels": {"b": "b"}, "tags": [f"{name}/b:1"]},
    }
    bake = {"target": targets, "group": {"default": {"targets": ["a", "b"]}}}
    (work / "docker-bake.json").write_text(json.dumps(bake))

    installed.run("imagesig", "bake", "--sign-key=k.key", "--push", cwd=work)

    digests = {tag: imagesig.verify(f"{name}/{tag}", work / "k.pub").digest for tag in ("a:1", "a:2", "b:1")}
    assert digests["a:1"] == digests["a:2"] != digests["b:1"]


def test_docker_29_builds_through_the_plugin_and_gets_the_trust_that_it_lacks(
    docker_containerd: DockerEngine, work: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(docker_containerd.config))
    monkeypatch.setenv("PYTHONPATH", docker_containerd.environ["PYTHONPATH"])
    monkeypatch.setenv("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", str(binary("docker")))
    assert run_here("docker", "install", "--builder", "--trust").exit_code == 2, "docker 28 has a trust of its own"
    monkeypatch.setenv("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", str(binary("docker29")))
    assert run_here("docker", "install", "--builder", "--trust").exit_code == 0

    build = ["build", "--sign-key", "k.key", "-t", f"{name}:1", "--push", "app"]
    docker_containerd.run(*build, cwd=work, docker="docker29")
    listed = docker_containerd.run("--help", docker="docker29").stdout
    installed_again = run_here("docker", "install", "--trust")

    assert imagesig.verify(f"{name}:1", work / "k.pub").verified
    assert "trust*" in listed
    assert installed_again.exit_code == 0
    assert run_here("docker", "uninstall").exit_code == 0
    assert "trust" not in docker_containerd.run("--help", docker="docker29").stdout


def test_a_build_without_push_is_refused_and_not_built(installed: DockerEngine, work: Path, name: str) -> None:
    done = installed.run("build", "--sign-key", "k.key", "-t", f"{name}:1", "app", cwd=work, check=False)

    assert done.returncode == 2
    assert "the image stays in the engine" in done.stderr
    assert "--push" in done.stderr
    assert installed.run("images", "-q", name).stdout == ""


def test_an_archive_is_signed_and_the_classic_store_refuses_to_write_it(
    installed: DockerEngine, work: Path, name: str
) -> None:
    output = ["-o", "type=oci,dest=app.tar"]
    done = installed.run("build", "--sign-key", "k.key", "-t", f"{name}:1", *output, "app", cwd=work, check=False)

    if installed.store == "classic":
        assert done.returncode == 1
        assert "OCI exporter is not supported for the docker driver" in done.stderr
        return
    policy = imagesig.Policy.any_of(work / "k.pub", identity=f"{name}:1")
    assert imagesig.verify(f"oci-archive:{work / 'app.tar'}", policy).verified
    assert installed.run("load", "-i", "app.tar", cwd=work).returncode == 0


def test_an_archive_beside_a_push_is_signed_by_its_own_digest(
    docker_containerd: DockerEngine, work: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """buildx names one digest for all outputs: it pushes a statement of provenance too, which the archive lacks."""
    monkeypatch.setenv("DOCKER_CONFIG", str(docker_containerd.config))
    assert run_here("docker", "install", "--builder").exit_code == 0
    try:
        outputs = ["-t", f"{name}:1", "--push", "-o", "type=oci,dest=app.tar"]
        docker_containerd.run("build", "--sign-key", "k.key", *outputs, "app", cwd=work)
    finally:
        assert run_here("docker", "uninstall").exit_code == 0

    pushed = imagesig.verify(f"{name}:1", work / "k.pub")
    policy = imagesig.Policy.any_of(work / "k.pub", identity=f"{name}:1")
    written = imagesig.verify(f"oci-archive:{work / 'app.tar'}:1", policy)
    assert pushed.digest != written.digest


def test_what_is_loaded_and_not_pushed_is_not_signed(docker: DockerEngine, work: Path, name: str) -> None:
    docker.run("buildx", "build", "--load", "-t", f"{name}:1", "--metadata-file", "m.json", "app", cwd=work)

    done = run_here("sign", "--key", work / "k.key", "--buildx-metadata", work / "m.json")

    # The classic store gives the image's id in place of a digest.
    assert done.exit_code == (2 if docker.store == "classic" else ImageNotFound.exit_status)


def test_builds_without_a_signature_and_the_builder_s_commands_are_as_before(
    installed: DockerEngine, work: Path
) -> None:
    assert installed.run("build", "-q", "app", cwd=work).stdout.startswith("sha256:")
    assert installed.run("image", "build", "-q", "app", cwd=work).stdout.startswith("sha256:")
    assert "Driver:" in installed.run("builder", "inspect").stdout
    assert "--sign-key KEY_URI" in installed.run("build", "--help").stdout
    assert installed.run("imagesig", "--version").stdout.startswith("imagesig")
