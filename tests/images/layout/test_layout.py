"""OCI layouts: read strictly, written so that nothing is lost, in a shape that cosign reads."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from pathlib import Path

import pytest

from imagesig import inspect, limits, sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import (
    DeadlineExceeded,
    DigestMismatch,
    ImageNotFound,
    ImagesigError,
    InvalidArgument,
    LimitExceeded,
    MalformedError,
    NoSignatureAccepted,
    NoSignatures,
    NotFound,
)
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout.layout import Layout, layout
from imagesig.images.merge import Tagged
from imagesig.images.open import open_image
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.manifest import OCI_INDEX, OCI_MANIFEST, Index, Manifest
from tests.signers import sign_in_processes, sign_in_threads

NAME = "registry.example/team/app:1.0"


@pytest.fixture
def home(tmp_path: Path) -> Layout:
    made = Layout.create(tmp_path / "layout")
    build_index(made, {"bin/app": b"hello"}, "1.0")
    return made


@pytest.fixture
def path(tmp_path: Path, home: Layout) -> Path:
    return tmp_path / "layout"


def test_the_index_and_every_platform_are_signed(path: Path, key: SigningKey) -> None:
    signed = sign(layout(path, "1.0"), key, identity=NAME)
    assert len(signed.signatures) == 6
    for made in signed.signatures:
        assert verify(layout(path, made.digest), key).digest == made.digest


def test_without_recursion_only_the_index_is_signed(path: Path, key: SigningKey) -> None:
    signed = sign(layout(path, "1.0"), key, recursive=False)
    assert {made.digest for made in signed.signatures} == {signed.digest}


def test_a_platform_is_verified_by_its_own_signature_or_through_the_index(path: Path, key: SigningKey) -> None:
    sign(layout(path, "1.0"), key, recursive=False)
    through = verify(layout(path, "1.0"), key, platform="linux/arm64")
    assert through.through_index
    sign(layout(path, "1.0"), key)
    own = verify(layout(path, "1.0"), key, platform="linux/arm64/v8")
    assert not own.through_index
    assert own.digest == through.digest


@pytest.mark.parametrize(
    ("platform", "error"), [("linux/s390x", ImageNotFound), ("linux", InvalidArgument), ("a/b/c/d", InvalidArgument)]
)
def test_a_platform_that_is_not_there(path: Path, key: SigningKey, platform: str, error: type[Exception]) -> None:
    sign(layout(path, "1.0"), key)
    with pytest.raises(error):
        verify(layout(path, "1.0"), key, platform=platform)


def test_signing_twice_adds_nothing_and_two_keys_are_both_kept(path: Path, key: SigningKey, tmp_path: Path) -> None:
    other = FileProvider(tmp_path).generate("other.key", KeyType.ED25519)
    for signer in (key, other, key, other):
        sign(layout(path, "1.0"), signer, recursive=False)
    assert len(inspect(layout(path, "1.0"), recursive=False).signatures) == 4
    assert verify(layout(path, "1.0"), other).signatures
    assert verify(layout(path, "1.0"), key).signatures


def test_an_unsigned_image_and_a_missing_tag_are_two_things(path: Path, key: SigningKey) -> None:
    with pytest.raises(NoSignatures):
        verify(layout(path, "1.0"), key)
    with pytest.raises(ImageNotFound):
        verify(layout(path, "2.0"), key)


def test_a_changed_blob_is_noticed(path: Path, key: SigningKey) -> None:
    signed = sign(layout(path, "1.0"), key, identity=NAME)
    blob = path / "blobs" / "sha256" / signed.digest.removeprefix("sha256:")
    blob.write_bytes(blob.read_bytes().replace(b"linux", b"LINUX"))
    with pytest.raises(DigestMismatch):
        sign(layout(path, "1.0"), key)


def test_a_tag_moved_to_another_image_is_unsigned(path: Path, home: Layout, key: SigningKey) -> None:
    sign(layout(path, "1.0"), key)
    build_index(home, {"bin/app": b"other"}, "1.0")
    with pytest.raises(NoSignatures):
        verify(layout(path, "1.0"), key)


def test_signatures_moved_under_another_image_are_refused(path: Path, home: Layout, key: SigningKey) -> None:
    old = sign(layout(path, "1.0"), key, formats=["cosign"]).digest
    new = build_index(home, {"bin/app": b"other"}, "1.0").digest
    signatures = home.resolve(old.replace(":", "-") + ".sig")
    content = home.read(signatures, limit=limits.MANIFEST_BYTES)
    home.put_manifest(content, OCI_MANIFEST, new.replace(":", "-") + ".sig")
    with pytest.raises(NoSignatureAccepted, match="rejected"):
        verify(layout(path, "1.0"), key)


# --- hostile layouts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ["fifo", "directory", "missing", "huge", "link"])
def test_a_blob_that_is_no_file_or_too_large_is_a_clear_error(path: Path, home: Layout, make: str) -> None:
    digest = "sha256:" + "ef" * 32
    blob = path / "blobs" / "sha256" / ("ef" * 32)
    if make == "fifo":
        os.mkfifo(blob)
    elif make == "directory":
        blob.mkdir()
    elif make == "huge":
        with blob.open("wb") as file:
            file.truncate(2**33)
    elif make == "link":
        blob.symlink_to("/etc/hostname")
    with pytest.raises(ImagesigError):
        home.read(Descriptor(OCI_MANIFEST, digest, 100), limit=limits.MANIFEST_BYTES)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"manifests": {}}', '{"manifests": [1]}', "\0", '{"manifests":'])
def test_an_invalid_index_is_a_clear_error(path: Path, content: str) -> None:
    (path / "index.json").write_text(content)
    with pytest.raises(ImagesigError):
        layout(path)


def test_a_descriptor_larger_than_the_limit_is_refused_before_it_is_read(home: Layout) -> None:
    with pytest.raises(LimitExceeded):
        home.read(Descriptor(OCI_MANIFEST, "sha256:" + "0" * 64, 2**40), limit=10)


def test_one_tag_on_two_images_is_refused(path: Path, home: Layout) -> None:
    index = json.loads((path / "index.json").read_text())
    other = build_image(home, {"a": b"b"}, PLATFORMS[0], "other")
    index["manifests"].append(other.to_json() | {"annotations": {"org.opencontainers.image.ref.name": "1.0"}})
    (path / "index.json").write_text(json.dumps(index))
    with pytest.raises(MalformedError, match="names 2"):
        home.resolve("1.0")


def test_a_folder_that_is_not_a_layout_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="not an OCI layout"):
        layout(tmp_path)


def test_several_images_and_no_tag_list_the_tags(path: Path, home: Layout) -> None:
    build_image(home, {"a": b"b"}, PLATFORMS[0], "2.0")
    with pytest.raises(InvalidArgument, match=r"2\.0"):
        layout(path)


@pytest.mark.parametrize("text", ["oci:", "oci:x@sha256:short", "oci:x@y"])
def test_invalid_layout_names(text: str) -> None:
    with pytest.raises(InvalidArgument):
        open_image(text)


def test_podmans_full_names_are_found_by_their_tag(path: Path, home: Layout) -> None:
    index = json.loads((path / "index.json").read_text())
    index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = "localhost/team/app:v7"
    (path / "index.json").write_text(json.dumps(index))
    assert home.resolve("v7")
    with pytest.raises(NotFound):
        home.resolve("1.0")


# --- several writers --------------------------------------------------------------------------------------------------


def test_eight_threads_lose_nothing(path: Path, tmp_path: Path) -> None:
    sign_in_threads(f"oci:{path}:1.0", tmp_path, 8, recursive=False)
    assert len(inspect(layout(path, "1.0"), recursive=False).signatures) == 16


def test_four_processes_lose_nothing(path: Path, tmp_path: Path) -> None:
    sign_in_processes(f"oci:{path}:1.0", tmp_path, 4, recursive=False)
    assert len(inspect(layout(path, "1.0"), recursive=False).signatures) == 8


def test_a_writer_is_alone_from_reading_to_writing(path: Path, home: Layout) -> None:
    def adding(text: str, meanwhile: threading.Thread | None = None) -> None:
        def merge(now: Tagged | None) -> Tagged:
            if meanwhile is not None:
                meanwhile.start()
                meanwhile.join(0.2)  # without turns it would be done by then, and its change be overwritten
            document = json.loads(now.content) if now else {"schemaVersion": 2, "manifests": []}
            document["annotations"] = document.get("annotations", {}) | {text: "here"}
            return Tagged(json.dumps(document).encode(), OCI_INDEX)

        Layout(path).change_tag("shared", merge)()

    other = threading.Thread(target=adding, args=("other",))
    adding("ours", meanwhile=other)
    other.join()
    content = home.read(home.resolve("shared"), limit=limits.MANIFEST_BYTES)
    assert json.loads(content)["annotations"] == {"ours": "here", "other": "here"}


def test_writers_that_wait_for_a_lock_end_at_their_deadline(path: Path, key: SigningKey) -> None:
    stuck = os.open(path, os.O_RDONLY)
    fcntl.flock(stuck, fcntl.LOCK_EX)
    try:
        with pytest.raises(DeadlineExceeded, match="another writer"):
            sign(layout(path, "1.0", timeout=1.5), key, identity=NAME)
    finally:
        os.close(stuck)
    assert sign(layout(path, "1.0"), key, identity=NAME)


def test_only_a_referrer_of_the_image_is_removed_as_one(home: Layout) -> None:
    image = home.resolve("1.0")
    other = home.put_manifest(Manifest(home.put_blob(b"{}", "a/b"), ()).to_bytes(), OCI_MANIFEST)
    content = Manifest(other, (), subject=other).to_bytes()
    home.add_referrer(content, other)
    for subject in (image.digest, ""):
        with pytest.raises(NotFound, match="is not a referrer of"):
            home.remove_referrer(Descriptor.of(content, OCI_MANIFEST), subject)
    assert home.referrers(other.digest).entries
    home.remove_referrer(Descriptor.of(content, OCI_MANIFEST), other.digest)
    assert not home.referrers(other.digest).entries


def test_an_index_is_removed_as_a_referrer_too(home: Layout) -> None:
    image = home.resolve("1.0")
    content = Index((), subject=image).to_bytes()
    home.add_referrer(content, image, OCI_INDEX)
    assert home.referrers(image.digest).entries
    home.remove_referrer(Descriptor.of(content, OCI_INDEX), image.digest)
    assert not home.referrers(image.digest).entries
