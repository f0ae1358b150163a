"""The one bounded reader of files that somebody named."""

from __future__ import annotations

import ast
import os
import re
import socket
from pathlib import Path

import pytest

import imagesig
from imagesig.errors import ImagesigError, InternalError, InvalidArgument, KeyNotFound, LimitExceeded
from imagesig.reading import Unreadable, check_file, read_bounded, read_content, text_bounded, usage_error


def test_a_file_of_exactly_the_limit_is_read_and_a_longer_one_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 10)

    assert read_bounded(tmp_path / "a", 10, "VARIABLE") == b"x" * 10
    with pytest.raises(LimitExceeded, match=r"VARIABLE .*at most 9 bytes"):
        read_bounded(tmp_path / "a", 9, "VARIABLE")


def test_a_sparse_file_without_an_end_costs_no_memory(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    os.truncate(tmp_path / "a", 1 << 40)
    with pytest.raises(LimitExceeded):
        read_bounded(tmp_path / "a", 1024, "VARIABLE")
    with pytest.raises(LimitExceeded):
        check_file(tmp_path / "a", "VARIABLE", limit=1024)


@pytest.mark.parametrize("name", ["none", "none/deeper", "", "\0", "\ud800", "x" * 300, "loop"])
def test_the_error_for_an_invalid_path_names_its_variable(name: str, tmp_path: Path) -> None:
    os.symlink(tmp_path / "loop", tmp_path / "loop")
    for read in (lambda p: read_bounded(p, 10, "VARIABLE"), lambda p: check_file(p, "VARIABLE")):
        with pytest.raises(InvalidArgument, match="VARIABLE"):
            read(f"{tmp_path}/{name}" if name else "")


def test_a_folder_a_pipe_a_socket_and_a_device_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path in (tmp_path, tmp_path / "pipe", tmp_path / "socket", Path("/dev/zero"), Path("/dev/stdin")):
            with pytest.raises(InvalidArgument, match="VARIABLE"):
                read_bounded(path, 10, "VARIABLE", streams=path.name == "pipe")


def test_streams_of_the_shell_are_read_if_allowed() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe")
    os.close(writing)
    try:
        assert read_bounded(f"/dev/fd/{reading}", 100, "--file", streams=True) == b"from a pipe"
    finally:
        os.close(reading)


def test_a_link_is_followed_and_the_mode_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "a").chmod(0o640)
    (tmp_path / "b").symlink_to("a")

    assert read_content(tmp_path / "b", 10, "VARIABLE").mode == 0o640


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff")
    with pytest.raises(InvalidArgument, match=r"VARIABLE .*not UTF-8"):
        text_bounded(tmp_path / "a", 10, "VARIABLE")


def test_the_caller_may_choose_the_error(tmp_path: Path) -> None:
    def explain(why: Unreadable, expected: str) -> ImagesigError:
        return KeyNotFound(f"{why.name}: {expected}")

    with pytest.raises(KeyNotFound, match="MISSING: there is no such file"):
        read_bounded(tmp_path / "none", 10, "VARIABLE", explain=explain)


def test_an_unknown_exception_of_the_system_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> int:
        raise RuntimeError("s3cret")

    monkeypatch.setattr("imagesig.reading.os.open", fail)
    with pytest.raises(InternalError, match="VARIABLE"):
        read_bounded("a", 10, "VARIABLE")


def test_a_long_path_is_shown_to_its_end_and_a_key_given_as_a_path_is_not(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"/the-end\.pem: there is no such file"):
        read_bounded(tmp_path / ("x" * 100) / "the-end.pem", 10, "VARIABLE")
    key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIP7y\n-----END PRIVATE KEY-----"
    for text in (key, "MC4CAQAwBQYDK2VwBCIEIP7yMC4CAQAwBQYDK2VwBCIEIP7y"):
        with pytest.raises(InvalidArgument) as refused:
            read_bounded(text, 10, "VARIABLE")
        assert "MC4C" not in str(refused.value)


def test_a_symbolic_link_is_refused_where_links_are_not_allowed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    os.symlink(tmp_path / "a", tmp_path / "link")

    assert read_bounded(tmp_path / "a", 10, "VARIABLE", links=False) == b"x"
    with pytest.raises(InvalidArgument, match=r"VARIABLE .*a symbolic link"):
        read_bounded(tmp_path / "link", 10, "VARIABLE", links=False)


@pytest.mark.parametrize("name", ["a", "none", "pipe"])
def test_a_file_that_the_user_names_is_a_usage_error_even_if_it_is_too_large(name: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"xx")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidArgument, match=r"^--option x: cannot be read: ") as caught:
        read_bounded(tmp_path / name, 1, "--option", explain=usage_error("--option x"))
    assert caught.value.hint == "check the path"


# --- the rule, read off the source --------------------------------------------------------------------------------

PACKAGE = Path(imagesig.__file__).parent
OPENS_FILES = {
    "reading.py": "the reader itself",
    "images/archive/file.py": "an archive stays open while parts of it are read",
    "images/archive/writer.py": "an archive is written, and read again where an earlier attempt left off",
    "images/folder.py": "blobs of any size, read in pieces, below an open folder and through no link that leaves it",
    "cli/images_from.py": "a list of images of any length, read line by line",
}
"""Modules that open files for reading by themselves, and why `imagesig.reading` is not enough for them."""


def _reads(source: str) -> list[str]:
    """Calls that open a file for reading."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        text = " ".join(ast.unparse(item) for item in (*node.args, *(keyword.value for keyword in node.keywords)))
        name = called.rpartition(".")[2]
        writes = re.search(r"O_WRONLY|O_DIRECTORY|devnull|'[wax]b?\+?'", text)
        of_system = called in ("open", "io.open", "os.open", "os.fdopen", "Path.open") and not writes
        of_path = called.endswith(".open") and re.search(r"(^|mode=|file.* )'r[bt+]*'", text) is not None
        bare = called.endswith(".open") and called != "webbrowser.open" and not node.args and not node.keywords
        if of_system or of_path or bare or name in ("read_bytes", "read_text"):
            found.append(f"line {node.lineno}: {called}({text})")
    return found


def _modules() -> list[str]:
    names = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    return [name for name in names if not name.startswith("testing/")]  # its files are its own


@pytest.mark.parametrize("name", [name for name in _modules() if name not in OPENS_FILES])
def test_a_module_reads_files_with_the_one_bounded_reader(name: str) -> None:
    assert not _reads((PACKAGE / name).read_text()), f"{name}: read it with imagesig.reading"


@pytest.mark.parametrize("name", OPENS_FILES)
def test_a_module_that_may_open_files_does(name: str) -> None:
    assert _reads((PACKAGE / name).read_text()), f"{name} needs no exception"


@pytest.mark.parametrize(
    "source",
    [
        "open(path)",
        "open(path, 'rb')",
        "path.open('rb')",
        "path.open()",
        "Path(name).open(mode='r')",
        "path.read_bytes()",
        "Path(name).read_text()",
        "os.open(path, os.O_RDONLY | os.O_NONBLOCK)",
        "os.fdopen(descriptor, 'rb')",
    ],
)
def test_a_file_that_is_opened_by_hand_is_seen(source: str) -> None:
    assert _reads(source)


@pytest.mark.parametrize(
    "source",
    [
        "provider.open(name)",
        "os.open(path, os.O_WRONLY | os.O_CREAT)",
        "os.fdopen(it, 'wb')",
        "read_bounded(path, 1, 'x')",
    ],
)
def test_other_calls_do_not_read_files(source: str) -> None:
    assert not _reads(source)
