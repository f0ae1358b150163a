"""The names in a tar: inside of it, and each one once, however a file system or a reader writes it. Pure."""

from __future__ import annotations

import unicodedata
from typing import NoReturn

from imagesig import limits
from imagesig.errors import LimitExceeded, MalformedError
from imagesig.text import quote


def safe_name(written: bytes, what: str) -> str:
    """The name without `./` and a directory's slash; empty for the archive's own root.

    Raises:
        MalformedError: not UTF-8, or a place outside of the archive.
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
    """The names seen so far. Two that a file system may take for one are one: they differ in case or in the way that
    an accent is written."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._files: set[str] = set()
        self._directories: set[str] = set()

    def add_file(self, name: str) -> None:
        """Raises `MalformedError` where a file, link or directory has this name, or a file that of its directory."""
        plain = _folded(name)
        if plain in self._files or plain in self._directories:
            _refuse(self._what, name, "there twice")
        self._files.add(plain)
        self._add_directory(plain.rpartition("/")[0], name)

    def add_directory(self, name: str) -> None:
        """Raises `MalformedError` where a file or link has this name or that of its directory."""
        self._add_directory(_folded(name), name)

    def add_other(self, written: bytes) -> None:
        """Keeps a name free that is no member's: that of a global header."""
        self._directories.add(_folded(safe_name(written, self._what)))

    def _add_directory(self, plain: str, name: str) -> None:
        while plain and plain not in self._directories:
            if plain in self._files:
                _refuse(self._what, name, "below a file, or a file that is a directory too: there twice")
            self._directories.add(plain)
            plain = plain.rpartition("/")[0]


def _folded(name: str) -> str:
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", name).casefold())


def _refuse(what: str, name: str, why: str) -> NoReturn:
    raise MalformedError(f"{what}: the member {quote(name)} is {why}; archives with such members are not read")
