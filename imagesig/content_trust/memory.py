"""Remembers the trust data of repositories, so that a rollback or a replaced repository is noticed.

`DockerTrust` reads docker's own cache. A file that cannot be read is an error, never "nothing is remembered".
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Protocol

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.content_trust.metadata import Document, most_bytes, parse_document
from imagesig.content_trust.role import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from imagesig.deadlines import wait
from imagesig.encoding.json import parse_object
from imagesig.encoding.shape import OURS, as_bytes, as_object
from imagesig.errors import ImagesigError, InvalidArgument, LimitExceeded, MalformedError
from imagesig.external import external_call, given
from imagesig.naming import PathLike
from imagesig.reading import Unreadable, home_folder, read_bounded
from imagesig.writing import make_private_folder, replace_file

_MOST_ROLES = limits.TRUST_DELEGATIONS + 4
"""With the root, targets, snapshot and timestamp."""
_TURN_SECONDS = 0.02
"""Between two attempts to take a lock."""

_GIVEN = given("content trust memory", InvalidArgument)

Files = Mapping[str, bytes]
"""Metadata files by role."""


class TrustMemory(Protocol):
    """Remembers the newest verified metadata of each repository. Implementations must be thread-safe."""

    def load(self, server: str, repository: str) -> Files:
        """What is remembered; empty if nothing is. Raises if that cannot be found out."""
        ...

    def store(self, server: str, repository: str, files: Files) -> None:
        """Remembers these files, unless newer ones are remembered already. Raises if that is not possible."""
        ...


class GivenMemory:
    """A memory that the program gave. What it raises, and what is no files, is an `InvalidArgument`."""

    def __init__(self, memory: TrustMemory) -> None:
        self._memory = memory

    def load(self, server: str, repository: str) -> Files:
        with _GIVEN:
            files = dict(self._memory.load(server, repository))
        if not all(isinstance(role, str) and isinstance(content, bytes) for role, content in files.items()):
            raise InvalidArgument("content trust memory: load gave other things than bytes by role")
        return files

    def store(self, server: str, repository: str, files: Files) -> None:
        with _GIVEN:
            self._memory.store(server, repository, files)


class NoTrustMemory:
    """Remembers nothing."""

    def load(self, server: str, repository: str) -> Files:
        return {}

    def store(self, server: str, repository: str, files: Files) -> None:
        return None


class InMemoryTrust:
    """Remembers until the process ends."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, str], Files] = {}
        self._lock = Lock()

    @checks_arguments
    def load(self, server: str, repository: str) -> Files:
        return self._files.get((server, repository), {})

    @checks_arguments
    def store(self, server: str, repository: str, files: Files) -> None:
        with self._lock:
            self._files[server, repository] = merged(self.load(server, repository), files)


class FolderMemory:
    """One file for each repository in a folder such as `$XDG_STATE_HOME/imagesig/content-trust`.

    Files are replaced in one step, so that they are always complete.
    """

    @checks_arguments
    def __init__(self, folder: str | PathLike) -> None:
        self._folder = Path(folder)

    @checks_arguments
    def load(self, server: str, repository: str) -> Files:
        path = self._path(server, repository)
        try:
            content = read_bounded(path, limits.TRUST_MEMORY_BYTES, "content trust memory", explain=_unreadable)
        except _NoFile:
            return {}
        try:
            document = parse_object(content, str(path), OURS, nodes=limits.TRUST_DELEGATIONS * 10)
            if (document.get("server"), document.get("repository")) != (server, repository):
                raise MalformedError(f"{path}: it is about another repository")
            files = as_object(document.get("files"), f"{path}: files")
            return {role: as_bytes(item, f"{path}: {role}") for role, item in files.items()}
        except MalformedError as error:
            raise InvalidArgument(
                f"content trust memory: {error}", hint="remove the file to trust the server as at first contact"
            ) from error

    @checks_arguments
    def store(self, server: str, repository: str, files: Files) -> None:
        path = self._path(server, repository)
        with external_call("content trust memory", lambda error: _unwritable(path, error)), self._locked(path):
            found = merged(self.load(server, repository), files)
            encoded = {role: base64.b64encode(content).decode("ascii") for role, content in found.items()}
            document = {"imagesig": 1, "server": server, "repository": repository, "files": encoded}
            content = json.dumps(document).encode("ascii")
            if len(content) > limits.TRUST_MEMORY_BYTES:
                raise LimitExceeded(
                    f"content trust memory: {len(content)} bytes, at most {limits.TRUST_MEMORY_BYTES} are kept"
                )
            replace_file(path, content)

    def _path(self, server: str, repository: str) -> Path:
        # A hash: names of repositories and roles come from outside and must not be paths.
        return self._folder / f"{hashlib.sha256(f'{server} {repository}'.encode()).hexdigest()}.json"

    @contextlib.contextmanager
    def _locked(self, path: Path) -> Iterator[None]:
        make_private_folder(self._folder)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            while not _try_lock(folder):
                wait(_TURN_SECONDS, f"{path}: waiting for another process")
            yield
        finally:
            os.close(folder)


