"""Tars are read strictly: whatever could be two things, or lie outside, is refused (containers/image's CVE class)."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagesig import limits
from imagesig.errors import ImagesigError, InvalidArgument, LimitExceeded, MalformedError
from imagesig.images.archive.file import ArchiveFile
from tests.images.archive.archives import header, tar_of

END = bytes(1024)


def opened(tmp_path: Path, content: bytes, **options: bool) -> ArchiveFile:
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    return ArchiveFile(path, "test", **options)


def contents(archive: ArchiveFile) -> dict[str, bytes]:
    return {name: archive.read(member, 2**20) for name, member in archive.members.files.items()}


def test_what_tarfile_writes_is_read_in_each_of_its_forms(tmp_path: Path) -> None:
    files = {"a": b"x" * 511, "deep/" + "d" * 90 + "/" + "f" * 90: b"y" * 513, "empty": b""}
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        if form != tarfile.USTAR_FORMAT:
            files["n" * 300] = b"too long for ustar"
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        assert contents(opened(tmp_path, buffer.getvalue())) == files


def test_a_size_beyond_eight_gigabytes_is_read_in_both_forms(tmp_path: Path) -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        member = tarfile.TarInfo("large")
        member.size = 9 * 2**30
        path = tmp_path / "large.tar"
        with path.open("wb") as file:
            file.write(member.tobuf(form))
            file.seek(member.size, os.SEEK_CUR)
            file.write(END)
        assert ArchiveFile(path, "test").members.files["large"].size == member.size


def test_gzip_is_read_as_plain_is(tmp_path: Path) -> None:
    files = {"index.json": b'{"a": 1}', "blobs/one": b"x" * 300_000, "blobs/two": b"{}"}
    archive = opened(tmp_path, gzip.compress(tar_of(files.items())))
    assert archive.compressed
    assert contents(archive) == files


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a/..", "..", "a\\b", "./../x"])
def test_a_name_outside_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MalformedError, match="outside the archive"):
        opened(tmp_path, tar_of([(name, b"x")]))


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (b"1", "a hard link"),
        (b"2", "a symbolic link"),
        (b"3", "a device"),
        (b"4", "a device"),
        (b"6", "a pipe"),
        (b"S", "a sparse file"),
        (b"V", "of type"),
    ],
)
def test_a_member_that_is_no_file_is_refused(tmp_path: Path, kind: bytes, why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        opened(tmp_path, header("blobs/x", kind, link="/etc/passwd") + END)


@pytest.mark.parametrize("name", [b"", b"\0\0", b"a\0b", b"a\0b\0"])
def test_a_long_name_that_is_empty_or_goes_on_after_a_nul_is_refused(tmp_path: Path, name: bytes) -> None:
    long_name = header("././@LongLink", b"L", len(name)) + name.ljust(512 if name else 0, b"\0")
    with pytest.raises(MalformedError, match="a long name that is empty or has NULs inside"):
        opened(tmp_path, long_name + header("a") + END)


def test_a_sparse_file_in_pax_form_is_refused(tmp_path: Path) -> None:
    member = tarfile.TarInfo("x")
    member.pax_headers = {"GNU.sparse.realsize": "1000000000000"}
    with pytest.raises(MalformedError, match="sparse"):
        opened(tmp_path, member.tobuf(tarfile.PAX_FORMAT) + END)


@pytest.mark.parametrize("second", ["index.json", "./index.json", "index.json/", ".//index.json"])
def test_a_repeated_member_is_refused(tmp_path: Path, second: str) -> None:
    content = header("index.json") + header(second) + END
    with pytest.raises(MalformedError, match=r"repeated|name of a directory"):
        opened(tmp_path, content)


def test_a_link_is_read_only_if_allowed_and_never_with_a_file_of_its_name(tmp_path: Path) -> None:
    archive = opened(tmp_path, header("l", b"2", link="../../etc/passwd") + END, links=True)
    assert archive.members.links == {"l": "../../etc/passwd"}
    assert not archive.members.files
    with pytest.raises(MalformedError, match="repeated"):
        opened(tmp_path, header("l", b"2", link="x") + header("l") + END, links=True)


def test_a_header_that_was_changed_is_refused(tmp_path: Path) -> None:
    content = bytearray(tar_of([("index.json", b"{}")]))
    content[0] ^= 1
    with pytest.raises(MalformedError, match="checksum"):
        opened(tmp_path, bytes(content))


def test_an_archive_that_breaks_off_is_refused(tmp_path: Path) -> None:
    content = tar_of([("a", b"x" * 2000), ("b", b"y" * 2000)])
    for length in (100, 1000, 2500, 3100, 4000):
        with pytest.raises(MalformedError):
            opened(tmp_path, content[:length])


def test_members_of_an_interrupted_archive_are_read_if_asked_for(tmp_path: Path) -> None:
    content = tar_of([("a", b"x" * 2000), ("b", b"y" * 2000)])
    archive = opened(tmp_path, content[:4000], interrupted=True)
    assert list(archive.members.files) == ["a"]


def test_an_extended_header_that_would_fill_memory_is_refused(tmp_path: Path) -> None:
    for kind in (b"x", b"g", b"L"):
        with pytest.raises(LimitExceeded):
            opened(tmp_path, header("x", kind, 2**30) + END)


@pytest.mark.parametrize("text", [b"12", b"5 a=b\n", b"99 path=x\n", b"x path=y\n", b"12 path=abcde", b"11 size=-1\n"])
def test_an_invalid_extended_header_is_refused(tmp_path: Path, text: bytes) -> None:
    content = header("x", b"x", len(text)) + text.ljust(512, b"\0") + header("y") + END
    with pytest.raises(MalformedError):
        opened(tmp_path, content)


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARCHIVE_MEMBERS", 10)
    with pytest.raises(LimitExceeded):
        opened(tmp_path, b"".join(header(f"d{number}", b"5") for number in range(11)) + END)


def test_a_member_larger_than_the_limit_is_not_read(tmp_path: Path) -> None:
    archive = opened(tmp_path, tar_of([("index.json", b"x" * 100)]))
    with pytest.raises(LimitExceeded):
        archive.read(archive.members.files["index.json"], 99)


def test_a_damaged_gzip_is_a_clear_error(tmp_path: Path) -> None:
    whole = gzip.compress(tar_of([("a", os.urandom(5000))]))
    for content in (whole[:2000], whole[:50] + b"\xff" * 50 + whole[100:]):
        with pytest.raises(MalformedError):
            opened(tmp_path, content)


@pytest.mark.parametrize(("start", "name"), [(b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ", "xz"), (b"BZh9", "bzip2")])
def test_another_compression_is_named(tmp_path: Path, start: bytes, name: str) -> None:
    with pytest.raises(InvalidArgument, match=name):
        opened(tmp_path, start + bytes(1000))


@pytest.mark.parametrize("make", ["missing", "directory", "fifo"])
def test_a_path_that_is_no_file_is_a_clear_error(tmp_path: Path, make: str) -> None:
    path = tmp_path / "a.tar"
    if make == "directory":
        path.mkdir()
    elif make == "fifo":
        os.mkfifo(path)
    with pytest.raises(InvalidArgument):
        ArchiveFile(path, "test")


@given(st.binary(max_size=3000), st.integers(0, 2999))
def test_any_bytes_are_an_archive_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int
) -> None:
    good = tar_of([("a", b"x" * 600), ("b", b"y")])
    for content in (noise, good[:at] + noise + good[at + len(noise) :]):
        try:
            opened(tmp_path_factory.getbasetemp(), content)
        except ImagesigError:
            continue


@pytest.mark.parametrize("at", [-8, -5, -4, -1])
def test_a_gzip_whose_trailer_belongs_to_other_bytes_is_refused(at: int, tmp_path: Path) -> None:
    """CRC and length stand at the very end, behind the blocks that end the tar."""
    whole = bytearray(gzip.compress(tar_of([("a", b"content")])))
    whole[at] ^= 1
    with pytest.raises(MalformedError, match="cannot be decompressed"):
        opened(tmp_path, bytes(whole))


def test_bytes_behind_a_gzip_are_refused_and_zeros_are_not(tmp_path: Path) -> None:
    whole = gzip.compress(tar_of([("a", b"content")]))
    assert list(opened(tmp_path, whole + bytes(512)).members.files) == ["a"]
    with pytest.raises(MalformedError, match="cannot be decompressed"):
        opened(tmp_path, whole + b"more")


def test_an_extended_header_is_followed_by_its_member_at_once(tmp_path: Path) -> None:
    pax = header("pax", b"x", 11) + b"11 path=ab\n".ljust(512, b"\0")
    gnu = header("././@LongLink", b"L", 3) + b"ab\0".ljust(512, b"\0")
    general = header("pax_global_header", b"g", 12) + b"12 comment=\n".ljust(512, b"\0")
    member = header("a")
    for extended in (pax, gnu):
        assert set(opened(tmp_path, extended + member + END).members.files) == {"ab"}
        for following in (END, pax + member + END, gnu + member + END, general + member + END, b""):
            with pytest.raises(MalformedError, match="an extended header without a member after it"):
                opened(tmp_path, extended + following)
    assert set(opened(tmp_path, general + member + END).members.files) == {"a"}


def with_mode(block: bytes, mode: int) -> bytes:
    """The header with these bits as its mode, and the checksum of that."""
    changed = block[:100] + f"{mode:07o}\0".encode() + block[108:148] + b" " * 8 + block[156:]
    return changed[:148] + f"{sum(changed):06o}\0 ".encode() + changed[156:]


@pytest.mark.parametrize(
    ("name", "kind", "mode"),
    [("a", b"0", 0o100644), ("a", b"\0", 0o100644), ("a", b"0", 0o644), ("a/", b"5", 0o040755)],
)
def test_a_mode_may_say_the_type_that_the_header_says(tmp_path: Path, name: str, kind: bytes, mode: int) -> None:
    found = opened(tmp_path, with_mode(header(name, kind), mode) + END).members
    assert [*found.files, *found.directories] == ["a"]


@pytest.mark.parametrize(
    ("name", "kind", "mode"), [("a", b"0", 0o120644), ("a", b"\0", 0o040644), ("a/", b"5", 0o100755)]
)
def test_a_mode_of_another_type_than_the_headers_is_refused(tmp_path: Path, name: str, kind: bytes, mode: int) -> None:
    with pytest.raises(MalformedError, match="of another by its mode"):
        opened(tmp_path, with_mode(header(name, kind), mode) + END)


@pytest.mark.parametrize(("stated", "fits"), [(0, True), (3, True), (8**11 - 1, True), (4, False), (8**11 - 2, False)])
def test_a_size_in_an_extended_header_is_that_of_the_header_or_replaces_none(
    tmp_path: Path, stated: int, fits: bool
) -> None:
    extended = header("pax", b"x", 9) + b"9 size=3\n".ljust(512, b"\0")
    content = extended + header("a", size=stated) + b"abc".ljust(512, b"\0") + END
    if fits:
        assert contents(opened(tmp_path, content)) == {"a": b"abc"}
    else:
        with pytest.raises(MalformedError, match="of two sizes"):
            opened(tmp_path, content)
