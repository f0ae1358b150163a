"""Files are replaced in one step, and nothing is left after an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagesig.writing import replace_file


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")

    replace_file(file, b"new", 0o640)

    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_interrupted_replacement_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old")

    def fail(_descriptor: int) -> None:
        raise error

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(error):
        replace_file(file, b"new")

    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]
