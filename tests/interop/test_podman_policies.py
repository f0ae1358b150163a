"""podman 5.8 pulls what imagesig signed under a policy.json with sigstoreSigned, and nothing else."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from imagesig import Policy, migrate_trust, sign, verify
from imagesig.content_trust import InMemoryTrust, TrustServers
from imagesig.errors import NoSignatures
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.registry.connect import registry
from imagesig.keys.provider import SigningKey
from imagesig.trust import ContentTrust
from tests.content_trust.notary import notary
from tests.content_trust.repository import TrustRepository, certified, tag
from tests.peers.engine import podman_pull
from tests.peers.servers import RegistryServer

pytestmark = pytest.mark.interop

UNSIGNED = "A signature was required, but no signature exists"
Json = dict[str, object]


def wants(key: Path) -> Json:
    """A policy that wants every image of registries signed by this key."""
    signed: Json = {"type": "sigstoreSigned", "keyPath": str(key)}
    return {"default": [{"type": "reject"}], "transports": {"docker": {"": [signed]}}}


@pytest.fixture
def name(registry_referrers: RegistryServer) -> str:
    return f"{registry_referrers.host}/podman/{uuid.uuid4().hex[:12]}"


def test_podman_pulls_a_signed_index_and_refuses_an_unsigned_one(
    name: str, key: SigningKey, key_folder: Path, tmp_path: Path
) -> None:
    build_index(registry(f"{name}:1").home, {"file": name.encode()}, "1")
    policy = wants(key_folder / "k.pub")
    refused = podman_pull(f"{name}:1", policy)
    assert refused.returncode == 125
    assert UNSIGNED in refused.stderr
    with pytest.raises(NoSignatures):
        verify(f"{name}:1", Policy.from_containers_policy(_written(tmp_path, policy)))

    sign(f"{name}:1", key)

    assert podman_pull(f"{name}:1", policy).returncode == 0
    assert verify(f"{name}:1", Policy.from_containers_policy(_written(tmp_path, policy))).verified


def test_podman_pulls_a_migrated_tag_and_not_one_that_moved(name: str, key: SigningKey, key_folder: Path) -> None:
    made = {
        number: build_image(registry(f"{name}:{number}").home, _content(number), PLATFORMS[0], number)
        for number in "12"
    }
    tags = {number: tag(item.digest, item.size) for number, item in made.items()}
    build_image(registry(f"{name}:2").home, _content("other"), PLATFORMS[0], "2")
    with notary() as server:
        server.repositories[name] = repository = TrustRepository(name, root=[certified(name)], tags=tags)
        trust, servers = ContentTrust(server.url, repository.root[0].id), TrustServers(memory=InMemoryTrust())
        outcomes = list(migrate_trust([name], key, trust, trust_servers=servers))

    assert all(item.ok for item in outcomes)
    policy = wants(key_folder / "k.pub")
    assert podman_pull(f"{name}:1", policy).returncode == 0
    assert UNSIGNED in podman_pull(f"{name}:2", policy).stderr


def _content(text: str) -> dict[str, bytes]:
    return {"file": text.encode()}


def _written(folder: Path, policy: Json) -> Path:
    path = folder / "policy.json"
    path.write_text(json.dumps(policy))
    return path
