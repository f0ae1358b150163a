"""Headers of a tar that Go reads in another way than we did: an archive with two faces is refused."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

import imagesig
from imagesig.errors import ImagesigError, MalformedError
from imagesig.images.archive.docker import docker_archive
from imagesig.images.build import PLATFORMS, build_image
from imagesig.images.layout.layout import Layout
from imagesig.keys.provider import SigningKey
from imagesig.oci.digest import sha256
from tests.differential.tars import block, record, sealed
from tests.images.archive.archives import files_of, tar_of
from tests.peers import binary

MTIME = record(b"mtime", b"1")


def member(name: bytes, content: bytes, kind: bytes = b"0") -> bytes:
    return block(name, len(content), kind) + content + bytes(-len(content) % 512)


def pax(path: str) -> bytes:
    return member(b"PaxHeader", record(b"path", path.encode()), b"x")


def gnu(path: str) -> bytes:
    return member(b"././@LongLink", path.encode() + b"\0", b"L")


def hidden_by_gnu_then_pax(theirs: str, ours: str, content: bytes) -> bytes:
    return gnu(theirs) + pax(ours) + member(b"x", content)


def hidden_by_pax_then_gnu(theirs: str, ours: str, content: bytes) -> bytes:
    return pax(ours) + gnu(theirs) + member(b"x", content)


def hidden_by_two_pax_headers(theirs: str, ours: str, content: bytes) -> bytes:
    return pax(ours) + member(b"PaxHeader", MTIME, b"x") + member(theirs.encode(), content)


def hidden_by_a_global_header_between(theirs: str, ours: str, content: bytes) -> bytes:
    return pax(ours) + member(b"pax_global_header", record(b"comment", b"x"), b"g") + member(theirs.encode(), content)


def hidden_by_a_record_twice(theirs: str, ours: str, content: bytes) -> bytes:
    """Both take the last record; others may not."""
    del ours
    return member(b"PaxHeader", record(b"path", b"x") + record(b"path", theirs.encode()), b"x") + member(b"y", content)


WAYS = [
    hidden_by_gnu_then_pax,
    hidden_by_pax_then_gnu,
    hidden_by_two_pax_headers,
    hidden_by_a_global_header_between,
    hidden_by_a_record_twice,
]


@pytest.fixture
def parts(tmp_path: Path, key: SigningKey) -> tuple[dict[str, bytes], bytes]:
    """The files of a layout with a signed image and an evil one, and an index.json that names the evil one alone."""
    home = Layout.create(tmp_path / "layout")
    build_image(home, {"a": b"good"}, PLATFORMS[0], "1.0")
    imagesig.sign(f"oci:{tmp_path / 'layout'}:1.0", key, identity="team/app:1.0", formats=["bundle"])
    files = dict(files_of(tmp_path / "layout"))
    (tmp_path / "other").mkdir()
    evil = Layout.create(tmp_path / "evil")
    build_image(evil, {"a": b"evil"}, PLATFORMS[0], "1.0")
    evil_files = dict(files_of(tmp_path / "evil"))
    return evil_files | files, evil_files["index.json"]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_an_archive_with_two_faces_is_refused(
    way: object, parts: tuple[dict[str, bytes], bytes], tmp_path: Path, key: SigningKey
) -> None:
    path = _two_faces(way, parts, tmp_path)
    with pytest.raises(MalformedError):
        imagesig.verify(f"oci-archive:{path}:1.0", key)


@pytest.mark.interop
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_skopeo_takes_what_we_verify(
    way: object, parts: tuple[dict[str, bytes], bytes], tmp_path: Path, key: SigningKey
) -> None:
    path = _two_faces(way, parts, tmp_path)
    try:
        digest = imagesig.verify(f"oci-archive:{path}:1.0", key).digest
    except ImagesigError:
        return
    command = [str(binary("skopeo")), "inspect", "--raw", f"oci-archive:{path}:1.0"]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode or sha256(done.stdout) == digest


def _two_faces(way: object, parts: tuple[dict[str, bytes], bytes], tmp_path: Path) -> Path:
    """To Go, index.json is the evil one; to a reader that takes the other name, the good one."""
    files, evil = parts
    others = tar_of((name, content) for name, content in files.items() if name != "index.json")
    body = others.rstrip(b"\0")
    body += bytes(-len(body) % 512)
    path = tmp_path / "two.tar"
    assert callable(way)
    path.write_bytes(
        body + way("hidden", "index.json", files["index.json"]) + way("index.json", "hidden", evil) + bytes(1024)
    )
    return path


def test_a_file_that_its_mode_makes_a_link_is_refused(tmp_path: Path) -> None:
    """Go believes the mode: skopeo follows the link of a regular file (`docker-archive:`)."""
    entry = json.dumps([{"Config": "c", "RepoTags": ["a:1"], "Layers": []}]).encode()
    head = bytearray(block(b"manifest.json", len(entry)))
    head[100:108], head[157:166] = b"0120777\0", b"evil.json"
    path = tmp_path / "mode.tar"
    config = member(b"c", b'{"rootfs":{"diff_ids":[]}}')
    path.write_bytes(bytes(sealed(head)) + entry + bytes(-len(entry) % 512) + config + bytes(1024))
    with pytest.raises(MalformedError, match="by its mode"):
        docker_archive(path)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_tar_writes_from_a_folder_is_read(form: int, tmp_path: Path, key: SigningKey) -> None:
    """With `./` before the names, folders, times of files and a comment as git writes it."""
    build_image(Layout.create(tmp_path / "layout"), {"a": b"good"}, PLATFORMS[0], "1.0")
    path = tmp_path / "made.tar"
    headers = {"comment": "0123456789"} if form == tarfile.PAX_FORMAT else {}
    with tarfile.open(path, "w", format=form, pax_headers=headers) as archive:
        archive.add(tmp_path / "layout", ".")
    assert imagesig.sign(f"oci-archive:{path}", key, identity="a/b:1").signatures
    assert imagesig.verify(f"oci-archive:{path}", key).signatures
    for options in (["--format=gnu"], ["--format=pax"], ["--format=ustar"], ["--format=v7"], ["--format=oldgnu"]):
        subprocess.run(["tar", *options, "-C", str(tmp_path / "layout"), "-cf", str(path), "."], check=True)
        assert imagesig.inspect(f"oci-archive:{path}").digest
