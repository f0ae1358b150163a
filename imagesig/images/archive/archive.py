"""Images in archives: an OCI layout inside a tar, as skopeo and podman write it, and `docker save` since Docker 25.

Spec: OCI image-spec, image layout. The archive is read where it lies and never changed: what is written becomes a new
file that takes its place.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from weakref import WeakKeyDictionary

from imagesig import limits
from imagesig.deadlines import remaining
from imagesig.errors import InvalidArgument, LimitExceeded, MalformedError, NotFound
from imagesig.images.archive.file import ArchiveFile
from imagesig.images.archive.members import Member
from imagesig.images.archive.two_descriptions import described_by_docker
from imagesig.images.archive.writer import ArchiveWriter
from imagesig.images.image import Image
from imagesig.images.layout.index import (
    INDEX,
    MARKER,
    IndexChange,
    is_signature,
    new_documents,
    with_referrer,
    with_tagged,
    without,
)
from imagesig.images.layout.reader import LayoutReader
from imagesig.images.local_path import local_path
from imagesig.images.merge import Merge
from imagesig.images.source import ImageSource
from imagesig.images.stream import checked, hash_of
from imagesig.oci.descriptor import Descriptor, parse_descriptor
from imagesig.oci.digest import is_digest
from imagesig.oci.location import Location
from imagesig.oci.manifest import OCI_MANIFEST

_NEW_FILE_MODE = 0o644
DOCKER = "docker-archive"
_SIGNATURES_INDEX = "imagesig-index.json"
"""In Docker's archives signatures are listed here: `docker load` takes every entry of `index.json` for an image."""
_BLOBS = "blobs/sha256/"
_WAIT_SECONDS = 0.1

_open: ContextVar[frozenset[int]] = ContextVar("imagesig_archive_transactions", default=frozenset())
"""The archives, by object, whose transaction this code is in."""


def archive(file: str | os.PathLike[str], target: str = "", *, timeout: float = limits.OPERATION_SECONDS) -> Image:
    """The image in an archive that a tag or digest names; without one, the only image there.

    Raises:
        InvalidArgument: no archive there, or several images and no tag.
        MalformedError: a tar that is damaged, or has members that are refused.
        ImageNotFound: no image there.
        DeadlineExceeded: reading its headers took all of `timeout`, in seconds.
    """

    def find() -> Image:
        home, place = Archive(local_path(file)), Location("oci-archive", path=os.path.realpath(file))
        return Image(home, target or home.only_image(), home, place=place, described=home.described)

    return Image.opened(find, timeout)


