"""`tree` and `download` beside cosign's, over what cosign and buildx stored."""

from __future__ import annotations

import base64
import json
import subprocess
import uuid
from functools import partial
from pathlib import Path

import pytest

import imagesig
from imagesig import ArtifactKind, download, tree
from imagesig.crypto.algorithms import KeyType
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.registry.connect import registry
from tests.docker.test_engines import context
from tests.interop.homes import Homes
from tests.interop.tools import Tools
from tests.peers import RUN_SECONDS, binary
from tests.peers.engine import DockerEngine
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop

OPENVEX = "https://openvex.dev/ns"


def payloads(lines: str) -> list[bytes]:
    """The statements in lines of bundles and envelopes."""
    found = []
    for line in lines.splitlines():
        document = json.loads(line)
        found.append(base64.b64decode(document.get("dsseEnvelope", document)["payload"]))
    return sorted(found)


@pytest.mark.parametrize("kind", ["referrers", "tag"])
def test_what_cosign_attests_is_shown_and_downloaded(
    request: pytest.FixtureRequest, homes: Homes, tools: Tools, tmp_path: Path, kind: str
) -> None:
    server: RegistryServer = request.getfixturevalue(f"registry_{kind}")
    name = f"{server.host}/attached/{uuid.uuid4().hex[:8]}:1"
    build_image(registry(name).home, {"a": b"b"}, PLATFORMS[0], "1")
    shared = homes.make("file", KeyType.ECDSA_P256)
    predicate = tools.home / "predicate.json"
    predicate.write_text('{"statements": []}')
    offline = ("--use-signing-config=false", "--tlog-upload=false", "--yes", "--allow-http-registry")
    attest = ("attest", "--key", shared.peer_uri, *offline, "--predicate", str(predicate), "--type")
    tools.run("cosign3", *attest, "openvex", "--new-bundle-format=false", name).must_succeed()
    tools.run("cosign3", *attest, OPENVEX, name).must_succeed()
    theirs = tools.run("cosign3", "download", "attestation", "--allow-http-registry", name).must_succeed().stdout

    found = [node for node in tree(name).root.children if node.kind is ArtifactKind.ATTESTATION]
    ours = payloads("\n".join(item.line.decode() for item in download(name, "attestation", predicate_type=OPENVEX)))

    assert [node.predicate_type for node in found] == [OPENVEX] * 2
    assert ours == payloads(theirs)
    assert len(ours) == 2
    imagesig.sign(name, shared.key)
    kinds = [node.kind for node in tree(name).root.children]
    assert kinds.count(ArtifactKind.ATTESTATION) == 2
    assert kinds.count(ArtifactKind.SIGNATURE) == 2
    assert tools.run("cosign3", "tree", "--allow-http-registry", name).ok


@pytest.fixture
def built(docker_containerd: DockerEngine, registry_referrers: RegistryServer, tmp_path: Path) -> str:
    """An image that buildx built and pushed with its provenance, unsigned."""
    return build_with(docker_containerd, registry_referrers, tmp_path)


def build_with(engine: DockerEngine, server: RegistryServer, folder: Path, *options: str) -> str:
    name = f"{server.host}/attached/{uuid.uuid4().hex[:8]}:1"
    build = ("buildx", "build", "--provenance=mode=max", *options)
    done = subprocess.run(
        [str(binary("docker")), *build, "-t", name, "--push", str(context(folder))],
        env=engine.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return name


def test_what_buildkit_wrote_is_shown_as_unsigned(built: str) -> None:
    name = built
    root = tree(name).root
    assert root.kind is ArtifactKind.INDEX
    (statements,) = (node for node in root.children if node.kind is ArtifactKind.STATEMENT)
    assert statements.children[0].predicate_type.startswith("https://slsa.dev/provenance/")
    (found,) = download(name, "attestation")
    assert not found.signed
    assert json.loads(found.content)["predicateType"] == statements.children[0].predicate_type
    assert imagesig.inspect(name).signatures == (), "a statement is no signature"


@pytest.mark.parametrize("signed_by", ["imagesig", "cosign"])
def test_what_buildkit_wrote_is_proven_by_a_signature_of_the_index(
    built: str, homes: Homes, tools: Tools, signed_by: str
) -> None:
    shared = homes.make("file", KeyType.ECDSA_P256)
    (found,) = download(built, "attestation")
    asked = partial(imagesig.verify_attestation, built, shared.key.info.public_key, predicate_type=found.predicate_type)
    with pytest.raises(imagesig.NoSignatures, match="the index is not signed"):
        asked()
    (child,) = (node for node in tree(built).root.children if node.kind is ArtifactKind.IMAGE)
    imagesig.sign(f"{built.rpartition(':')[0]}@{child.digest}", shared.key)
    with pytest.raises(imagesig.NoSignatures, match="the index is not signed"):
        asked()

    if signed_by == "cosign":
        offline = ("--use-signing-config=false", "--tlog-upload=false", "--yes", "--allow-http-registry")
        tools.run("cosign3", "sign", "--key", shared.peer_uri, *offline, built).must_succeed()
    else:
        imagesig.sign(built, shared.key)

    result = asked()
    (statement,) = result.statements
    assert statement.index == result.digest
    assert child.digest in statement.subjects
    assert statement.predicate in found.content
    assert asked(platform=child.platform).digest == child.digest


def test_each_platform_of_a_signed_index_has_its_own_statement(
    docker_containerd: DockerEngine, registry_referrers: RegistryServer, homes: Homes, tmp_path: Path
) -> None:
    name = build_with(docker_containerd, registry_referrers, tmp_path, "--platform", "linux/amd64,linux/arm64")
    shared = homes.make("file", KeyType.ECDSA_P256)
    imagesig.sign(name, shared.key)
    children = [node for node in tree(name).root.children if node.kind is ArtifactKind.IMAGE]
    asked = partial(
        imagesig.verify_attestation, name, shared.key.info.public_key, predicate_type="https://slsa.dev/provenance/v0.2"
    )
    assert len(children) == len(asked().statements) == 2
    for child in children:
        (statement,) = asked(platform=child.platform).statements
        assert child.digest in statement.subjects