def _try_lock(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class DockerTrust:
    """Reads the trust data that docker and notary keep in a folder such as `~/.docker/trust`. Nothing is written there.

    Docker's folder does not say which server a repository is on. Without a timestamp, which only a server makes, a
    repository was begun there and never read from a server: nothing is remembered.
    """

    @checks_arguments
    def __init__(self, folder: str | PathLike) -> None:
        self._folder = Path(folder)

    @checks_arguments
    def load(self, server: str, repository: str) -> Files:
        return {role: document.content for role, document in self.documents(repository).items()}

    def documents(self, repository: str) -> dict[str, Document]:
        """The files of a repository by role; none if docker has not read it. Raises as `load`."""
        folder = self._folder / "tuf" / repository / "metadata"
        found: dict[str, Document] = {}
        left = limits.TRUST_UPDATE_BYTES
        for role in (TIMESTAMP, ROOT, TARGETS, SNAPSHOT, *_delegated(folder)):
            path = folder / f"{role}.json"
            try:
                content = read_bounded(path, min(most_bytes(role), left), "docker's trust data", explain=_unreadable)
                found[role], left = parse_document(role, content), left - len(content)
            except _NoFile:
                if role in (TIMESTAMP, ROOT):
                    return {}
            except MalformedError as error:
                raise InvalidArgument(
                    f"docker's trust data: {path}: {error}",
                    hint="remove the file to trust the server as at first contact",
                ) from error
        return found

    @checks_arguments
    def store(self, server: str, repository: str, files: Files) -> None:
        return None


def _delegated(folder: Path) -> list[str]:
    """The delegated roles that have a file, as many as are read of a repository."""
    with external_call(str(folder), lambda error: _unlisted(folder, error)):
        files = islice((folder / TARGETS).rglob("*.json"), limits.TRUST_DELEGATIONS)
        return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in files)


def merged(known: Files, files: Files) -> Files:
    """The newer of two sets of files; roles that only the known set has are kept, up to a limit."""
    if TIMESTAMP in known and TIMESTAMP in files:
        versions = [(_version(ROOT, item[ROOT]), _version(TIMESTAMP, item[TIMESTAMP])) for item in (known, files)]
        if versions[0] > versions[1]:
            return known
    others = [role for role in known if role not in files]
    return {**{role: known[role] for role in others[: max(_MOST_ROLES - len(files), 0)]}, **files}


def _version(role: str, content: bytes) -> int:
    return parse_document(role, content).version


def state_folder(environ: Mapping[str, str]) -> Path:
    """The folder of what imagesig remembers. Spec: XDG Base Directory."""
    named = Path(environ.get("XDG_STATE_HOME", ""))
    return (named if named.is_absolute() else home_folder(environ) / ".local/state") / "imagesig" / "content-trust"


class _NoFile(InvalidArgument):
    """Nothing is remembered."""


def _unreadable(reason: Unreadable, sentence: str) -> ImagesigError:
    return (_NoFile if reason is Unreadable.MISSING else InvalidArgument)(f"content trust memory: {sentence}")


def _unlisted(folder: Path, error: Exception) -> ImagesigError | None:
    if isinstance(error, OSError):
        return InvalidArgument(f"docker's trust data: {folder} cannot be listed ({error.strerror})")
    return None


def _unwritable(path: Path, error: Exception) -> ImagesigError | None:
    if isinstance(error, OSError):
        return InvalidArgument(
            f"content trust memory: {path} cannot be written ({error.strerror}), so a rollback would not be noticed",
            hint="set XDG_STATE_HOME to a folder that lasts and can be written",
        )
    return None
