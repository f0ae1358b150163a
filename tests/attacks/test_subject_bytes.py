"""What a home says of an image is no property of its bytes: `verify` reads and hashes what it names (1a), and what
lies under a digest counts as stored only if it is those bytes (1b)."""

from __future__ import annotations

import ast
import asyncio
import hashlib
import json
import os
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

import imagesig.aio
from imagesig import KeyType, SigningKey, copy, inspect, registry, remove, sign, verify, verify_many
from imagesig.api.diagnosing import diagnose
from imagesig.api.doctor.diagnosis import State
from imagesig.api.explaining import explain
from imagesig.cli.processes import ForkPool
from imagesig.errors import (
    DigestMismatch,
    ImageNotFound,
    ImagesigError,
    MalformedError,
    NoSignatureAccepted,
    TransportError,
)
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.keys.file.provider import FileProvider
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import sha256
from imagesig.oci.manifest import OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, Manifest
from imagesig.policy import Identity, Policy
from imagesig.testing import InMemoryRegistry
from tests.attacks.subject_homes import BLOBS, LOCAL, NAME, LocalHome, same_length
from tests.cli.test_commands import imagesig as command
from tests.images.archive.archives import docker_save_today

API = Path(imagesig.__file__).parent / "api"

NOW = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture(params=LOCAL)
def home(request: pytest.FixtureRequest, tmp_path: Path, key: SigningKey) -> LocalHome:
    made = LocalHome(request.param, tmp_path)
    formats = ["cosign"] if made.kind == "dir" else ["cosign", "bundle"]
    sign(made.destination, key, formats=formats, identity=NAME)
    return made


def evil(home: LocalHome) -> bytes:
    """Another manifest, which nobody signed."""
    return json.dumps(home.document() | {"annotations": {"evil": "yes"}}).encode()


# --- 1a: what verify names is read and hashed -------------------------------------------------------------------------


def test_other_bytes_under_the_signed_digest_are_not_verified(home: LocalHome, key: SigningKey) -> None:
    home.write(home.blob(home.digest), evil(home))
    for name in home.names:
        with pytest.raises(ImagesigError) as refused:
            verify(name, key)
        assert isinstance(refused.value, DigestMismatch) or home.kind == "dir"


def test_a_manifest_that_is_not_there_is_no_image(home: LocalHome, key: SigningKey) -> None:
    home.write(home.blob(home.digest), None)
    for name in home.names:
        with pytest.raises(ImageNotFound):
            verify(name, key)


def test_bytes_that_break_off_or_go_on_are_not_verified(home: LocalHome, key: SigningKey) -> None:
    content = home.read(home.blob(home.digest))
    for changed in (content[:-1], content + b"\n", b""):
        home.write(home.blob(home.digest), changed)
        for name in home.names:
            with pytest.raises(ImagesigError):
                verify(name, key)


@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
def test_the_command_and_the_other_ways_to_verify_refuse_it_too(
    kind: str, tmp_path: Path, key: SigningKey, key_folder: Path
) -> None:
    home = LocalHome(kind, tmp_path)
    sign(home.destination, key, identity=NAME)
    home.write(home.blob(home.digest), evil(home))
    done = command("verify", "--key", str(key_folder / "k.pub"), home.destination)
    assert done.returncode == 1
    assert home.digest not in done.stdout
    policy = Policy.any_of(key.info.public_key)
    assert not any(outcome.ok for outcome in verify_many(home.names, policy))
    with ForkPool(2) as executor:
        assert not any(outcome.ok for outcome in verify_many(home.names, policy, executor=executor))
    with pytest.raises(DigestMismatch):
        asyncio.run(imagesig.aio.verify(home.destination, policy))
    assert not any(item.is_met for item in explain(home.destination, policy).requirements)
    assert any(item.area == "image" and item.state is State.FAILED for item in diagnose("", home.destination))
    for action in (lambda: inspect(home.destination), lambda: remove(home.destination, all=True)):
        with pytest.raises(DigestMismatch):
            action()
    with pytest.raises(DigestMismatch):
        copy(home.destination, f"oci:{tmp_path / 'there'}:1.0")
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
@pytest.mark.parametrize("member", [{"size": 1}, {"mediaType": "application/vnd.oci.image.index.v1+json"}])
def test_an_entry_that_is_not_what_its_bytes_are_is_refused(
    kind: str, member: dict[str, object], tmp_path: Path, key: SigningKey
) -> None:
    home = LocalHome(kind, tmp_path)
    sign(home.destination, key, formats=["bundle"], identity=NAME)
    index = json.loads(home.read("index.json"))
    for second in (False, True):  # instead of the true entry, and beside it
        entries = index["manifests"]
        (true,) = (entry for entry in entries if entry["digest"] == home.digest)
        lie = {name: value for name, value in true.items() if name != "annotations"} | member
        changed = [*entries, lie] if second else [true | member if entry is true else entry for entry in entries]
        home.write("index.json", json.dumps(index | {"manifests": changed}).encode())
        with pytest.raises(MalformedError):
            verify(home.names[1], key)


