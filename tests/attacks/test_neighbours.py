"""What hostile neighbours of a good signature can do: be reported, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from imagesig import sign, verify
from imagesig.effort import Cost, one_image
from imagesig.errors import LimitExceeded
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.registry.connect import registry
from imagesig.keys.provider import SigningKey
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import sha256
from imagesig.oci.manifest import OCI_INDEX, OCI_MANIFEST
from imagesig.stores.store import pay
from imagesig.testing import Answer, InMemoryRegistry, Request

HUGE = 2**62


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry() as running:
        yield running


def signed(server: InMemoryRegistry, key: SigningKey, format_name: str) -> Image:
    image = registry(f"{server.host}/team/app:1.0", credentials=("", ""))
    build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0")
    sign(image, key, formats=[format_name])
    return registry(f"{server.host}/team/app:1.0", credentials=("", ""))


def listing(server: InMemoryRegistry, change: dict[str, object]) -> None:
    """Puts an entry with these members before all others into every referrers listing."""

    def listed(request: Request) -> Answer | None:
        if "/referrers/" not in request.path:
            return None
        subject = request.path.rpartition("/")[2]
        manifests = [
            {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(content)}
            for (_, digest), (content, _) in server._manifests.items()
            if digest.startswith("sha256:") and json.loads(content).get("subject", {}).get("digest") == subject
        ]
        entry = {"mediaType": OCI_MANIFEST, "digest": "sha256:" + "0" * 64, "size": 1} | change
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry, *manifests]}
        return Answer(200, json.dumps(index).encode(), {"content-type": OCI_INDEX})

    server.faults.append(listed)


def test_as_many_bytes_as_the_limit_are_paid_for_and_no_more() -> None:
    with one_image():
        pay(Cost.BYTES, Descriptor("a/b", sha256(b""), 7), 7, "x")
        with pytest.raises(LimitExceeded, match="8 bytes, at most 7"):
            pay(Cost.BYTES, Descriptor("a/b", sha256(b""), 8), 7, "x")


def test_a_layer_that_claims_to_be_huge_does_not_use_up_the_budget_of_the_others(
    server: InMemoryRegistry, key: SigningKey
) -> None:
    image = signed(server, key, "cosign")
    tag = image.home.resolve("1.0").digest.replace(":", "-") + ".sig"
    document = json.loads(server._manifests["team/app", tag][0])
    document["layers"].insert(0, document["layers"][0] | {"digest": "sha256:" + "0" * 64, "size": HUGE})
    server._manifests["team/app", tag] = (json.dumps(document).encode(), OCI_MANIFEST)
    result = verify(image, key)
    assert len(result.signatures) == 1
    assert isinstance(result.rejections[0].error, LimitExceeded)


def test_a_referrer_that_claims_to_be_huge_does_not_use_up_the_budget_of_the_others(
    server: InMemoryRegistry, key: SigningKey
) -> None:
    image = signed(server, key, "bundle")
    listing(server, {"size": HUGE})
    result = verify(image, key)
    assert len(result.signatures) == 1
    assert isinstance(result.rejections[0].error, LimitExceeded)


def test_a_referrer_that_is_not_there_hides_nothing(server: InMemoryRegistry, key: SigningKey) -> None:
    image = signed(server, key, "bundle")
    listing(server, {})
    assert len(verify(image, key).signatures) == 1


@pytest.mark.parametrize("attached", ["sha256:" + "1" * 64, "nothing"])
def test_the_statement_decides_and_another_subject_of_the_manifest_is_shown(
    server: InMemoryRegistry, key: SigningKey, attached: str
) -> None:
    image = signed(server, key, "bundle")
    ((content, _),) = [
        stored
        for (_, name), stored in server._manifests.items()
        if name.startswith("sha256:") and b'"subject"' in stored[0]
    ]
    document = json.loads(content)
    if attached == "nothing":
        del document["subject"]
    else:
        document["subject"]["digest"] = attached
    moved = json.dumps(document).encode()
    server._manifests["team/app", sha256(moved)] = (moved, OCI_MANIFEST)
    listing(server, {"digest": sha256(moved), "size": len(moved)})
    origins = [item.origin for item in verify(image, key).signatures]
    assert [f"attached to {attached}" in origin for origin in origins] == [True, False]


def test_of_more_referrers_than_are_read_the_small_ones_are(
    server: InMemoryRegistry, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = signed(server, key, "bundle")
    listing(server, {"size": 100_000})
    monkeypatch.setattr("imagesig.limits.REFERRERS", 1)
    assert len(verify(image, key).signatures) == 1
