"""The names in a tar: inside the archive and distinct, for every reader and file system. Pure."""

from __future__ import annotations

import unicodedata
from typing import NoReturn

from imagesig import limits
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.text import quote


def safe_name(written: bytes, what: str) -> str:
    """The name without `./` and without the slash of a directory; empty for the root of the archive.

    Raises:
        MalformedError: not UTF-8, or outside of the archive.
        LimitExceeded: longer or deeper than `imagesig.limits` allows.
    """
    if len(written) > limits.ARCHIVE_NAME_BYTES:
        raise LimitExceeded(f"{what}: a name of {len(written)} bytes, at most {limits.ARCHIVE_NAME_BYTES} are read")
    try:
        name = written.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedError(f"{what}: a name that is not UTF-8, {quote(written)}") from None
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name or "\\" in name:
        _refuse(what, name, "outside the archive")
    if len(parts) > limits.ARCHIVE_NAME_DEPTH:
        raise LimitExceeded(f"{what}: a name of {len(parts)} parts, at most {limits.ARCHIVE_NAME_DEPTH} are read")
    return "/".join(parts)


class Names:
    """The names seen so far. Names that some file systems do not distinguish are equal: they differ only in case or in
    the encoding of accents."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._files: set[str] = set()
        self._directories: set[str] = set()

    def add_file(self, name: str) -> None:
        """Raises `MalformedError` if a file, link or directory has this name, or a file has that of its directory."""
        plain = _folded(name)
        if plain in self._files or plain in self._directories:
            _refuse(self._what, name, "repeated")
        self._files.add(plain)
        self._add_directory(plain.rpartition("/")[0], name)

    def add_directory(self, name: str) -> None:
        """Raises `MalformedError` if a file or link has this name or that of its directory."""
        self._add_directory(_folded(name), name)

    def add_other(self, written: bytes) -> None:
        """Reserves the name of a global header, which is not a member."""
        self._directories.add(_folded(safe_name(written, self._what)))

    def _add_directory(self, plain: str, name: str) -> None:
        while plain and plain not in self._directories:
            if plain in self._files:
                _refuse(self._what, name, "below a file, or a file that is also a directory: repeated")
            self._directories.add(plain)
            plain = plain.rpartition("/")[0]


def _folded(name: str) -> str:
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", name).casefold())


def _refuse(what: str, name: str, why: str) -> NoReturn:
    raise MalformedError(f"{what}: the member {quote(name)} is {why}; archives with such members are not read")