@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
def test_a_digest_of_something_that_is_no_manifest_names_no_image(kind: str, tmp_path: Path, key: SigningKey) -> None:
    home = LocalHome(kind, tmp_path)
    config = home.document()["config"]["digest"]
    with pytest.raises(ImagesigError) as refused:
        verify(f"{kind}:{home.path}@{config}", key)
    assert not isinstance(refused.value, NoSignatureAccepted)


@pytest.mark.parametrize("kind", LOCAL)
@pytest.mark.parametrize("content", [b"other", None])
def test_the_child_chosen_for_a_platform_is_read_and_hashed(
    kind: str, content: bytes | None, tmp_path: Path, key: SigningKey
) -> None:
    home = LocalHome(kind, tmp_path, index=True)
    formats = ["cosign"] if kind == "dir" else ["cosign", "bundle"]
    for recursive in (False, True):  # accepted through the index, and by its own signature
        sign(home.destination, key, formats=formats, identity=NAME, recursive=recursive)
    child = home.document()["manifests"][0]["digest"]
    changed = None if content is None else home.read(home.blob(child, manifest=True)).replace(b"2", b"3", 1)
    home.write(home.blob(child, manifest=True), changed)
    with pytest.raises(ImageNotFound if content is None else DigestMismatch):
        verify(home.destination, key, platform="linux/amd64")
    if kind != "dir":
        with pytest.raises(ImageNotFound if content is None else DigestMismatch):
            verify(f"{kind}:{home.path}@{child}", key)


def test_a_blob_under_a_wrong_name_is_no_referrer(tmp_path: Path, key: SigningKey) -> None:
    home = LocalHome("oci-archive", tmp_path)
    sign(home.destination, key, formats=["bundle"], identity=NAME)
    index = json.loads(home.read("index.json"))
    (referrer,) = (entry["digest"] for entry in index["manifests"] if entry["digest"] != home.digest)
    content = home.read(home.blob(referrer))
    home.write(home.blob(referrer), None)
    home.write(BLOBS + "ab" * 32, content)
    assert not inspect(home.destination).signatures


def test_a_blob_that_cannot_be_read_hides_no_signature(tmp_path: Path, key: SigningKey) -> None:
    home = LocalHome("oci", tmp_path)
    sign(home.destination, key, formats=["bundle"], identity=NAME)
    os.mkfifo(home.path / BLOBS / ("ab" * 32))
    (home.path / BLOBS / ("cd" * 32)).mkdir()
    (home.path / BLOBS / ("ef" * 32)).symlink_to("/etc/passwd")
    assert verify(home.destination, key).signatures


def test_the_subject_of_a_verdict_is_found_by_pin_alone() -> None:
    """Read off the source: code that takes a digest from the name of an image trusts the name."""
    found = {
        path.relative_to(API).as_posix()
        for path in API.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "is_digest"
    }
    # The first asks how a destination is named; the second keeps an image that the caller pinned, which is read by pin.
    assert found == {"copying.py", "verify/naming.py"}


# --- 1b: what lies under a digest is stored only if it is those bytes -------------------------------------------------


@pytest.mark.parametrize("kind", LOCAL)
@pytest.mark.parametrize("part", ["manifest", "config", "layer"])
def test_a_copy_replaces_evil_bytes_under_a_good_digest(kind: str, part: str, tmp_path: Path, key: SigningKey) -> None:
    good = LocalHome("oci", tmp_path / "good")
    sign(good.destination, key, formats=["cosign"], identity=NAME)
    there = LocalHome(kind, tmp_path / "there")
    manifest = good.document()
    digest = {"config": manifest["config"]["digest"], "layer": manifest["layers"][0]["digest"]}.get(part, good.digest)
    content = good.read(good.blob(digest))
    there.write(there.blob(digest), same_length(content))
    copy(good.destination, there.destination, admit=lambda image: verify(image, key))
    assert there.read(there.blob(digest)) == content
    assert verify(there.destination, key).signatures


