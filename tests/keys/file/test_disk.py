from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from imagesig import limits
from imagesig.errors import AccessDenied, ImagesigError, KeyExists, KeyNotFound, KeyProviderError, KeyUnusable
from imagesig.keys.file.disk import NewFile, create_files, read_key_file, refuse_existing
from tests.commands import run_here


def _pair(folder: Path) -> tuple[NewFile, NewFile]:
    return NewFile(folder / "app.key", b"private", 0o600), NewFile(folder / "app.pub", b"public", 0o644)


def _fails(code: int) -> Callable[..., int]:
    def fail(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    return fail


def test_content_and_mode_come_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "app.key").write_bytes(b"content")
    (tmp_path / "app.key").chmod(0o640)
    file = read_key_file(tmp_path / "app.key")
    assert (file.content, file.mode) == (b"content", 0o640)


@pytest.mark.parametrize(
    ("mode", "is_open"),
    [
        *((mode, False) for mode in (0o600, 0o400, 0o700, 0o711)),
        *((mode, True) for mode in (0o640, 0o604, 0o644, 0o620, 0o602, 0o777)),
    ],
)
def test_a_file_is_open_to_others_if_they_may_read_or_change_it(tmp_path: Path, mode: int, is_open: bool) -> None:
    (tmp_path / "app.key").write_bytes(b"")
    (tmp_path / "app.key").chmod(mode)
    assert read_key_file(tmp_path / "app.key").is_open_to_others is is_open


def test_a_symbolic_link_is_followed_and_the_mode_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "app.key").write_bytes(b"content")
    (tmp_path / "app.key").chmod(0o600)
    (tmp_path / "link").symlink_to("app.key")
    assert read_key_file(tmp_path / "link").mode == 0o600


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(KeyNotFound, match=r"app\.key: no such file"):
        read_key_file(tmp_path / "app.key")


def test_a_name_below_a_file_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeyNotFound):
        read_key_file(tmp_path / "file" / "app.key")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="a folder"):
        read_key_file(tmp_path)


def test_a_pipe_without_a_writer_is_refused_immediately(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "app.key", 0o600)
    with pytest.raises(KeyUnusable, match="a pipe"):
        read_key_file(tmp_path / "app.key")


def test_a_socket_and_a_device_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket has a short limit
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("app.key")
        with pytest.raises(KeyUnusable):
            read_key_file(Path("app.key"))
    with pytest.raises(KeyUnusable):
        read_key_file(Path("/dev/zero"))


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.key").symlink_to("app.key")
    with pytest.raises(KeyUnusable):
        read_key_file(tmp_path / "app.key")


def test_a_file_as_large_as_the_limit_is_read_and_a_larger_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "app.key"
    path.write_bytes(b"x" * limits.KEY_FILE_BYTES)
    assert len(read_key_file(path).content) == limits.KEY_FILE_BYTES
    os.truncate(path, 1 << 40)  # sparse: a file of a tebibyte
    with pytest.raises(KeyUnusable, match="too large for a key file"):
        read_key_file(path)


def test_a_file_without_permission_is_access_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", _fails(errno.EACCES))
    with pytest.raises(AccessDenied):
        read_key_file(tmp_path / "app.key")


def test_all_files_are_created_with_their_modes(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        create_files(_pair(tmp_path))
    finally:
        os.umask(before)
    assert {path.name: (path.read_bytes(), path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {
        "app.key": (b"private", 0o600),
        "app.pub": (b"public", 0o644),
    }


@pytest.mark.parametrize("existing", ["app.key", "app.pub"])
def test_an_existing_file_is_left_as_it_is_and_nothing_is_created(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).write_bytes(b"precious")
    with pytest.raises(KeyExists, match=existing):
        create_files(_pair(tmp_path))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {existing: b"precious"}


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "app.key").symlink_to("elsewhere")
    with pytest.raises(KeyExists):
        create_files(_pair(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["app.key"]


@pytest.mark.parametrize("call", ["fsync", "link", "open"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EPERM, errno.EROFS])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, call, _fails(code))
        with pytest.raises(KeyProviderError, match="cannot be written"):
            create_files(_pair(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("nth", range(1, 3))
def test_an_interruption_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    link, calls = os.link, []

    def interrupted(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) == nth:
            raise KeyboardInterrupt
        link(source, target)

    monkeypatch.setattr(os, "link", interrupted)
    with pytest.raises(KeyboardInterrupt):
        create_files(_pair(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyProviderError, match=r"there is no folder .*nowhere"):
        create_files(_pair(tmp_path / "nowhere"))


def test_no_permission_to_write_is_access_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "open", _fails(errno.EACCES))
    with pytest.raises(AccessDenied):
        create_files(_pair(tmp_path))


def test_of_many_writers_of_one_name_exactly_one_wins(tmp_path: Path) -> None:
    start, outcomes = threading.Barrier(8), []

    def create(writer: int) -> None:
        start.wait(timeout=30)
        try:
            create_files([NewFile(tmp_path / "app.key", b"%d" % writer, 0o600)])
            outcomes.append(writer)
        except KeyExists:
            pass

    threads = [threading.Thread(target=create, args=(writer,)) for writer in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 1
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"%d" % outcomes[0]]


def test_existing_names_are_refused_before_anything_is_done(tmp_path: Path) -> None:
    refuse_existing([tmp_path / "app.key"])
    (tmp_path / "app.key").symlink_to("elsewhere")
    with pytest.raises(KeyExists):
        refuse_existing([tmp_path / "app.key"])


def _not_a_file(folder: Path) -> dict[str, Path]:
    made = {name: folder / name for name in ("folder", "pipe", "loop", "large")}
    made["folder"].mkdir()
    os.mkfifo(made["pipe"], 0o600)
    made["loop"].symlink_to("loop")
    made["large"].write_bytes(b"x" * (limits.KEY_FILE_BYTES + 1))
    return made | {"device": Path("/dev/zero")}


@pytest.mark.parametrize("name", ["folder", "pipe", "loop", "large", "device"])
@pytest.mark.parametrize("command", [("key", "export"), ("sign", "--key"), ("verify", "--key")], ids=" ".join)
def test_a_path_that_is_no_key_file_says_what_to_name(name: str, command: tuple[str, str], tmp_path: Path) -> None:
    path = _not_a_file(tmp_path)[name]
    image = [] if command[0] == "key" else ["localhost:1/app:1"]
    done = run_here(*command, path, *image)
    assert isinstance(done.exception, ImagesigError)
    assert done.exception.hint
