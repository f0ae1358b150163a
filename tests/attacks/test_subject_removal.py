"""`remove A` deletes nothing of B, whoever listed it under A (1e): the manifest's own subject and the signed claim say
whose a signature is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagesig import Policy, SigningKey, registry, remove, sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import ImagesigError, VerificationError
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout, layout
from imagesig.keys.file.provider import FileProvider
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import tag_of
from imagesig.oci.manifest import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Index, Manifest
from imagesig.policy import Identity
from imagesig.testing import InMemoryRegistry

REPOSITORY = "team/app"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[SigningKey]:
    folder = tmp_path_factory.mktemp("keys")
    return [FileProvider(folder).generate(f"{number}.key", KeyType.ECDSA_P256) for number in range(2)]


@pytest.fixture
def server() -> Iterator[InMemoryRegistry]:
    with InMemoryRegistry(referrers_api=False) as running:
        yield running


def at(server: InMemoryRegistry, tag: str) -> Image:
    return registry(f"{server.host}/{REPOSITORY}:{tag}", credentials=("", ""))


def accepts(image: Image, key: SigningKey) -> bool:
    try:
        return bool(verify(image, Policy.any_of(key, identity=Identity.any())).signatures)
    except VerificationError:
        return False


def two_images(server: InMemoryRegistry) -> tuple[Descriptor, Descriptor]:
    home = at(server, "a").home
    return tuple(build_image(home, {"a": tag.encode()}, PLATFORMS[0], tag) for tag in "ab")  # type: ignore[return-value]


def list_under(server: InMemoryRegistry, subject: Descriptor, entries: list[dict[str, object]]) -> None:
    """What anybody who may push can do: the fallback index of one image lists what is another's."""
    home = at(server, "a").home
    tag = tag_of(subject.digest)
    try:
        now = json.loads(home.read(home.resolve(tag), limit=10**6))["manifests"]
    except ImagesigError:
        now = []
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*now, *entries]}
    home.put_manifest(json.dumps(index).encode(), OCI_INDEX, tag)


def listed_under(server: InMemoryRegistry, subject: Descriptor) -> list[dict[str, object]]:
    home = at(server, "a").home
    listed: list[dict[str, object]] = json.loads(home.read(home.resolve(tag_of(subject.digest)), limit=10**6))[
        "manifests"
    ]
    return listed


@pytest.mark.parametrize("everything", [False, True])
def test_the_signature_of_another_image_that_is_listed_here_stays_with_its_image(
    server: InMemoryRegistry, keys: list[SigningKey], everything: bool
) -> None:
    first, second = two_images(server)
    for tag in "ab":
        sign(at(server, tag), keys[0], formats=["bundle"])
    list_under(server, first, listed_under(server, second))
    if everything:
        remove(at(server, "a"), all=True)
    else:
        remove(at(server, "a"), key=keys[0].info.public_key)
    assert not accepts(at(server, "a"), keys[0])
    assert accepts(at(server, "b"), keys[0])


def test_a_signature_of_this_image_that_is_attached_to_another_is_unlisted_and_not_deleted(
    server: InMemoryRegistry, keys: list[SigningKey]
) -> None:
    first, second = two_images(server)
    sign(at(server, "a"), keys[0], formats=["bundle"])
    home = at(server, "a").home
    (entry,) = listed_under(server, first)
    manifest = json.loads(
        home.read(Descriptor(OCI_MANIFEST, str(entry["digest"]), int(str(entry["size"]))), limit=10**6)
    )
    manifest["subject"] = Descriptor(second.media_type, second.digest, second.size).to_json()
    moved = home.put_manifest(json.dumps(manifest).encode(), OCI_MANIFEST)
    list_under(server, first, [moved.to_json()])
    remove(at(server, "a"), all=True)
    assert not accepts(at(server, "a"), keys[0])
    assert (REPOSITORY, moved.digest) in server._manifests


