"""Images in archives: an OCI layout in a tar, as skopeo, podman and, since Docker 25, `docker save` write it.

Spec: OCI image-spec, image layout. The archive is read in place and never changed: writing makes a new file that
replaces it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from weakref import WeakKeyDictionary

from imagesig import limits
from imagesig.arguments import checks_arguments
from imagesig.deadlines import remaining, to_the_end
from imagesig.errors import InvalidArgument, LimitExceeded, MalformedError, NotFound
from imagesig.images.archive.changes import Changes, found_in
from imagesig.images.archive.file import ArchiveFile
from imagesig.images.archive.members import Member
from imagesig.images.archive.two_descriptions import described_by_docker, has_description
from imagesig.images.archive.writer import ArchiveWriter
from imagesig.images.image import Image
from imagesig.images.layout.home import LayoutHome
from imagesig.images.layout.index import INDEX, MARKER, NEW_DOCUMENTS, IndexChange, is_signature
from imagesig.images.local_path import local_path
from imagesig.images.stream import checked, hash_of
from imagesig.oci.descriptor import Descriptor, parse_descriptor
from imagesig.oci.digest import is_digest, sha256
from imagesig.reading import exists

DOCKER = "docker-archive"
_SIGNATURES_INDEX = "imagesig-index.json"
"""The list of signatures in Docker's archives: `docker load` loads every entry of `index.json` as an image."""
_BLOBS = "blobs/sha256/"
_WAIT_SECONDS = 0.1

_open: ContextVar[frozenset[int]] = ContextVar("imagesig_archive_transactions", default=frozenset())
"""The ids of the `Archive` objects whose transaction the current code is in."""


@checks_arguments
def archive(file: str | os.PathLike[str], target: str = "", *, timeout: float = limits.OPERATION_SECONDS) -> Image:
    """The image in an archive that a tag or digest names; without one, the only image.

    Raises:
        InvalidArgument: not an archive, or several images and no tag.
        MalformedError: the tar is damaged, or has members that are refused.
        ImageNotFound: there is no image.
        DeadlineExceeded: reading the headers took more than `timeout` seconds.
    """
    return Image.opened(lambda: Archive(local_path(file)).image(target), timeout)


