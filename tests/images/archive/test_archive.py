"""Archives of layouts: signed and verified as layouts are, read where they lie, and replaced whole or not at all."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from imagesig import copy, inspect, remove, sign, verify
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import (
    DigestMismatch,
    ImageNotFound,
    ImagesigError,
    InvalidArgument,
    MalformedError,
    NoSignatureAccepted,
    NoSignatures,
    NotFound,
)
from imagesig.images.archive.archive import Archive, archive
from imagesig.images.archive.writer import ArchiveWriter
from imagesig.images.build import PLATFORMS, build_image, build_index
from imagesig.images.layout.layout import Layout
from imagesig.images.open import open_image
from imagesig.keys.file.provider import FileProvider
from imagesig.keys.provider import SigningKey
from imagesig.oci.descriptor import Descriptor
from imagesig.oci.digest import sha256
from tests.images.archive.archives import archive_of, docker_save_today, files_of, tar_of
from tests.signers import sign_in_processes, sign_in_threads

NAME = "registry.example/team/app:1.0"
LARGE = 64 * 1024 * 1024


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    build_index(Layout.create(tmp_path / "layout"), {"bin/app": b"hello"}, "1.0")
    return tmp_path / "layout"


@pytest.fixture
def path(directory: Path, tmp_path: Path) -> Path:
    return archive_of(directory, tmp_path / "a.tar")


def test_the_index_and_every_platform_are_signed(path: Path, key: SigningKey) -> None:
    signed = sign(f"oci-archive:{path}:1.0", key, identity=NAME)
    assert len(signed.signatures) == 6
    for made in signed.signatures:
        assert verify(f"oci-archive:{path}@{made.digest}", key).digest == made.digest


def test_signing_twice_adds_nothing_and_leaves_the_file_as_it_is(path: Path, key: SigningKey) -> None:
    sign(f"oci-archive:{path}:1.0", key, identity=NAME)
    before = path.read_bytes()
    sign(f"oci-archive:{path}:1.0", key, identity=NAME)
    assert path.read_bytes() == before


def test_others_see_the_archive_as_it_was_until_all_is_written(path: Path) -> None:
    home = Archive(path)
    seen: list[bool] = []

    def look() -> None:
        seen.append(home.has_blob(written))

    with home.transaction():
        written = home.put_blob(b"unfinished", "a/b")
        other = threading.Thread(target=look)
        other.start()
        other.join()
        look()
    look()
    assert seen == [False, True, True]


def test_unsigned_missing_and_another_key_are_three_things(path: Path, key: SigningKey, tmp_path: Path) -> None:
    with pytest.raises(NoSignatures):
        verify(f"oci-archive:{path}:1.0", key)
    with pytest.raises(ImageNotFound):
        verify(f"oci-archive:{path}:2.0", key)
    sign(f"oci-archive:{path}:1.0", key)
    with pytest.raises(NoSignatureAccepted):
        verify(f"oci-archive:{path}:1.0", FileProvider(tmp_path).generate("other.key", KeyType.ED25519))


def test_everything_else_in_the_archive_stays(directory: Path, tmp_path: Path, key: SigningKey) -> None:
    path = tmp_path / "more.tar"
    path.write_bytes(tar_of([*files_of(directory), ("notes.json", b"[]"), ("notes/read.me", b"kept")]))
    sign(f"oci-archive:{path}:1.0", key)
    with tarfile.open(path) as read:
        kept = read.extractfile("notes/read.me")
        assert kept is not None
        assert kept.read() == b"kept"
        assert set(read.getnames()).issuperset(name for name, _ in files_of(directory))


def test_no_member_is_written_twice(path: Path, key: SigningKey, tmp_path: Path) -> None:
    for number in range(3):
        sign(f"oci-archive:{path}:1.0", FileProvider(tmp_path).generate(f"{number}.key", KeyType.ECDSA_P256))
    with tarfile.open(path) as read:
        names = read.getnames()
    assert len(names) == len(set(names))


def test_the_mode_of_the_file_is_kept_and_nothing_lies_beside_it(path: Path, key: SigningKey) -> None:
    path.chmod(0o600)
    others = set(path.parent.iterdir())
    sign(f"oci-archive:{path}:1.0", key)
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(path.parent.iterdir()) == others


@pytest.mark.parametrize("change", ["sign", "remove"])
def test_a_change_that_is_written_is_done_although_the_deadline_passes_then(
    path: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    name, finish, late = f"oci-archive:{path}:1.0", ArchiveWriter.finish, [0.0]
    if change == "remove":
        sign(name, key)

    def finish_late(*arguments: Any) -> None:
        finish(*arguments)
        late[0] = 3600.0

    monkeypatch.setattr(ArchiveWriter, "finish", finish_late)
    monkeypatch.setattr("imagesig.deadlines.time", SimpleNamespace(monotonic=lambda: time.monotonic() + late[0]))

    done = len(sign(name, key).signatures) if change == "sign" else len(remove(name, key=key).removed)

    assert done == 6
    assert len(inspect(name).signatures) == (6 if change == "sign" else 0)


def test_a_failing_writer_changes_nothing(path: Path) -> None:
    before, others = path.read_bytes(), set(path.parent.iterdir())
    home = Archive(path)
    with pytest.raises(RuntimeError), home.transaction():
        _put_and_raise(home, RuntimeError(), b"half")
    assert path.read_bytes() == before
    assert set(path.parent.iterdir()) == others
    assert not home.has(sha256(b"half"))


def test_a_blob_that_is_not_what_it_should_be_is_not_stored(path: Path) -> None:
    home = Archive(path)
    lie = Descriptor("application/octet-stream", sha256(b"right"), 5)
    with home.transaction():
        for chunks in ((b"wrong",), (b"rig",), (b"right", b"more")):
            with pytest.raises(DigestMismatch):
                home.put_blob_stream(lie, chunks)
        home.put_blob_stream(lie, (b"ri", b"ght"))
    with Archive(path).open_blob(lie) as read:
        assert b"".join(read) == b"right"


def test_a_reader_keeps_the_version_that_it_opened(path: Path, key: SigningKey) -> None:
    before = open_image(f"oci-archive:{path}:1.0")
    sign(f"oci-archive:{path}:1.0", key)
    with pytest.raises(NoSignatures):
        verify(before, key)
    assert verify(f"oci-archive:{path}:1.0", key).signatures


def test_a_changed_blob_is_noticed(directory: Path, tmp_path: Path, key: SigningKey) -> None:
    digest = sign(f"oci:{directory}:1.0", key, identity=NAME).digest
    files = dict(files_of(directory))
    name = "blobs/sha256/" + digest.removeprefix("sha256:")
    files[name] = files[name].replace(b"linux", b"LINUX")
    path = tmp_path / "changed.tar"
    path.write_bytes(tar_of(files.items()))
    with pytest.raises(DigestMismatch):
        sign(f"oci-archive:{path}:1.0", key)


def test_a_compressed_archive_is_verified_and_says_why_it_is_not_signed(
    directory: Path, tmp_path: Path, key: SigningKey
) -> None:
    sign(f"oci:{directory}:1.0", key)
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tar_of(files_of(directory))))
    assert len(inspect(f"oci-archive:{path}:1.0").signatures) == 6
    assert verify(f"oci-archive:{path}:1.0", key).signatures
    with pytest.raises(InvalidArgument, match="compressed"):
        sign(f"oci-archive:{path}:1.0", key)


def test_what_docker_saves_today_is_found_by_its_whole_name_and_signed(tmp_path: Path, key: SigningKey) -> None:
    build_image(Layout.create(tmp_path / "one"), {"a": b"b"}, PLATFORMS[0], "1.0")
    path = docker_save_today(tmp_path / "one", tmp_path / "saved.tar", "docker.io/team/app:1.0")
    for name in ("", ":team/app:1.0", ":docker.io/team/app:1.0", ":1.0"):
        assert sign(f"docker-archive:{path}{name}", key, identity="team/app:1.0").signatures
        assert verify(f"docker-archive:{path}{name}", key).signatures
    with pytest.raises(ImageNotFound):
        verify(f"docker-archive:{path}:team/other:1.0", key)


def test_docker_finds_its_images_and_nothing_else_in_what_we_signed(tmp_path: Path, key: SigningKey) -> None:
    """`docker load` takes every entry of index.json for an image to unpack: signatures are listed elsewhere."""
    build_image(Layout.create(tmp_path / "one"), {"a": b"b"}, PLATFORMS[0], "1.0")
    path = docker_save_today(tmp_path / "one", tmp_path / "saved.tar", "docker.io/team/app:1.0")
    with tarfile.open(path) as read:
        before = {name: _content(read, name) for name in ("index.json", "manifest.json")}
    digest = sign(f"docker-archive:{path}", key, identity="team/app:1.0").digest
    with tarfile.open(path) as read:
        entries = json.loads(_content(read, "index.json"))["manifests"]
        assert [entry["digest"] for entry in entries] == [digest]
        assert (
            entries[0]["annotations"].items() >= json.loads(before["index.json"])["manifests"][0]["annotations"].items()
        )
        assert _content(read, "manifest.json") == before["manifest.json"]
    copy(f"docker-archive:{path}", f"oci:{tmp_path / 'to'}:1.0")
    assert {item.format for item in verify(f"oci:{tmp_path / 'to'}:1.0", key).signatures} == {"cosign", "bundle"}
    assert len(remove(f"docker-archive:{path}", all=True).removed) == 2
    with pytest.raises(NoSignatures):
        verify(f"docker-archive:{path}", key)


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


@pytest.mark.parametrize("missing", ["oci-layout", "index.json"])
def test_a_tar_that_is_not_a_layout_is_a_clear_error(directory: Path, tmp_path: Path, missing: str) -> None:
    path = tmp_path / "none.tar"
    path.write_bytes(tar_of((name, content) for name, content in files_of(directory) if name != missing))
    with pytest.raises(InvalidArgument, match=missing):
        archive(path)


@pytest.mark.parametrize("text", ["oci-archive:", "oci-archive:x@y", "docker-archive:", "docker-archive::x", "dir:"])
def test_invalid_names(text: str) -> None:
    with pytest.raises(InvalidArgument):
        open_image(text)


def test_a_digest_that_is_a_path_is_refused(path: Path) -> None:
    home = Archive(path)
    for digest in ("sha256:../../etc/passwd", "../../etc/passwd", "sha256:" + "A" * 64):
        with pytest.raises(MalformedError), home.open_blob(Descriptor("x/y", digest, 1)):
            pass
    with pytest.raises(NotFound):
        home.resolve("../../etc/passwd")


def test_an_index_that_would_be_read_into_too_much_memory_is_refused(directory: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.tar"
    index = json.dumps({"schemaVersion": 2, "manifests": [], "x": " " * (5 * 1024 * 1024)}).encode()
    path.write_bytes(tar_of([*dict(files_of(directory), **{"index.json": index}).items()]))
    with pytest.raises(ImagesigError):
        archive(path)


def zeros(size: int) -> Iterator[bytes]:
    piece = bytes(1024 * 1024)
    for _ in range(size // len(piece)):
        yield piece


def test_a_large_blob_passes_through_constant_memory(tmp_path: Path) -> None:
    import hashlib

    hashed = hashlib.sha256()
    for piece in zeros(LARGE):
        hashed.update(piece)
    large = Descriptor("application/vnd.oci.image.layer.v1.tar", f"sha256:{hashed.hexdigest()}", LARGE)
    first, second = Archive(tmp_path / "1.tar", create=True), Archive(tmp_path / "2.tar", create=True)
    tracemalloc.start()
    try:
        first.put_blob_stream(large, zeros(LARGE))
        with first.open_blob(large) as chunks:
            second.put_blob_stream(large, chunks)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "2.tar").stat().st_size > LARGE
    assert peak < LARGE // 8


# --- several writers, and interrupted ones ----------------------------------------------------------------------------


def test_eight_threads_lose_nothing(path: Path, tmp_path: Path) -> None:
    sign_in_threads(f"oci-archive:{path}:1.0", tmp_path, 8, recursive=False)
    assert len(inspect(f"oci-archive:{path}:1.0", recursive=False).signatures) == 16


def test_threads_with_one_home_lose_nothing(path: Path, tmp_path: Path) -> None:
    image = open_image(f"oci-archive:{path}:1.0")
    keys = [FileProvider(tmp_path).generate(f"{number}.key", KeyType.ECDSA_P256) for number in range(4)]
    threads = [threading.Thread(target=sign, args=(image, key), kwargs={"recursive": False}) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(inspect(f"oci-archive:{path}:1.0", recursive=False).signatures) == 8


def test_four_processes_lose_nothing(path: Path, tmp_path: Path) -> None:
    sign_in_processes(f"oci-archive:{path}:1.0", tmp_path, 4, recursive=False)
    assert len(inspect(f"oci-archive:{path}:1.0", recursive=False).signatures) == 8


def interrupted(target: Path, *blobs: bytes) -> None:
    """What a copy into an archive leaves that was interrupted after these blobs."""
    home = Archive(target, create=True)
    with pytest.raises(KeyboardInterrupt), home.transaction(resume=True):
        _put_and_raise(home, KeyboardInterrupt(), *blobs)


def _put_and_raise(home: Archive, error: BaseException, *blobs: bytes) -> None:
    for blob in blobs:
        home.put_blob(blob, "application/octet-stream")
    raise error


def test_an_interrupted_copy_is_not_there_and_is_continued(directory: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.tar"
    blobs = [content for name, content in files_of(directory) if name.startswith("blobs/")]
    interrupted(target, *blobs[:3])
    assert not target.exists()
    copied = copy(f"oci:{directory}:1.0", f"oci-archive:{target}", all_platforms=True)
    assert copied.blobs.present + copied.blobs.sent == 4
    assert copied.blobs.present >= 1
    assert [item.name for item in tmp_path.iterdir() if "imagesig" in item.name] == []
    assert archive(target, "1.0").home.resolve("1.0").digest == copied.digest


_DIES = """
import os, sys
from imagesig import copy
from imagesig.images.archive.writer import ArchiveWriter
add, written = ArchiveWriter.add, []