@pytest.mark.parametrize("referrers_api", [False, True])
def test_what_says_another_digest_is_not_deleted(keys: list[SigningKey], referrers_api: bool) -> None:
    with InMemoryRegistry(referrers_api=referrers_api) as server:
        first, second = two_images(server)
        sign(at(server, "b"), keys[0], formats=["bundle"])
        home = at(server, "a").home
        (referrer,) = home.referrers(second.digest).entries
        manifest = json.loads(home.read(referrer, limit=10**6))
        manifest["subject"] = Descriptor(first.media_type, first.digest, first.size).to_json()
        home.add_referrer(json.dumps(manifest).encode(), first)()
        (moved,) = home.referrers(first.digest).entries
        for arguments in ({"all": True}, {"key": keys[0].info.public_key}):
            done = remove(at(server, "a"), **arguments)  # type: ignore[arg-type]
            assert not done.removed
            assert (REPOSITORY, moved.digest) in server._manifests
        assert any(second.digest in warning for warning in done.warnings)
        assert accepts(at(server, "b"), keys[0])


def test_an_image_that_is_listed_as_a_signature_stays(server: InMemoryRegistry, keys: list[SigningKey]) -> None:
    first, second = two_images(server)
    sign(at(server, "a"), keys[0], formats=["bundle"])
    list_under(server, first, [Descriptor(second.media_type, second.digest, second.size).to_json()])
    remove(at(server, "a"), all=True)
    assert (REPOSITORY, second.digest) in server._manifests
    assert (REPOSITORY, "b") in server._manifests


def test_the_list_of_another_image_is_not_deleted_when_ours_is_emptied(
    server: InMemoryRegistry, keys: list[SigningKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody puts another manifest without layers under our tag while the emptied list is written."""
    first, _ = two_images(server)
    sign(at(server, "a"), keys[0], formats=["cosign"])
    home = at(server, "a").home
    tag = tag_of(first.digest, ".sig")
    foreign = Manifest(home.put_blob(b"{}", OCI_EMPTY), (), artifact_type="application/vnd.acme.sbom").to_bytes()
    stored = home.put_manifest(foreign, OCI_MANIFEST, "precious")
    (moved,) = [home.resolve("precious")]
    done = []

    def moves(request: object) -> None:
        path, method = request.path, request.method  # type: ignore[attr-defined]
        if path.endswith(f"/manifests/{tag}") and method == "PUT" and not done:
            done.append(True)
        elif done and path.endswith(f"/manifests/{tag}") and method == "GET" and len(done) < 99:
            server._manifests[REPOSITORY, tag] = server._manifests[REPOSITORY, "precious"]

    server.faults.append(moves)
    remove(at(server, "a"), all=True)
    assert moved.digest == stored.digest
    assert (REPOSITORY, stored.digest) in server._manifests
    assert (REPOSITORY, "precious") in server._manifests


def test_in_a_layout_a_referrer_of_another_image_is_not_removed(tmp_path: Path, keys: list[SigningKey]) -> None:
    made = Layout.create(tmp_path / "layout")
    first, second = (build_image(made, {"a": tag.encode()}, PLATFORMS[0], tag) for tag in "ab")
    sign(layout(tmp_path / "layout", "b"), keys[0], formats=["bundle"])
    (referrer,) = made.referrers(second.digest).entries
    with pytest.raises(ImagesigError):
        made.remove_referrer(referrer, first.digest)
    assert accepts(layout(tmp_path / "layout", "b"), keys[0])
    assert referrer.digest in (tmp_path / "layout" / "index.json").read_text()


def test_an_index_that_refers_to_an_image_is_taken_away_as_its_own_subject_says(tmp_path: Path) -> None:
    made = Layout.create(tmp_path / "layout")
    first = build_image(made, {"a": b"a"}, PLATFORMS[0], "a")
    content = Index((), subject=Descriptor(first.media_type, first.digest, first.size)).to_bytes()
    made.add_referrer(content, first, OCI_INDEX)
    (referrer,) = made.referrers(first.digest).entries
    made.remove_referrer(referrer, first.digest)()
    assert not made.referrers(first.digest).entries