class Archive(LayoutHome):
    """One archive; an `ImageHome`. Safe to use from several threads and processes: writers take turns.

    `form` is the form in its name. With `create`, the file need not exist before the first transaction.
    """

    def __init__(
        self, path: Path, form: str = "oci-archive", *, create: bool = False, opened: ArchiveFile | None = None
    ) -> None:
        super().__init__(form, path)
        self._current = opened
        self._changes: Changes | None = None
        self._hashed: WeakKeyDictionary[ArchiveFile, dict[str, bool]] = WeakKeyDictionary()
        self._writers = threading.Lock()
        self._lock = threading.RLock()
        if opened is None and not (create and not exists(path)):
            self._current = ArchiveFile(path, self.name)
        if self._current is not None:
            self._check_version()

    @classmethod
    def create(cls, path: Path) -> Archive:
        return cls(path, create=True)

    def _check_version(self) -> None:
        """Checks also that all readers of the archive find the same images (`two_descriptions`)."""
        super()._check_version()
        assert self._current is not None
        if not has_description(self._current, self.name):
            self.described = frozenset()
            return
        listed = [parse_descriptor(entry, f"{self.name}: {INDEX} entry") for entry in self._listed(INDEX)]
        self.described = described_by_docker(
            self._current, self.name, listed, self._read_manifest, without_layers=self._form == DOCKER
        )

    # --- reading -------------------------------------------------------------------------------------------------

    @contextmanager
    def open_blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        source, member = self._find(self._blob(descriptor.digest))
        with source.open(member) as chunks:
            yield checked(chunks, descriptor, f"{self.name}: {descriptor.digest}")

    @property
    def _is_writing(self) -> bool:
        """Whether the current code is in the transaction. Other threads see the archive without its changes."""
        return id(self) in _open.get()

    @property
    def _own_changes(self) -> Changes | None:
        return self._changes if self._is_writing else None

    def _file(self, name: str, most: int) -> bytes:
        changes = self._own_changes
        if changes and name in changes.indexes:
            return changes.indexes[name]
        if self._current is None and name in (INDEX, MARKER):
            return NEW_DOCUMENTS[name]
        if name == _SIGNATURES_INDEX and self._get(name) is None:
            return NEW_DOCUMENTS[INDEX]
        source, member = self._find(name)
        if isinstance(source, ArchiveFile):
            return source.read(member, most)
        if member.size > most:
            raise LimitExceeded(f"{self.name}: {name} has {member.size} bytes, at most {most} are read")
        with source.open(member) as chunks:
            return b"".join(chunks)

    def has_blob(self, descriptor: Descriptor) -> bool:
        found = self._get(self._blob(descriptor.digest))
        if found is None or found[1].size != descriptor.size:
            return False
        source, member = found
        if isinstance(source, ArchiveWriter):
            return True  # hashed when it was written or found
        known = self._hashed.setdefault(source, {})
        if descriptor.digest not in known:
            with source.open(member) as chunks:
                seen = hash_of(chunks, descriptor.digest, f"{self.name}: hashing {descriptor.digest}")
            known[descriptor.digest] = seen == descriptor.digest
        return known[descriptor.digest]

    def _get(self, name: str) -> tuple[ArchiveFile | ArchiveWriter, Member] | None:
        with self._lock:
            return found_in(name, self._current, self._own_changes)

    def _find(self, name: str) -> tuple[ArchiveFile | ArchiveWriter, Member]:
        if found := self._get(name):
            return found
        if name in (INDEX, MARKER):
            raise InvalidArgument(f"{self.name}: has no {name}, so it is not an archive of an OCI layout")
        raise NotFound(f"{self.name}: {name}: there is no such file")

    def _small_blobs(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        changes, current = self._own_changes, self._current
        names = dict.fromkeys(changes.writer.names() if changes else ())
        names |= dict.fromkeys(current.members.files if current else ())
        for name in names:
            digest = f"sha256:{name.removeprefix(_BLOBS)}"
            found = self._get(name) if name.startswith(_BLOBS) and is_digest(digest) else None
            if found is None or found[1].size > limits.MANIFEST_BYTES:
                continue
            source, member = found
            if isinstance(source, ArchiveFile) and not source.starts_with(member, b"{"):
                continue
            yield digest, partial(self._file, name, limits.MANIFEST_BYTES)

    # --- writing -------------------------------------------------------------------------------------------------

    def check_holds(self, *, referrers: bool) -> None:
        """See `ImageTarget`. An archive holds both, unless it is compressed."""
        if self._current and self._current.compressed:
            raise InvalidArgument(
                f"{self.name}: is compressed, so nothing can be added to it",
                hint="decompress it with gunzip, or copy it: imagesig copy SOURCE oci-archive:FILE",
            )

    @contextmanager
    def transaction(self, *, resume: bool = False) -> Iterator[bool]:
        if self._is_writing:  # inside a transaction, perhaps on one of its worker threads
            yield True
            return
        while not self._writers.acquire(timeout=_WAIT_SECONDS):
            remaining(f"{self.name}: waiting for another writer")
        token = _open.set(_open.get() | {id(self)})
        try:
            self.check_holds(referrers=False)
            self._changes = changes = Changes(self._path, self.name, resume=resume)
            try:
                # The file may have been replaced while this writer waited.
                self._current = ArchiveFile(self._path, self.name) if exists(self._path) else None
                if self._current:
                    self._check_version()
                yield True
            except BaseException:
                changes.abandon()
                raise
            if changes.commit(self._current):
                with to_the_end():  # all is written: a deadline that passes now would say that nothing is
                    self._current = ArchiveFile(self._path, self.name)
        finally:
            self._changes = None
            _open.reset(token)
            self._writers.release()

    @contextmanager
    def _turn(self) -> Iterator[Changes]:
        with self.transaction(), self._lock:
            assert self._changes is not None
            yield self._changes

    def put_blob_stream(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> None:
        name = self._blob(descriptor.digest)
        with self._turn() as changes:
            written = changes.writer.get(name)
            if not written or written.size != descriptor.size:
                content = checked(chunks, descriptor, f"{self.name}: {descriptor.digest}")
                changes.writer.add(name, descriptor.size, content)
                changes.removed.discard(name)

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        with self.transaction():
            self._check_described(sha256(content), tag)
            return super().put_manifest(content, media_type, tag)

    def _remove_blob(self, digest: str) -> None:
        with self._turn() as changes:
            changes.remove(self._blob(digest))

    def _change_index(self, change: IndexChange) -> None:
        with self._turn() as changes:
            listed = {str(entry.get("digest")) for entry in self._listed(INDEX)}
            entries = change(self._index())
            signatures = [
                entry
                for entry in entries
                if self._form == DOCKER and is_signature(entry) and entry.get("digest") not in listed
            ]
            if signatures or self._get(_SIGNATURES_INDEX) is not None:
                changes.indexes[_SIGNATURES_INDEX] = self._rewritten(_SIGNATURES_INDEX, signatures)
            changes.indexes[INDEX] = self._rewritten(INDEX, [entry for entry in entries if entry not in signatures])

    def _index(self) -> list[dict[str, object]]:
        signatures = self._listed(_SIGNATURES_INDEX)
        if not all(is_signature(entry) for entry in signatures):
            raise MalformedError(f"{self.name}: {_SIGNATURES_INDEX} lists an image, which other tools ignore")
        return [*self._listed(INDEX), *signatures]

    def _check_described(self, digest: str, tag: str) -> None:
        """Raises `InvalidArgument` for an image that Docker's description of this archive does not name."""
        if not tag or not self.described or tag.startswith("sha256-"):
            return
        if not any(entry.get("digest") == digest for entry in self._listed(INDEX)):
            raise InvalidArgument(
                f"{self.name}: was written by docker save, whose manifest.json names its images",
                hint="copy the image into another file",
            )
