"""A file that a command writes is a new regular file: it replaces no pipe, socket or device, and follows no link."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attacks.policy_place import furnish
from tests.commands import run_here

WRITERS = {
    "--bundle": ("sign-blob", "--key", "a.key", "a.json", "--bundle"),
    "--output-signature": ("sign-blob", "--key", "a.key", "a.json", "--output-signature"),
    "--bundle of attest-blob": (
        *("attest-blob", "--key", "a.key", "--type", "custom", "--predicate", "a.json", "a.json"),
        "--bundle",
    ),
}
COPIES = ("oci-archive:", "dir:", "oci:")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)


SPECIAL: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo,
    "socket": _socket,
    "link to a pipe": lambda path: (os.mkfifo("a pipe"), path.symlink_to("a pipe"))[-1],
    "link to a device": lambda path: path.symlink_to("/dev/null"),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    furnish(tmp_path, "a")
    (tmp_path / "a.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize("arguments", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_a_pipe_or_device_is_not_replaced(
    place: Path, make: Callable[[Path], None], arguments: tuple[str, ...]
) -> None:
    out = place / "out"
    make(out)
    before = out.lstat()

    done = run_here(*arguments, "out")

    assert done.exit_code == 2
    assert "regular file is needed" in done.stderr
    assert (before.st_ino, before.st_mode) == (out.lstat().st_ino, out.lstat().st_mode)


@pytest.mark.parametrize("arguments", WRITERS.values(), ids=WRITERS)
def test_a_link_is_replaced_and_not_followed(place: Path, arguments: tuple[str, ...]) -> None:
    """Another user may have put it into a shared folder."""
    (place / "theirs").write_text("theirs")
    (place / "out").symlink_to("theirs")

    assert run_here(*arguments, "out").exit_code == 0

    assert (place / "theirs").read_text() == "theirs"
    assert not (place / "out").is_symlink()


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600), (0, 0o644)], ids=oct)
def test_the_umask_keeps_others_out(place: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        for form in COPIES:
            assert run_here("copy", "--no-signatures", "oci:image:1.0", f"{form}copies-{form[:-1]}").exit_code == 0
        for number, arguments in enumerate(WRITERS.values()):
            assert run_here(*arguments, f"out-{number}").exit_code == 0
    finally:
        assert os.umask(before) == mask

    written = [*place.glob("out-*"), *(file for made in place.glob("copies-*") for file in (made, *made.rglob("*")))]
    assert {file.stat().st_mode & 0o777 for file in written if file.is_file()} == {mode}


@pytest.mark.parametrize("arguments", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("name", ["a.json", "./a.json", "a.key", "folder/../a.json", "real"])
def test_what_the_command_reads_is_not_replaced(place: Path, arguments: tuple[str, ...], name: str) -> None:
    (place / "folder").mkdir()
    if name == "real":
        (place / "a.json").rename("real")
        (place / "a.json").symlink_to("real")
    before = (place / name).read_bytes()

    done = run_here(*arguments, name)

    assert done.exit_code == 2
    assert "would replace a file" in done.stderr
    assert (place / name).read_bytes() == before


def test_two_outputs_are_two_files(place: Path) -> None:
    done = run_here(*WRITERS["--bundle"], "out", "--output-signature", "./out")

    assert done.exit_code == 2
    assert not (place / "out").exists()


@pytest.mark.parametrize("form", COPIES)
@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_a_copy_replaces_no_pipe_or_device(place: Path, make: Callable[[Path], None], form: str) -> None:
    out = place / "out"
    make(out)
    before = out.lstat()

    done = run_here("copy", "--timeout", "5", "oci:image:1.0", f"{form}out")

    assert done.exit_code in (1, 2)
    assert (before.st_ino, before.st_mode) == (out.lstat().st_ino, out.lstat().st_mode)