@pytest.mark.parametrize("kind", LOCAL)
def test_a_copy_replaces_evil_bytes_of_a_child_and_of_signatures(kind: str, tmp_path: Path, key: SigningKey) -> None:
    good = LocalHome("oci", tmp_path / "good", index=True)
    formats = ["cosign"] if kind == "dir" else ["cosign", "bundle"]
    sign(good.destination, key, formats=formats, identity=NAME)
    there = LocalHome(kind, tmp_path / "there", index=True)
    copy(good.destination, there.destination, all_platforms=True)
    if kind == "dir":
        spoiled = [there.blob(child["digest"], manifest=True) for child in good.document()["manifests"]]
    else:
        names = [str(path.relative_to(good.path)) for path in (good.path / BLOBS).iterdir()]
        spoiled = [name for name in names if name != there.blob(good.digest)]
    for name in spoiled:
        there.write(name, same_length(there.read(name)))
    copy(good.destination, there.destination, all_platforms=True)
    for name in spoiled:
        if kind != "dir":
            assert there.read(name) == good.read(name)
    for platform in ("", "linux/amd64", "linux/arm64"):
        assert verify(there.destination, key, platform=platform).signatures


@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
@pytest.mark.parametrize("format_name", ["cosign", "bundle"])
def test_what_is_said_to_be_attached_verifies_although_other_bytes_lay_there(
    kind: str, format_name: str, tmp_path: Path
) -> None:
    key = FileProvider(tmp_path).generate("ed25519.key", KeyType.ED25519)
    seen = LocalHome(kind, tmp_path / "seen")
    before = set(_blobs(seen))
    sign(seen.destination, key, formats=[format_name], identity=NAME, now=NOW)
    home = LocalHome(kind, tmp_path / "home")
    # Ed25519 signatures of one second are the same: all that signing stores is known before.
    spoiled = set(_blobs(seen)) - before
    for name in spoiled:
        home.write(name, same_length(seen.read(name)))
    sign(home.destination, key, formats=[format_name], identity=NAME, now=NOW)
    assert verify(home.destination, key).signatures
    assert all(home.read(name) == seen.read(name) for name in spoiled)


@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
@pytest.mark.parametrize("format_name", ["cosign", "bundle"])
def test_what_is_said_to_be_attached_verifies_although_it_was_listed_with_another_size(
    kind: str, format_name: str, tmp_path: Path, key: SigningKey
) -> None:
    seen = LocalHome(kind, tmp_path / "seen")
    sign(seen.destination, key, formats=[format_name], identity=NAME)
    listed = [
        {name: value for name, value in entry.items() if name != "annotations"} | {"size": 7}
        for entry in json.loads(seen.read("index.json"))["manifests"]
        if entry["digest"] != seen.digest
    ]
    home = LocalHome(kind, tmp_path / "home")
    index = json.loads(home.read("index.json"))
    home.write("index.json", json.dumps(index | {"manifests": [*index["manifests"], *listed]}).encode())
    sign(home.destination, key, formats=[format_name], identity=NAME)
    assert verify(home.destination, key).signatures


def test_what_is_attached_in_a_registry_verifies_although_it_was_listed_as_something_else(key: SigningKey) -> None:
    """Who may push lists a signature before it is made, with another size: as a referrer, and as a classic one."""
    policy = Policy.any_of(key.info.public_key, identity=Identity.any())
    with InMemoryRegistry(referrers_api=False) as seen, InMemoryRegistry(referrers_api=False) as server:
        images = [registry(f"{item.host}/team/app:1.0", credentials=("", "")) for item in (seen, server)]
        digests = {build_image(image.home, {"a": b"b"}, PLATFORMS[0], "1.0").digest for image in images}
        (digest,) = digests
        sign(images[0], key, identity=NAME)
        tag = digest.replace(":", "-")
        for name, media_type in ((tag, OCI_INDEX), (f"{tag}.sig", OCI_MANIFEST)):
            document = json.loads(seen._manifests["team/app", name][0])
            (listed,) = document["manifests" if name == tag else "layers"]
            listed["size"] += 1
            for at, blob in seen._blobs.items():
                server._blobs.setdefault(at, blob)
            images[1].home.put_manifest(json.dumps(document).encode(), media_type, name)
        for format_name in ("cosign", "bundle"):
            sign(images[1], key, identity=NAME, formats=[format_name])
            by = Policy.any_of(key.info.public_key, identity=Identity.any(), formats=[format_name])
            assert verify(images[1], by).signatures
        assert verify(images[1], policy).signatures


