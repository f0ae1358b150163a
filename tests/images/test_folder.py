"""A folder that others may write to: no link leads out, not even one that appears between a look and the opening."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

import imagesig
from imagesig.deadlines import deadline
from imagesig.errors import DeadlineExceeded, InvalidArgument, LimitExceeded, MalformedError, NotFound, TransportError
from imagesig.images.folder import Folder
from imagesig.oci.descriptor import Descriptor

IMAGES = Path(imagesig.__file__).parent / "images"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "home").mkdir()
    return Folder(tmp_path / "home", "test")


def test_what_is_written_is_read(folder: Folder, tmp_path: Path) -> None:
    folder.write("a/b/c", b"content")
    assert folder.read("a/b/c", 7) == b"content"
    assert folder.has("a/b/c")
    assert (tmp_path / "home/a/b/c").stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path / "home/a/b") == ["c"]
    folder.remove("a/b/c")
    folder.remove("a/b/c")
    assert not folder.has("a/b/c")


def test_a_block_that_fails_leaves_what_was_there(folder: Folder, tmp_path: Path) -> None:
    folder.write("a", b"before")

    def failing() -> None:
        with folder.replacing("a") as file:
            file.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert folder.read("a", 10) == b"before"
    assert os.listdir(tmp_path / "home") == ["a"]


def test_while_it_is_written_nobody_else_can_read_or_write_it(folder: Folder) -> None:
    with folder.replacing("a") as file:
        assert os.fstat(file.fileno()).st_mode & 0o777 == 0o600


def test_missing_large_and_special_files_are_clear_errors(folder: Folder, tmp_path: Path) -> None:
    folder.write("a", b"content")
    os.mkfifo(tmp_path / "home/pipe")
    with pytest.raises(NotFound):
        folder.read("b", 1)
    with pytest.raises(NotFound):
        folder.read("b/c", 1)
    with pytest.raises(NotFound):
        folder.read("a/c", 1)
    with pytest.raises(LimitExceeded):
        folder.read("a", 6)
    for name in ("pipe", "."):
        with pytest.raises((MalformedError, TransportError)):
            folder.read(name, 1)
    with pytest.raises(InvalidArgument):
        folder.read("b", 1, missing=lambda: InvalidArgument("none"))


def test_a_blob_is_held_if_it_has_the_bytes(folder: Folder, tmp_path: Path) -> None:
    good = Descriptor.of(b"content", "a/b")
    for content, held in ((b"content", True), (b"Content", False), (b"conten", False), (b"content!", False)):
        folder.write("a", content)
        assert folder.matches("a", good) is held
    assert not folder.matches("b", good)
    (tmp_path / "home/d").mkdir()
    assert not folder.matches("d", good)
    folder.write("a", b"content")
    with deadline(0), pytest.raises(DeadlineExceeded):
        folder.matches("a", good)


def test_a_link_that_appears_after_the_check_is_not_followed(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a").write_bytes(b"secret")
    folder.write("sub/a", b"content")
    real = os.open

    def swap(path, flags, mode=0o777, *, dir_fd=None):  # type: ignore[no-untyped-def]
        if path == swapped and dir_fd is not None:
            at = tmp_path / "home" / ("sub" if swapped == "sub" else "sub/a")
            at.rename(tmp_path / f"was-{swapped}")
            at.symlink_to(tmp_path / "secret" / ("" if swapped == "sub" else "a"))
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", swap)
    swapped = "a"
    with pytest.raises(MalformedError):
        folder.read("sub/a", 100)
    swapped = "sub"
    with pytest.raises(MalformedError):
        folder.read("sub/a", 100)


def test_a_link_that_changes_while_it_is_read_is_not_followed(
    folder: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    folder.write("real", b"content")
    link = tmp_path / "home/link"
    link.symlink_to("real")
    assert folder.read("link", 100, links=True) == b"content"
    real = os.readlink

    def swap(path, *, dir_fd=None):  # type: ignore[no-untyped-def]
        text = real(path, dir_fd=dir_fd)
        (tmp_path / "home/real").unlink()
        (tmp_path / "home/real").symlink_to(tmp_path / "secret")
        return text

    monkeypatch.setattr(os, "readlink", swap)
    with pytest.raises(MalformedError):
        folder.read("link", 100, links=True)


@pytest.mark.parametrize("text", ["..", "../x", "sub/../real", "/", "", ".", "sub", "./sub/../../x"])
def test_a_link_that_goes_up_after_down_or_out_is_refused(folder: Folder, tmp_path: Path, text: str) -> None:
    folder.write("real", b"content")
    folder.write("sub/x", b"content")
    if text:
        (tmp_path / "home/link").symlink_to(text)
    with pytest.raises((MalformedError, NotFound)):
        folder.read("link", 100, links=True)


def test_names_are_of_links_and_small_files(folder: Folder, tmp_path: Path) -> None:
    folder.write("f/small", b"1")
    folder.write("f/large", b"12")
    (tmp_path / "home/f/link").symlink_to("small")
    os.mkfifo(tmp_path / "home/f/pipe")
    assert sorted(folder.names("f", most=1)) == ["link", "small"]


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        Folder(Path("a\0b"), "test")


def test_homes_in_folders_use_only_folder() -> None:
    """Read off the source: whoever asks the file system by a path follows links that others put there."""
    asks = {"open", "stat", "exists", "is_file", "is_symlink", "read_bytes", "read_text", "unlink", "rename", "mkdir"}
    asks |= {"write_bytes", "write_text", "touch", "symlink_to", "resolve_path", "glob", "rglob"}
    layout, directory = ("layout", "home", "reader"), ("directory", "signature_list")
    for name in (*(f"layout/{name}.py" for name in layout), *(f"directory/{name}.py" for name in directory)):
        for node in ast.walk(ast.parse((IMAGES / name).read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in asks:
                assert ast.unparse(node.func.value) in ("self._folder", "self.folder"), (
                    f"{name}:{node.lineno}: {ast.unparse(node)}"
                )
