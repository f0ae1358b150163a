"""A small archive that unpacks to much, or has no end, costs no more than the time that was given for the image."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import imagesig
from imagesig import limits
from imagesig.crypto.algorithms import KeyType
from imagesig.errors import DeadlineExceeded, InvalidArgument, LimitExceeded
from imagesig.images.archive.archive import archive
from imagesig.images.archive.docker import docker_archive
from imagesig.images.image import Image
from imagesig.images.layout.layout import Layout
from imagesig.keys.file.provider import FileProvider
from tests.images.archive.archives import header, tar_of

MIB = 2**20
GIB = 2**30


@pytest.fixture(scope="module")
def bomb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tar whose only member has 6 GiB of zeros: 6 MB as gzip."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.tar.gz"
    zeros = gzip.compress(bytes(64 * MIB))
    path.write_bytes(gzip.compress(header("blobs/sha256/x", b"0", 6 * GIB)) + zeros * 96)
    return path


def seconds(action: Callable[[], object]) -> float:
    """The processor's time of this process and of its children: a busy machine makes it no longer."""
    before = os.times()
    action()
    return sum(os.times()[:4]) - sum(before[:4])


@pytest.mark.parametrize(
    "command",
    [
        ["verify", "--key", "k.pub"],
        ["inspect"],
        ["sign", "--key", "k.key"],
        ["remove", "--all"],
        ["doctor"],
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("form", ["oci-archive", "docker-archive"])
def test_every_command_ends_within_its_timeout(command: list[str], form: str, bomb: Path, tmp_path: Path) -> None:
    FileProvider(tmp_path).generate("k.key", KeyType.ECDSA_P256)
    run = [sys.executable, "-m", "imagesig", *command, f"{form}:{bomb}", "--timeout", "1"]

    done = []

    assert seconds(lambda: done.append(subprocess.run(run, capture_output=True, text=True, cwd=tmp_path))) < 4
    assert done[0].returncode != 0
    assert "the deadline passed" in done[0].stderr + done[0].stdout


def test_a_copy_ends_within_its_timeout(bomb: Path, tmp_path: Path) -> None:
    source, destination = f"docker-archive:{bomb}", f"oci:{tmp_path / 'out'}"
    run = [sys.executable, "-m", "imagesig", "copy", source, destination, "--timeout", "1"]
    done = []
    assert seconds(lambda: done.append(subprocess.run(run, capture_output=True, text=True))) < 4
    assert "the deadline passed" in done[0].stderr

    with pytest.raises(DeadlineExceeded):
        imagesig.copy(source, destination, timeout=1)


@pytest.mark.parametrize("open_one", [archive, docker_archive])
def test_the_library_ends_within_its_timeout(open_one: Callable[..., object], bomb: Path) -> None:
    def attempt() -> None:
        with pytest.raises(DeadlineExceeded):
            open_one(bomb, timeout=0.5)

    assert seconds(attempt) < 2


def test_an_archive_that_unpacks_beyond_reason_is_refused_regardless_of_the_time(
    bomb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ARCHIVE_UNPACKED_FREE_BYTES", 64 * MIB)
    monkeypatch.setattr(limits, "ARCHIVE_RATIO", 20)
    with pytest.raises(LimitExceeded, match="unpacks to more than"):
        archive(bomb)


def test_hashing_the_layers_of_a_docker_archive_ends_within_the_timeout(tmp_path: Path) -> None:
    """Plain and sparse: a file of 64 GiB that takes no room."""
    path = tmp_path / "sparse.tar"
    documents = tar_of([("c.json", b'{"rootfs":{"diff_ids":["sha256:0"]}}')]).rstrip(b"\0")
    documents += bytes(-len(documents) % 512)
    entry = b'[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l"]}]'
    with path.open("wb") as file:
        file.write(documents + header("manifest.json", b"0", len(entry)) + entry.ljust(512, b"\0"))
        file.write(header("l", b"0", 64 * GIB))
        file.seek(64 * GIB, 1)
        file.write(bytes(1024))

    def attempt() -> None:
        with pytest.raises(DeadlineExceeded):
            docker_archive(path, timeout=0.5)

    assert seconds(attempt) < 3


def test_the_headers_of_a_large_plain_tar_are_read_without_its_content(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tar"
    with path.open("wb") as file:
        file.write(header("l", b"0", 512 * GIB))
        file.seek(512 * GIB, 1)
        file.write(bytes(1024))

    def attempt() -> None:
        with pytest.raises(InvalidArgument, match="oci-layout"):
            archive(path)

    assert seconds(attempt) < 1


def test_what_opening_took_comes_off_the_time_for_the_image(tmp_path: Path) -> None:
    def find() -> Image:
        time.sleep(0.2)
        home = Layout.create(tmp_path / "layout")
        return Image(home, "1.0", home)

    assert Image.opened(find, 5.0).timeout < 4.9