def test_a_docker_archive_with_a_layout_is_read_and_hashed_too(tmp_path: Path, key: SigningKey) -> None:
    home = LocalHome("oci", tmp_path)
    file = docker_save_today(home.path, tmp_path / "saved.tar", "example.test/team/app:1.0")
    sign(f"docker-archive:{file}", key, identity=NAME)
    policy = Policy.any_of(key.info.public_key, identity=Identity.any())
    assert verify(f"docker-archive:{file}", policy).signatures
    home.kind, home.path = "oci-archive", file
    for content, error in ((evil(home), DigestMismatch), (None, ImageNotFound)):
        home.write(home.blob(home.digest), content)
        for name in (f"docker-archive:{file}", f"docker-archive:{file}@{home.digest}"):
            # Docker's own description of the archive is compared first, and names another manifest then.
            with pytest.raises((error, MalformedError)):
                verify(name, policy)


@pytest.mark.parametrize("kind", ["oci", "oci-archive"])
@pytest.mark.parametrize(
    "name",
    [
        {"org.opencontainers.image.ref.name": "localhost/x:{}"},
        {"io.containerd.image.name": "docker.io/library/{}:latest"},
    ],
)
def test_what_is_attached_verifies_although_another_entry_had_the_name_of_its_list(
    kind: str, name: dict[str, str], tmp_path: Path, key: SigningKey
) -> None:
    home = LocalHome(kind, tmp_path)
    tag = home.digest.replace(":", "-") + ".sig"
    lists = Manifest(Descriptor.of(b"{}", OCI_EMPTY), ()).to_bytes()
    home.write(BLOBS + sha256(lists).removeprefix("sha256:"), lists)
    index = json.loads(home.read("index.json"))
    named = {"annotations": {member: text.format(tag) for member, text in name.items()}}
    entries = [*index["manifests"], Descriptor.of(lists, OCI_MANIFEST).to_json() | named]
    home.write("index.json", json.dumps(index | {"manifests": entries}).encode())
    sign(f"{kind}:{home.path}@{home.digest}", key, formats=["cosign"], identity=NAME)
    assert verify(f"{kind}:{home.path}@{home.digest}", key).signatures


@pytest.mark.parametrize("kind", LOCAL)
def test_a_copy_from_a_home_with_other_bytes_moves_no_tag(kind: str, tmp_path: Path) -> None:
    home = LocalHome(kind, tmp_path)
    layer = home.document()["layers"][0]["digest"]
    home.write(home.blob(layer), same_length(home.read(home.blob(layer))))
    with pytest.raises(DigestMismatch):
        copy(home.destination, f"oci:{tmp_path / 'there'}:1.0")
    assert not json.loads((tmp_path / "there" / "index.json").read_text())["manifests"]


def test_a_folder_in_the_place_of_a_blob_ends_signing_before_anything_is_said_to_be_attached(
    tmp_path: Path, key: SigningKey
) -> None:
    seen = LocalHome("oci", tmp_path / "seen")
    before = set(_blobs(seen))
    sign(seen.destination, key, formats=["cosign"], identity=NAME)
    home = LocalHome("oci", tmp_path / "home")
    for name in set(_blobs(seen)) - before:
        (home.path / name).mkdir()
    with pytest.raises(TransportError):
        sign(home.destination, key, formats=["cosign"], identity=NAME)


def test_a_large_blob_is_hashed_once_in_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout.create(tmp_path / "layout")
    build_image(layout, {"bin/app": os.urandom(3 * 1024 * 1024)}, PLATFORMS[0], "1.0")
    copy(f"oci:{tmp_path / 'layout'}:1.0", f"oci:{tmp_path / 'there'}:1.0")
    hashed: list[int] = []
    real = hashlib.sha256

    class Counting:
        def __init__(self, data: bytes = b"") -> None:
            self._inner = real(data)
            hashed.append(len(data))

        def update(self, data: bytes) -> None:
            hashed.append(len(data))
            self._inner.update(data)

        def hexdigest(self) -> str:
            return self._inner.hexdigest()

    monkeypatch.setattr(hashlib, "sha256", Counting)
    copied = copy(f"oci:{tmp_path / 'layout'}:1.0", f"oci:{tmp_path / 'there'}:1.0")
    assert copied.blobs.sent == 0
    assert 3 * 1024 * 1024 < sum(hashed) < 4 * 1024 * 1024


def _blobs(home: LocalHome) -> list[str]:
    if home.kind == "oci":
        return [str(path.relative_to(home.path)) for path in (home.path / BLOBS).iterdir()]
    with tarfile.open(home.path) as archive:
        return [name for name in archive.getnames() if name.startswith(BLOBS)]
