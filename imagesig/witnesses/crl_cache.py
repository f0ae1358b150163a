"""Caches for CRLs: in memory, and in a folder in notation's format.

Cached lists are verified like downloaded ones, so a poisoned cache only causes another download. Like every copy of a
CRL, a cached one can hide a revocation until the list expires (`nextUpdate`).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from pathlib import Path
from typing import Protocol

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import OURS, as_bytes
from imagesig.errors import InvalidArgument, MalformedError
from imagesig.logs import Logger
from imagesig.naming import PathLike
from imagesig.patterns import regex
from imagesig.reading import Unreadable, read_bounded
from imagesig.redacted import RedactedStruct
from imagesig.witnesses.memory import Memory

logger = Logger("imagesig")

_FILE_BYTES = 2 * (4 * (limits.CRL_BYTES // 3 + 1)) + 1024
"""Two lists in base64 and the JSON around them."""
_OWN_NAME = regex(r"[0-9a-f]{64}|\.new-.*")


class CrlBytes(RedactedStruct, frozen=True):
    """A complete list and, if it names one, its delta list: DER as received."""

    hidden = ("base", "delta")

    base: bytes
    delta: bytes | None = None


class CrlCache(Protocol):
    """Stores lists by URL. It never raises: a list that it cannot store or read is missing. Thread-safe."""

    def get(self, url: str) -> CrlBytes | None:
        """The list that was stored for this URL; None without one."""

    def put(self, url: str, crl: CrlBytes) -> None:
        """Stores the list for this URL in place of an older one."""


class MemoryCrlCache:
    """A cache in this process's memory."""

    @checks_arguments
    def __init__(self, capacity: int = limits.CRL_MEMORY_BYTES) -> None:
        self._memory = Memory(capacity)

    def get(self, url: str) -> CrlBytes | None:
        base = self._memory.get(f"base {url}")
        if base is None:
            return None
        delta = self._memory.get(f"delta {url}")
        # If the delta list was dropped, the complete list still names one, so the caller downloads both again.
        return CrlBytes(base, delta)

    def put(self, url: str, crl: CrlBytes) -> None:
        self._memory.put(f"delta {url}", crl.delta)
        self._memory.put(f"base {url}", crl.base)


class FileCrlCache:
    """One file for each URL in a folder such as `$NOTATION_CACHE/crl`. notation uses the same files.

    Files are complete or absent, and there are at most `limits.CRL_CACHE_FILES`. Failures are logged.
    """

    @checks_arguments
    def __init__(self, folder: str | PathLike, *, files: int = limits.CRL_CACHE_FILES) -> None:
        self._folder = Path(folder)
        self._files = files

    def get(self, url: str) -> CrlBytes | None:
        path = self._path(url)
        try:
            # Links are not followed: the folder may be one that others can write to.
            return _decoded(read_bounded(path, _FILE_BYTES, "CRL cache", links=False, explain=_unreadable))
        except _NoFile:
            return None
        except (InvalidArgument, MalformedError) as error:
            logger.warning("%s", error)
            return None

    def put(self, url: str, crl: CrlBytes) -> None:
        try:
            self._write(self._path(url), _encoded(crl))
            self._prune()
        except OSError as error:
            logger.warning("CRL cache: %s", error)

    def _path(self, url: str) -> Path:
        return self._folder / hashlib.sha256(url.encode()).hexdigest()

    def _write(self, path: Path, content: bytes) -> None:
        from imagesig.writing import make_private_folder, replace_file

        make_private_folder(self._folder)
        replace_file(path, content)

    def _prune(self) -> None:
        ages = []
        for path in self._folder.iterdir():
            if not _OWN_NAME.fullmatch(path.name):
                continue  # not a file of the cache
            with contextlib.suppress(OSError):
                ages.append((path.stat().st_mtime, path))
        for _, path in sorted(ages)[: -self._files]:
            with contextlib.suppress(OSError):
                path.unlink()


class Layered:
    """Two caches, the faster first. Lists from the second are copied into the first."""

    def __init__(self, first: CrlCache, second: CrlCache) -> None:
        self._first, self._second = first, second

    def get(self, url: str) -> CrlBytes | None:
        if (found := self._first.get(url)) is not None:
            return found
        if (found := self._second.get(url)) is not None:
            self._first.put(url, found)
        return found

    def put(self, url: str, crl: CrlBytes) -> None:
        self._first.put(url, crl)
        self._second.put(url, crl)


class _NoFile(InvalidArgument):
    """The list is not in the cache."""


def _unreadable(reason: Unreadable, sentence: str) -> InvalidArgument:
    return (_NoFile if reason is Unreadable.MISSING else InvalidArgument)(f"CRL cache: {sentence}")


def _encoded(crl: CrlBytes) -> bytes:
    members = [f'"baseCRL":"{base64.b64encode(crl.base).decode()}"']
    if crl.delta is not None:
        members.append(f'"deltaCRL":"{base64.b64encode(crl.delta).decode()}"')
    return ("{" + ",".join(members) + "}").encode()


def _decoded(content: bytes) -> CrlBytes:
    document = parse_object(content, "CRL cache", OURS)
    lists = []
    for name in ("baseCRL", "deltaCRL"):
        encoded = document.get(name)
        lists.append(as_bytes(encoded, f"CRL cache: {name}") if encoded else None)
    if lists[0] is None:
        raise MalformedError("CRL cache: baseCRL is missing")
    return CrlBytes(lists[0], lists[1])