class Archive(LayoutReader):
    """One archive; an `ImageHome`. Safe to use from several threads and processes: writers take turns.

    `form` is how people name it. With `create`, the file need not be there before the first transaction.
    """

    def __init__(
        self, path: Path, form: str = "oci-archive", *, create: bool = False, opened: ArchiveFile | None = None
    ) -> None:
        self._path = path
        self._form = form
        self._current = opened
        self._writer: ArchiveWriter | None = None
        self._indexes: dict[str, bytes] = {}
        self._removed: set[str] = set()
        self._hashed: WeakKeyDictionary[ArchiveFile, dict[str, bool]] = WeakKeyDictionary()
        self.described: frozenset[str] = frozenset()
        self._turn = threading.Lock()
        self._lock = threading.RLock()
        if opened is None and not (create and not path.exists()):
            self._current = ArchiveFile(path, self.name)
        if self._current is not None:
            self._check_version()

    def _check_version(self) -> None:
        """Also that all readers of the archive find the same images (`two_descriptions`). What is listed aside is read
        by us alone."""
        super()._check_version()
        assert self._current is not None
        listed = [parse_descriptor(entry, f"{self.name}: {INDEX} entry") for entry in self._listed(INDEX)]
        self.described = described_by_docker(
            self._current, self.name, listed, self._read_manifest, without_layers=self._form == DOCKER
        )

    @property
    def name(self) -> str:
        return f"{self._form}:{self._path}"

    def __repr__(self) -> str:
        return f"Archive({str(self._path)!r})"

    # --- reading -------------------------------------------------------------------------------------------------

    @contextmanager
    def open_blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        source, member = self._find(self._blob(descriptor.digest))
        with source.open(member) as chunks:
            yield checked(chunks, descriptor, f"{self.name}: {descriptor.digest}")

    @property
    def _is_writing(self) -> bool:
        """Whether this code is in the transaction. All other threads see the archive as it was before."""
        return id(self) in _open.get()

    def _file(self, name: str, most: int) -> bytes:
        if self._is_writing and name in self._indexes:
            return self._indexes[name]
        if self._current is None and name in (INDEX, MARKER):
            return new_documents()[name]
        if name == _SIGNATURES_INDEX and self._size(name) is None:
            return new_documents()[INDEX]
        source, member = self._find(name)
        if isinstance(source, ArchiveFile):
            return source.read(member, most)
        if member.size > most:
            raise LimitExceeded(f"{self.name}: {name} has {member.size} bytes, at most {most} are read")
        with source.open(member) as chunks:
            return b"".join(chunks)

    def _holds(self, descriptor: Descriptor) -> bool:
        try:
            source, member = self._find(self._blob(descriptor.digest))
        except (NotFound, InvalidArgument):
            return False
        if member.size != descriptor.size:
            return False
        if isinstance(source, ArchiveWriter):
            return True  # hashed as it was written, or as it was found
        known = self._hashed.setdefault(source, {})
        if descriptor.digest not in known:
            with source.open(member) as chunks:
                seen = hash_of(chunks, f"{self.name}: hashing {descriptor.digest}")
            known[descriptor.digest] = seen == descriptor.digest
        return known[descriptor.digest]

    def _size(self, name: str) -> int | None:
        try:
            return self._find(name)[1].size
        except (NotFound, InvalidArgument):
            return None

    def _find(self, name: str) -> tuple[ArchiveFile | ArchiveWriter, Member]:
        with self._lock:
            writing, current = self._is_writing, self._current
            if writing and self._writer and (member := self._writer.get(name)):
                return self._writer, member
            removed = writing and name in self._removed
            if current and not removed and (member := current.members.files.get(name)):
                return current, member
        if name in (INDEX, MARKER):
            raise InvalidArgument(f"{self.name}: holds no {name}, so it is no archive of an OCI layout")
        raise NotFound(f"{self.name}: {name}: it is not there")

    def _small_blobs(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        writer, current = self._writer if self._is_writing else None, self._current
        names = dict.fromkeys(writer.names() if writer else ())
        names |= dict.fromkeys(current.members.files if current else ())
        for name in names:
            digest = f"sha256:{name.removeprefix(_BLOBS)}"
            if not name.startswith(_BLOBS) or not is_digest(digest) or self._size(name) is None:
                continue
            source, member = self._find(name)
            if member.size > limits.MANIFEST_BYTES:
                continue
            if isinstance(source, ArchiveFile) and not source.starts_with(member, b"{"):
                continue
            yield digest, lambda name=name: self._file(name, limits.MANIFEST_BYTES)  # type: ignore[misc]

    # --- writing -------------------------------------------------------------------------------------------------

    def check_holds(self, *, referrers: bool) -> None:
        """See `ImageTarget`: an archive holds both, unless it is compressed."""
        if self._current and self._current.compressed:
            raise InvalidArgument(
                f"{self.name}: is compressed, so nothing can be added to it",
                hint="decompress it with gunzip, or copy it: imagesig copy SOURCE oci-archive:FILE",
            )

    @contextmanager
    def transaction(self, *, resume: bool = False) -> Iterator[bool]:
        if self._is_writing:  # a part of a transaction, maybe on a worker thread of it
            yield True
            return
        while not self._turn.acquire(timeout=_WAIT_SECONDS):
            remaining(f"{self.name}: waiting for another writer")
        token = _open.set(_open.get() | {id(self)})
        try:
            self._begin(resume=resume)
            try:
                yield True
            except BaseException:
                self._end(keep=resume)
                raise
            self._commit(resume=resume)
        finally:
            _open.reset(token)
            self._turn.release()

    def _begin(self, *, resume: bool) -> None:
        self.check_holds(referrers=False)
        self._writer = ArchiveWriter(self._path, self.name, resume=resume)
        try:
            # Somebody may have replaced it while we waited for our turn.
            self._current = ArchiveFile(self._path, self.name) if self._path.exists() else None
            if self._current:
                self._check_version()
        except BaseException:
            self._end(keep=resume)
            raise

    def _commit(self, *, resume: bool) -> None:
        writer = self._writer
        assert writer is not None
        if not (writer.names() or self._indexes or self._removed):
            self._end(keep=resume)
            return
        before = self._current.members.files.values() if self._current else ()
        try:
            documents = {} if self._current else new_documents()
            documents |= self._indexes
            for name, content in documents.items():
                writer.add(name, len(content), (content,))
            kept = [
                member
                for member in before
                if member.name not in self._removed and member.name not in documents and not writer.get(member.name)
            ]
            writer.finish(self._current, kept, self._current.mode if self._current else _NEW_FILE_MODE)
        except BaseException:
            self._end(keep=resume)
            raise
        self._reset()
        self._current = ArchiveFile(self._path, self.name)

    def _end(self, *, keep: bool) -> None:
        assert self._writer is not None
        self._writer.abandon(keep=keep)
        self._reset()

    def _reset(self) -> None:
        self._writer = None
        self._indexes.clear()
        self._removed.clear()

    def put_blob(self, content: bytes, media_type: str) -> Descriptor:
        descriptor = Descriptor.of(content, media_type)
        if not self.has_blob(descriptor):
            self.put_blob_stream(descriptor, (content,))
        return descriptor

    def put_blob_stream(self, descriptor: Descriptor, chunks: Iterable[bytes]) -> None:
        name = self._blob(descriptor.digest)
        with self.transaction(), self._lock:
            assert self._writer is not None
            written = self._writer.get(name)
            if not written or written.size != descriptor.size:
                content = checked(chunks, descriptor, f"{self.name}: {descriptor.digest}")
                self._writer.add(name, descriptor.size, content)
                self._removed.discard(name)

    def mount_blob(self, descriptor: Descriptor, source: ImageSource) -> bool:
        return False

    def put_manifest(self, content: bytes, media_type: str, tag: str = "") -> Descriptor:
        """Stores a manifest; `index.json` lists it if it has a tag (the children of an index have none)."""
        with self.transaction():
            descriptor = self.put_blob(content, media_type)
            if tag:
                self._check_describes(descriptor, tag)
                self._change_index(lambda entries: with_tagged(entries, descriptor.to_json(), tag))
        return descriptor

    def change_tag(self, tag: str, merge: Merge, *, uploads: bool = False) -> Callable[[], None]:
        with self.transaction(), self._lock:
            merged = merge(self._look(tag))
            if merged is not None:
                self.put_manifest(merged.content, merged.media_type, tag)
        return _nothing_to_settle

    def add_referrer(self, content: bytes, subject: Descriptor, media_type: str = OCI_MANIFEST) -> Callable[[], None]:
        with self.transaction():
            entry = self.put_blob(content, media_type).to_json()
            self._change_index(lambda entries: with_referrer(entries, entry, subject.digest))
        return _nothing_to_settle

    def remove_referrer(self, referrer: Descriptor, subject: str) -> Callable[[], None]:
        self._check_refers(referrer, subject)
        self.delete_manifest(referrer.digest)
        return _nothing_to_settle

    def delete_manifest(self, digest: str) -> None:
        """Takes a manifest out of the archive. What only it named stays behind as unnamed blobs."""
        name = self._blob(digest)
        with self.transaction(), self._lock:
            assert self._writer is not None
            self._change_index(lambda entries: without(entries, digest))
            self._writer.remove(name)
            self._removed.add(name)

    def _change_index(self, change: IndexChange) -> None:
        with self._lock:
            listed = {str(entry.get("digest")) for entry in self._listed(INDEX)}
            entries = change(self._index())
            aside = [
                entry
                for entry in entries
                if self._form == DOCKER and is_signature(entry) and entry.get("digest") not in listed
            ]
            if aside or self._size(_SIGNATURES_INDEX) is not None:
                self._indexes[_SIGNATURES_INDEX] = self._rewritten(_SIGNATURES_INDEX, aside)
            self._indexes[INDEX] = self._rewritten(INDEX, [entry for entry in entries if entry not in aside])

    def _index(self) -> list[dict[str, object]]:
        aside = self._listed(_SIGNATURES_INDEX)
        if not all(is_signature(entry) for entry in aside):
            raise MalformedError(f"{self.name}: {_SIGNATURES_INDEX} lists an image, which other tools do not see")
        return [*self._listed(INDEX), *aside]

    def _check_describes(self, descriptor: Descriptor, tag: str) -> None:
        """Raises `InvalidArgument` for an image that Docker's description of this archive would not name."""
        if not self.described or tag.startswith("sha256-"):
            return
        if not any(entry.get("digest") == descriptor.digest for entry in self._listed(INDEX)):
            raise InvalidArgument(
                f"{self.name}: was written by docker save, whose manifest.json names its images",
                hint="copy the image into a file of its own",
            )


def _nothing_to_settle() -> None:
    """Writers of an archive take turns, so nothing that was written can be lost."""
