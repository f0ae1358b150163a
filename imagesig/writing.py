"""Replaces files in one step: a reader sees the old file or the new one, and nothing is left after an error.

Folders for them are made for their owner only.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from threading import Lock

from imagesig import limits
from imagesig.errors import InvalidArgument
from imagesig.reading import text_bounded

_asking = Lock()


def make_private_folder(path: Path) -> None:
    """Makes the folder and those above it that are missing, all for their owner only. Raises `OSError`.

    `Path.mkdir` gives the folders above the usual mode: others who may write there could put another folder in place.
    """
    if not path.is_dir():
        if path.parent != path:
            make_private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def shared_mode() -> int:
    """The mode of a new file that others may read, unless the umask of this process keeps them out."""
    return 0o644 & ~_umask()


def _umask() -> int:
    with contextlib.suppress(InvalidArgument):
        for line in text_bounded(Path("/proc/self/status"), limits.SECRET_FILE_BYTES, "umask").splitlines():
            if line.startswith("Umask:"):
                return int(line.removeprefix("Umask:"), 8)
    with _asking:  # without Linux's file it is read by setting it, for all threads of the program
        mask = os.umask(0o077)
        os.umask(mask)
    return mask


def replace_file(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Writes a new file and puts it in the place of the other. Raises `OSError`.

    The new file is made in the same folder: a rename across devices fails (CVE-2024-51491).
    """
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