def dies_in_the_third(self, name, size, chunks):
    def broken():
        for chunk in chunks:
            yield chunk[: len(chunk) // 2]
            self._file.flush()
            os._exit(9)

    written.append(name)
    add(self, name, size, broken() if len(written) == 3 else chunks)

ArchiveWriter.add = dies_in_the_third
copy(sys.argv[1], sys.argv[2], all_platforms=True)
"""


def test_a_copy_that_was_killed_in_the_middle_of_a_blob_is_continued(directory: Path, tmp_path: Path) -> None:
    source, target = f"oci:{directory}:1.0", f"oci-archive:{tmp_path / 'copy.tar'}"
    environ = {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", _DIES, source, target], env=environ, check=False)
    assert done.returncode == 9
    assert not (tmp_path / "copy.tar").exists()
    copied = copy(source, target, all_platforms=True)
    assert copied.blobs.present == 2
    assert copied.blobs.sent == 2
    assert open_image(target).home.resolve("1.0").digest == copied.digest


def test_what_an_interrupted_copy_left_is_believed_only_if_its_digests_hold(directory: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.tar"
    blobs = [content for name, content in files_of(directory) if name.startswith("blobs/")]
    interrupted(target, *blobs)
    partial = tmp_path / ".copy.tar.imagesig"
    damaged = bytearray(partial.read_bytes())
    damaged[512] ^= 1  # the first byte of the first blob
    partial.write_bytes(damaged)
    copied = copy(f"oci:{directory}:1.0", f"oci-archive:{target}", all_platforms=True)
    assert copied.blobs.present == 0
    for name, content in files_of(directory):
        if name.startswith("blobs/"):
            descriptor = Descriptor("x/y", sha256(content), len(content))
            with Archive(target).open_blob(descriptor) as read:
                assert b"".join(read) == content


def test_blobs_of_another_interrupted_copy_are_left_out(directory: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.tar"
    interrupted(target, b"something else")
    copy(f"oci:{directory}:1.0", f"oci-archive:{target}", all_platforms=True)
    assert not Archive(target).has(sha256(b"something else"))
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".copy")] == []


def test_a_symbolic_link_is_not_followed_when_writing(path: Path, tmp_path: Path, key: SigningKey) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / ".a.tar.imagesig").symlink_to(tmp_path / "victim")
    with pytest.raises(InvalidArgument, match="cannot be written"):
        sign(f"oci-archive:{path}:1.0", key)
    assert (tmp_path / "victim").read_bytes() == b"precious"
