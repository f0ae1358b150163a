"""Files that imagesig makes on the way are new and its own (6f), whoever may write to the folder."""

from __future__ import annotations

import ast
import os
import stat
from pathlib import Path

import pytest

import imagesig
from imagesig import SigningKey, copy, sign, verify
from imagesig.errors import ImagesigError, InvalidArgument
from imagesig.images.archive import writer as archive_writer
from imagesig.witnesses.crl_cache import CrlBytes, FileCrlCache
from tests.attacks.subject_homes import NAME, LocalHome

PACKAGE = Path(imagesig.__file__).parent


@pytest.fixture
def home(tmp_path: Path) -> LocalHome:
    return LocalHome("oci-archive", tmp_path)


def partial_of(home: LocalHome) -> Path:
    return home.path.with_name(f".{home.path.name}.imagesig")


def opened_modes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The mode of the temporary file at each write of a member."""
    modes: list[int] = []
    real = archive_writer._write_member

    def watched(file, *arguments):  # type: ignore[no-untyped-def]
        modes.append(stat.S_IMODE(os.fstat(file.fileno()).st_mode))
        return real(file, *arguments)

    monkeypatch.setattr(archive_writer, "_write_member", watched)
    return modes


@pytest.mark.parametrize("how", ["sign", "copy"])
def test_a_file_that_others_may_write_is_not_adopted(
    how: str, home: LocalHome, key: SigningKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = partial_of(home)
    partial.touch()
    partial.chmod(0o666)
    modes = opened_modes(monkeypatch)
    with partial.open("r+b") as theirs:  # kept open: what they write later must not arrive
        if how == "sign":
            sign(home.destination, key, identity=NAME)
        else:
            copy(f"oci:{tmp_path / 'made'}:1.0", f"oci-archive:{home.path}:2.0")
        theirs.write(b"theirs" * 1000)
        theirs.flush()
        assert os.fstat(theirs.fileno()).st_ino != home.path.stat().st_ino
    assert b"theirs" not in home.path.read_bytes()
    assert set(modes) == {0o600}


@pytest.mark.parametrize("how", ["sign", "copy"])
def test_a_hard_link_is_not_written_through(how: str, home: LocalHome, key: SigningKey, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    precious.chmod(0o600)
    partial_of(home).hardlink_to(precious)
    if how == "sign":
        sign(home.destination, key, identity=NAME)
    else:
        copy(f"oci:{tmp_path / 'made'}:1.0", f"oci-archive:{home.path}:2.0")
    assert precious.read_bytes() == b"precious"
    assert precious.stat().st_ino != home.path.stat().st_ino


@pytest.mark.parametrize("what", ["link", "dangling", "pipe", "folder"])
def test_what_is_no_file_of_ours_is_refused_and_left(
    what: str, home: LocalHome, key: SigningKey, tmp_path: Path
) -> None:
    partial, precious = partial_of(home), tmp_path / "precious"
    precious.write_bytes(b"precious")
    if what == "pipe":
        os.mkfifo(partial)
    elif what == "folder":
        partial.mkdir()
    else:
        partial.symlink_to(precious if what == "link" else tmp_path / "nothing")
    before = home.path.read_bytes()
    for action in (
        lambda: sign(home.destination, key, identity=NAME),
        lambda: copy(f"oci:{tmp_path / 'made'}:1.0", f"oci-archive:{home.path}:2.0"),
    ):
        with pytest.raises(ImagesigError, match=r"\.imagesig"):
            action()
    assert precious.read_bytes() == b"precious"
    assert not (tmp_path / "nothing").exists()
    assert home.path.read_bytes() == before


def test_a_file_of_another_user_is_refused_and_left(
    home: LocalHome, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = partial_of(home)
    partial.write_bytes(b"theirs")
    monkeypatch.setattr(os, "geteuid", lambda: partial.stat().st_uid + 1)
    with pytest.raises(InvalidArgument, match="another user"):
        copy(home.destination, f"oci-archive:{home.path}:2.0")
    with pytest.raises(ImagesigError, match="another user"):
        sign(home.destination, key, identity=NAME)
    assert partial.read_bytes() == b"theirs"


def test_what_an_interrupted_writer_of_ours_left_does_not_hold_up_the_next(home: LocalHome, key: SigningKey) -> None:
    partial_of(home).write_bytes(b"half a member")
    partial_of(home).chmod(0o600)
    sign(home.destination, key, identity=NAME)
    assert verify(home.destination, key).signatures
    assert not partial_of(home).exists()


@pytest.mark.parametrize("kind", ["oci", "dir"])
def test_files_in_folders_are_written_beside_and_not_through_what_lies_there(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags: list[tuple[int, int]] = []
    real = os.open

    def watched(path, flag, mode=0o777, *, dir_fd=None):  # type: ignore[no-untyped-def]
        if flag & (os.O_WRONLY | os.O_RDWR):
            flags.append((flag, mode))
        return real(path, flag, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", watched)
    LocalHome(kind, tmp_path)
    assert flags
    assert all(flag & os.O_EXCL and flag & os.O_NOFOLLOW and mode == 0o600 for flag, mode in flags)


def test_a_cache_of_revocation_lists_reads_regular_files_only(tmp_path: Path) -> None:
    cache = FileCrlCache(tmp_path / "crl")
    cache.put("http://a", CrlBytes(b"list"))
    (file,) = (tmp_path / "crl").iterdir()
    assert cache.get("http://a") == CrlBytes(b"list")
    outside = file.rename(tmp_path / "outside")
    file.symlink_to(outside)
    assert cache.get("http://a") is None
    file.unlink()
    os.mkfifo(file)
    assert cache.get("http://a") is None  # and does not wait for somebody who writes
    cache.put("http://a", CrlBytes(b"new"))
    assert cache.get("http://a") == CrlBytes(b"new")


def test_every_file_that_is_made_is_made_anew() -> None:
    """Read off the source: what creates a file says O_EXCL, as the mode "x" and `tempfile` do."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.is_relative_to(PACKAGE / "testing"):
            continue  # makes the folders that attack
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            text = ast.unparse(node)
            where = f"{path.relative_to(PACKAGE)}:{node.lineno}"
            if ast.unparse(node.func) == "os.open" and "O_CREAT" in text:
                assert "O_EXCL" in text, where
            if where.startswith("cli/help.py"):
                continue  # `write_text` of click's formatter writes no file
            if isinstance(node.func, ast.Attribute) and node.func.attr in ("write_bytes", "write_text", "touch"):
                raise AssertionError(f"{where}: follows links and adopts files: {text}")
            if isinstance(node.func, ast.Attribute) and node.func.attr == "open" and node.args:
                mode = ast.unparse(node.args[0])
                assert not any(letter in mode for letter in "wa+") or not mode.startswith("'"), where
