"""Images of real engines with both image stores: docker-py's client, pulls, archives of `docker load` and `save`."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import imagesig
from imagesig.docker import from_env, pull_verified, verify
from imagesig.errors import (
    InvalidArgument,
    NeverPushed,
    NoSignatures,
    NotInRegistry,
    TransportError,
    Unreachable,
)
from imagesig.images.build import build_index
from imagesig.keys.provider import SigningKey
from imagesig.oci.platform import Platform
from tests.commands import run_here
from tests.peers.engine import DockerEngine, podman_service
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop


@pytest.fixture
def client(docker: DockerEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("DOCKER_HOST", docker.address)
    monkeypatch.setenv("DOCKER_CONFIG", str(docker.config))
    made = from_env()
    yield made
    made.close()


@pytest.fixture
def pub(key: SigningKey, key_folder: Path) -> str:
    return str(key_folder / "k.pub")


@pytest.fixture
def name(registry_referrers: RegistryServer) -> str:
    """A repository that no other test uses."""
    return f"{registry_referrers.host}/engine/{uuid.uuid4().hex}"


def context(folder: Path) -> Path:
    """What `docker build` builds: an image with one file, which no other image has."""
    (folder / "file").write_text(uuid.uuid4().hex)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY file /file\n")
    return folder


def test_an_image_is_verified_from_the_build_to_the_pull(
    docker: DockerEngine, client: Any, name: str, pub: str, key: SigningKey, tmp_path: Path
) -> None:
    """The lines that the project was asked for, for an image that is built, pushed, signed, tagged and pulled again."""
    docker.run("build", "-q", "-t", f"{name}:1", context(tmp_path))

    never = client.images.get(f"{name}:1").verify_signature(pub)
    assert not never
    assert type(never.error) is (NeverPushed if docker.store == "classic" else NotInRegistry)

    docker.run("push", "-q", f"{name}:1")
    image = client.images.get(f"{name}:1")
    unsigned = image.verify_signature(pub)
    assert not unsigned
    assert isinstance(unsigned.error, NoSignatures)

    imagesig.sign(f"{name}:1", key)
    verdict = image.verify_signature(pub)
    assert verdict
    assert verdict.result.pinned in image.attrs["RepoDigests"]
    assert verify(image, pub).pinned == verdict.result.pinned

    image.tag("my-image")
    assert client.images.get("my-image").verify_signature(pub)
    assert [bool(item.verify_signature(pub)) for item in client.images.list(f"{name}")] == [True]
    image.tag("127.0.0.1:1/prod/app", "1")
    assert not _verdict_or_unreachable(client.images.get("127.0.0.1:1/prod/app:1"), pub)


def _verdict_or_unreachable(image: Any, pub: str) -> bool:
    """The containerd store names a digest in a registry that nobody asked, and that does not answer."""
    try:
        return bool(image.verify_signature(pub, timeout=1))
    except (Unreachable, imagesig.DeadlineExceeded):
        return False


def test_the_default_policy_is_used(
    client: Any, name: str, pub: str, key: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_index(imagesig.registry(f"{name}:1").home, {"file": name.encode()}, "1")
    imagesig.sign(f"{name}:1", key)
    client.images.pull(name, "1").tag("my-image")
    monkeypatch.setenv("IMAGESIG_POLICY", str(tmp_path / "policy.toml"))

    with pytest.raises(InvalidArgument):
        client.images.get("my-image").verify_signature()
    assert run_here("policy", "init", "--key", pub, "--write").exit_code == 0

    assert client.images.get("my-image").verify_signature()
    assert client.images.get(f"{name}:1").verify_signature()


def test_a_verified_pull_gets_what_was_verified_although_the_tag_moves(
    client: Any, name: str, pub: str, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = imagesig.registry(f"{name}:1").home
    good = build_index(home, {"file": b"good"}, "1").digest
    imagesig.sign(f"{name}:1", key)
    verified = imagesig.verify

    def verify_and_move(*arguments: Any, **options: Any) -> Any:
        result = verified(*arguments, **options)
        build_index(home, {"file": b"evil"}, "1")
        return result

    monkeypatch.setattr("imagesig.docker.pulling.verify", verify_and_move)
    image = pull_verified(client, f"{name}:1", pub)

    assert f"{name}@{good}" in image.attrs["RepoDigests"]
    assert f"{name}:1" in image.attrs["RepoTags"]
    assert image.verify_signature(pub)
    assert client.images.get(f"{name}:1").id == image.id


def test_a_verified_pull_by_digest_makes_no_tag_and_without_a_tag_it_is_latest(
    client: Any, name: str, pub: str, key: SigningKey
) -> None:
    digest = build_index(imagesig.registry(f"{name}:latest").home, {"file": name.encode()}, "latest").digest
    imagesig.sign(f"{name}:latest", key)

    by_digest = pull_verified(client, f"{name}@{digest}", pub)
    assert f"{name}:latest" not in by_digest.attrs["RepoTags"]

    assert f"{name}:latest" in pull_verified(client, name, pub).attrs["RepoTags"]


def test_nothing_is_pulled_that_is_not_verified(client: Any, name: str, pub: str) -> None:
    build_index(imagesig.registry(f"{name}:1").home, {"file": name.encode()}, "1")

    with pytest.raises(NoSignatures):
        pull_verified(client, f"{name}:1", pub)

    assert client.images.list(name) == []


def test_an_image_that_the_engine_cannot_pull_is_an_error(client: Any, name: str, pub: str, key: SigningKey) -> None:
    """It is for another platform, and signed."""
    build_index(imagesig.registry(f"{name}:1").home, {"file": name.encode()}, "1", [Platform("s390x", "linux")])
    imagesig.sign(f"{name}:1", key)

    with pytest.raises(TransportError, match=r"the engine answers .*no matching manifest"):
        pull_verified(client, f"{name}:1", pub)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # docker-py leaves its socket open
def test_an_engine_that_does_not_answer_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")

    with pytest.raises(Unreachable, match="no answer"):
        from_env()
    gc.collect()


def test_a_client_of_docker_py_is_not_changed(docker: DockerEngine, client: Any, name: str, pub: str) -> None:
    from docker import DockerClient
    from docker.models.images import Image, ImageCollection

    plain = DockerClient(base_url=docker.address)
    build_index(imagesig.registry(f"{name}:1").home, {"file": name.encode()}, "1")
    image = plain.images.pull(name, "1")

    assert not hasattr(Image, "verify_signature")
    assert ImageCollection.model is type(image) is Image
    assert isinstance(client, DockerClient)
    with pytest.raises(NoSignatures):
        verify(image, pub)
    plain.close()


def test_images_of_podman_are_verified_through_its_socket(
    name: str, pub: str, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_index(imagesig.registry(f"{name}:1").home, {"file": name.encode()}, "1")
    with podman_service() as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        podman = from_env()
        image = podman.images.pull(name, "1")
        assert isinstance(image.verify_signature(pub).error, NoSignatures)

        imagesig.sign(f"{name}:1", key)

        assert image.verify_signature(pub)
        image.tag("localhost/my-image", "1")
        assert podman.images.get("localhost/my-image:1").verify_signature(pub)
        pulled = pull_verified(podman, f"{name}:1", pub)
        assert f"{name}:1" in pulled.attrs["RepoTags"]
        assert pulled.id == image.id
        podman.close()


def test_the_classic_store_pushes_and_saves_another_image_than_was_pulled(
    docker: DockerEngine, client: Any, name: str, pub: str, key: SigningKey, tmp_path: Path
) -> None:
    """So an image is moved with `imagesig copy`; neither store keeps the signed index."""
    index = build_index(imagesig.registry(f"{name}:1").home, {"file": name.encode()}, "1").digest
    imagesig.sign(f"{name}:1", key)
    pull_verified(client, f"{name}:1", pub).tag(f"{name}/moved", "1")
    docker.run("push", "-q", f"{name}/moved:1")
    docker.run("save", "-o", tmp_path / "saved.tar", f"{name}:1")

    pushed = imagesig.inspect(f"{name}/moved:1").digest
    saved = imagesig.inspect(f"docker-archive:{tmp_path / 'saved.tar'}").digest
    children = {item.digest for item in imagesig.inspect(f"{name}:1").signatures} - {index}

    assert pushed != index
    assert (pushed in children) is (docker.store == "containerd")
    assert (saved in children | {index}) is (docker.store == "containerd")


def test_docker_loads_and_saves_signed_archives(
    docker: DockerEngine, client: Any, name: str, pub: str, key: SigningKey, key_folder: Path, tmp_path: Path
) -> None:
    """docker-archive in both stores, oci-archive in the containerd store only."""
    docker.run("build", "-q", "-t", f"{name}:1", context(tmp_path))
    saved = tmp_path / "saved.tar"
    docker.run("save", "-o", saved, f"{name}:1")
    imagesig.sign(f"docker-archive:{saved}", key, identity=f"{name}:1")
    assert imagesig.verify(f"docker-archive:{saved}", imagesig.Policy.any_of(pub, identity=f"{name}:1")).verified
    before = client.images.get(f"{name}:1").id
    docker.run("rmi", f"{name}:1")
    docker.run("load", "-i", saved)
    assert client.images.get(f"{name}:1").id == before

    docker.run("push", "-q", f"{name}:1")
    imagesig.sign(f"{name}:1", key)
    copied = tmp_path / "copied.tar"
    imagesig.copy(f"{name}:1", f"oci-archive:{copied}:1")
    loaded = docker.run("load", "-i", copied, check=False)
    if docker.store == "containerd":
        assert loaded.returncode == 0, loaded.stderr
        digest = imagesig.inspect(f"{name}:1").digest
        assert digest in {item["Id"] for item in client.api.images()}
    else:
        assert loaded.returncode != 0
        assert "no such file" in loaded.stderr
